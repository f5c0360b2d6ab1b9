#include "hnsw_dot.h"

#define HNSW_TABLE hnsw_kernels_baseline
#include "hnsw_inl.h"
