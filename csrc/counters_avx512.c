#define COUNTERS_TABLE counter_kernels_avx512
#include "counters_inl.h"
