/* The kernels of minhash.h, over one vector of LANES 32-bit lanes that the including file defines:
 *
 *   LANES, vec, V_LOAD(p), V_STORE(p, v), V_SET1(x), V_MULADD(a, x, b) = a * x + b, V_MIN(p, q)
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

/* The last round keeps up to FILL accumulators in registers while all elements stream by. */
#define FILL 4

static inline void fill_lanes(const uint32_t *a, const uint32_t *b, uint32_t *v, int vectors,
                              const uint64_t *x, size_t n) {
    vec va[FILL], vb[FILL], low[FILL];
    for (int j = 0; j < vectors; j++) {
        va[j] = V_LOAD(a + j * LANES);
        vb[j] = V_LOAD(b + j * LANES);
        low[j] = V_LOAD(v + j * LANES);
    }
    for (size_t i = 0; i < n; i++) {
        vec u = V_SET1((uint32_t)(x[i] * MINHASH_C[3] >> 32));
        for (int j = 0; j < vectors; j++) low[j] = V_MIN(low[j], V_MULADD(va[j], u, vb[j]));
    }
    for (int j = 0; j < vectors; j++) V_STORE(v + j * LANES, low[j]);
}

/* Round 3 for the m <= FILL * LANES slots listed. Values are compared before the shift to 30 bits:
 * the order is the same. */
static void fill_listed(const minhash_params *p, uint32_t *slots, const uint32_t *list, size_t m,
                        const uint64_t *x, size_t n) {
    uint32_t a[FILL * LANES] = {0}, b[FILL * LANES] = {0}, v[FILL * LANES] = {0};
    for (size_t j = 0; j < m; j++) {
        a[j] = p->a[list[j]];
        b[j] = p->b[list[j]];
        v[j] = slots[list[j]] << 2 | 3;
    }
    switch ((m + LANES - 1) / LANES) { /* a constant each, so that the arrays become registers */
    case 1: fill_lanes(a, b, v, 1, x, n); break;
    case 2: fill_lanes(a, b, v, 2, x, n); break;
    case 3: fill_lanes(a, b, v, 3, x, n); break;
    default: fill_lanes(a, b, v, 4, x, n);
    }
    for (size_t j = 0; j < m; j++) slots[list[j]] = UINT32_C(3) << 30 | v[j] >> 2;
}

static void fill(const minhash_params *p, uint32_t *slots, const uint64_t *x, size_t n) {
    uint32_t list[FILL * LANES];
    size_t m = 0;
    for (uint32_t k = 0; k < p->k; k++) {
        if (MINHASH_ROUND(slots[k]) < 3) continue;
        list[m++] = k;
        if (m == FILL * LANES) {
            fill_listed(p, slots, list, m, x, n);
            m = 0;
        }
    }
    if (m) fill_listed(p, slots, list, m, x, n);
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
