#include <immintrin.h>

#define MINHASH_TABLE minhash_kernels_avx2
#define LANES 8
typedef __m256i vec;
#define V_LOAD(p) _mm256_loadu_si256((const __m256i *)(const void *)(p))
#define V_STORE(p, v) _mm256_storeu_si256((__m256i *)(void *)(p), v)
#define V_SET1(x) _mm256_set1_epi32((int)(x))
#define V_MULADD(a, x, b) _mm256_add_epi32(_mm256_mullo_epi32(a, x), b)
#define V_MIN(p, q) _mm256_min_epu32(p, q)
#include "minhash_inl.h"
