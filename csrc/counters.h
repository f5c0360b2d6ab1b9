/* Tables of counters addressed by hashes: Count-Min and Count-Sketch.
 *
 * Count-Min (Cormode, Muthukrishnan: "An improved data stream summary: the count-min sketch and its
 * applications", J. Algorithms 2005): every row adds an item's weight to one of its 2^bits cells;
 * what a cell holds is the item's count and those of whoever shares it, so the least over the rows
 * is the closest, and never below. Conservative update (Estan, Varghese, SIGCOMM 2002) raises only
 * the cells that are lower than the new least. Count-Sketch (Charikar, Chen, Farach-Colton, ICALP
 * 2002) adds the weight with a sign of the item's: what the others add cancels out on average, and
 * the median over the rows is taken.
 *
 *     cells[row][2^bits], 32 or 64 bits each; unsigned, or for Count-Sketch signed
 *
 * Where an item's cells are, version 1: from its hash x (h1 of MurmurHash3), fields of f = bits
 * (Count-Sketch: bits + 1) bits each, floor(64 / f) to a word:
 *     row i, with p = 64 / f:  field = word_(i / p) >> (i mod p) f,  its low f bits
 *     word_0 = x;   word_k = fmix64(x + k * COUNTERS_STEP)
 *     Count-Min: cell = field.   Count-Sketch: cell = field >> 1, weight negated if field is odd.
 * The rows of a word are disjoint bits of a uniform hash, hence independent. (Rows at h1 + i h2
 * would only be so in pairs: two items that share the cells of two rows are near in all.)
 *
 * A cell never wraps. While all weights together fit into one, no cell can, and nothing is checked;
 * afterwards every addition is, stops at the largest value, and says so in `saturated`.
 *
 * The loops over cells wait for the cache: rows are walked one after another, for a block of
 * hashes, so that the processor has many misses under way and only one row's cells compete.
 */
#ifndef TRACTABLE_COUNTERS_H
#define TRACTABLE_COUNTERS_H

#include <stddef.h>
#include <stdint.h>

#include "isa.h"

#define COUNTERS_BLOCK 512 /* hashes a turn: their fields fill 2 KiB a row */
#define COUNTERS_DEPTH 64  /* rows at most; e^-64 is no chance at all */
#define COUNTERS_BITS 32   /* a field has 32 bits at most: 2^32 cells a row, 2^31 beside a sign */
#define COUNTERS_STEP UINT64_C(0x9e3779b97f4a7c15) /* 2^64 / golden ratio: words far apart */

enum { COUNTERS_FULL = 1, COUNTERS_HALVED = 2 };

typedef struct {
    uint32_t depth, bits;
    int is_signed, is_wide, conservative;
    int saturated; /* COUNTERS_FULL, and COUNTERS_HALVED if that was before a halving */
    uint64_t total; /* all weights, without their signs; stops at the largest value */
    void *cells;
} counters;

typedef struct {
    /* Adds n items: of weight one each where weights is NULL. */
    void (*add)(counters *c, const uint64_t *x, const int64_t *weights, size_t n);
    /* Count-Min's estimates. */
    void (*least)(const counters *c, const uint64_t *x, size_t n, uint64_t *out);
    /* Count-Sketch's. */
    void (*median)(const counters *c, const uint64_t *x, size_t n, double *out);
} counter_kernels;

/* The cells of another table of the same shape are added to c's, its total and flag too. */
void counters_merge(counters *c, const counters *other);
/* The products of two rows' cells, summed: 128 bits, low word first. 0, or -1 where it has more. */
int counters_dot(const counters *a, const counters *b, uint32_t row, uint64_t sum[2]);
void counters_halve(counters *c);

extern const counter_kernels counter_kernels_baseline;
#if defined(ISA_X86)
extern const counter_kernels counter_kernels_avx2, counter_kernels_avx512;
#elif defined(ISA_ARM64)
extern const counter_kernels counter_kernels_neon;
#endif

static inline const counter_kernels *counter_kernels_for(int level) {
#if defined(ISA_X86)
    if (level == ISA_AVX512) return &counter_kernels_avx512;
    if (level == ISA_AVX2) return &counter_kernels_avx2;
#elif defined(ISA_ARM64)
    if (level == ISA_NEON) return &counter_kernels_neon;
#endif
    (void)level;
    return &counter_kernels_baseline;
}

#endif
