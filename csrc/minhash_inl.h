/* The kernels of minhash.h, over one vector of LANES 32-bit lanes that the including file defines:
 *
 *   LANES, vec, V_LOAD(p), V_STORE(p, v), V_SET1(x), V_MULADD(a, x, b) = a * x + b, V_MIN(p, q),
 *   V_LOWEST(v), the smallest lane
 *
 * Include once, after those and MINHASH_TABLE. */
#include "minhash.h"

/* Rounds 0..2. Branch-free: which element lowers a slot is unpredictable. */
static inline void throw_darts(uint32_t *slots, uint32_t k, const uint64_t *x, size_t n, int round) {
    const uint32_t tag = (uint32_t)round << 30;
    for (size_t i = 0; i < n; i++) {
        uint64_t y = x[i];
        if (round) {
            y *= MINHASH_C[round];
            y ^= y >> 32;
        }
        uint32_t slot = (uint32_t)((y >> 32) * k >> 32);
        uint32_t value = tag | (uint32_t)y >> 2;
        uint32_t old = slots[slot];
        slots[slot] = value < old ? value : old;
    }
}

static uint32_t highest(const uint32_t *slots, uint32_t k) {
    uint32_t top = 0;
    for (uint32_t i = 0; i < k; i++) top = slots[i] > top ? slots[i] : top;
    return top;
}

/* Round 3 for m <= FILL_BLOCK elements, given as their u, padded to whole vectors. Vectors run over
 * the elements: there are few slots left to fill, unless there are few elements. Values are compared
 * before the shift to 30 bits; the order is the same. */
#define FILL_BLOCK 512

static void fill_from(const minhash_params *p, uint32_t *slots, const uint32_t *u, size_t m) {
    for (uint32_t first = 0; first < p->k; first += FILL_BLOCK) {
        uint32_t list[FILL_BLOCK], listed = 0; /* which slots: a branch on each would be a guess */
        uint32_t end = p->k - first < FILL_BLOCK ? p->k : first + FILL_BLOCK;
        for (uint32_t k = first; k < end; k++) {
            list[listed] = k;
            listed += MINHASH_ROUND(slots[k]) == 3;
        }
        for (uint32_t j = 0; j < listed; j++) {
            uint32_t k = list[j];
            vec a = V_SET1(p->a[k]), b = V_SET1(p->b[k]), low = V_SET1(UINT32_MAX);
            for (size_t i = 0; i < m; i += LANES) low = V_MIN(low, V_MULADD(a, V_LOAD(u + i), b));
            uint32_t value = UINT32_C(3) << 30 | V_LOWEST(low) >> 2;
            slots[k] = value < slots[k] ? value : slots[k];
        }
    }
}

static void fill(const minhash_params *p, uint32_t *slots, const uint64_t *x, size_t n) {
    uint32_t u[FILL_BLOCK + LANES];
    for (size_t from = 0; from < n; from += FILL_BLOCK) {
        size_t m = n - from < FILL_BLOCK ? n - from : FILL_BLOCK;
        for (size_t i = 0; i < m; i++) u[i] = (uint32_t)(x[from + i] * MINHASH_C[3] >> 32);
        for (size_t i = m; i < m + LANES; i++) u[i] = u[0]; /* an element twice is one */
        fill_from(p, slots, u, m);
    }
}

static void minhash_update(const minhash_params *p, uint32_t *slots, const uint64_t *x, size_t n) {
    if (!n) return;
    throw_darts(slots, p->k, x, n, 0);
    if (MINHASH_ROUND(highest(slots, p->k)) < 1) return;
    throw_darts(slots, p->k, x, n, 1);
    if (MINHASH_ROUND(highest(slots, p->k)) < 2) return;
    throw_darts(slots, p->k, x, n, 2);
    if (MINHASH_ROUND(highest(slots, p->k)) < 3) return;
    fill(p, slots, x, n);
}

static size_t minhash_equal(const uint32_t *p, const uint32_t *q, size_t n) {
    uint32_t equal = 0; /* n is below 2^32: a signature's length */
    for (size_t i = 0; i < n; i++) equal += p[i] == q[i];
    return equal;
}

static void minhash_merge(uint32_t *p, const uint32_t *q, size_t n) {
    for (size_t i = 0; i < n; i++) p[i] = q[i] < p[i] ? q[i] : p[i];
}

static void minhash_affine(uint32_t *v, const uint32_t *a, const uint32_t *b, size_t k,
                           const uint32_t *x, size_t n) {
    size_t j = 0;
    for (; j + LANES <= k; j += LANES) {
        vec va = V_LOAD(a + j), vb = V_LOAD(b + j), low = V_LOAD(v + j);
        for (size_t i = 0; i < n; i++) low = V_MIN(low, V_MULADD(va, V_SET1(x[i]), vb));
        V_STORE(v + j, low);
    }
    for (; j < k; j++)
        for (size_t i = 0; i < n; i++) {
            uint32_t h = a[j] * x[i] + b[j];
            v[j] = h < v[j] ? h : v[j];
        }
}

const minhash_kernels MINHASH_TABLE = {minhash_update, minhash_equal, minhash_merge,
                                       minhash_affine};
