#include <immintrin.h>

#define COSTS_TABLE costs_kernels_avx512
#define VECTOR 64
typedef __m512d vec64;
typedef __m512 vec32;
#define FMA64(a, x, y) _mm512_fmadd_pd(a, x, y)
#define FMA32(a, x, y) _mm512_fmadd_ps(a, x, y)
#define FMA(a, x, y) __builtin_fma(a, x, y)
#define SQRT64 _mm512_sqrt_pd
#define SQRT32 _mm512_sqrt_ps

#include "costs_inl.h"
