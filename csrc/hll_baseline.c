#include <stdint.h>

#define HLL_TABLE hll_kernels_baseline
#define LANES 1
#define HLL_PASS(h2, m) ((*(h2) & (m)) == 0)
#define HLL_MAX_BYTES 1
#define HLL_MAX(p, q) (*(p) = *(q) > *(p) ? *(q) : *(p))
#include "hll_inl.h"
