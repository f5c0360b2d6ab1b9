#include "codes_avx2.h"
#include "codes_bits.h"

#define CODES_TABLE code_kernels_avx2

/* Two products of 15 * 128 fit 16 bits. */
static void nibbles_sums(const int8_t *q, const uint8_t *const x[4], size_t groups, int32_t *out) {
    __m256i sum[4] = {_mm256_setzero_si256(), _mm256_setzero_si256(), _mm256_setzero_si256(),
                      _mm256_setzero_si256()};
    for (size_t g = 0; g < groups; g++) {
        __m256i p = load(q + 64 * g), r = load(q + 64 * g + 32);
        for (int j = 0; j < 4; j++) {
            __m256i code = load(x[j] + 32 * g);
            __m256i pairs = _mm256_add_epi16(_mm256_maddubs_epi16(low_half(code), p),
                                             _mm256_maddubs_epi16(high_half(code), r));
            sum[j] = _mm256_add_epi32(sum[j], _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
        }
    }
    store_sums(sum, out);
}

#include "codes_inl.h"
