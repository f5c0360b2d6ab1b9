/* What AVX2 and AVX-512 share: vectors of 256 bits, as Zen 4 carries out a shuffle of 512 as two of
 * 256 and a block of nibbles is no wider. */
#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

#include "codes.h"

static inline __m256i load(const void *p) { return _mm256_loadu_si256((const __m256i *)p); }
static inline __m256i low_half(__m256i v) { return _mm256_and_si256(v, _mm256_set1_epi8(15)); }
static inline __m256i high_half(__m256i v) { return low_half(_mm256_srli_epi16(v, 4)); }

/* The sums of the lanes of four vectors. */
static inline void store_sums(const __m256i *v, int32_t *out) {
    __m256i s = _mm256_hadd_epi32(_mm256_hadd_epi32(v[0], v[1]), _mm256_hadd_epi32(v[2], v[3]));
    __m128i t = _mm_add_epi32(_mm256_castsi256_si128(s), _mm256_extracti128_si256(s, 1));
    _mm_storeu_si128((__m128i *)(void *)out, t);
}

/* Bytes at even places, and those at odd ones, summed in 16 bits each: as the whole vector is added
 * the odd bytes spill into the sum of the even ones, 256 times each, which is taken off at the end
 * (modulo 2^16, as everything here). Both 128-bit halves hold partial sums of the same rows. */
static inline void fastscan_store(__m256i whole, __m256i odd, uint16_t *out) {
    __m256i even = _mm256_sub_epi16(whole, _mm256_slli_epi16(odd, 8));
    __m256i lo = _mm256_unpacklo_epi16(even, odd), hi = _mm256_unpackhi_epi16(even, odd);
    __m256i first = _mm256_permute2x128_si256(lo, hi, 0x20);
    __m256i second = _mm256_permute2x128_si256(lo, hi, 0x31);
    _mm256_storeu_si256((__m256i *)(void *)out, _mm256_add_epi16(first, second));
}

static void fastscan_block(const uint8_t *tables, const uint8_t *codes, size_t m, uint16_t *out) {
    __m256i low = _mm256_setzero_si256(), low_odd = low, high = low, high_odd = low;
    for (size_t j = 0; j < m; j += 2) {
        __m256i table = load(tables + 16 * j), code = load(codes + 16 * j);
        __m256i a = _mm256_shuffle_epi8(table, low_half(code));
        __m256i b = _mm256_shuffle_epi8(table, high_half(code));
        low = _mm256_add_epi16(low, a), low_odd = _mm256_add_epi16(low_odd, _mm256_srli_epi16(a, 8));
        high = _mm256_add_epi16(high, b);
        high_odd = _mm256_add_epi16(high_odd, _mm256_srli_epi16(b, 8));
    }
    fastscan_store(low, low_odd, out);
    fastscan_store(high, high_odd, out + 16);
}
