/* Batches of keys to MurmurHash3 x64 128, one table of kernels per instruction set. */
#ifndef TRACTABLE_HASH_H
#define TRACTABLE_HASH_H

#include <stddef.h>
#include <stdint.h>

#include "isa.h"

typedef struct {
    /* n numbers, each as 8 little-endian bytes. h2 may be NULL. Out may alias keys. */
    void (*u64)(const uint64_t *keys, size_t n, uint64_t seed, uint64_t *h1, uint64_t *h2);
    /* n byte strings. A NULL pointer is allowed where the length is 0. h2 may be NULL. */
    void (*spans)(const uint8_t *const *ptr, const size_t *len, size_t n, uint64_t seed,
                  uint64_t *h1, uint64_t *h2);
} hash_kernels;

extern const hash_kernels hash_kernels_baseline;
#if defined(ISA_X86)
extern const hash_kernels hash_kernels_avx2, hash_kernels_avx512;
#elif defined(ISA_ARM64)
extern const hash_kernels hash_kernels_neon;
#endif

static inline const hash_kernels *hash_kernels_for(int level) {
#if defined(ISA_X86)
    if (level == ISA_AVX512) return &hash_kernels_avx512;
    if (level == ISA_AVX2) return &hash_kernels_avx2;
#elif defined(ISA_ARM64)
    if (level == ISA_NEON) return &hash_kernels_neon;
#endif
    (void)level;
    return &hash_kernels_baseline;
}

#endif
