#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

#include "exact.h"

#define EXACT_TABLE exact_kernels_avx2
#define FLOATS 8
#define MR 6 /* 12 sums of 16 registers */
typedef __m256 vf;

static inline vf vf_zero(void) { return _mm256_setzero_ps(); }
static inline vf vf_add(vf a, vf b) { return _mm256_add_ps(a, b); }
static inline vf vf_mul(vf a, vf b) { return _mm256_mul_ps(a, b); }
static inline vf vf_fma(vf a, vf b, vf c) { return _mm256_fmadd_ps(a, b, c); }
static inline vf vf_set1(float x) { return _mm256_set1_ps(x); }
static inline vf vf_load(const float *p) { return _mm256_loadu_ps(p); }
static inline void vf_store(float *p, vf v) { _mm256_storeu_ps(p, v); }

static inline vf vf_from_int(const int32_t *p) {
    return _mm256_cvtepi32_ps(_mm256_loadu_si256((const __m256i *)(const void *)p));
}

static inline unsigned vf_within(vf v, vf limit) {
    return (unsigned)_mm256_movemask_ps(_mm256_cmp_ps(v, limit, _CMP_NGT_UQ));
}

static void widen(exact_type type, const void *x, size_t n, float *out) {
    const uint16_t *half = x;
    const uint8_t *byte = x;
    size_t i = 0;
    for (; i + FLOATS <= n; i += FLOATS) {
        vf v;
        if (type == EXACT_F16) {
            v = _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)(half + i)));
        } else {
            __m128i b = _mm_loadl_epi64((const __m128i *)(const void *)(byte + i));
            v = _mm256_cvtepi32_ps(type == EXACT_U8 ? _mm256_cvtepu8_epi32(b)
                                                    : _mm256_cvtepi8_epi32(b));
        }
        vf_store(out + i, v);
    }
    for (; i < n; i++)
        out[i] = type == EXACT_F16 ? _cvtsh_ss(half[i])
                 : type == EXACT_U8 ? byte[i] : ((const int8_t *)x)[i];
}

#include "exact_inl.h"
