/* MurmurHash3 x64 128 (Austin Appleby, public domain algorithm, 2011): the one hash of the library.
 *
 * A key of any length and a 64-bit seed give (h1, h2). For seeds below 2^32 the result equals the
 * reference implementation's; Apache DataSketches uses the same hash with seed 9001.
 *
 *   body:  every 16 bytes (k1, k2) are mixed into (h1, h2)
 *   tail:  the last 0..15 bytes, zero padded, are mixed likewise, without the rotation of h1, h2
 *   end:   xor the length, cross-add, fmix64 both, cross-add
 *
 * Bytes are read as little-endian words (memcpy: no alignment is assumed, nothing beyond the key
 * is read). Big-endian machines are not supported.
 */
#ifndef TRACTABLE_MURMUR3_H
#define TRACTABLE_MURMUR3_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the hashing core reads little-endian words"
#endif

#define MURMUR3_C1 UINT64_C(0x87c37b91114253d5)
#define MURMUR3_C2 UINT64_C(0x4cf5ad432745937f)

static inline uint64_t load64(const uint8_t *p) {
    uint64_t v;
    memcpy(&v, p, 8);
    return v;
}

static inline uint64_t load32(const uint8_t *p) {
    uint32_t v;
    memcpy(&v, p, 4);
    return v;
}

static inline uint64_t rotl64(uint64_t x, int r) {
    return (x << r) | (x >> (64 - r));
}

static inline uint64_t murmur3_fmix64(uint64_t k) {
    k ^= k >> 33;
    k *= UINT64_C(0xff51afd7ed558ccd);
    k ^= k >> 33;
    k *= UINT64_C(0xc4ceb9fe1a85ec53);
    k ^= k >> 33;
    return k;
}

static inline uint64_t murmur3_mix_k1(uint64_t k) {
    return rotl64(k * MURMUR3_C1, 31) * MURMUR3_C2;
}

static inline uint64_t murmur3_mix_k2(uint64_t k) {
    return rotl64(k * MURMUR3_C2, 33) * MURMUR3_C1;
}

static inline void murmur3_finish(uint64_t a, uint64_t b, uint64_t len, uint64_t *h1,
                                  uint64_t *h2) {
    a ^= len;
    b ^= len;
    a += b;
    b += a;
    a = murmur3_fmix64(a);
    b = murmur3_fmix64(b);
    a += b;
    *h1 = a;
    *h2 = b + a;
}

/* The last n < 16 bytes as two zero-padded words. Every branch loads whole words that lie inside
 * the tail, overlapping where it is not a multiple of their size. */
static inline void murmur3_tail(const uint8_t *p, size_t n, uint64_t *k1, uint64_t *k2) {
    if (n >= 8) {
        *k1 = load64(p);
        *k2 = n > 8 ? load64(p + n - 8) >> (8 * (16 - n)) : 0;
    } else {
        *k2 = 0;
        if (n >= 4)
            *k1 = load32(p) | load32(p + n - 4) << (8 * (n - 4));
        else if (n)
            *k1 = p[0] | (uint64_t)p[n >> 1] << (8 * (n >> 1)) | (uint64_t)p[n - 1] << (8 * (n - 1));
        else
            *k1 = 0;
    }
}

static inline void murmur3_x64_128(const uint8_t *key, size_t len, uint64_t seed, uint64_t *h1,
                                   uint64_t *h2) {
    uint64_t a = seed, b = seed, k1, k2;
    const uint8_t *end = key + (len & ~(size_t)15);
    for (; key < end; key += 16) {
        a ^= murmur3_mix_k1(load64(key));
        a = (rotl64(a, 27) + b) * 5 + 0x52dce729;
        b ^= murmur3_mix_k2(load64(key + 8));
        b = (rotl64(b, 31) + a) * 5 + 0x38495ab5;
    }
    murmur3_tail(key, len & 15, &k1, &k2);
    a ^= murmur3_mix_k1(k1); /* a zero word mixes to zero, as the reference's skipped tail does */
    b ^= murmur3_mix_k2(k2);
    murmur3_finish(a, b, len, h1, h2);
}

static inline uint64_t murmur3_undo_fmix64(uint64_t k) {
    k ^= k >> 33; /* its own inverse, as a shift of half the width or more is */
    k *= UINT64_C(0x9cb4b2f8129337db);
    k ^= k >> 33;
    k *= UINT64_C(0x4f74430c22a54005);
    return k ^ k >> 33;
}

/* The key of len < 16 bytes that has this hash, zero padded: without a block, every step above can
 * be undone. (The multipliers here are the inverses of those above, modulo 2^64.) */
static inline void murmur3_undo(uint64_t h1, uint64_t h2, uint64_t len, uint64_t seed,
                                uint64_t key[2]) {
    uint64_t b = h2 - h1, a = h1 - b;
    a = murmur3_undo_fmix64(a);
    b = murmur3_undo_fmix64(b);
    b -= a;
    a -= b;
    a = (a ^ len ^ seed) * UINT64_C(0xa81e14edd9de2c7f);
    b = (b ^ len ^ seed) * UINT64_C(0xa98409e882ce4d7d);
    key[0] = rotl64(a, 64 - 31) * UINT64_C(0xa98409e882ce4d7d);
    key[1] = rotl64(b, 64 - 33) * UINT64_C(0xa81e14edd9de2c7f);
}

/* The hash of one 8-byte little-endian word: a number by value. */
static inline void murmur3_u64(uint64_t key, uint64_t seed, uint64_t *h1, uint64_t *h2) {
    murmur3_finish(seed ^ murmur3_mix_k1(key), seed, 8, h1, h2);
}

#endif
