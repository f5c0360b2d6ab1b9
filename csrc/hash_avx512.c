/* MurmurHash3 at AVX-512 level: eight keys at once, one in each 64-bit lane.
 *
 * There is a 64-bit multiplication here (vpmullq). On Zen 5 the loop over numbers is twice as fast
 * in 512-bit registers as in 256-bit ones (3.3 against 1.7 G hashes/s in the L1 cache); intrinsics
 * say so, since compilers differ in what they prefer.
 *
 * Byte strings are read by masked loads of 16 bytes, which touch no byte outside the mask: no
 * branch on the length of a key, hence no misprediction, which is what short keys spend most of
 * their time on otherwise. Eight keys take as many rounds as the longest of them:
 *
 *   key 0  |16 bytes|16 bytes|tail  |          lanes k1 k2 of round r: bytes 16 r .. 16 r + 15
 *   key 1  |tail|                               of each key that has them; the lanes of the others
 *   ...                                         keep their state
 */
#include <immintrin.h>

#include "murmur3.h"

#define HASH_TABLE hash_kernels_avx512
#define HASH_U64 u64_avx512
#define HASH_SPANS spans_avx512
static void u64_avx512(const uint64_t *keys, size_t n, uint64_t seed, uint64_t *h1, uint64_t *h2);
static void spans_avx512(const uint8_t *const *ptr, const size_t *len, size_t n, uint64_t seed,
                         uint64_t *h1, uint64_t *h2);
#include "hash_inl.h"

#define LANES 8
/* Rounds of eight lanes cost about as much as 3.3 scalar ones: uneven groups of long keys go one
 * by one. */
#define ROUNDS_ALWAYS 2
#define ROUND_COST 3

static inline __m512i set64(uint64_t v) {
    return _mm512_set1_epi64((long long)v);
}

/* Up to 16 bytes of each of eight keys as two vectors of words, zero padded. */
static inline void load_lanes(const uint8_t *const *at, const __mmask16 *mask, __m512i *k1,
                              __m512i *k2) {
    __m512i even = _mm512_castsi128_si512(_mm_maskz_loadu_epi8(mask[0], at[0]));
    __m512i odd = _mm512_castsi128_si512(_mm_maskz_loadu_epi8(mask[1], at[1]));
    even = _mm512_inserti64x2(even, _mm_maskz_loadu_epi8(mask[2], at[2]), 1);
    odd = _mm512_inserti64x2(odd, _mm_maskz_loadu_epi8(mask[3], at[3]), 1);
    even = _mm512_inserti64x2(even, _mm_maskz_loadu_epi8(mask[4], at[4]), 2);
    odd = _mm512_inserti64x2(odd, _mm_maskz_loadu_epi8(mask[5], at[5]), 2);
    even = _mm512_inserti64x2(even, _mm_maskz_loadu_epi8(mask[6], at[6]), 3);
    odd = _mm512_inserti64x2(odd, _mm_maskz_loadu_epi8(mask[7], at[7]), 3);
    *k1 = _mm512_unpacklo_epi64(even, odd);
    *k2 = _mm512_unpackhi_epi64(even, odd);
}

static inline __m512i mix_k1(__m512i k) {
    k = _mm512_rol_epi64(_mm512_mullo_epi64(k, set64(MURMUR3_C1)), 31);
    return _mm512_mullo_epi64(k, set64(MURMUR3_C2));
}

static inline __m512i mix_k2(__m512i k) {
    k = _mm512_rol_epi64(_mm512_mullo_epi64(k, set64(MURMUR3_C2)), 33);
    return _mm512_mullo_epi64(k, set64(MURMUR3_C1));
}

static inline __m512i times5(__m512i v, uint64_t plus) {
    return _mm512_add_epi64(_mm512_add_epi64(v, _mm512_slli_epi64(v, 2)), set64(plus));
}

static inline __m512i fmix(__m512i k) {
    k = _mm512_xor_si512(k, _mm512_srli_epi64(k, 33));
    k = _mm512_mullo_epi64(k, set64(UINT64_C(0xff51afd7ed558ccd)));
    k = _mm512_xor_si512(k, _mm512_srli_epi64(k, 33));
    k = _mm512_mullo_epi64(k, set64(UINT64_C(0xc4ceb9fe1a85ec53)));
    return _mm512_xor_si512(k, _mm512_srli_epi64(k, 33));
}

static inline void finish(__m512i a, __m512i b, __m512i length, uint64_t *h1, uint64_t *h2) {
    a = _mm512_xor_si512(a, length);
    b = _mm512_xor_si512(b, length);
    a = _mm512_add_epi64(a, b);
    b = _mm512_add_epi64(b, a);
    a = fmix(a);
    b = fmix(b);
    a = _mm512_add_epi64(a, b);
    _mm512_storeu_si512(h1, a);
    if (h2) _mm512_storeu_si512(h2, _mm512_add_epi64(b, a));
}

static inline void hash_eight(const uint8_t *const *ptr, const size_t *len, size_t rounds,
                              uint64_t seed, uint64_t *h1, uint64_t *h2) {
    __m512i length = _mm512_loadu_si512(len), blocks = _mm512_srli_epi64(length, 4);
    __m512i a = set64(seed), b = a, k1, k2;
    const uint8_t *at[LANES];
    __mmask16 mask[LANES];
    for (size_t r = 0; r < rounds; r++) {
        __mmask8 going = _mm512_cmpgt_epu64_mask(blocks, set64(r));
        for (int i = 0; i < LANES; i++) {
            mask[i] = (__mmask16)(going >> i & 1 ? 0xFFFF : 0);
            at[i] = ptr[i] + (going >> i & 1 ? 16 * r : 0);
        }
        load_lanes(at, mask, &k1, &k2);
        __m512i a1 = _mm512_rol_epi64(_mm512_xor_si512(a, mix_k1(k1)), 27);
        a = _mm512_mask_mov_epi64(a, going, times5(_mm512_add_epi64(a1, b), 0x52dce729));
        __m512i b1 = _mm512_rol_epi64(_mm512_xor_si512(b, mix_k2(k2)), 31);
        b = _mm512_mask_mov_epi64(b, going, times5(_mm512_add_epi64(b1, a), 0x38495ab5));
    }
    for (int i = 0; i < LANES; i++) {
        mask[i] = (__mmask16)((1u << (len[i] & 15)) - 1);
        at[i] = ptr[i] + (len[i] & ~(size_t)15);
    }
    load_lanes(at, mask, &k1, &k2);
    a = _mm512_xor_si512(a, mix_k1(k1));
    b = _mm512_xor_si512(b, mix_k2(k2));
    finish(a, b, length, h1, h2);
}

static void u64_avx512(const uint64_t *keys, size_t n, uint64_t seed, uint64_t *h1, uint64_t *h2) {
    const __m512i start = set64(seed), length = set64(8);
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        __m512i a = _mm512_xor_si512(start, mix_k1(_mm512_loadu_si512(keys + i)));
        finish(a, start, length, h1 + i, h2 ? h2 + i : NULL);
    }
    hash_u64(keys + i, n - i, seed, h1 + i, h2 ? h2 + i : NULL);
}

static void spans_avx512(const uint8_t *const *ptr, const size_t *len, size_t n, uint64_t seed,
                         uint64_t *h1, uint64_t *h2) {
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        __m512i blocks = _mm512_srli_epi64(_mm512_loadu_si512(len + i), 4);
        size_t rounds = (size_t)_mm512_reduce_max_epu64(blocks);
        if (rounds > ROUNDS_ALWAYS && ROUND_COST * rounds > (size_t)_mm512_reduce_add_epi64(blocks))
            hash_spans(ptr + i, len + i, LANES, seed, h1 + i, h2 ? h2 + i : NULL);
        else
            hash_eight(ptr + i, len + i, rounds, seed, h1 + i, h2 ? h2 + i : NULL);
    }
    hash_spans(ptr + i, len + i, n - i, seed, h1 + i, h2 ? h2 + i : NULL);
}
