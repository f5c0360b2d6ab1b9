#include "hnsw_dot.h"

#define HNSW_TABLE hnsw_kernels_neon
#include "hnsw_inl.h"
