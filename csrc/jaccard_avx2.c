#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

#define JACCARD_TABLE jaccard_kernels_avx2
#define LANES 4

#define MEET(order) _mm256_cmpeq_epi64(p, _mm256_permute4x64_epi64(q, order))

static inline size_t block_common(const uint64_t *a, const uint64_t *b) {
    __m256i p = _mm256_loadu_si256((const __m256i *)(const void *)a);
    __m256i q = _mm256_loadu_si256((const __m256i *)(const void *)b);
    __m256i met = _mm256_or_si256(_mm256_or_si256(_mm256_cmpeq_epi64(p, q), MEET(0x39)),
                                  _mm256_or_si256(MEET(0x4E), MEET(0x93)));
    return (size_t)__builtin_popcount((unsigned)_mm256_movemask_pd(_mm256_castsi256_pd(met)));
}

#include "jaccard_inl.h"
