#define HASH_TABLE hash_kernels_avx2
#include "hash_inl.h"
