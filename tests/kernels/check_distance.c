/* The distance kernels against plain C in double, every dim around the vectors' multiples, with the
 * last row against the guard. */
#include <math.h>
#include <string.h>

#include "check.h"
#include "distance.h"
#include "half.h"

#define DIM 150
#define ROWS 9

static uint8_t *end_q, *end_x;

static double value(int type, const void *p, size_t i) {
    if (type == 0) return ((const float *)p)[i];
    if (type == 1) return half_to_float(((const uint16_t *)p)[i]);
    if (type == 2) return ((const uint8_t *)p)[i];
    return ((const int8_t *)p)[i];
}

/* Finite halves are those with an exponent below 31. */
static void fill(int type, void *p, size_t n) {
    check_fill(p, n * (size_t[]){4, 2, 1, 1}[type]);
    for (size_t i = 0; i < n; i++) {
        if (type == 0) ((float *)p)[i] = (float)((int64_t)(check_random() >> 40) - (1 << 23)) / 1e6f;
        if (type == 1) ((uint16_t *)p)[i] &= 0xBFFF;
    }
    if (type > 1 && check_random() % 4 == 0) memset(p, check_random() & 1 ? 0xFF : 0x80, n);
}

static double expect(int type, int metric, const void *q, const void *x, size_t dim, double *size) {
    double sum = 0;
    *size = 0;
    for (size_t i = 0; i < dim; i++) {
        double a = value(type == 1 ? 0 : type, q, i), b = value(type, x, i);
        double term = metric == DISTANCE_IP ? a * b : (a - b) * (a - b);
        sum += term, *size += fabs(term);
    }
    return sum;
}

static void compare(int type, int metric, const distance_kernels *kernels, size_t dim, size_t n) {
    size_t width = (size_t[]){4, 2, 1, 1}[type], pad = check_random() % 3 * width;
    size_t stride = dim * width + pad, held = n * stride - pad;
    const distance_floats *floats = (type ? kernels->f16 : kernels->f32) + metric;
    const distance_bytes *bytes = (type == 2 ? kernels->u8 : kernels->i8) + metric;
    uint8_t *q = end_q - dim * (type < 2 ? 4 : 1), *x = end_x - held;
    fill(type == 1 ? 0 : type, q, dim);
    fill(type, x, held / width);
    const void *four[4];
    for (int j = 0; j < 4; j++) four[j] = x + check_random() % n * stride;
    double got[ROWS + 5], want[ROWS + 5], size[ROWS + 5];
    float f[ROWS];
    int32_t b[ROWS];
    if (type < 2) floats->block((const float *)(void *)q, x, n, stride, dim, f);
    else bytes->block(q, x, n, stride, dim, b);
    for (size_t i = 0; i < n; i++) {
        got[i] = type < 2 ? f[i] : b[i];
        want[i] = expect(type, metric, q, x + i * stride, dim, size + i);
    }
    if (type < 2) floats->four((const float *)(void *)q, four, dim, f);
    else bytes->four(q, four, dim, b);
    for (size_t j = 0; j < 4; j++) {
        got[n + j] = type < 2 ? f[j] : b[j];
        want[n + j] = expect(type, metric, q, four[j], dim, size + n + j);
    }
    got[n + 4] = type < 2 ? floats->one((const float *)(void *)q, four[0], dim)
                          : bytes->one(q, four[0], dim);
    want[n + 4] = want[n], size[n + 4] = size[n];
    for (size_t i = 0; i < n + 5; i++) {
        double slack = type < 2 ? (2 * (double)dim + 2) * 0x1p-24 * size[i] : 0;
        if (!(fabs(got[i] - want[i]) <= slack))
            FAIL("distance: type %d, metric %d, dim %zu, %zu of %zu: %.9g for %.9g", type, metric,
                 dim, i, n, got[i], want[i]);
    }
}

static void halves(void) {
    for (uint32_t h = 0; h < 0x7C00; h++) {
        double value = h < 0x400 ? ldexp(h, -24) : ldexp(0x400 | (h & 0x3FF), (int)(h >> 10) - 25);
        if (half_to_float((uint16_t)h) != value || half_to_float((uint16_t)(h | 0x8000)) != -value)
            FAIL("half %x", (unsigned)h);
    }
    if (!isinf(half_to_float(0x7C00)) || !isnan(half_to_float(0xFC01))) FAIL("half inf or NaN");
}

/* The largest sums that 32 bits have to hold. */
static void extremes(const distance_kernels *kernels) {
    static uint8_t q[DISTANCE_DIM_MAX], x[DISTANCE_DIM_MAX];
    memset(q, 0xFF, sizeof q);
    memset(x, 0, sizeof x);
    if (kernels->u8[DISTANCE_L2].one(q, x, sizeof q) != 65025 * DISTANCE_DIM_MAX) FAIL("u8 l2");
    if (kernels->u8[DISTANCE_IP].one(q, q, sizeof q) != 65025 * DISTANCE_DIM_MAX) FAIL("u8 ip");
    memset(q, 0x7F, sizeof q);
    memset(x, 0x80, sizeof x);
    if (kernels->i8[DISTANCE_L2].one(q, x, sizeof q) != 65025 * DISTANCE_DIM_MAX) FAIL("i8 l2");
    if (kernels->i8[DISTANCE_IP].one(x, x, sizeof q) != 16384 * DISTANCE_DIM_MAX) FAIL("i8 ip");
    if (kernels->i8[DISTANCE_IP].one(q, x, sizeof q) != -16256 * DISTANCE_DIM_MAX) FAIL("i8 ip < 0");
}

void check_distance(int level) {
    const distance_kernels *kernels = distance_kernels_for(level);
    if (!end_q) {
        check_guarded(DIM * 4, &end_q);
        check_guarded(ROWS * (DIM + 2) * 4, &end_x);
        halves();
    }
    for (size_t dim = 1; dim <= DIM; dim++)
        for (int type = 0; type < 4; type++)
            for (int metric = 0; metric < 2; metric++)
                for (size_t n = 1; n <= ROWS; n += dim % 4 + 1)
                    compare(type, metric, kernels, dim, n);
    extremes(kernels);
}
