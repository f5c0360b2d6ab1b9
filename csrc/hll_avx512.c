#include <immintrin.h>
#include <stdint.h>

#define HLL_TABLE hll_kernels_avx512
#define LANES 8
#define HLL_PASS(h2, m) \
    _mm512_testn_epi64_mask(_mm512_loadu_si512(h2), _mm512_set1_epi64((long long)(m)))
#define HLL_RISES(d, h1, h2, pass) rises(d, h1, h2, (__mmask8)(pass))
#define HLL_MAX_BYTES 64
#define HLL_MAX(p, q) \
    _mm512_storeu_si512(p, _mm512_max_epu8(_mm512_loadu_si512(p), _mm512_loadu_si512(q)))

#include "hll.h"

/* While registers are low most items pass the mask; their registers are gathered together. */
static inline unsigned rises(const hll_dense *d, const uint64_t *h1, const uint64_t *h2,
                             __mmask8 pass) {
    __m512i zero = _mm512_setzero_si512(), one = _mm512_set1_epi64(1);
    __m512i at = _mm512_and_si512(_mm512_loadu_si512(h1),
                                  _mm512_set1_epi64((INT64_C(1) << d->p) - 1));
    __m512i zeros = _mm512_lzcnt_epi64(_mm512_loadu_si512(h2));
    __m512i value = _mm512_add_epi64(_mm512_min_epu64(zeros, _mm512_set1_epi64(62)), one);
    __m512i old = _mm512_mask_i64gather_epi64(zero, pass, at, d->registers, 1);
    old = _mm512_and_si512(old, _mm512_set1_epi64(0xFF));
    return _mm512_mask_cmpgt_epu64_mask(pass, value, old);
}

#include "hll_inl.h"
