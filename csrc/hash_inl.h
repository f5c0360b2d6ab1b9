/* The loops behind a hash_kernels table, written so that the compiler vectorises the fixed-width
 * one with whatever the including file was compiled for. Include once, after defining HASH_TABLE. */
#include "hash.h"
#include "murmur3.h"

static void hash_u64(const uint64_t *keys, size_t n, uint64_t seed, uint64_t *h1, uint64_t *h2) {
    if (h2) {
        for (size_t i = 0; i < n; i++) murmur3_u64(keys[i], seed, &h1[i], &h2[i]);
    } else {
        uint64_t unused;
        for (size_t i = 0; i < n; i++) murmur3_u64(keys[i], seed, &h1[i], &unused);
    }
}

static void hash_spans(const uint8_t *const *ptr, const size_t *len, size_t n, uint64_t seed,
                       uint64_t *h1, uint64_t *h2) {
    uint64_t unused;
    for (size_t i = 0; i < n; i++)
        murmur3_x64_128(ptr[i], len[i], seed, &h1[i], h2 ? &h2[i] : &unused);
}

const hash_kernels HASH_TABLE = {hash_u64, hash_spans};
