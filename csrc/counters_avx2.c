#define COUNTERS_TABLE counter_kernels_avx2
#include "counters_inl.h"
