#define COUNTERS_TABLE counter_kernels_neon
#include "counters_inl.h"
