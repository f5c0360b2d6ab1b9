/* The kernel of jaccard.h. The including file defines JACCARD_TABLE, and where it has vectors LANES
 * and block_common(a, b): how many of LANES elements from a on stand among LANES from b on; where it
 * can count bits in vectors, BITS_COMMON(a, b, words). */
#include "jaccard.h"
#include "outline.h"

static size_t sorted_common(const uint64_t *a, size_t n, const uint64_t *b, size_t m, size_t need) {
    size_t i = 0, j = 0, common = 0;
#ifdef LANES
    while (i + LANES <= n && j + LANES <= m) {
        if (common + (n - i < m - j ? n - i : m - j) < need) return 0;
        uint64_t p = a[i + LANES - 1], q = b[j + LANES - 1];
        common += block_common(a + i, b + j);
        i += p <= q ? LANES : 0;
        j += q <= p ? LANES : 0;
    }
#endif
    while (i < n && j < m) { /* what of a block has met already is smaller than all that is left */
        size_t left = n - i < m - j ? n - i : m - j;
        if (common + left < need) return 0;
        size_t steps = left < 16 ? left : 16; /* the bound is looked at once in 16 steps */
        while (steps--) {
            uint64_t p = a[i], q = b[j];
            common += p == q;
            i += p <= q;
            j += q <= p;
        }
    }
    return common >= need ? common : 0;
}

#ifndef BITS_COMMON
#define BITS_COMMON bits_common
static inline size_t bits_common(const uint64_t *a, const uint64_t *b, size_t words) {
    size_t common = 0;
#ifdef __POPCNT__
    for (size_t w = 0; w < words; w++) common += (size_t)__builtin_popcountll(a[w] & b[w]);
#else
    for (size_t w = 0; w < words; w += OUTLINE_WORDS) common += outline_bits(a + w, b + w);
#endif
    return common;
}
#endif

static void rows_common(const uint64_t *a, const uint64_t *rows, size_t n, size_t words,
                        uint32_t *common) {
    for (size_t i = 0; i < n; i++) common[i] = (uint32_t)BITS_COMMON(a, rows + i * words, words);
}

const jaccard_kernels JACCARD_TABLE = {sorted_common, rows_common};
