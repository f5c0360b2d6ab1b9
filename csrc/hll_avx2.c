#include <immintrin.h>
#include <stdint.h>

#define HLL_TABLE hll_kernels_avx2
#define LANES 8
#define HLL_PASS(h2, m) (pass_four(h2, m) | pass_four((h2) + 4, m) << 4)
#define HLL_MAX_BYTES 32
#define HLL_MAX(p, q) store(p, _mm256_max_epu8(load(p), load(q)))

static inline __m256i load(const void *p) {
    return _mm256_loadu_si256((const __m256i *)p);
}

static inline void store(void *p, __m256i v) {
    _mm256_storeu_si256((__m256i *)p, v);
}

static inline unsigned pass_four(const uint64_t *h2, uint64_t m) {
    __m256i high = _mm256_and_si256(load(h2), _mm256_set1_epi64x((long long)m));
    __m256i none = _mm256_cmpeq_epi64(high, _mm256_setzero_si256());
    return (unsigned)_mm256_movemask_pd(_mm256_castsi256_pd(none));
}

#include "hll_inl.h"
