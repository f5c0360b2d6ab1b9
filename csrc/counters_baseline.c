#define COUNTERS_TABLE counter_kernels_baseline
#include "counters_inl.h"
