/* Squared Euclidean distances and inner products between vectors of float32, float16, uint8, int8.
 *
 * One query against a row, against four rows wherever they lie (what a graph gathers: each part of
 * the query is loaded once for all four, and four sums do not wait for one another), and against n
 * rows at a fixed stride (a scan at the speed of memory).
 *
 * Rows of float16 meet a query of float32; 8-bit rows meet a query of their own type. Distances of
 * 8-bit vectors are exact integers, the same at every level: a dimension adds at most 255^2 =
 * 65,025, so 32 bits hold DISTANCE_DIM_MAX dimensions. Sums of float32 are rounded, each level in
 * an order of its own; with u = 2^-24 and the products' magnitudes summing to S,
 *
 *     |computed - exact| <= (dim + 2) u S / (1 - (dim + 2) u)     (Higham 2002, section 3.1)
 *
 * with one u more a dimension for the differences of l2. Elements are aligned, rows no further, and
 * nothing is read beyond `dim` elements of a row. */
#ifndef TRACTABLE_DISTANCE_H
#define TRACTABLE_DISTANCE_H

#include <stddef.h>
#include <stdint.h>

#include "isa.h"

#define DISTANCE_DIM_MAX 32768 /* 32,768 * 65,025 < 2^31 */

typedef enum { DISTANCE_L2 = 0, DISTANCE_IP = 1 } distance_metric; /* sum (q-x)^2; sum q x */

typedef struct {
    float (*one)(const float *q, const void *x, size_t dim);
    void (*four)(const float *q, const void *const x[4], size_t dim, float out[4]);
    /* Row i begins at x + i * stride bytes. */
    void (*block)(const float *q, const void *x, size_t n, size_t stride, size_t dim, float *out);
} distance_floats;

typedef struct {
    int32_t (*one)(const void *q, const void *x, size_t dim);
    void (*four)(const void *q, const void *const x[4], size_t dim, int32_t out[4]);
    void (*block)(const void *q, const void *x, size_t n, size_t stride, size_t dim, int32_t *out);
} distance_bytes;

typedef struct { /* each by metric */
    distance_floats f32[2], f16[2];
    distance_bytes u8[2], i8[2];
} distance_kernels;

extern const distance_kernels distance_kernels_baseline;
#if defined(ISA_X86)
extern const distance_kernels distance_kernels_avx2, distance_kernels_avx512;
#elif defined(ISA_ARM64)
extern const distance_kernels distance_kernels_neon;
#endif

static inline const distance_kernels *distance_kernels_for(int level) {
#if defined(ISA_X86)
    if (level == ISA_AVX512) return &distance_kernels_avx512;
    if (level == ISA_AVX2) return &distance_kernels_avx2;
#elif defined(ISA_ARM64)
    if (level == ISA_NEON) return &distance_kernels_neon;
#endif
    (void)level;
    return &distance_kernels_baseline;
}

static inline const distance_floats *distance_floats_for(int level, int half, int metric) {
    const distance_kernels *kernels = distance_kernels_for(level);
    return (half ? kernels->f16 : kernels->f32) + metric;
}

static inline const distance_bytes *distance_bytes_for(int level, int sign, int metric) {
    const distance_kernels *kernels = distance_kernels_for(level);
    return (sign ? kernels->i8 : kernels->u8) + metric;
}

#endif
