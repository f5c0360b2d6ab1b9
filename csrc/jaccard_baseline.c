#define JACCARD_TABLE jaccard_kernels_baseline
#include "jaccard_inl.h"
