/* The kernels of minhash.h, over one vector of LANES 32-bit lanes that the including file defines:
 *
 *   LANES, vec, V_LOAD(p), V_STORE(p, v), V_SET1(x), V_MULADD(a, x, b) = a * x + b, V_MIN(p, q),
 *   V_LOWEST(v), the smallest lane; V_LAST_ROUND(v), a bit for each lane that holds round 3
 *
 * Include once, after those and MINHASH_TABLE. */
#include "minhash.h"

static inline void throw_dart(uint32_t *slots, uint32_t k, uint64_t x, uint32_t round) {
    uint64_t y = x;
    if (round) {
        y *= MINHASH_C[round];
        y ^= y >> 32;
    }
    uint32_t slot = (uint32_t)((y >> 32) * k >> 32);
    uint32_t value = round << 30 | (uint32_t)y >> 2, old = slots[slot];
    slots[slot] = value < old ? value : old; /* no branch: which element lowers a slot is a guess */
}

static void throw_darts(uint32_t *slots, uint32_t k, const uint64_t *x, size_t n, uint32_t round) {
    for (size_t i = 0; i < n; i++) throw_dart(slots, k, x[i], round);
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

static void fill_slot(const minhash_params *p, uint32_t *slots, uint32_t k, const uint32_t *u,
                      size_t m) {
    vec a = V_SET1(p->a[k]), b = V_SET1(p->b[k]), low = V_SET1(UINT32_MAX);
    for (size_t i = 0; i < m; i += LANES) low = V_MIN(low, V_MULADD(a, V_LOAD(u + i), b));
    uint32_t value = UINT32_C(3) << 30 | V_LOWEST(low) >> 2;
    slots[k] = value < slots[k] ? value : slots[k];
}

static void fill_from(const minhash_params *p, uint32_t *slots, const uint32_t *u, size_t m) {
    for (uint32_t first = 0; first < p->k; first += 64) {
        uint32_t n = p->k - first < 64 ? p->k - first : 64, j = 0;
        uint64_t left = 0; /* a bit for each of 64 slots: a branch on each would be a guess */
        for (; j + LANES <= n; j += LANES)
            left |= (uint64_t)V_LAST_ROUND(V_LOAD(slots + first + j)) << j;
        for (; j < n; j++) left |= (uint64_t)(MINHASH_ROUND(slots[first + j]) == 3) << j;
        for (; left; left &= left - 1)
            fill_slot(p, slots, first + (uint32_t)__builtin_ctzll(left), u, m);
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
    /* Few elements and slots that the last round would reach: all rounds at once, as their
     * latencies overlap. A block of a large set finds its slots full, however many they are. */
    if (n <= p->k && MINHASH_ROUND(highest(slots, p->k)) == 3) {
        for (size_t i = 0; i < n; i++)
            for (uint32_t round = 0; round < 3; round++) throw_dart(slots, p->k, x[i], round);
    } else {
        for (uint32_t round = 0; round < 3; round++) {
            throw_darts(slots, p->k, x, n, round);
            if (MINHASH_ROUND(highest(slots, p->k)) <= round) return;
        }
    }
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
