/* HyperLogLog at AVX-512 level: while registers are low, many items pass the mask and few of them
 * raise a register, so that a branch on either would be a guess. Those that pass are first put side
 * by side, without a branch; then their registers are gathered, eight at a time, and only the items
 * that rise leave the vector. */
#include <immintrin.h>
#include <stdint.h>

#define HLL_TABLE hll_kernels_avx512
#define LANES 8
#define HLL_PASS(h2, m) \
    _mm512_testn_epi64_mask(_mm512_loadu_si512(h2), _mm512_set1_epi64((long long)(m)))
#define HLL_MAX_BYTES 64
#define HLL_MAX(p, q) \
    _mm512_storeu_si512(p, _mm512_max_epu8(_mm512_loadu_si512(p), _mm512_loadu_si512(q)))
#define HLL_UPDATE update_avx512

#include "hll.h"

#define HLL_PROBE probe_avx512

static void update_avx512(hll_dense *d, const uint64_t *h1, const uint64_t *h2, size_t n);
static inline size_t probe_avx512(const uint32_t *table, uint32_t lg, uint32_t round,
                                  uint32_t *coupons, size_t n);
#include "hll_inl.h"

#define WARM 9      /* from this `low` on less than 2 % of the vectors pass: the branch is no guess */

static inline size_t probe_avx512(const uint32_t *table, uint32_t lg, uint32_t round,
                                  uint32_t *coupons, size_t n) {
    const __m512i mask = _mm512_set1_epi32((1 << lg) - 1);
    size_t kept = 0;
    for (size_t i = 0; i < n; i += 16) {
        __mmask16 lanes = (__mmask16)(n - i < 16 ? (1u << (n - i)) - 1 : 0xFFFF);
        __m512i coupon = _mm512_maskz_loadu_epi32(lanes, coupons + i);
        __m512i stride = _mm512_and_si512(coupon, _mm512_set1_epi32(HLL_ADDRESS));
        stride = _mm512_or_si512(_mm512_srl_epi32(stride, _mm_cvtsi32_si128((int)lg)),
                                 _mm512_set1_epi32(1));
        stride = _mm512_mullo_epi32(stride, _mm512_set1_epi32((int)round));
        __m512i at = _mm512_and_si512(_mm512_add_epi32(coupon, stride), mask);
        __m512i cell = _mm512_mask_i32gather_epi32(_mm512_setzero_si512(), lanes, at, table, 4);
        __mmask16 missed = _mm512_mask_cmpneq_epu32_mask(lanes, cell, coupon);
        __m512i rest = _mm512_maskz_compress_epi32(missed, coupon);
        _mm512_mask_storeu_epi32(coupons + kept, lanes, rest); /* over what has been read */
        kept += (size_t)__builtin_popcount(missed);
    }
    return kept;
}

/* Which of eight items raise their registers, as these are now. */
static inline unsigned rises(const hll_dense *d, __m512i address, __m512i h2, __mmask8 lanes) {
    __m512i zeros = _mm512_min_epu64(_mm512_lzcnt_epi64(h2), _mm512_set1_epi64(62));
    __m512i value = _mm512_add_epi64(zeros, _mm512_set1_epi64(1));
    __m512i old = _mm512_mask_i64gather_epi64(_mm512_setzero_si512(), lanes, address,
                                              d->registers, 1);
    old = _mm512_and_si512(old, _mm512_set1_epi64(0xFF));
    return _mm512_mask_cmpgt_epu64_mask(lanes, value, old);
}

static inline void raise_block(hll_dense *d, const uint64_t *h1, const uint64_t *h2, size_t n) {
    uint64_t at[HLL_BLOCK + LANES], rest[HLL_BLOCK + LANES], mask = hll_mask(d);
    const __m512i address = _mm512_set1_epi64((INT64_C(1) << d->p) - 1);
    size_t kept = 0;
    for (size_t i = 0; i < n; i += LANES) {
        __mmask8 lanes = (__mmask8)(n - i < LANES ? (1u << (n - i)) - 1 : 0xFF);
        __m512i a = _mm512_maskz_loadu_epi64(lanes, h1 + i);
        __m512i b = _mm512_maskz_loadu_epi64(lanes, h2 + i);
        __mmask8 pass = _mm512_mask_testn_epi64_mask(lanes, b, _mm512_set1_epi64((long long)mask));
        _mm512_storeu_si512(at + kept, _mm512_maskz_compress_epi64(pass, a));
        _mm512_storeu_si512(rest + kept, _mm512_maskz_compress_epi64(pass, b));
        kept += (size_t)__builtin_popcount(pass);
    }
    for (size_t i = 0; i < kept; i += LANES) {
        __mmask8 lanes = (__mmask8)(kept - i < LANES ? (1u << (kept - i)) - 1 : 0xFF);
        __m512i a = _mm512_and_si512(_mm512_maskz_loadu_epi64(lanes, at + i), address);
        unsigned rise = rises(d, a, _mm512_maskz_loadu_epi64(lanes, rest + i), lanes);
        for (; rise; rise &= rise - 1) { /* in the order they came: hip depends on it */
            size_t j = i + (size_t)__builtin_ctz(rise);
            hll_raise(d, at[j] & ((UINT64_C(1) << d->p) - 1), hll_value(rest[j]));
        }
    }
}

static void update_avx512(hll_dense *d, const uint64_t *h1, const uint64_t *h2, size_t n) {
    for (size_t i = 0; i < n; i += HLL_BLOCK) {
        size_t m = n - i < HLL_BLOCK ? n - i : HLL_BLOCK;
        if (d->low < WARM)
            raise_block(d, h1 + i, h2 + i, m);
        else
            hll_update_dense(d, h1 + i, h2 + i, m);
    }
}
