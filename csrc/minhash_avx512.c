#include <immintrin.h>

#define MINHASH_TABLE minhash_kernels_avx512
#define LANES 16
typedef __m512i vec;
#define V_LOAD(p) _mm512_loadu_si512(p)
#define V_STORE(p, v) _mm512_storeu_si512(p, v)
#define V_SET1(x) _mm512_set1_epi32((int)(x))
#define V_MULADD(a, x, b) _mm512_add_epi32(_mm512_mullo_epi32(a, x), b)
#define V_MIN(p, q) _mm512_min_epu32(p, q)
#define V_LOWEST(v) ((uint32_t)_mm512_reduce_min_epu32(v))
#define V_LAST_ROUND(v) _mm512_cmpge_epu32_mask(v, _mm512_set1_epi32((int)0xC0000000))
#include "minhash_inl.h"
