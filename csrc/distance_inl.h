/* The kernels of distance.h. The including file defines DISTANCE_TABLE and
 *
 *     vf, FLOATS              a vector of FLOATS floats
 *     vf_zero, vf_add, vf_sub, vf_fma(a, b, c) = a b + c
 *     vf_load, vf_load_f16    FLOATS elements of float32 or float16 from p on, as floats
 *     vf_part, vf_part_f16    the first n < FLOATS of them, the rest 0
 *     vf_sum, vf_sum4         the sum of the lanes of one vector, of each of four
 *
 *     vb, BYTES               a vector of BYTES bytes; vb_load, vb_part
 *     vi                      sums of 32 bits; vi_zero, vi_add, vi_sum
 *     byte_step(metric, sign, acc, q, x)   adds what q and x come to, signed bytes or not
 *     byte_shared(metric, sign, acc, q)    adds what q alone does, which counts SHARED(metric, sign) times
 */
#include "distance.h"

#define INLINE static inline __attribute__((always_inline))

enum { F32, F16 };

INLINE vf float_step(int metric, vf acc, vf q, vf x) {
    if (metric == DISTANCE_IP) return vf_fma(q, x, acc);
    vf d = vf_sub(q, x);
    return vf_fma(d, d, acc);
}

INLINE vf row_load(int type, const void *x, size_t i) {
    return type == F32 ? vf_load((const float *)x + i) : vf_load_f16((const uint16_t *)x + i);
}

INLINE vf row_part(int type, const void *x, size_t i, size_t n) {
    return type == F32 ? vf_part((const float *)x + i, n) : vf_part_f16((const uint16_t *)x + i, n);
}

/* Four sums that do not wait for one another: an addition takes four cycles. */
INLINE float float_one(int type, int metric, const float *q, const void *x, size_t dim) {
    vf a = vf_zero(), b = vf_zero(), c = vf_zero(), d = vf_zero();
    size_t i = 0;
    for (; i + 4 * FLOATS <= dim; i += 4 * FLOATS) {
        a = float_step(metric, a, vf_load(q + i), row_load(type, x, i));
        b = float_step(metric, b, vf_load(q + i + FLOATS), row_load(type, x, i + FLOATS));
        c = float_step(metric, c, vf_load(q + i + 2 * FLOATS), row_load(type, x, i + 2 * FLOATS));
        d = float_step(metric, d, vf_load(q + i + 3 * FLOATS), row_load(type, x, i + 3 * FLOATS));
    }
    for (; i + FLOATS <= dim; i += FLOATS)
        a = float_step(metric, a, vf_load(q + i), row_load(type, x, i));
    if (i < dim) b = float_step(metric, b, vf_part(q + i, dim - i), row_part(type, x, i, dim - i));
    return vf_sum(vf_add(vf_add(a, b), vf_add(c, d)));
}

/* Two sums a row: where two additions start in a cycle, eight are under way. */
INLINE void float_four(int type, int metric, const float *q, const void *const x[4], size_t dim,
                       float *out) {
    vf even[4] = {vf_zero(), vf_zero(), vf_zero(), vf_zero()};
    vf odd[4] = {vf_zero(), vf_zero(), vf_zero(), vf_zero()};
    size_t i = 0;
    for (; i + 2 * FLOATS <= dim; i += 2 * FLOATS) {
        vf p = vf_load(q + i), r = vf_load(q + i + FLOATS);
        for (int j = 0; j < 4; j++) {
            even[j] = float_step(metric, even[j], p, row_load(type, x[j], i));
            odd[j] = float_step(metric, odd[j], r, row_load(type, x[j], i + FLOATS));
        }
    }
    if (i + FLOATS <= dim) {
        vf p = vf_load(q + i);
        for (int j = 0; j < 4; j++)
            even[j] = float_step(metric, even[j], p, row_load(type, x[j], i));
        i += FLOATS;
    }
    if (i < dim) {
        vf p = vf_part(q + i, dim - i);
        for (int j = 0; j < 4; j++)
            odd[j] = float_step(metric, odd[j], p, row_part(type, x[j], i, dim - i));
    }
    for (int j = 0; j < 4; j++) even[j] = vf_add(even[j], odd[j]);
    vf_sum4(even, out);
}

INLINE int32_t byte_one(int metric, int sign, const uint8_t *q, const uint8_t *x, size_t dim) {
    vi a = vi_zero(), b = vi_zero(), shared = vi_zero();
    size_t i = 0;
    for (; i + 2 * BYTES <= dim; i += 2 * BYTES) {
        vb p = vb_load(q + i), r = vb_load(q + i + BYTES);
        a = byte_step(metric, sign, a, p, vb_load(x + i));
        b = byte_step(metric, sign, b, r, vb_load(x + i + BYTES));
        shared = byte_shared(metric, sign, byte_shared(metric, sign, shared, p), r);
    }
    for (; i < dim; i += BYTES) {
        size_t left = dim - i;
        vb p = left < BYTES ? vb_part(q + i, left) : vb_load(q + i);
        a = byte_step(metric, sign, a, p, left < BYTES ? vb_part(x + i, left) : vb_load(x + i));
        shared = byte_shared(metric, sign, shared, p);
    }
    return vi_sum(vi_add(a, b)) + SHARED(metric, sign) * vi_sum(shared);
}

INLINE void byte_four(int metric, int sign, const uint8_t *q, const void *const x[4], size_t dim,
                      int32_t *out) {
    vi acc[4] = {vi_zero(), vi_zero(), vi_zero(), vi_zero()}, shared = vi_zero();
    size_t i = 0;
    for (; i + BYTES <= dim; i += BYTES) {
        vb p = vb_load(q + i);
        for (int j = 0; j < 4; j++)
            acc[j] = byte_step(metric, sign, acc[j], p, vb_load((const uint8_t *)x[j] + i));
        shared = byte_shared(metric, sign, shared, p);
    }
    if (i < dim) {
        vb p = vb_part(q + i, dim - i);
        for (int j = 0; j < 4; j++)
            acc[j] = byte_step(metric, sign, acc[j], p, vb_part((const uint8_t *)x[j] + i, dim - i));
        shared = byte_shared(metric, sign, shared, p);
    }
    vi_sum4(acc, out);
    int32_t rest = SHARED(metric, sign) * vi_sum(shared);
    for (int j = 0; j < 4; j++) out[j] += rest;
}

/* one, four and block of a kind. Short rows of a block are taken by fours; longer ones in the order
 * of memory, which the prefetchers follow better than four streams (24 GB/s against 15 on Zen 4). */
#define LONG 256 /* bytes */
#define KERNELS(name, query, value, one_of, four_of)                                              \
    static value name##_one(query q, const void *x, size_t dim) { return one_of; }                \
    static void name##_four(query q, const void *const x[4], size_t dim, value out[4]) {          \
        four_of;                                                                                  \
    }                                                                                             \
    static void name##_block(query q, const void *rows, size_t n, size_t stride, size_t dim,      \
                             value *out) {                                                        \
        const char *at = rows;                                                                    \
        for (; n >= 4 && stride <= LONG; n -= 4, at += 4 * stride, out += 4) {                    \
            const void *const x[4] = {at, at + stride, at + 2 * stride, at + 3 * stride};         \
            four_of;                                                                              \
        }                                                                                         \
        for (; n; n--, at += stride, out++) {                                                     \
            const void *x = at;                                                                   \
            *out = one_of;                                                                        \
        }                                                                                         \
    }
#define FLOAT_KERNELS(name, type, metric)                                \
    KERNELS(name, const float *, float, float_one(type, metric, q, x, dim), \
            float_four(type, metric, q, x, dim, out))
#define BYTE_KERNELS(name, metric, sign)                                        \
    KERNELS(name, const void *, int32_t, byte_one(metric, sign, q, x, dim), \
            byte_four(metric, sign, q, x, dim, out))

FLOAT_KERNELS(f32_l2, F32, DISTANCE_L2)
FLOAT_KERNELS(f32_ip, F32, DISTANCE_IP)
FLOAT_KERNELS(f16_l2, F16, DISTANCE_L2)
FLOAT_KERNELS(f16_ip, F16, DISTANCE_IP)
BYTE_KERNELS(u8_l2, DISTANCE_L2, 0)
BYTE_KERNELS(u8_ip, DISTANCE_IP, 0)
BYTE_KERNELS(i8_l2, DISTANCE_L2, 1)
BYTE_KERNELS(i8_ip, DISTANCE_IP, 1)

#define ROW(name) {name##_one, name##_four, name##_block}
const distance_kernels DISTANCE_TABLE = {
    .f32 = {ROW(f32_l2), ROW(f32_ip)},
    .f16 = {ROW(f16_l2), ROW(f16_ip)},
    .u8 = {ROW(u8_l2), ROW(u8_ip)},
    .i8 = {ROW(i8_l2), ROW(i8_ip)},
};
