#include <arm_neon.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "distance.h"

#define DISTANCE_TABLE distance_kernels_neon
#define FLOATS 4
typedef float32x4_t vf;

static inline vf vf_zero(void) { return vdupq_n_f32(0); }
static inline vf vf_add(vf a, vf b) { return vaddq_f32(a, b); }
static inline vf vf_sub(vf a, vf b) { return vsubq_f32(a, b); }
static inline vf vf_fma(vf a, vf b, vf c) { return vfmaq_f32(c, a, b); }
static inline vf vf_load(const float *p) { return vld1q_f32(p); }

static inline vf vf_load_f16(const uint16_t *p) {
    return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p)));
}

static inline vf vf_part(const float *p, size_t n) {
    float rest[FLOATS] = {0};
    memcpy(rest, p, n * sizeof *p);
    return vf_load(rest);
}

static inline vf vf_part_f16(const uint16_t *p, size_t n) {
    uint16_t rest[FLOATS] = {0};
    memcpy(rest, p, n * sizeof *p);
    return vf_load_f16(rest);
}

static inline float vf_sum(vf v) { return vaddvq_f32(v); }

static inline void vf_sum4(const vf *v, float *out) {
    vst1q_f32(out, vpaddq_f32(vpaddq_f32(v[0], v[1]), vpaddq_f32(v[2], v[3])));
}

#define BYTES 16
typedef uint8x16_t vb;
typedef int32x4_t vi;
#define SHARED(metric, sign) 0

static inline vb vb_load(const uint8_t *p) { return vld1q_u8(p); }

static inline vb vb_part(const uint8_t *p, size_t n) {
    uint8_t rest[BYTES] = {0};
    memcpy(rest, p, n);
    return vb_load(rest);
}

static inline vi vi_zero(void) { return vdupq_n_s32(0); }
static inline vi vi_add(vi a, vi b) { return vaddq_s32(a, b); }
static inline int32_t vi_sum(vi v) { return vaddvq_s32(v); }

static inline void vi_sum4(const vi *v, int32_t *out) {
    vst1q_s32(out, vpaddq_s32(vpaddq_s32(v[0], v[1]), vpaddq_s32(v[2], v[3])));
}

static inline vi byte_shared(int metric, int sign, vi acc, vb q) {
    (void)metric, (void)sign, (void)q;
    return acc;
}

/* The products of two unsigned bytes fit 16 bits, and are added in pairs into 32. */
static inline vi add_products(vi acc, uint8x16_t a, uint8x16_t b) {
    uint32x4_t sum = vreinterpretq_u32_s32(acc);
    sum = vpadalq_u16(sum, vmull_u8(vget_low_u8(a), vget_low_u8(b)));
    return vreinterpretq_s32_u32(vpadalq_u16(sum, vmull_u8(vget_high_u8(a), vget_high_u8(b))));
}

static inline vi byte_step(int metric, int sign, vi acc, vb q, vb x) {
    if (metric == DISTANCE_IP && sign) {
        int8x16_t a = vreinterpretq_s8_u8(q), b = vreinterpretq_s8_u8(x);
        acc = vpadalq_s16(acc, vmull_s8(vget_low_s8(a), vget_low_s8(b)));
        return vpadalq_s16(acc, vmull_s8(vget_high_s8(a), vget_high_s8(b)));
    }
    if (metric == DISTANCE_IP) return add_products(acc, q, x);
    uint8x16_t top = vdupq_n_u8(sign ? 0x80 : 0); /* with it turned, signed bytes differ as before */
    uint8x16_t d = vabdq_u8(veorq_u8(q, top), veorq_u8(x, top));
    return add_products(acc, d, d);
}

#include "distance_inl.h"
