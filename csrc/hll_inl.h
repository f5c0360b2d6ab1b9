/* The kernels of hll.h, over vectors that the including file defines:
 *
 *   LANES            items a step
 *   HLL_PASS(h2, m)  a bit for each of LANES items: h2 & m is 0, so that it may raise a register
 *   HLL_MAX(p, q)    HLL_MAX_BYTES bytes of p become the maxima
 *   HLL_UPDATE       where the file has something better than the loop here
 *
 * Include once, after those and HLL_TABLE. */
#include "hll.h"

/* The bits of h2 that are all 0 in an item that may raise a register: the first `low`. */
static inline uint64_t hll_mask(const hll_dense *d) {
    return ~(UINT64_MAX >> d->low);
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

const hll_kernels HLL_TABLE = {HLL_UPDATE, hll_max};
