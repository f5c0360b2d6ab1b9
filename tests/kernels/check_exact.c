/* Exact search against comparing one by one in double, with the last row against the guard. */
#include <math.h>
#include <string.h>

#include "check.h"
#include "exact.h"
#include "half.h"

#define DIM 37
#define ROWS 90
#define QUERIES 40
#define K 5

static uint8_t *end_q, *end_x;

static double value(exact_type type, const void *p, size_t i) {
    if (type == EXACT_F32) return ((const float *)p)[i];
    if (type == EXACT_F16) return half_to_float(((const uint16_t *)p)[i]);
    return type == EXACT_U8 ? ((const uint8_t *)p)[i] : ((const int8_t *)p)[i];
}

static void fill(exact_type type, void *p, size_t n) {
    check_fill(p, n * exact_width(type));
    for (size_t i = 0; i < n; i++) {
        if (type == EXACT_F32) ((float *)p)[i] = (float)(check_random() % 2001) / 1000 - 1;
        if (type == EXACT_F16) ((uint16_t *)p)[i] = (uint16_t)(0x3000 | (((uint16_t *)p)[i] & 0x8FFF));
        if (type > EXACT_F16) ((uint8_t *)p)[i] |= 1; /* none is all zeros */
    }
}

static double key_of(const exact_rows *r, const float *q, size_t slot) {
    double met = 0, q2 = 0, x2 = 0;
    for (size_t i = 0; i < r->dim; i++) {
        double a = q[i], b = value(r->type, r->rows, slot * r->dim + i);
        met += r->metric == EXACT_L2 ? (a - b) * (a - b) : a * b;
        q2 += a * a, x2 += b * b;
    }
    if (r->metric == EXACT_L2) return met;
    return r->metric == EXACT_IP ? -met : -met / sqrt(q2 * x2);
}

static int ascending(const void *a, const void *b) {
    double p = *(const double *)a, q = *(const double *)b;
    return p < q ? -1 : p > q;
}

static void compare(const exact_rows *r, const float *q, const exact_pool *pool, size_t k) {
    double keys[ROWS];
    for (size_t i = 0; i < r->n; i++) keys[i] = key_of(r, q, r->only ? r->only[i] : i);
    qsort(keys, r->n, sizeof *keys, ascending);
    if (pool->n != (k < r->n ? k : r->n)) FAIL("exact: %zu found of %zu", pool->n, r->n);
    for (size_t i = 0; i < pool->n; i++) {
        double own = key_of(r, q, pool->hits[i].slot), slack = 1e-12 * (1 + fabs(keys[i]));
        if (fabs(pool->hits[i].key - keys[i]) > slack || fabs(own - keys[i]) > slack)
            FAIL("exact: type %d, metric %d, dim %zu, n %zu: %.17g at %zu, not %.17g", r->type,
                 r->metric, r->dim, r->n, pool->hits[i].key, i, keys[i]);
    }
}

static void search(int level, exact_type type, exact_metric metric, size_t dim, size_t n, size_t nq,
                   int coded, int some) {
    static float floats[QUERIES * DIM], norm[ROWS], error[ROWS];
    static int8_t codes[ROWS * DIM];
    static exact_pool pools[QUERIES];
    uint32_t only[ROWS];
    const exact_kernels *kernels = exact_kernels_for(level);
    size_t q_width = type < EXACT_U8 ? 4 : 1;
    uint8_t *q = end_q - nq * dim * q_width, *x = end_x - n * dim * exact_width(type);
    fill(type == EXACT_F16 ? EXACT_F32 : type, q, nq * dim);
    fill(type, x, n * dim);
    for (size_t i = 0; i < nq * dim; i++)
        floats[i] = (float)value(type == EXACT_F16 ? EXACT_F32 : type, q, i);
    exact_norms(kernels, type, metric, x, n, dim, norm);
    exact_rows r = {.type = type, .metric = metric, .dim = dim, .n = n, .rows = x, .norm = norm,
                    .typical = 1};
    if (coded) {
        exact_encode(kernels, type, x, n, dim, 1.0 / 128, 0, codes, error);
        r.codes = codes, r.error = error, r.step = 1.0 / 128;
    }
    if (some) {
        r.n = (n + 1) / 2, r.only = only;
        for (size_t i = 0; i < r.n; i++) only[i] = (uint32_t)(2 * i);
    }
    if (exact_search(kernels, distance_kernels_for(level), &r, q, floats, nq, K, 0, pools))
        FAIL("no memory");
    for (size_t j = 0; j < nq; j++) {
        compare(&r, floats + j * dim, pools + j, K);
        exact_release(pools + j);
    }
}

void check_exact(int level) {
    if (!end_q) {
        check_guarded(QUERIES * DIM * 4, &end_q);
        check_guarded(ROWS * DIM * 4, &end_x);
    }
    for (int type = 0; type < 4; type++)
        for (int metric = 0; metric < 3; metric++)
            for (size_t dim = 1; dim <= DIM; dim += 1 + check_random() % 6)
                for (size_t n = 1; n <= ROWS; n += 1 + check_random() % 30)
                    for (int some = 0; some < 2; some++) {
                        size_t nq = 1 + check_random() % QUERIES;
                        search(level, (exact_type)type, (exact_metric)metric, dim, n, nq, 0, some);
                        search(level, (exact_type)type, (exact_metric)metric, dim, n, 1, 0, some);
                        if (type < EXACT_U8)
                            search(level, (exact_type)type, (exact_metric)metric, dim, n, 1, 1, some);
                    }
}
