#define HASH_TABLE hash_kernels_neon
#include "hash_inl.h"
