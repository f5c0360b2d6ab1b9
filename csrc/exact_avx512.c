#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

#include "exact.h"

#define EXACT_TABLE exact_kernels_avx512
#define FLOATS 16
#define MR 12 /* 24 sums of 32 registers */
typedef __m512 vf;

static inline vf vf_zero(void) { return _mm512_setzero_ps(); }
static inline vf vf_add(vf a, vf b) { return _mm512_add_ps(a, b); }
static inline vf vf_mul(vf a, vf b) { return _mm512_mul_ps(a, b); }
static inline vf vf_fma(vf a, vf b, vf c) { return _mm512_fmadd_ps(a, b, c); }
static inline vf vf_set1(float x) { return _mm512_set1_ps(x); }
static inline vf vf_load(const float *p) { return _mm512_loadu_ps(p); }
static inline void vf_store(float *p, vf v) { _mm512_storeu_ps(p, v); }
static inline vf vf_from_int(const int32_t *p) { return _mm512_cvtepi32_ps(_mm512_loadu_si512(p)); }
static inline unsigned vf_within(vf v, vf limit) {
    return _mm512_cmp_ps_mask(v, limit, _CMP_NGT_UQ);
}

static void widen(exact_type type, const void *x, size_t n, float *out) {
    const uint16_t *half = x;
    const uint8_t *byte = x;
    for (size_t i = 0; i < n; i += FLOATS) {
        __mmask16 some = (__mmask16)(n - i < FLOATS ? (1u << (n - i)) - 1 : 0xFFFF);
        vf v;
        if (type == EXACT_F16) {
            v = _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(some, half + i));
        } else {
            __m128i b = _mm_maskz_loadu_epi8(some, byte + i);
            v = _mm512_cvtepi32_ps(type == EXACT_U8 ? _mm512_cvtepu8_epi32(b)
                                                    : _mm512_cvtepi8_epi32(b));
        }
        _mm512_mask_storeu_ps(out + i, some, v);
    }
}

#include "exact_inl.h"
