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

#define BITS_COMMON bits_common

static inline size_t bits_common(const uint64_t *a, const uint64_t *b, size_t words) {
    __m512i sum = _mm512_setzero_si512();
    for (size_t w = 0; w < words; w += LANES) {
        __m512i both = _mm512_and_si512(_mm512_loadu_si512(a + w), _mm512_loadu_si512(b + w));
        sum = _mm512_add_epi64(sum, _mm512_popcnt_epi64(both));
    }
    return (size_t)_mm512_reduce_add_epi64(sum);
}

#include "jaccard_inl.h"
