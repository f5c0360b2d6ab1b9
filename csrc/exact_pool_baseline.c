/* The candidates of a query: their keys in double, and what may be dropped. See exact.h. */
#include <math.h>
#include <stdlib.h>

#include "exact.h"
#include "exact_pool.h"
#include "half.h"

#define SUMS 4 /* that do not wait for one another */

/* <q, x>, |x|^2 and |q - x|^2, as far as the metric needs them. */
#define SUM_UP(name, element, value)                                                            \
    static void name(const float *q, const element *x, size_t dim, int l2, double *met,         \
                     double *length) {                                                          \
        double a[SUMS] = {0}, b[SUMS] = {0};                                                    \
        size_t i = 0;                                                                           \
        for (; i + SUMS <= dim; i += SUMS)                                                      \
            for (size_t j = 0; j < SUMS; j++) {                                                 \
                double p = q[i + j], y = value(x[i + j]), d = l2 ? p - y : y;                   \
                a[j] += l2 ? d * d : p * y;                                                     \
                b[j] += l2 ? 0 : y * y;                                                         \
            }                                                                                   \
        for (; i < dim; i++) {                                                                  \
            double p = q[i], y = value(x[i]), d = l2 ? p - y : y;                               \
            a[0] += l2 ? d * d : p * y;                                                         \
            b[0] += l2 ? 0 : y * y;                                                             \
        }                                                                                       \
        *met = (a[0] + a[1]) + (a[2] + a[3]);                                                   \
        *length = (b[0] + b[1]) + (b[2] + b[3]);                                                \
    }
SUM_UP(sum_f32, float, (double))
SUM_UP(sum_f16, uint16_t, half_to_float)
SUM_UP(sum_u8, uint8_t, (double))
SUM_UP(sum_i8, int8_t, (double))

static double key_of(const exact_pool *pool, uint32_t slot) {
    const exact_rows *r = pool->rows;
    const void *x = exact_row(r, slot);
    double met, length;
    int l2 = r->metric == EXACT_L2;
    if (r->type == EXACT_F32) sum_f32(pool->query, x, r->dim, l2, &met, &length);
    else if (r->type == EXACT_F16) sum_f16(pool->query, x, r->dim, l2, &met, &length);
    else if (r->type == EXACT_U8) sum_u8(pool->query, x, r->dim, l2, &met, &length);
    else sum_i8(pool->query, x, r->dim, l2, &met, &length);
    if (l2) return met;
    return r->metric == EXACT_IP ? -met : -met / (pool->length * sqrt(length));
}

static inline void swap(exact_hit *a, exact_hit *b) {
    exact_hit c = *a;
    *a = *b, *b = c;
}

/* Ties go by the slot, so that the order is total. */
static inline int before(const exact_hit *a, const exact_hit *b, int by_key) {
    double p = by_key ? a->key : a->bound, q = by_key ? b->key : b->bound;
    return p != q ? p < q : a->slot < b->slot;
}

/* The k smallest to the front (Hoare's Find, 1961, as Wirth gives it; the middle is the pivot). */
static void select_first(exact_hit *h, size_t n, size_t k, int by_key) {
    ptrdiff_t from = 0, to = (ptrdiff_t)n - 1, last = (ptrdiff_t)k - 1;
    while (from < to) {
        exact_hit pivot = h[from + (to - from) / 2];
        ptrdiff_t i = from, j = to;
        while (i <= j) {
            while (before(h + i, &pivot, by_key)) i++;
            while (before(&pivot, h + j, by_key)) j--;
            if (i <= j) swap(h + i++, h + j--);
        }
        if (last <= j) to = j;
        else if (last >= i) from = i;
        else return;
    }
}

void exact_set_limit(exact_pool *pool, double worst) {
    double limit = pool->root ? sqrt(worst > 0 ? worst : 0) : pool->factor * worst;
    limit += pool->shift;
    limit += 1e-12 * (fabs(limit) + fabs(pool->shift)); /* the rounding of these very sums */
    float f = (float)limit;
    pool->limit = (double)f < limit ? nextafterf(f, INFINITY) : f;
}

static double evaluate(exact_pool *pool, size_t n) {
    double worst = -INFINITY;
    for (size_t i = 0; i < n; i++) {
        exact_hit *h = pool->hits + i;
        if (isnan(h->key)) h->key = key_of(pool, h->slot);
        if (isnan(h->key)) h->key = INFINITY; /* of rows that were damaged in a file */
        if (h->key > worst) worst = h->key;
    }
    return worst;
}

/* Of more than k hits drops those that k others are nearer than. */
static void shrink(exact_pool *pool) {
    size_t kept = 0;
    select_first(pool->hits, pool->n, pool->k, 0);
    double worst = evaluate(pool, pool->k);
    exact_set_limit(pool, worst);
    for (size_t i = 0; i < pool->n; i++) {
        exact_hit *h = pool->hits + i;
        if (isnan(h->key) ? !(h->bound > pool->limit) : h->key <= worst) pool->hits[kept++] = *h;
    }
    pool->n = kept;
}

static void keep_nearest(exact_pool *pool) {
    evaluate(pool, pool->n);
    select_first(pool->hits, pool->n, pool->k, 1);
    pool->n = pool->k;
    exact_set_limit(pool, evaluate(pool, pool->n));
}

void exact_make_room(exact_pool *pool) {
    if (!pool->k) { /* all within a radius */
        size_t room = 2 * pool->room;
        exact_hit *hits = pool->failed ? NULL : realloc(pool->hits, room * sizeof *hits);
        if (hits) pool->hits = hits, pool->room = room;
        else pool->failed = 1, pool->limit = -INFINITY;
        return;
    }
    shrink(pool);
    if (pool->n > pool->room / 2) keep_nearest(pool); /* bounds do not tell them apart: duplicates */
}

static int by_key(const void *a, const void *b) {
    return before(a, b, 1) ? -1 : 1;
}

/* What is left are the neighbours, nearest first. */
static void finish(exact_pool *pool) {
    size_t kept = 0;
    if (pool->k && pool->n > pool->k) shrink(pool);
    if (pool->k && pool->n > pool->k) keep_nearest(pool);
    evaluate(pool, pool->n);
    for (size_t i = 0; i < pool->n; i++)
        if (pool->k || pool->hits[i].key <= pool->radius) pool->hits[kept++] = pool->hits[i];
    pool->n = kept;
    qsort(pool->hits, pool->n, sizeof *pool->hits, by_key);
}

int exact_open(exact_pool *pool) {
    pool->room = pool->k ? 4 * pool->k + 64 : 64; /* some warm-up, then few have to be looked at */
    pool->hits = malloc(pool->room * sizeof *pool->hits);
    pool->limit = INFINITY;
    return pool->hits ? 0 : -1;
}

int exact_close(exact_pool *pool) {
    if (!pool->failed) finish(pool);
    return pool->failed ? -1 : 0;
}

void exact_release(exact_pool *pool) {
    free(pool->hits);
    pool->hits = NULL;
}
