#include <immintrin.h>

#define COSTS_TABLE costs_kernels_avx2
#define VECTOR 32
typedef __m256d vec64;
typedef __m256 vec32;
#define FMA64(a, x, y) _mm256_fmadd_pd(a, x, y)
#define FMA32(a, x, y) _mm256_fmadd_ps(a, x, y)
#define FMA(a, x, y) __builtin_fma(a, x, y)
#define SQRT64 _mm256_sqrt_pd
#define SQRT32 _mm256_sqrt_ps

#include "costs_inl.h"
