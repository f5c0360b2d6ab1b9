#include <arm_neon.h>
#include <stdint.h>

#define HLL_TABLE hll_kernels_neon
#define LANES 4
#define HLL_PASS(h2, m) pass_four(h2, m)
#define HLL_MAX_BYTES 16
#define HLL_MAX(p, q) vst1q_u8(p, vmaxq_u8(vld1q_u8(p), vld1q_u8(q)))

static inline unsigned pass_four(const uint64_t *h2, uint64_t m) {
    static const uint32_t bits[4] = {1, 2, 4, 8};
    uint64x2_t high = vdupq_n_u64(m);
    uint64x2_t a = vceqzq_u64(vandq_u64(vld1q_u64(h2), high));
    uint64x2_t b = vceqzq_u64(vandq_u64(vld1q_u64(h2 + 2), high));
    uint32x4_t none = vcombine_u32(vmovn_u64(a), vmovn_u64(b));
    return vaddvq_u32(vandq_u32(none, vld1q_u32(bits)));
}

#include "hll_inl.h"
