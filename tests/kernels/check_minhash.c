/* The MinHash kernels against the definition in minhash.h, element by element and slot by slot. */
#include <string.h>

#include "check.h"
#include "minhash.h"

#define K_MAX 200
#define N_MAX 1500

static void lower(uint32_t *slot, uint32_t value) {
    if (value < *slot) *slot = value;
}

static void slow(uint32_t *slots, uint32_t k, const uint32_t *a, const uint32_t *b,
                 const uint64_t *x, size_t n) {
    for (size_t i = 0; i < n; i++) {
        for (uint32_t round = 0; round < 3; round++) {
            uint64_t y = x[i];
            if (round) y = y * MINHASH_C[round] ^ y * MINHASH_C[round] >> 32;
            lower(&slots[(y >> 32) * k >> 32], round << 30 | (uint32_t)y >> 2);
        }
        uint32_t u = (uint32_t)(x[i] * MINHASH_C[3] >> 32);
        for (uint32_t j = 0; j < k; j++) lower(&slots[j], UINT32_C(3) << 30 | (a[j] * u + b[j]) >> 2);
    }
}

static void check_update(const minhash_kernels *kernels, uint32_t k, size_t n) {
    uint32_t a[K_MAX], b[K_MAX], want[K_MAX], got[K_MAX + 1];
    static uint8_t *end;
    if (!end) check_guarded(N_MAX * sizeof(uint64_t), &end);
    uint64_t *x = (uint64_t *)(void *)end - n; /* against the guard */
    check_fill((uint8_t *)x, n * sizeof *x);
    for (uint32_t j = 0; j < k; j++) minhash_lane(j, &a[j], &b[j]);
    minhash_params params = {k, a, b};
    memset(want, 0xFF, sizeof want);
    memset(got, 0xFF, sizeof got);
    slow(want, k, a, b, x, n);
    kernels->update(&params, got, x, n / 3); /* in two batches */
    kernels->update(&params, got, x + n / 3, n - n / 3);
    if (memcmp(want, got, k * sizeof *want)) FAIL("update: %u slots, %zu elements", k, n);
    if (got[k] != UINT32_MAX) FAIL("update wrote past %u slots", k);
}

static void check_rest(const minhash_kernels *kernels, uint32_t k, size_t n) {
    uint32_t a[K_MAX], b[K_MAX], x[64], p[K_MAX], q[K_MAX], want[K_MAX];
    check_fill((uint8_t *)a, sizeof a);
    check_fill((uint8_t *)b, sizeof b);
    check_fill((uint8_t *)x, sizeof x);
    check_fill((uint8_t *)p, sizeof p);
    check_fill((uint8_t *)q, sizeof q);
    memcpy(want, p, sizeof want);
    for (uint32_t j = 0; j < k; j++)
        for (size_t i = 0; i < n; i++) lower(&want[j], a[j] * x[i] + b[j]);
    kernels->affine(p, a, b, k, x, n);
    if (memcmp(want, p, sizeof want)) FAIL("affine: %u slots, %zu elements", k, n);

    for (uint32_t j = 0; j < k; j += 3) q[j] = p[j];
    size_t equal = 0;
    for (uint32_t j = 0; j < k; j++) equal += p[j] == q[j];
    if (kernels->equal(p, q, k) != equal) FAIL("equal: %u slots", k);
    for (uint32_t j = 0; j < k; j++) lower(&want[j], q[j]);
    kernels->merge(p, q, k);
    if (memcmp(want, p, sizeof want)) FAIL("merge: %u slots", k);
}

void check_minhash(int level) {
    static const uint32_t slots[] = {1, 2, 7, 16, 31, 100, 128, 200};
    static const size_t sizes[] = {0, 1, 2, 10, 63, 100, 300, 512, 1500};
    const minhash_kernels *kernels = minhash_kernels_for(level);
    for (size_t i = 0; i < sizeof slots / sizeof *slots; i++) {
        for (size_t j = 0; j < sizeof sizes / sizeof *sizes; j++)
            check_update(kernels, slots[i], sizes[j]);
        for (size_t n = 0; n <= 64; n += 21) check_rest(kernels, slots[i], n);
    }
}
