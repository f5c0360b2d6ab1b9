#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "distance.h"

#define DISTANCE_TABLE distance_kernels_avx2
#define FLOATS 8
typedef __m256 vf;

static inline vf vf_zero(void) { return _mm256_setzero_ps(); }
static inline vf vf_add(vf a, vf b) { return _mm256_add_ps(a, b); }
static inline vf vf_sub(vf a, vf b) { return _mm256_sub_ps(a, b); }
static inline vf vf_fma(vf a, vf b, vf c) { return _mm256_fmadd_ps(a, b, c); }
static inline vf vf_load(const float *p) { return _mm256_loadu_ps(p); }

static inline vf vf_load_f16(const uint16_t *p) {
    return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)p));
}

static inline vf vf_part(const float *p, size_t n) {
    __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return _mm256_maskload_ps(p, _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n), lane));
}

static inline vf vf_part_f16(const uint16_t *p, size_t n) {
    uint16_t rest[FLOATS] = {0};
    memcpy(rest, p, n * sizeof *p);
    return vf_load_f16(rest);
}

static inline __m128 halves(vf v) {
    return _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
}

static inline float vf_sum(vf v) {
    __m128 s = halves(v);
    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_add_ss(s, _mm_shuffle_ps(s, s, 1)));
}

static inline void vf_sum4(const vf *v, float *out) {
    vf s = _mm256_hadd_ps(_mm256_hadd_ps(v[0], v[1]), _mm256_hadd_ps(v[2], v[3]));
    _mm_storeu_ps(out, halves(s));
}

#define BYTES 32
typedef __m256i vb;
typedef __m256i vi;
#define SHARED(metric, sign) 0

static inline vb vb_load(const uint8_t *p) {
    return _mm256_loadu_si256((const __m256i *)(const void *)p);
}

static inline vb vb_part(const uint8_t *p, size_t n) {
    uint8_t rest[BYTES] = {0};
    memcpy(rest, p, n);
    return vb_load(rest);
}

static inline vi vi_zero(void) { return _mm256_setzero_si256(); }
static inline vi vi_add(vi a, vi b) { return _mm256_add_epi32(a, b); }

static inline __m128i half_sums(vi v) {
    return _mm_add_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
}

static inline int32_t vi_sum(vi v) {
    __m128i s = half_sums(v);
    s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0x4E));
    return _mm_cvtsi128_si32(_mm_add_epi32(s, _mm_shuffle_epi32(s, 0xB1)));
}

static inline void vi_sum4(const vi *v, int32_t *out) {
    vi s = _mm256_hadd_epi32(_mm256_hadd_epi32(v[0], v[1]), _mm256_hadd_epi32(v[2], v[3]));
    _mm_storeu_si128((__m128i *)(void *)out, half_sums(s));
}

static inline vi byte_shared(int metric, int sign, vi acc, vb q) {
    (void)metric, (void)sign, (void)q;
    return acc;
}

static inline vi wide(int sign, __m128i v) {
    return sign ? _mm256_cvtepi8_epi16(v) : _mm256_cvtepu8_epi16(v);
}

/* Products of 16 bits: those of 8 (maddubs) saturate. A difference is a byte again once its sign is
 * dropped, and signed bytes with their top bit turned differ as before. */
static inline vi byte_step(int metric, int sign, vi acc, vb q, vb x) {
    vi lo, hi;
    if (metric == DISTANCE_IP) {
        lo = _mm256_madd_epi16(wide(sign, _mm256_castsi256_si128(q)),
                               wide(sign, _mm256_castsi256_si128(x)));
        hi = _mm256_madd_epi16(wide(sign, _mm256_extracti128_si256(q, 1)),
                               wide(sign, _mm256_extracti128_si256(x, 1)));
    } else {
        __m256i top = _mm256_set1_epi8(sign ? -128 : 0), zero = _mm256_setzero_si256();
        q = _mm256_xor_si256(q, top), x = _mm256_xor_si256(x, top);
        __m256i d = _mm256_or_si256(_mm256_subs_epu8(q, x), _mm256_subs_epu8(x, q));
        lo = _mm256_unpacklo_epi8(d, zero), hi = _mm256_unpackhi_epi8(d, zero);
        lo = _mm256_madd_epi16(lo, lo), hi = _mm256_madd_epi16(hi, hi);
    }
    return _mm256_add_epi32(acc, _mm256_add_epi32(lo, hi));
}

#include "distance_inl.h"
