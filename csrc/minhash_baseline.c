#include <stdint.h>

#define MINHASH_TABLE minhash_kernels_baseline
#define LANES 1 /* the reference the other levels are tested against: no vectors at all */
typedef uint32_t vec;
#define V_LOAD(p) (*(p))
#define V_STORE(p, v) (*(p) = (v))
#define V_SET1(x) (x)
#define V_MULADD(a, x, b) ((a) * (x) + (b))
#define V_MIN(p, q) ((q) < (p) ? (q) : (p))
#define V_LOWEST(v) (v)
#define V_LAST_ROUND(v) (MINHASH_ROUND(v) == 3)
#include "minhash_inl.h"
