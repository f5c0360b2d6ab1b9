/* The kernels of hll.h, over vectors that the including file defines:
 *
 *   LANES            items a step
 *   HLL_PASS(h2, m)  a bit for each of LANES items: h2 & m is 0, so that it may raise a register
 *   HLL_RISES(d, h1, h2, pass)   of those, the ones that do, as the registers are now; optional
 *   HLL_MAX(p, q)    16 bytes or a multiple (HLL_MAX_BYTES) of p become the maxima
 *
 * Include once, after those and HLL_TABLE. */
#include "hll.h"

#ifndef HLL_RISES
#define HLL_RISES(d, h1, h2, pass) (pass)
#endif

/* The bits of h2 that are all 0 in an item that may raise a register: the first `low`. */
static inline uint64_t hll_mask(const hll_dense *d) {
    return ~(UINT64_MAX >> d->low);
}

static void hll_update_dense(hll_dense *d, const uint64_t *h1, const uint64_t *h2, size_t n) {
    const uint64_t address = (UINT64_C(1) << d->p) - 1;
    uint64_t mask = hll_mask(d);
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        unsigned pass = HLL_PASS(h2 + i, mask);
        if (!pass) continue;
        unsigned rise = HLL_RISES(d, h1 + i, h2 + i, pass);
        if (!rise) continue;
        for (; rise; rise &= rise - 1) { /* in the order they came: hip depends on it */
            size_t j = i + (size_t)__builtin_ctz(rise);
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

const hll_kernels HLL_TABLE = {hll_update_dense, hll_max};
