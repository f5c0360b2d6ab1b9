/* The kernels of hll.h, over vectors that the including file defines:
 *
 *   LANES            items a step
 *   HLL_PASS(h2, m)  a bit for each of LANES items: h2 & m is 0, so that it may raise a register
 *   HLL_MAX(p, q)    HLL_MAX_BYTES bytes of p become the maxima
 *   HLL_UPDATE       where the file has something better than the loop here
 *   HLL_PROBE        likewise
 *
 * Include once, after those and HLL_TABLE. */
#include "hll.h"

/* The bits of h2 that are all 0 in an item that may raise a register: the first `low`. */
static inline uint64_t hll_mask(const hll_dense *d) {
    return ~(UINT64_MAX >> d->low);
}

/* In a column of few values nearly every coupon is there already, found by the first probe or the
 * second or so: a guess for a branch. So all coupons make the same probe, without one, and only
 * those that did not find themselves make the next. */
enum { ROUNDS = 8 }; /* a table is 3/4 full at most: 1 item in 60 probes so often */

/* The leading zeros of the upper half are read off the exponent of a float, of which there are
 * vectors everywhere. */
static inline void hll_make(const uint64_t *h1, const uint64_t *h2, size_t n, uint32_t *coupons) {
    uint32_t deep = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t x = (uint32_t)(h2[i] >> 33), bits;
        deep |= !x;
        float power = (float)(int32_t)(x & ~(x >> 1)); /* the first 1, never rounded to the next */
        memcpy(&bits, &power, sizeof bits);
        coupons[i] = (158 - (bits >> 23)) << 26 | (uint32_t)(h1[i] & HLL_ADDRESS);
    }
    if (deep) /* 31 zeros at least */
        for (size_t i = 0; i < n; i++) coupons[i] = hll_coupon(h1[i], h2[i]);
}

static inline size_t hll_probe(const uint32_t *table, uint32_t lg, uint32_t round,
                               uint32_t *coupons, size_t n) {
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t coupon = coupons[i], at = coupon + round * HLL_STRIDE(coupon, lg);
        coupons[kept] = coupon;
        kept += table[at & ((UINT32_C(1) << lg) - 1)] != coupon;
    }
    return kept;
}

static inline size_t hll_not_listed(const uint32_t *list, uint32_t *coupons, size_t n) {
    uint32_t held[HLL_BLOCK];
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        held[i] = 0;
        for (size_t j = 0; j < HLL_LIST; j++) held[i] |= list[j] == coupons[i];
    }
    for (size_t i = 0; i < n; i++) {
        coupons[kept] = coupons[i];
        kept += !held[i];
    }
    return kept;
}

#ifndef HLL_PROBE
#define HLL_PROBE hll_probe
#endif

static size_t hll_unheld(const hll *s, const uint64_t *h1, const uint64_t *h2, size_t n,
                         uint32_t *coupons) {
    size_t kept = n;
    hll_make(h1, h2, n, coupons);
    if (s->state == HLL_AS_LIST) return hll_not_listed(s->as.list, coupons, n);
    for (uint32_t round = 0; round < ROUNDS && kept > n / 32; round++)
        kept = HLL_PROBE(s->as.set, s->lg_size, round, coupons, kept);
    return kept;
}

static inline void hll_update_dense(hll_dense *d, const uint64_t *h1, const uint64_t *h2,
                                    size_t n) {
    const uint64_t address = (UINT64_C(1) << d->p) - 1;
    uint64_t mask = hll_mask(d);
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        unsigned pass = HLL_PASS(h2 + i, mask);
        if (!pass) continue;
        for (; pass; pass &= pass - 1) { /* in the order they came: hip depends on it */
            size_t j = i + (size_t)__builtin_ctz(pass);
            hll_raise(d, h1[j] & address, hll_value(h2[j]));
        }
        mask = hll_mask(d);
    }
    for (; i < n; i++) hll_raise(d, h1[i] & address, hll_value(h2[i]));
}

static void hll_max(uint8_t *p, const uint8_t *q, size_t n) {
    size_t i = 0;
    for (; i + HLL_MAX_BYTES <= n; i += HLL_MAX_BYTES) HLL_MAX(p + i, q + i);
    for (; i < n; i++) p[i] = q[i] > p[i] ? q[i] : p[i];
}

#ifndef HLL_UPDATE
#define HLL_UPDATE hll_update_dense
#endif

const hll_kernels HLL_TABLE = {hll_unheld, HLL_UPDATE, hll_max};
