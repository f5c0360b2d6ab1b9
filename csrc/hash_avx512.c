#define HASH_TABLE hash_kernels_avx512
#include "hash_inl.h"
