/* The states of a sketch and the ways from one to the next, merging, and the estimators. */
#include <math.h>
#include <stdlib.h>

#include "hll.h"

#ifdef __clang__ /* GCC leaves products and sums apart under -std=c11 */
#pragma STDC FP_CONTRACT OFF
#endif

/* ------------------------------------------------------------------- memory */

void hll_init(hll *s, uint32_t p) {
    memset(s, 0, sizeof *s);
    s->p = (uint8_t)p;
}

void hll_free(hll *s) {
    if (s->state == HLL_AS_SET && !s->lent) free(s->as.set);
    if (s->state == HLL_AS_DENSE) free(s->as.dense);
    hll_init(s, s->p);
}

static size_t dense_size(uint32_t p) {
    return sizeof(hll_dense) + ((size_t)1 << p) + HLL_OVERREAD;
}

hll_dense *hll_dense_new(uint32_t p) {
    hll_dense *d = calloc(1, dense_size(p));
    if (!d) return NULL;
    d->p = p;
    d->kxq0 = d->count[0] = UINT32_C(1) << p;
    return d;
}

int hll_set_new(hll *s, uint32_t lg_size) {
    uint32_t *table = calloc((size_t)1 << lg_size, sizeof *table);
    if (!table) return -1;
    s->as.set = table;
    s->state = HLL_AS_SET;
    s->lg_size = (uint8_t)lg_size;
    s->lent = 0;
    return 0;
}

int hll_copy(hll *to, const hll *from) {
    void *copy = NULL;
    if (from->state != HLL_AS_LIST) {
        const void *held = from->state == HLL_AS_SET ? (void *)from->as.set : from->as.dense;
        size_t size = from->state == HLL_AS_SET ? sizeof(uint32_t) << from->lg_size
                                                : dense_size(from->p);
        if (!(copy = malloc(size))) return -1;
        memcpy(copy, held, size);
    }
    *to = *from;
    to->lent = 0;
    if (to->state == HLL_AS_SET) to->as.set = copy;
    if (to->state == HLL_AS_DENSE) to->as.dense = copy;
    return 0;
}

size_t hll_nbytes(const hll *s) {
    if (s->state == HLL_AS_SET) return sizeof *s + (sizeof(uint32_t) << s->lg_size);
    return sizeof *s + (s->state == HLL_AS_DENSE ? dense_size(s->p) : 0);
}

/* ------------------------------------------------------------------- states */

uint32_t *hll_find(uint32_t *table, uint32_t lg_size, uint32_t coupon) {
    uint32_t mask = (UINT32_C(1) << lg_size) - 1, at = coupon & mask;
    uint32_t stride = HLL_STRIDE(coupon, lg_size);
    while (table[at] && table[at] != coupon) at = (at + stride) & mask; /* ends: never quite full */
    return &table[at];
}

/* Every coupon held, whatever state holds it, dense apart. */
#define FOR_COUPONS(s, coupon)                                                                  \
    for (size_t at_ = 0, cells_ = (s)->state == HLL_AS_SET ? (size_t)1 << (s)->lg_size : (s)->n; \
         at_ < cells_; at_++)                                                                   \
        if ((coupon = (s)->state == HLL_AS_SET ? (s)->as.set[at_] : (s)->as.list[at_]))

static int to_dense(hll *s) {
    hll_dense *d = hll_dense_new(s->p);
    uint32_t coupon;
    if (!d) return -1;
    FOR_COUPONS(s, coupon) hll_raise(d, coupon & ((1u << s->p) - 1), coupon >> 26);
    d->hip = hll_estimate(s); /* which is better than what the replay has added up */
    hll_init(s, s->p);
    s->state = HLL_AS_DENSE;
    s->as.dense = d;
    return 0;
}

static void take_table(hll *s, uint32_t **spare) {
    void *next;
    s->as.set = *spare;
    s->state = HLL_AS_SET;
    s->lg_size = HLL_LG_SET;
    s->lent = 1;
    memcpy(&next, s->as.set, sizeof next);
    memset(s->as.set, 0, sizeof next);
    *spare = next;
}

/* Of a set that has been outgrown. */
static void drop_table(const hll *s, uint32_t **spare) {
    if (!s->lent) {
        free(s->as.set);
        return;
    }
    memset(s->as.set, 0, sizeof(uint32_t) << HLL_LG_SET);
    memcpy(s->as.set, spare, sizeof *spare);
    *spare = s->as.set;
}

static int to_set(hll *s, uint32_t lg_size, uint32_t **spare) {
    hll grown = *s;
    uint32_t coupon;
    if (lg_size == HLL_LG_SET && *spare)
        take_table(&grown, spare);
    else if (hll_set_new(&grown, lg_size))
        return -1;
    FOR_COUPONS(s, coupon) *hll_find(grown.as.set, lg_size, coupon) = coupon;
    *s = grown;
    return 0;
}

static int update_set(hll *s, uint32_t coupon, uint32_t **spare) {
    uint32_t *cell = hll_find(s->as.set, s->lg_size, coupon);
    if (*cell) return 0;
    *cell = coupon;
    s->n++;
    if (4 * (uint64_t)s->n <= UINT64_C(3) << s->lg_size) return 0;
    hll before = *s;
    int failed = s->lg_size == s->p - 3 ? to_dense(s) : to_set(s, s->lg_size + 1u, spare);
    if (!failed) {
        drop_table(&before, spare);
        return 0;
    }
    *cell = 0; /* the last one in: no other's probes pass through its cell */
    s->n--;
    return failed;
}

static int update_list(hll *s, uint32_t coupon, uint32_t **spare) {
    uint32_t held = 0;
    for (uint32_t i = 0; i < HLL_LIST; i++) held |= s->as.list[i] == coupon; /* 0 behind the n */
    if (held) return 0;
    s->as.list[s->n++] = coupon;
    if (s->n < HLL_LIST) return 0;
    int failed = s->p < 8 ? to_dense(s) : to_set(s, HLL_LG_SET, spare);
    if (failed) s->as.list[--s->n] = 0;
    return failed;
}

int hll_update_coupon(hll *s, uint32_t coupon) {
    uint32_t *none = NULL;
    return hll_update_sharing(s, coupon, &none);
}

int hll_update_sharing(hll *s, uint32_t coupon, uint32_t **spare) {
    if (s->state == HLL_AS_LIST) return update_list(s, coupon, spare);
    if (s->state == HLL_AS_SET) return update_set(s, coupon, spare);
    hll_refresh(s->as.dense);
    hll_raise(s->as.dense, coupon & ((1u << s->p) - 1), coupon >> 26);
    return 0;
}

int hll_update(const hll_kernels *kernels, hll *s, const uint64_t *h1, const uint64_t *h2,
               size_t n) {
    uint32_t coupons[HLL_BLOCK];
    while (n && s->state != HLL_AS_DENSE) {
        size_t m = n < HLL_BLOCK ? n : HLL_BLOCK, left = kernels->unheld(s, h1, h2, m, coupons);
        for (size_t i = 0; i < left; i++) /* dense meanwhile, perhaps: what it holds raises nothing */
            if (hll_update_coupon(s, coupons[i])) return -1;
        h1 += m, h2 += m, n -= m;
    }
    if (!n) return 0;
    hll_refresh(s->as.dense);
    kernels->update(s->as.dense, h1, h2, n);
    return 0;
}

void hll_refresh(hll_dense *d) {
    if (!d->stale) return;
    uint32_t part[4][HLL_VALUES] = {{0}}; /* four, or equal neighbours wait for each other */
    size_t k = (size_t)1 << d->p;
    for (size_t i = 0; i < k; i += 4)
        for (size_t j = 0; j < 4; j++) part[j][d->registers[i + j]]++;
    d->kxq0 = d->kxq1 = 0;
    for (uint32_t v = HLL_VALUES; v-- > 0;) {
        d->count[v] = part[0][v] + part[1][v] + part[2][v] + part[3][v];
        *(v < 32 ? &d->kxq0 : &d->kxq1) += d->count[v] * hll_weight(v);
        if (d->count[v]) d->low = (uint8_t)v;
    }
    d->stale = 0;
}

/* ------------------------------------------------------------------ merging */

static void max_folded(const hll_kernels *kernels, hll_dense *d, const hll_dense *other) {
    size_t k = (size_t)1 << d->p, theirs = (size_t)1 << other->p;
    for (size_t from = 0; from < theirs; from += k)
        kernels->max(d->registers, other->registers + from, k);
}

static int take_coupons(hll *s, const hll *other) {
    uint32_t coupon;
    FOR_COUPONS(other, coupon) if (hll_update_coupon(s, coupon)) return -1;
    return 0;
}

static int copy_folded(const hll_kernels *kernels, hll *to, const hll *from, uint32_t p) {
    if (p == from->p) return hll_copy(to, from);
    hll_init(to, p);
    if (from->state != HLL_AS_DENSE) {
        if (!take_coupons(to, from)) return 0;
        hll_free(to);
        return -1;
    }
    if (!(to->as.dense = hll_dense_new(p))) return -1;
    to->state = HLL_AS_DENSE;
    max_folded(kernels, to->as.dense, from->as.dense);
    to->as.dense->stale = to->as.dense->merged = 1;
    return 0;
}

/* Takes the place of what s holds. */
static void replace(hll *s, const hll *by) {
    hll_free(s);
    *s = *by;
}

static int is_empty(const hll *s) {
    return s->state == HLL_AS_LIST && !s->n;
}

int hll_merge(const hll_kernels *kernels, hll *s, const hll *other) {
    hll fresh;
    if (other->p < s->p) {
        if (copy_folded(kernels, &fresh, s, other->p)) return -1;
        replace(s, &fresh);
    }
    if (is_empty(other)) return 0;
    if (other->state != HLL_AS_DENSE) {
        if (take_coupons(s, other)) return -1;
    } else if (s->state != HLL_AS_DENSE) {
        if (copy_folded(kernels, &fresh, other, s->p)) return -1;
        fresh.as.dense->merged |= !is_empty(s); /* or it has one history, that of the other */
        take_coupons(&fresh, s);
        replace(s, &fresh);
        return 0;
    } else {
        max_folded(kernels, s->as.dense, other->as.dense);
        s->as.dense->stale = 1;
    }
    if (s->state == HLL_AS_DENSE) s->as.dense->merged = 1;
    return 0;
}

int hll_is_merged(const hll *s) {
    return s->state == HLL_AS_DENSE && s->as.dense->merged;
}

/* --------------------------------------------------------------- estimators */

/* From coupons to items: two different items share a coupon with probability 2^-26 / 3, so that x
 * coupons stand for somewhat more than x items. Cubic interpolation in DataSketches' table, because
 * HIP goes on from the value, and images are to agree to the last bit. */
static double items_of(double x) {
    static const double X[] = {0, 1, 20, 400, 8000, 160000, 300000, 600000};
    static const double Y[] = {0,
                               1,
                               20.0000009437402611,
                               400.0003963713384110,
                               8000.1589294602090376,
                               160063.6067763759638183,
                               300223.7071597663452849,
                               600895.5933856170158833};
    size_t i = 0; /* the interval is the second of three, but at the very start */
    while (i < 4 && x >= X[i + 2]) i++;
    const double *a = X + i, *b = Y + i;
    double d0 = x - a[0], d1 = x - a[1], d2 = x - a[2], d3 = x - a[3];
    double t0 = b[0] * (d1 * d2 * d3) / ((a[0] - a[1]) * (a[0] - a[2]) * (a[0] - a[3]));
    double t1 = b[1] * (d0 * d2 * d3) / ((a[1] - a[0]) * (a[1] - a[2]) * (a[1] - a[3]));
    double t2 = b[2] * (d0 * d1 * d3) / ((a[2] - a[0]) * (a[2] - a[1]) * (a[2] - a[3]));
    double t3 = b[3] * (d0 * d1 * d2) / ((a[3] - a[0]) * (a[3] - a[1]) * (a[3] - a[2]));
    double y = t0 + t1 + t2 + t3;
    return y > x ? y : x;
}

/* sigma(x) = x + sum of x^(2^k) 2^(k-1), k >= 1 (Ertl, algorithm 5): the registers that are 0. */
static double hll_sigma(double x) {
    double y = 1, z = x, before;
    do {
        x *= x;
        before = z;
        z += x * y;
        y += y;
    } while (z != before);
    return z;
}

/* tau(x) = (1 - x - sum of (1 - x^(2^-k))^2 2^-k, k >= 1) / 3 (algorithm 6): those at the top. */
static double hll_tau(double x) {
    double y = 1, z = 1 - x, before;
    if (x == 0 || x == 1) return 0;
    do {
        x = sqrt(x);
        before = z;
        y *= 0.5;
        z -= (1 - x) * (1 - x) * y;
    } while (z != before);
    return z / 3;
}

#define LN2 0.69314718055994530942
/* What few registers overrate: Flajolet's constant. 7 % at m = 16, 0.4 % at 256. */
#define BIAS(m) (1 / (1 + 1.079 / (m)))

static double ertl(const hll_dense *d) {
    double m = UINT32_C(1) << d->p, top = HLL_VALUES - 1;
    if (d->count[0] == m) return 0;
    if (d->count[HLL_VALUES - 1] == m) return ldexp(m, HLL_VALUES); /* of an image: at least */
    double z = m * hll_tau(1 - d->count[HLL_VALUES - 1] / m);
    for (uint32_t v = (uint32_t)top - 1; v > 0; v--) z = 0.5 * (z + d->count[v]);
    z += m * hll_sigma(d->count[0] / m);
    return BIAS(m) * m * m / (2 * LN2 * z); /* alpha = 1 / (2 ln 2) as m grows */
}

double hll_estimate(hll *s) {
    if (s->state != HLL_AS_DENSE) return items_of(s->n);
    if (!s->as.dense->merged) return s->as.dense->hip;
    hll_refresh(s->as.dense);
    return ertl(s->as.dense);
}

/* ------------------------------------------------------------------ the rest */

size_t hll_used(hll *s) {
    if (s->state != HLL_AS_DENSE) return s->n;
    hll_refresh(s->as.dense);
    return ((size_t)1 << s->p) - s->as.dense->count[0];
}

void hll_registers(const hll *s, uint8_t *out) {
    size_t k = (size_t)1 << s->p;
    uint32_t coupon;
    if (s->state == HLL_AS_DENSE) {
        memcpy(out, s->as.dense->registers, k);
        return;
    }
    memset(out, 0, k);
    FOR_COUPONS(s, coupon) {
        uint8_t *r = &out[coupon & (k - 1)];
        if (coupon >> 26 > *r) *r = (uint8_t)(coupon >> 26);
    }
}

int hll_same(const hll *a, const hll *b) {
    if (a->p != b->p || a->state != b->state || a->n != b->n) return 0;
    if (a->state == HLL_AS_DENSE)
        return !memcmp(a->as.dense->registers, b->as.dense->registers, (size_t)1 << a->p);
    uint32_t coupon;
    FOR_COUPONS(a, coupon) {
        uint32_t other, found = 0;
        if (b->state == HLL_AS_SET)
            found = *hll_find(b->as.set, b->lg_size, coupon);
        else
            FOR_COUPONS(b, other) found |= other == coupon;
        if (!found) return 0;
    }
    return 1;
}
