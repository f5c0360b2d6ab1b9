#include <immintrin.h>
#include <stdint.h>

#define MINHASH_TABLE minhash_kernels_avx2
#define LANES 8
typedef __m256i vec;
#define V_LOAD(p) _mm256_loadu_si256((const __m256i *)(const void *)(p))
#define V_STORE(p, v) _mm256_storeu_si256((__m256i *)(void *)(p), v)
#define V_SET1(x) _mm256_set1_epi32((int)(x))
#define V_MULADD(a, x, b) _mm256_add_epi32(_mm256_mullo_epi32(a, x), b)
#define V_MIN(p, q) _mm256_min_epu32(p, q)
#define V_LOWEST(v) lowest(v)

static inline uint32_t lowest(vec v) {
    __m128i low = _mm_min_epu32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
    low = _mm_min_epu32(low, _mm_shuffle_epi32(low, 0x4E)); /* the halves swapped */
    low = _mm_min_epu32(low, _mm_shuffle_epi32(low, 0xB1)); /* neighbours swapped */
    return (uint32_t)_mm_cvtsi128_si32(low);
}

/* Both top bits: the sign of the value, and of its double. */
#define V_LAST_ROUND(v) \
    (unsigned)_mm256_movemask_ps(_mm256_castsi256_ps(_mm256_and_si256(v, _mm256_slli_epi32(v, 1))))

#include "minhash_inl.h"
