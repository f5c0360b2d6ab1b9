#include "hnsw_dot.h"

#define HNSW_TABLE hnsw_kernels_avx2
#include "hnsw_inl.h"
