#include <arm_neon.h>
#include <stddef.h>
#include <stdint.h>

#define CODES_TABLE code_kernels_neon

/* Two products of 15 * 128 fit 16 bits. */
static inline int32x4_t nibble_products(int32x4_t sum, int8x16_t q, uint8x16_t x) {
    int8x16_t code = vreinterpretq_s8_u8(x);
    int16x8_t pairs = vmull_s8(vget_low_s8(q), vget_low_s8(code));
    return vpadalq_s16(sum, vmlal_s8(pairs, vget_high_s8(q), vget_high_s8(code)));
}

static void nibbles_sums(const int8_t *q, const uint8_t *const x[4], size_t groups, int32_t *out) {
    for (int j = 0; j < 4; j++) {
        int32x4_t sum = vdupq_n_s32(0);
        for (size_t g = 0; g < groups; g++)
            for (size_t i = 0; i < 32; i += 16) {
                uint8x16_t code = vld1q_u8(x[j] + 32 * g + i);
                const int8_t *at = q + 64 * g + i;
                sum = nibble_products(sum, vld1q_s8(at), vandq_u8(code, vdupq_n_u8(15)));
                sum = nibble_products(sum, vld1q_s8(at + 32), vshrq_n_u8(code, 4));
            }
        out[j] = vaddvq_s32(sum);
    }
}

static void bits_sums(const uint64_t *q, unsigned planes, const uint64_t *const x[4], size_t words,
                      uint32_t *out) {
    uint32_t sum[4] = {0};
    for (unsigned b = 0; b < planes; b++, q += words)
        for (int j = 0; j < 4; j++) {
            uint32_t plane = 0;
            size_t i = 0;
            for (; i + 2 <= words; i += 2) {
                uint64x2_t met = vandq_u64(vld1q_u64(q + i), vld1q_u64(x[j] + i));
                plane += vaddlvq_u8(vcntq_u8(vreinterpretq_u8_u64(met)));
            }
            if (i < words) plane += (uint32_t)__builtin_popcountll(q[i] & x[j][i]);
            sum[j] += plane << b;
        }
    for (int j = 0; j < 4; j++) out[j] = sum[j];
}

static void fastscan_block(const uint8_t *tables, const uint8_t *codes, size_t m, uint16_t *out) {
    uint16x8_t sum[4] = {vdupq_n_u16(0), vdupq_n_u16(0), vdupq_n_u16(0), vdupq_n_u16(0)};
    for (size_t j = 0; j < m; j++) {
        uint8x16_t table = vld1q_u8(tables + 16 * j), code = vld1q_u8(codes + 16 * j);
        uint8x16_t low = vqtbl1q_u8(table, vandq_u8(code, vdupq_n_u8(15)));
        uint8x16_t high = vqtbl1q_u8(table, vshrq_n_u8(code, 4));
        sum[0] = vaddw_u8(sum[0], vget_low_u8(low));
        sum[1] = vaddw_u8(sum[1], vget_high_u8(low));
        sum[2] = vaddw_u8(sum[2], vget_low_u8(high));
        sum[3] = vaddw_u8(sum[3], vget_high_u8(high));
    }
    for (int i = 0; i < 4; i++) vst1q_u16(out + 8 * i, sum[i]);
}

#include "codes_inl.h"
