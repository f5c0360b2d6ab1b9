#include <immintrin.h>

#include "ivf_pool.h"

#define IVF_TABLE ivf_kernels_avx512

/* A book of 16 entries is one vector. */
#define IVF_TABLES tables_of_16
static void tables_of_16(const ivf *x, const float *q, float *t, uint8_t *out, float *bias,
                         float *step) {
    float w = x->metric == DISTANCE_L2 ? -2.0f : -1.0f, most = 0, sum = 0, least = 0;
    const float *book = x->book;
    for (size_t j = 0, at = 0; j < x->m; j++) {
        __m512 v = _mm512_setzero_ps();
        for (size_t s = 0; s < x->width; s++, at++, book += IVF_BOOK)
            if (at < x->dim)
                v = _mm512_fmadd_ps(_mm512_set1_ps(w * q[at]), _mm512_loadu_ps(book), v);
        float low = _mm512_reduce_min_ps(v), range = _mm512_reduce_max_ps(v) - low;
        _mm512_storeu_ps(t + IVF_BOOK * j, _mm512_sub_ps(v, _mm512_set1_ps(low)));
        most = range > most ? range : most;
        sum += range, least += low;
    }
    *bias = least, *step = ivf_step(most, sum, x->m);
    __m512 inverse = _mm512_set1_ps(*step > 0 ? 1 / *step : 0);
    for (size_t j = 0; j < x->m; j++) {
        __m512 v = _mm512_mul_ps(_mm512_loadu_ps(t + IVF_BOOK * j), inverse);
        _mm_storeu_si128((__m128i *)(void *)(out + IVF_BOOK * j),
                         _mm512_cvtusepi32_epi8(_mm512_cvtps_epu32(v)));
    }
}

#define IVF_PICK pick_by_16
static void pick_by_16(ivf_pool *pool, const uint16_t *sums, size_t n, float base, const float *add,
                       const float *mul, float bias, float step, const uint32_t *slot,
                       const uint8_t *mask) {
    __m512 limit = _mm512_set1_ps(pool->limit), steps = _mm512_set1_ps(step);
    __m512 biases = _mm512_set1_ps(bias), bases = _mm512_set1_ps(base);
    for (size_t i = 0; i < n; i += 16) {
        __mmask16 some = (__mmask16)(n - i < 16 ? (1u << (n - i)) - 1 : 0xFFFF);
        __m256i part16 = _mm256_maskz_loadu_epi16(some, sums + i);
        __m512 part = _mm512_cvtepi32_ps(_mm512_cvtepu16_epi32(part16));
        part = _mm512_fmadd_ps(part, steps, biases);
        __m512 key = _mm512_add_ps(bases, _mm512_maskz_loadu_ps(some, add + i));
        key = mul ? _mm512_fmadd_ps(part, _mm512_maskz_loadu_ps(some, mul + i), key)
                  : _mm512_add_ps(part, key);
        unsigned found = _mm512_mask_cmp_ps_mask(some, key, limit, _CMP_LT_OQ);
        if (!found) continue;
        float keys[16];
        _mm512_storeu_ps(keys, key);
        for (; found; found &= found - 1) {
            size_t at = (size_t)__builtin_ctz(found);
            ivf_push(pool, keys[at], slot[i + at], mask);
        }
    }
}

#include "ivf_inl.h"
