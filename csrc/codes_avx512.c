#include "codes_avx2.h"

#define CODES_TABLE code_kernels_avx512

static void nibbles_sums(const int8_t *q, const uint8_t *const x[4], size_t groups, int32_t *out) {
    __m256i sum[4] = {_mm256_setzero_si256(), _mm256_setzero_si256(), _mm256_setzero_si256(),
                      _mm256_setzero_si256()};
    for (size_t g = 0; g < groups; g++) {
        __m256i p = load(q + 64 * g), r = load(q + 64 * g + 32);
        for (int j = 0; j < 4; j++) {
            __m256i code = load(x[j] + 32 * g);
            sum[j] = _mm256_dpbusd_epi32(sum[j], low_half(code), p);
            sum[j] = _mm256_dpbusd_epi32(sum[j], high_half(code), r);
        }
    }
    store_sums(sum, out);
}

static inline __m512i plane_counts(__m512i counts, __m512i q, __m512i x, unsigned b) {
    __m512i n = _mm512_popcnt_epi64(_mm512_and_si512(q, x));
    return _mm512_add_epi64(counts, _mm512_sll_epi64(n, _mm_cvtsi32_si128((int)b)));
}

static void bits_sums(const uint64_t *q, unsigned planes, const uint64_t *const x[4], size_t words,
                      uint32_t *out) {
    __m512i sum[4] = {_mm512_setzero_si512(), _mm512_setzero_si512(), _mm512_setzero_si512(),
                      _mm512_setzero_si512()};
    for (size_t i = 0; i < words; i += 8) {
        __mmask8 some = (__mmask8)(words - i < 8 ? (1u << (words - i)) - 1 : 0xFF);
        __m512i row[4];
        for (int j = 0; j < 4; j++) row[j] = _mm512_maskz_loadu_epi64(some, x[j] + i);
        for (unsigned b = 0; b < planes; b++) {
            __m512i plane = _mm512_maskz_loadu_epi64(some, q + b * words + i);
            for (int j = 0; j < 4; j++) sum[j] = plane_counts(sum[j], plane, row[j], b);
        }
    }
    for (int j = 0; j < 4; j++) out[j] = (uint32_t)_mm512_reduce_add_epi64(sum[j]);
}

/* The words of a plane over and over, for as many rows as share a vector. */
static inline __m512i repeated(const uint64_t *plane, size_t words) {
    if (words == 1) return _mm512_set1_epi64((long long)*plane);
    if (words == 2)
        return _mm512_broadcast_i64x2(_mm_loadu_si128((const __m128i *)(const void *)plane));
    return _mm512_broadcast_i64x4(load(plane));
}

/* Eight, four or two rows a vector. */
static inline void short_rows(const uint64_t *q, unsigned planes, const uint64_t *x, size_t n,
                              size_t words, uint32_t *out) {
    __m512i plane[BITS_PLANES_MAX];
    for (unsigned b = 0; b < planes; b++) plane[b] = repeated(q + b * words, words);
    size_t left = n * words;
    for (; left; x += 8) {
        size_t now = left < 8 ? left : 8, rows = now / words;
        __m512i row = _mm512_maskz_loadu_epi64((__mmask8)((1u << now) - 1), x);
        __m512i sum = _mm512_setzero_si512();
        for (unsigned b = 0; b < planes; b++) sum = plane_counts(sum, plane[b], row, b);
        if (words >= 2) sum = _mm512_add_epi64(sum, _mm512_shuffle_epi32(sum, 0x4E));
        if (words == 4) sum = _mm512_add_epi64(sum, _mm512_permutex_epi64(sum, 0x4E));
        unsigned kept = words == 1 ? 0xFF : words == 2 ? 0x55 : 0x11;
        __m256i each = _mm512_cvtepi64_epi32(_mm512_maskz_compress_epi64((__mmask8)kept, sum));
        _mm256_mask_storeu_epi32(out, (__mmask8)((1u << rows) - 1), each);
        out += rows;
        left -= now;
    }
}

#define BITS_BLOCK bits_rows
static void bits_by_fours(const uint64_t *q, unsigned planes, const uint64_t *x, size_t n,
                          size_t words, uint32_t *out);

static void bits_rows(const uint64_t *q, unsigned planes, const uint64_t *x, size_t n, size_t words,
                      uint32_t *out) {
    if (words == 1) short_rows(q, planes, x, n, 1, out);
    else if (words == 2) short_rows(q, planes, x, n, 2, out);
    else if (words == 4) short_rows(q, planes, x, n, 4, out);
    else bits_by_fours(q, planes, x, n, words, out);
}

#include "codes_inl.h"
