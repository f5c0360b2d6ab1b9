#include <immintrin.h>
#include <stdint.h>

#define TEXT_TABLE text_kernels_avx512

static inline uint64_t classify64(const uint8_t *in, uint8_t *out, int fold, uint64_t *word) {
    __m512i c = _mm512_loadu_si512(in);
    __m512i bit5 = _mm512_set1_epi8(0x20), lower = _mm512_or_si512(c, bit5);
    __mmask64 letter = _mm512_cmplt_epu8_mask(_mm512_sub_epi8(lower, _mm512_set1_epi8('a')),
                                              _mm512_set1_epi8(26));
    __mmask64 digit = _mm512_cmplt_epu8_mask(_mm512_sub_epi8(c, _mm512_set1_epi8('0')),
                                             _mm512_set1_epi8(10));
    __mmask64 underscore = _mm512_cmpeq_epi8_mask(c, _mm512_set1_epi8('_'));
    _mm512_storeu_si512(out, fold ? _mm512_mask_blend_epi8(letter, c, lower) : c);
    *word = letter | digit | underscore;
    return _mm512_movepi8_mask(c);
}

#include "text_inl.h"
