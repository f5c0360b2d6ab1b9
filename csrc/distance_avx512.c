#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

#include "distance.h"

#define DISTANCE_TABLE distance_kernels_avx512
#define FLOATS 16
typedef __m512 vf;

static inline __mmask16 first(size_t n) { return (__mmask16)((1u << n) - 1); }

static inline vf vf_zero(void) { return _mm512_setzero_ps(); }
static inline vf vf_add(vf a, vf b) { return _mm512_add_ps(a, b); }
static inline vf vf_sub(vf a, vf b) { return _mm512_sub_ps(a, b); }
static inline vf vf_fma(vf a, vf b, vf c) { return _mm512_fmadd_ps(a, b, c); }
static inline vf vf_load(const float *p) { return _mm512_loadu_ps(p); }
static inline vf vf_part(const float *p, size_t n) { return _mm512_maskz_loadu_ps(first(n), p); }

static inline vf vf_load_f16(const uint16_t *p) {
    return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)p));
}

static inline vf vf_part_f16(const uint16_t *p, size_t n) {
    return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(first(n), p));
}

static inline float vf_sum(vf v) { return _mm512_reduce_add_ps(v); }

/* Four sums of sixteen: two exchanges bring each row's lanes into a quarter of its own. */
static inline void vf_sum4(const vf *v, float *out) {
    vf a = _mm512_add_ps(_mm512_unpacklo_ps(v[0], v[1]), _mm512_unpackhi_ps(v[0], v[1]));
    vf b = _mm512_add_ps(_mm512_unpacklo_ps(v[2], v[3]), _mm512_unpackhi_ps(v[2], v[3]));
    vf s = _mm512_add_ps(_mm512_shuffle_ps(a, b, 0x44), _mm512_shuffle_ps(a, b, 0xEE));
    __m256 h = _mm256_add_ps(_mm512_castps512_ps256(s), _mm512_extractf32x8_ps(s, 1));
    _mm_storeu_ps(out, _mm_add_ps(_mm256_castps256_ps128(h), _mm256_extractf128_ps(h, 1)));
}

#define BYTES 64
typedef __m512i vb;
typedef __m512i vi;

static inline vb vb_load(const uint8_t *p) { return _mm512_loadu_si512(p); }

static inline vb vb_part(const uint8_t *p, size_t n) {
    return _mm512_maskz_loadu_epi8((__mmask64)((UINT64_C(1) << n) - 1), p);
}

static inline vi vi_zero(void) { return _mm512_setzero_si512(); }
static inline vi vi_add(vi a, vi b) { return _mm512_add_epi32(a, b); }
static inline int32_t vi_sum(vi v) { return _mm512_reduce_add_epi32(v); }

static inline void vi_sum4(const vi *v, int32_t *out) {
    vi a = _mm512_add_epi32(_mm512_unpacklo_epi32(v[0], v[1]), _mm512_unpackhi_epi32(v[0], v[1]));
    vi b = _mm512_add_epi32(_mm512_unpacklo_epi32(v[2], v[3]), _mm512_unpackhi_epi32(v[2], v[3]));
    vi s = _mm512_add_epi32(_mm512_unpacklo_epi64(a, b), _mm512_unpackhi_epi64(a, b));
    __m256i h = _mm256_add_epi32(_mm512_castsi512_si256(s), _mm512_extracti64x4_epi64(s, 1));
    __m128i t = _mm_add_epi32(_mm256_castsi256_si128(h), _mm256_extracti128_si256(h, 1));
    _mm_storeu_si128((__m128i *)(void *)out, t);
}

/* VNNI multiplies unsigned bytes by signed ones, four products to a sum, exactly. So one factor has
 * its top bit turned, which moves it by 128, and 128 times the sum of the other is put right at the
 * end. The factor that stays is the query, whose sum serves every row. */
#define SHARED(metric, sign) ((metric) == DISTANCE_L2 ? 0 : (sign) ? -128 : 128)

static inline vi byte_shared(int metric, int sign, vi acc, vb q) {
    __m512i one = _mm512_set1_epi8(1);
    if (metric == DISTANCE_L2) return acc;
    return sign ? _mm512_dpbusd_epi32(acc, one, q) : _mm512_dpbusd_epi32(acc, q, one);
}

static inline vi byte_step(int metric, int sign, vi acc, vb q, vb x) {
    __m512i top = _mm512_set1_epi8(-128), zero = _mm512_setzero_si512();
    if (metric == DISTANCE_IP) {
        x = _mm512_xor_si512(x, top);
        return sign ? _mm512_dpbusd_epi32(acc, x, q) : _mm512_dpbusd_epi32(acc, q, x);
    }
    if (sign) q = _mm512_xor_si512(q, top), x = _mm512_xor_si512(x, top);
    __m512i d = _mm512_or_si512(_mm512_subs_epu8(q, x), _mm512_subs_epu8(x, q));
    __m512i lo = _mm512_unpacklo_epi8(d, zero), hi = _mm512_unpackhi_epi8(d, zero);
    return _mm512_dpwssd_epi32(_mm512_dpwssd_epi32(acc, lo, lo), hi, hi);
}

#include "distance_inl.h"
