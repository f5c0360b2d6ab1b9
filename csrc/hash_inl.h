/* The loops behind a hash_kernels table, written so that the compiler vectorises the fixed-width
 * one with whatever the including file was compiled for. Include once, after defining HASH_TABLE,
 * and HASH_U64 or HASH_SPANS where the file has something better than the loop here. */
#include "hash.h"
#include "murmur3.h"

static inline void hash_u64(const uint64_t *keys, size_t n, uint64_t seed, uint64_t *h1,
                            uint64_t *h2) {
    if (h2) {
        for (size_t i = 0; i < n; i++) murmur3_u64(keys[i], seed, &h1[i], &h2[i]);
    } else {
        uint64_t unused;
        for (size_t i = 0; i < n; i++) murmur3_u64(keys[i], seed, &h1[i], &unused);
    }
}

static inline void hash_spans(const uint8_t *const *ptr, const size_t *len, size_t n, uint64_t seed,
                              uint64_t *h1, uint64_t *h2) {
    uint64_t unused;
    for (size_t i = 0; i < n; i++)
        murmur3_x64_128(ptr[i], len[i], seed, &h1[i], h2 ? &h2[i] : &unused);
}

#ifndef HASH_U64
#define HASH_U64 hash_u64
#endif
#ifndef HASH_SPANS
#define HASH_SPANS hash_spans
#endif

const hash_kernels HASH_TABLE = {HASH_U64, HASH_SPANS};
