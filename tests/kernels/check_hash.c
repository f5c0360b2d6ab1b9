/* The hash kernels against a byte-by-byte MurmurHash3 x64 128 of our own. */
#include <string.h>

#include "check.h"
#include "hash.h"

#define LONGEST 300
#define BATCH 67 /* eight groups of lanes and a rest */

static uint64_t rotate(uint64_t x, int r) {
    return x << r | x >> (64 - r);
}

static uint64_t finalize(uint64_t x) {
    x = (x ^ x >> 33) * UINT64_C(0xff51afd7ed558ccd);
    x = (x ^ x >> 33) * UINT64_C(0xc4ceb9fe1a85ec53);
    return x ^ x >> 33;
}

static void slow(const uint8_t *key, size_t len, uint64_t seed, uint64_t out[2]) {
    const uint64_t c1 = UINT64_C(0x87c37b91114253d5), c2 = UINT64_C(0x4cf5ad432745937f);
    uint64_t a = seed, b = seed;
    for (size_t start = 0;; start += 16) {
        uint64_t word[2] = {0, 0};
        size_t have = len - start < 16 ? len - start : 16;
        for (size_t i = 0; i < have; i++) word[i / 8] |= (uint64_t)key[start + i] << 8 * (i % 8);
        a ^= rotate(word[0] * c1, 31) * c2;
        if (have == 16) a = (rotate(a, 27) + b) * 5 + 0x52dce729;
        b ^= rotate(word[1] * c2, 33) * c1;
        if (have < 16) break;
        b = (rotate(b, 31) + a) * 5 + 0x38495ab5;
    }
    a ^= len, b ^= len, a += b, b += a;
    a = finalize(a), b = finalize(b);
    out[0] = a + b, out[1] = a + b + b;
}

/* A batch of keys, with both outputs and with h1 alone. */
static void check_spans(const hash_kernels *k, const uint8_t *const *ptr, const size_t *len, size_t n,
                        const char *what) {
    uint64_t seed = check_random(), h1[BATCH + 1], h2[BATCH + 1], only[BATCH + 1], want[2];
    h1[n] = h2[n] = only[n] = 77; /* must stay */
    k->spans(ptr, len, n, seed, h1, h2);
    k->spans(ptr, len, n, seed, only, NULL);
    for (size_t i = 0; i < n; i++) {
        slow(ptr[i], len[i], seed, want);
        if (h1[i] != want[0] || h2[i] != want[1] || only[i] != want[0])
            FAIL("%s: key %zu of %zu, %zu bytes", what, i, n, len[i]);
    }
    if (h1[n] != 77 || h2[n] != 77 || only[n] != 77) FAIL("%s: wrote past %zu hashes", what, n);
}

/* Every length at every alignment, against both guards. */
static void check_lengths(const hash_kernels *k) {
    uint8_t *end, *start = check_guarded(2 * LONGEST, &end);
    check_fill(start, (size_t)(end - start));
    for (size_t length = 0; length <= LONGEST; length++) {
        const uint8_t *ptr[BATCH];
        size_t len[BATCH], n = 0;
        for (size_t shift = 0; shift < 16; shift++) {
            ptr[n] = start + shift, len[n++] = length;
            ptr[n] = end - length - shift, len[n++] = length;
        }
        check_spans(k, ptr, len, n, "one length");
        for (size_t i = 0; i < n; i += 2) len[i] = check_random() % (length + 1);
        check_spans(k, ptr, len, n, "uneven lengths");
    }
}

static void check_mixtures(const hash_kernels *k) {
    enum { REGION = 5000 };
    uint8_t *end, *start = check_guarded(REGION, &end);
    check_fill(start, (size_t)(end - start));
    for (int round = 0; round < 3000; round++) {
        static const size_t LIMITS[] = {1, 8, 17, 40, 130, 600, REGION};
        const uint8_t *ptr[BATCH];
        size_t len[BATCH], n = check_random() % (BATCH + 1), limit = LIMITS[check_random() % 7];
        for (size_t i = 0; i < n; i++) {
            len[i] = check_random() % limit;
            ptr[i] = check_random() % 2 ? end - len[i] : start + check_random() % (REGION - len[i]);
            if (!len[i] && check_random() % 2) ptr[i] = NULL;
        }
        check_spans(k, ptr, len, n, "mixture");
    }
}

static void check_numbers(const hash_kernels *k) {
    uint8_t *end;
    check_guarded(8 * BATCH, &end);
    for (size_t n = 0; n <= BATCH; n++) {
        uint64_t *keys = (uint64_t *)(void *)end - n, seed = check_random();
        uint64_t h1[BATCH + 1], h2[BATCH + 1], want[2];
        for (size_t i = 0; i < n; i++) keys[i] = check_random() >> check_random() % 64;
        h1[n] = h2[n] = 77;
        k->u64(keys, n, seed, h1, h2);
        for (size_t i = 0; i < n; i++) {
            slow((const uint8_t *)(const void *)&keys[i], 8, seed, want);
            if (h1[i] != want[0] || h2[i] != want[1]) FAIL("number %zu of %zu", i, n);
        }
        if (h1[n] != 77 || h2[n] != 77) FAIL("wrote past %zu hashes of numbers", n);
        k->u64(keys, n, seed, keys, NULL); /* in place */
        if (n && memcmp(keys, h1, 8 * n)) FAIL("%zu numbers hashed in place", n);
    }
}

void check_hash(int level) {
    const hash_kernels *k = hash_kernels_for(level);
    check_lengths(k);
    check_mixtures(k);
    check_numbers(k);
}
