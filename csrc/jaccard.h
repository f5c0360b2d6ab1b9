/* How many elements two sorted sets of 64-bit hashes have in common, and how many bits two bitmaps.
 *
 * A merge, element by element, waits for each comparison before it can load the next element. Here
 * blocks of LANES elements are compared all with all, in registers, and the block with the smaller
 * last element moves on (Inoue, Ohara, Taura: "Faster Set Intersection with SIMD instructions",
 * VLDB 2014): every pair of blocks that can share an element meets once. The comparison gives up as
 * soon as what is needed cannot be reached any more.
 *
 * Bitmaps bound that number from above without a look at the sets (join.h). One is compared with many
 * that lie together, as few of them as stay in L1 while others are compared with them, too.
 */
#ifndef TRACTABLE_JACCARD_H
#define TRACTABLE_JACCARD_H

#include <stddef.h>
#include <stdint.h>

#include "isa.h"

typedef struct {
    /* |A and B|, or 0 where that is below `need` */
    size_t (*common)(const uint64_t *a, size_t n, const uint64_t *b, size_t m, size_t need);
    /* common[i]: the bits that `a` shares with row i of n; words is a multiple of 8 */
    void (*bits)(const uint64_t *a, const uint64_t *rows, size_t n, size_t words,
                 uint32_t *common);
} jaccard_kernels;

extern const jaccard_kernels jaccard_kernels_baseline;
#if defined(ISA_X86)
extern const jaccard_kernels jaccard_kernels_avx2, jaccard_kernels_avx512;
#endif

static inline const jaccard_kernels *jaccard_kernels_for(int level) {
#if defined(ISA_X86)
    if (level == ISA_AVX512) return &jaccard_kernels_avx512;
    if (level == ISA_AVX2) return &jaccard_kernels_avx2;
#endif
    (void)level; /* two lanes of NEON are no faster than a merge */
    return &jaccard_kernels_baseline;
}

#endif
