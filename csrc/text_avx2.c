#include <immintrin.h>
#include <stdint.h>

#define TEXT_TABLE text_kernels_avx2

/* Bytes of v - first that are below n, as all ones. */
static inline __m256i in_range(__m256i v, char first, char n) {
    __m256i d = _mm256_sub_epi8(v, _mm256_set1_epi8(first));
    return _mm256_cmpeq_epi8(_mm256_min_epu8(d, _mm256_set1_epi8((char)(n - 1))), d);
}

static inline uint32_t classify32(const uint8_t *in, uint8_t *out, int fold, uint32_t *word) {
    __m256i c = _mm256_loadu_si256((const __m256i *)(const void *)in);
    __m256i lower = _mm256_or_si256(c, _mm256_set1_epi8(0x20));
    __m256i letter = in_range(lower, 'a', 26), digit = in_range(c, '0', 10);
    __m256i underscore = _mm256_cmpeq_epi8(c, _mm256_set1_epi8('_'));
    __m256i folded = fold ? _mm256_blendv_epi8(c, lower, letter) : c;
    _mm256_storeu_si256((__m256i *)(void *)out, folded);
    *word = (uint32_t)_mm256_movemask_epi8(_mm256_or_si256(_mm256_or_si256(letter, digit), underscore));
    return (uint32_t)_mm256_movemask_epi8(c);
}

static inline uint64_t classify64(const uint8_t *in, uint8_t *out, int fold, uint64_t *word) {
    uint32_t low_word, high_word;
    uint32_t low = classify32(in, out, fold, &low_word);
    uint32_t high = classify32(in + 32, out + 32, fold, &high_word);
    *word = low_word | (uint64_t)high_word << 32;
    return low | (uint64_t)high << 32;
}

#include "text_inl.h"
