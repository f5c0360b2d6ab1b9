/* Fast Similarity Sketching in 32-bit slots: the sketch of a set of 64-bit hashes that keeps
 * Jaccard similarity (Dahlgaard, Knudsen, Thorup: "Fast Similarity Sketching", FOCS 2017,
 * arXiv 1704.04370).
 *
 * Every element x throws one dart a round, for three rounds: a dart hits a slot and carries a rank.
 * A fourth round, the last, throws one dart at every slot. A slot keeps the smallest value it was
 * hit with:
 *
 *     | round (2 bits) | rank (30 bits) |
 *
 * so an earlier round always wins. Rounds 0..2 spread the elements over the slots almost without
 * replacement, which is why sets of half of K to K items estimate with about half the variance of K
 * independent permutations (measured in docs/design/minhash.md); round 3 fills what is still empty,
 * so every slot of a non-empty set is a sample.
 *
 * A slot is a minimum over all elements and rounds: the signature is a function of the set alone,
 * whatever the order, repetition or batching, and the signature of a union is the slot-wise minimum.
 * A round is skipped when no slot holds a value of that round or a later one: it cannot change
 * anything. Large sets therefore pay one round, about K ln K elements and fewer all four.
 *
 * Definition, version 1 (multiplications modulo 2^64, x uniform):
 *     y_0 = x;   y_r = z ^ (z >> 32) with z = x * MINHASH_C[r], r = 1, 2
 *     slot = ((y_r >> 32) * K) >> 32;   value = r << 30 | (y_r mod 2^32) >> 2
 *     round 3, every slot k: value = 3 << 30 | ((a_k * u + b_k) mod 2^32) >> 2,
 *     u = (x * MINHASH_C[3]) >> 32,   b_k : a_k = fmix64((k + 1) * MINHASH_C[0]), a_k made odd
 */
#ifndef TRACTABLE_MINHASH_H
#define TRACTABLE_MINHASH_H

#include <stddef.h>
#include <stdint.h>

#include "isa.h"
#include "murmur3.h"

#define MINHASH_EMPTY UINT32_MAX /* the slot of an empty set */
#define MINHASH_ROUND(value) ((value) >> 30)

/* Odd, with irregular bits: 2^64 / golden ratio, then three multipliers of good spectral merit
 * (Steele, Vigna: "Computationally easy, spectrally good multipliers", arXiv 2001.05304). */
static const uint64_t MINHASH_C[4] = {
    UINT64_C(0x9e3779b97f4a7c15),
    UINT64_C(0xd1342543de82ef95),
    UINT64_C(0xaf251af3b0f025b5),
    UINT64_C(0xf1357aea2e62a9c5),
};

typedef struct {
    uint32_t k;        /* slots */
    const uint32_t *a; /* k odd multipliers of the last round, see minhash_lane */
    const uint32_t *b; /* k offsets */
} minhash_params;

static inline void minhash_lane(uint32_t slot, uint32_t *a, uint32_t *b) {
    uint64_t z = murmur3_fmix64((slot + 1) * MINHASH_C[0]);
    *a = (uint32_t)z | 1;
    *b = (uint32_t)(z >> 32);
}

typedef struct {
    /* Take n elements into the signature. */
    void (*update)(const minhash_params *params, uint32_t *signature, const uint64_t *x, size_t n);
    /* How many of n slots are equal. */
    size_t (*equal)(const uint32_t *p, const uint32_t *q, size_t n);
    /* p = slot-wise minimum of p and q. */
    void (*merge)(uint32_t *p, const uint32_t *q, size_t n);
    /* The other family: v[k] = min(v[k], a[k] * x + b[k] mod 2^32) for every x. */
    void (*affine)(uint32_t *v, const uint32_t *a, const uint32_t *b, size_t k, const uint32_t *x,
                   size_t n);
} minhash_kernels;

extern const minhash_kernels minhash_kernels_baseline;
#if defined(ISA_X86)
extern const minhash_kernels minhash_kernels_avx2, minhash_kernels_avx512;
#elif defined(ISA_ARM64)
extern const minhash_kernels minhash_kernels_neon;
#endif

static inline const minhash_kernels *minhash_kernels_for(int level) {
#if defined(ISA_X86)
    if (level == ISA_AVX512) return &minhash_kernels_avx512;
    if (level == ISA_AVX2) return &minhash_kernels_avx2;
#elif defined(ISA_ARM64)
    if (level == ISA_NEON) return &minhash_kernels_neon;
#endif
    (void)level;
    return &minhash_kernels_baseline;
}

#endif
