#include <arm_neon.h>
#include <stddef.h>
#include <stdint.h>

#include "exact.h"

#define EXACT_TABLE exact_kernels_neon
#define FLOATS 4
#define MR 12 /* 24 sums of 32 registers */
typedef float32x4_t vf;

static inline vf vf_zero(void) { return vdupq_n_f32(0); }
static inline vf vf_add(vf a, vf b) { return vaddq_f32(a, b); }
static inline vf vf_mul(vf a, vf b) { return vmulq_f32(a, b); }
static inline vf vf_fma(vf a, vf b, vf c) { return vfmaq_f32(c, a, b); }
static inline vf vf_set1(float x) { return vdupq_n_f32(x); }
static inline vf vf_load(const float *p) { return vld1q_f32(p); }
static inline void vf_store(float *p, vf v) { vst1q_f32(p, v); }
static inline vf vf_from_int(const int32_t *p) { return vcvtq_f32_s32(vld1q_s32(p)); }

static inline unsigned vf_within(vf v, vf limit) {
    static const uint32_t bits[4] = {1, 2, 4, 8};
    return vaddvq_u32(vbicq_u32(vld1q_u32(bits), vcgtq_f32(v, limit)));
}

static void widen(exact_type type, const void *x, size_t n, float *out) {
    for (size_t i = 0; i < n; i++)
        out[i] = type == EXACT_F16 ? (float)((const __fp16 *)x)[i]
                 : type == EXACT_U8 ? ((const uint8_t *)x)[i] : ((const int8_t *)x)[i];
}

#include "exact_inl.h"
