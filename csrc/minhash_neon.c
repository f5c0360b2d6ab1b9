#include <arm_neon.h>

#define MINHASH_TABLE minhash_kernels_neon
#define LANES 4
typedef uint32x4_t vec;
#define V_LOAD(p) vld1q_u32(p)
#define V_STORE(p, v) vst1q_u32(p, v)
#define V_SET1(x) vdupq_n_u32(x)
#define V_MULADD(a, x, b) vmlaq_u32(b, a, x)
#define V_MIN(p, q) vminq_u32(p, q)
#define V_LOWEST(v) vminvq_u32(v)
#define V_LAST_ROUND(v) last_round(v)

static inline uint32_t last_round(vec v) {
    static const uint32_t bits[4] = {1, 2, 4, 8};
    return vaddvq_u32(vandq_u32(vcgeq_u32(v, vdupq_n_u32(UINT32_C(3) << 30)), vld1q_u32(bits)));
}

#include "minhash_inl.h"
