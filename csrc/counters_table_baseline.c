#include "counters.h"

#define FOR_EACH_CELL(c) \
    for (size_t i = 0, n = (size_t)(c)->depth << (c)->bits; i < n; i++)

static void merge_unsigned(counters *c, const counters *other) {
    if (c->is_wide) {
        uint64_t *a = (uint64_t *)c->cells;
        const uint64_t *b = (const uint64_t *)other->cells;
        FOR_EACH_CELL(c) {
            int over = __builtin_add_overflow(a[i], b[i], &a[i]);
            if (over) a[i] = UINT64_MAX, c->saturated |= COUNTERS_FULL;
        }
    } else {
        uint32_t *a = (uint32_t *)c->cells;
        const uint32_t *b = (const uint32_t *)other->cells;
        FOR_EACH_CELL(c) {
            int over = __builtin_add_overflow(a[i], b[i], &a[i]);
            if (over) a[i] = UINT32_MAX, c->saturated |= COUNTERS_FULL;
        }
    }
}

static void merge_signed(counters *c, const counters *other) {
    if (c->is_wide) {
        int64_t *a = (int64_t *)c->cells, sum;
        const int64_t *b = (const int64_t *)other->cells;
        FOR_EACH_CELL(c) {
            if (__builtin_add_overflow(a[i], b[i], &sum) || sum == INT64_MIN)
                sum = b[i] < 0 ? -INT64_MAX : INT64_MAX, c->saturated |= COUNTERS_FULL;
            a[i] = sum;
        }
    } else {
        int32_t *a = (int32_t *)c->cells;
        const int32_t *b = (const int32_t *)other->cells;
        FOR_EACH_CELL(c) {
            int64_t sum = (int64_t)a[i] + b[i];
            if (sum > INT32_MAX) sum = INT32_MAX, c->saturated |= COUNTERS_FULL;
            if (sum < -INT32_MAX) sum = -INT32_MAX, c->saturated |= COUNTERS_FULL;
            a[i] = (int32_t)sum;
        }
    }
}

void counters_merge(counters *c, const counters *other) {
    (c->is_signed ? merge_signed : merge_unsigned)(c, other);
    if (__builtin_add_overflow(c->total, other->total, &c->total)) c->total = UINT64_MAX;
    c->saturated |= other->saturated;
}

#define DOT(TYPE, CELL)                                                             \
    do {                                                                            \
        const CELL *p = (const CELL *)a->cells + row * width;                       \
        const CELL *q = (const CELL *)b->cells + row * width;                       \
        TYPE total = 0;                                                             \
        for (size_t i = 0; i < width; i++)                                          \
            if (__builtin_add_overflow(total, (TYPE)p[i] * q[i], &total)) return -1; \
        sum[0] = (uint64_t)total;                                                   \
        sum[1] = (uint64_t)(total >> 64);                                           \
        return 0;                                                                   \
    } while (0)

int counters_dot(const counters *a, const counters *b, uint32_t row, uint64_t sum[2]) {
    size_t width = (size_t)1 << a->bits;
    if (a->is_signed && a->is_wide) DOT(__int128, int64_t);
    if (a->is_signed) DOT(__int128, int32_t);
    if (a->is_wide) DOT(unsigned __int128, uint64_t);
    DOT(unsigned __int128, uint32_t);
}

void counters_halve(counters *c) {
    if (c->is_wide && c->is_signed) {
        FOR_EACH_CELL(c)((int64_t *)c->cells)[i] /= 2;
    } else if (c->is_signed) {
        FOR_EACH_CELL(c)((int32_t *)c->cells)[i] /= 2;
    } else if (c->is_wide) {
        FOR_EACH_CELL(c)((uint64_t *)c->cells)[i] /= 2;
    } else {
        FOR_EACH_CELL(c)((uint32_t *)c->cells)[i] /= 2;
    }
    if (c->saturated) c->saturated |= COUNTERS_HALVED; /* which cells were full is lost */
    /* Never below what the cells of a row can add up to: halves that were rounded are lost. */
    c->total = c->total == UINT64_MAX ? c->total : c->total / 2;
}
