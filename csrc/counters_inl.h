/* The loops behind a counter_kernels table, left to the compiler: what gains from vectors are the
 * fields and the gathers of `least`. Include once, after defining COUNTERS_TABLE. */
#include <string.h>

#include "counters.h"
#include "murmur3.h"

/* index[row][i]: the field of item i, for n <= COUNTERS_BLOCK items. */
static void fields(const counters *c, const uint64_t *x, size_t n, uint32_t *index) {
    uint32_t width = c->bits + (uint32_t)c->is_signed, words = 64 / width;
    uint64_t mask = (UINT64_C(1) << width) - 1, mixed[COUNTERS_BLOCK];
    for (uint32_t row = 0; row < c->depth; row++, index += COUNTERS_BLOCK) {
        uint32_t word = row / words, shift = row % words * width;
        if (word && !shift)
            for (size_t i = 0; i < n; i++) mixed[i] = murmur3_fmix64(x[i] + word * COUNTERS_STEP);
        const uint64_t *from = word ? mixed : x;
        for (size_t i = 0; i < n; i++) index[i] = (uint32_t)(from[i] >> shift & mask);
    }
}

#define MEDIANS 64 /* items whose rows are sorted at once: at 64 rows they fill the L1 cache */

#define CELL uint32_t
#define NAME(f) f##_u32
#include "counters_cells.h"
#define CELL uint64_t
#define NAME(f) f##_u64
#include "counters_cells.h"
#define CELL int32_t
#define SIGNED 1
#define NAME(f) f##_i32
#include "counters_cells.h"
#define CELL int64_t
#define SIGNED 1
#define NAME(f) f##_i64
#include "counters_cells.h"

static uint64_t sum(uint64_t a, uint64_t b) {
    return a + b < a ? UINT64_MAX : a + b;
}

static void add(counters *c, const uint64_t *x, const int64_t *weights, size_t n) {
    uint32_t index[COUNTERS_DEPTH * COUNTERS_BLOCK];
    for (size_t from = 0, m; from < n; from += m) {
        m = n - from < COUNTERS_BLOCK ? n - from : COUNTERS_BLOCK;
        const int64_t *w = weights ? weights + from : NULL;
        uint64_t more = m;
        if (w)
            for (size_t i = more = 0; i < m; i++)
                more = sum(more, w[i] < 0 ? 0 - (uint64_t)w[i] : (uint64_t)w[i]);
        c->total = sum(c->total, more);
        fields(c, x + from, m, index);
        if (c->is_signed)
            (c->is_wide ? add_i64 : add_i32)(c, index, w, m);
        else
            (c->is_wide ? add_u64 : add_u32)(c, index, w, m);
    }
}

static void least(const counters *c, const uint64_t *x, size_t n, uint64_t *out) {
    uint32_t index[COUNTERS_DEPTH * COUNTERS_BLOCK];
    for (size_t from = 0, m; from < n; from += m) {
        m = n - from < COUNTERS_BLOCK ? n - from : COUNTERS_BLOCK;
        fields(c, x + from, m, index);
        (c->is_wide ? least_u64 : least_u32)(c, index, m, out + from);
    }
}

static void median(const counters *c, const uint64_t *x, size_t n, double *out) {
    uint32_t index[COUNTERS_DEPTH * COUNTERS_BLOCK];
    for (size_t from = 0, m; from < n; from += m) {
        m = n - from < COUNTERS_BLOCK ? n - from : COUNTERS_BLOCK;
        fields(c, x + from, m, index);
        (c->is_wide ? median_i64 : median_i32)(c, index, m, out + from);
    }
}

const counter_kernels COUNTERS_TABLE = {add, least, median};
