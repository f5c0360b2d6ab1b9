#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

#define JACCARD_TABLE jaccard_kernels_avx512
#define LANES 8

#define MEET(turn) _mm512_cmpeq_epi64_mask(p, _mm512_alignr_epi64(q, q, turn))

static inline size_t block_common(const uint64_t *a, const uint64_t *b) {
    __m512i p = _mm512_loadu_si512(a), q = _mm512_loadu_si512(b);
    unsigned met = _mm512_cmpeq_epi64_mask(p, q) | MEET(1) | MEET(2) | MEET(3) | MEET(4) | MEET(5) |
                   MEET(6) | MEET(7);
    return (size_t)__builtin_popcount(met);
}

#include "jaccard_inl.h"
