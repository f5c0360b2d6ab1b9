/* The counter kernels against the definition in counters.h, item by item, cell by cell, each cell
 * in 128 bits. */
#include <string.h>

#include "check.h"
#include "counters.h"
#include "murmur3.h"

#define N_MAX 1300

static size_t place(const counters *c, uint64_t x, uint32_t row, int *sign) {
    uint32_t f = c->bits + (uint32_t)c->is_signed, p = 64 / f;
    uint64_t word = row / p ? murmur3_fmix64(x + row / p * COUNTERS_STEP) : x;
    uint64_t field = word >> row % p * f & ((UINT64_C(1) << f) - 1);
    *sign = c->is_signed && field & 1 ? -1 : 1;
    return ((size_t)row << c->bits) + (size_t)(field >> c->is_signed);
}

static __int128 get(const counters *c, size_t at) {
    if (c->is_signed) return c->is_wide ? ((int64_t *)c->cells)[at] : ((int32_t *)c->cells)[at];
    if (c->is_wide) return ((uint64_t *)c->cells)[at];
    return ((uint32_t *)c->cells)[at];
}

static void put(counters *c, size_t at, __int128 v) {
    __int128 high = c->is_wide ? UINT64_MAX : UINT32_MAX;
    if (c->is_signed) high = c->is_wide ? INT64_MAX : INT32_MAX;
    if (v > high || (c->is_signed && v < -high)) {
        v = v > high ? high : -high;
        c->saturated = 1;
    }
    if (c->is_wide)
        ((uint64_t *)c->cells)[at] = (uint64_t)v;
    else
        ((uint32_t *)c->cells)[at] = (uint32_t)v;
}

static __int128 slow_least(const counters *c, uint64_t x) {
    __int128 low = (__int128)1 << 100;
    int sign;
    for (uint32_t row = 0; row < c->depth; row++) {
        __int128 v = get(c, place(c, x, row, &sign));
        low = v < low ? v : low;
    }
    return low;
}

static double slow_median(const counters *c, uint64_t x) {
    int64_t v[COUNTERS_DEPTH];
    int sign;
    for (uint32_t row = 0; row < c->depth; row++) {
        size_t at = place(c, x, row, &sign);
        v[row] = sign * (int64_t)get(c, at);
    }
    for (uint32_t i = 0; i < c->depth; i++)
        for (uint32_t j = 0; j + 1 < c->depth; j++)
            if (v[j] > v[j + 1]) {
                int64_t swap = v[j];
                v[j] = v[j + 1], v[j + 1] = swap;
            }
    return ((double)v[(c->depth - 1) / 2] + (double)v[c->depth / 2]) / 2;
}

static void slow_add(counters *c, uint64_t x, int64_t w) {
    __int128 least = c->conservative ? slow_least(c, x) + w : 0;
    int sign;
    uint64_t size = w < 0 ? 0 - (uint64_t)w : (uint64_t)w;
    c->total = c->total + size < c->total ? UINT64_MAX : c->total + size;
    for (uint32_t row = 0; row < c->depth; row++) {
        size_t at = place(c, x, row, &sign);
        if (!c->conservative)
            put(c, at, get(c, at) + (__int128)sign * w);
        else if (get(c, at) < least)
            put(c, at, least);
    }
}

/* kind: 0 weights of one, 1 small ones, 2 so large that 32 bits fill, 3 that 64 do. */
static int64_t weight(const counters *c, int kind) {
    uint64_t r = check_random();
    int64_t w = kind == 0 ? 1 : (int64_t)(r >> (kind == 1 ? 56 : kind == 2 ? 35 : 1));
    return c->is_signed && r & 1 && kind ? -w : w;
}

static void check_table(const counter_kernels *kernels, counters shape, int kind, size_t n) {
    size_t cells = (size_t)shape.depth << shape.bits, bytes = cells * (shape.is_wide ? 8 : 4);
    counters want = shape, got = shape;
    uint8_t *guard, *x_end, *w_end;
    check_guarded(bytes, &guard);
    check_guarded(N_MAX * 8, &x_end);
    check_guarded(N_MAX * 8, &w_end);
    uint64_t *x = (uint64_t *)(void *)x_end - n, out[N_MAX];
    int64_t *w = (int64_t *)(void *)w_end - n;
    double medians[N_MAX];
    want.cells = calloc(1, bytes);
    got.cells = guard - bytes; /* against the guard; fresh pages are zero */
    check_fill((uint8_t *)x, n * sizeof *x);
    for (size_t i = 0; i < n; i++) {
        if (i % 3 == 0 && i) x[i] = x[i / 2]; /* items that come again */
        w[i] = weight(&shape, kind);
        slow_add(&want, x[i], w[i]);
    }
    kernels->add(&got, x, kind ? w : NULL, n / 3); /* in two batches */
    kernels->add(&got, x + n / 3, kind ? w + n / 3 : NULL, n - n / 3);
    if (memcmp(want.cells, got.cells, bytes) || want.total != got.total ||
        want.saturated != got.saturated)
        FAIL("add: %u rows of 2^%u, signed %d, wide %d, conservative %d, kind %d, %zu items",
             shape.depth, shape.bits, shape.is_signed, shape.is_wide, shape.conservative, kind, n);
    if (shape.is_signed)
        kernels->median(&got, x, n, medians);
    else
        kernels->least(&got, x, n, out);
    for (size_t i = 0; i < n; i++)
        if (shape.is_signed ? medians[i] != slow_median(&want, x[i])
                            : out[i] != (uint64_t)slow_least(&want, x[i]))
            FAIL("estimate: %u rows of 2^%u, signed %d, wide %d", shape.depth, shape.bits,
                 shape.is_signed, shape.is_wide);
    free(want.cells);
}

void check_counters(int level) {
    static const uint32_t shapes[][2] = {{1, 1}, {4, 3}, {5, 10}, {4, 12}, {9, 8}, {64, 5}, {3, 13}};
    static const size_t sizes[] = {0, 1, 7, 511, 513, N_MAX};
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
        for (int mode = 0; mode < 6; mode++) /* unsigned, conservative, signed: 32 and 64 bits */
            for (int kind = 0; kind < 4; kind++)
                for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
                    counters c = {.depth = shapes[s][0], .bits = shapes[s][1]};
                    c.is_wide = mode & 1;
                    c.conservative = mode / 2 == 1;
                    c.is_signed = mode / 2 == 2;
                    check_table(counter_kernels_for(level), c, kind, sizes[i]);
                }
}
