#define HASH_TABLE hash_kernels_baseline
#include "hash_inl.h"
