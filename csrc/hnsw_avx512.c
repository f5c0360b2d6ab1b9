#include <immintrin.h>
#include <stdint.h>

#define HNSW_TABLE hnsw_kernels_avx512

static inline int32_t dot(const uint8_t *code, const int8_t *query, uint32_t lines) {
    __m512i sum = _mm512_setzero_si512();
    for (uint32_t i = 0; i < lines; i++)
        sum = _mm512_dpbusd_epi32(sum, _mm512_load_si512(code + 64 * i),
                                  _mm512_load_si512(query + 64 * i));
    return _mm512_reduce_add_epi32(sum);
}

#include "hnsw_inl.h"
