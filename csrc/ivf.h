/* An inverted file: vectors in lists by their nearest centroid, scanned by 4-bit codes.
 *
 * Jegou, Douze, Schmid: Product quantization for nearest neighbor search, PAMI 2011. Of a vector x
 * in the list of centroid c the residual r = x - c is rounded to r', m groups of `width`
 * dimensions to one of 16 entries of a book each. What a query is ranked by,
 *
 *     l2   |q - c - s r'|^2 = |q - c|^2 + (s^2 |r'|^2 + 2 s <c, r'>) - 2 s <q, r'>
 *     ip   -<q, c> - <c, r> - s <q - c, r'>
 *                           = -<q, c>      + (s <c, r'> - <c, r>)       -   s <q, r'>
 *
 * is one number of the list, one of the vector (`add`), and a sum of m table entries that do not
 * depend on the list: so one set of tables serves all lists, by FastScan (codes.h). The scale s is
 * 1 for trained books ("pq4"). RaBitQ (Gao, Long, SIGMOD 2024, arXiv 2405.12497) is the same with
 * four dimensions a group, after a random rotation, a book of all signs, s = |r|^2 / <r, r'> (which
 * makes the estimate of <q, r> unbiased) and |r|^2 for s^2 |r'|^2.
 *
 * Entries of a list lie in blocks of 32, chained; those of one `add` follow one another in memory.
 *
 *     codes   u8 [blocks][m][16]   as FastScan reads them
 *     add     f32[blocks][32]
 *     mul     f32[blocks][32]      s, where it is not 1
 *     slot    u32[blocks][32]      of the row
 *     next    u32[blocks]          of the list, or of the blocks that are free; IVF_NONE ends it
 *     head    u32[lists], count u32[lists]
 *
 * A list without codes (m = 0) is scanned by the rows themselves. Of a row, what the kernels of
 * distance.h give (`raw`) becomes the distance  base + factor raw by[slot] + plus[slot]. */
#ifndef TRACTABLE_IVF_H
#define TRACTABLE_IVF_H

#include <stddef.h>
#include <stdint.h>

#include "codes.h"
#include "distance.h"

#define IVF_BLOCK FASTSCAN_ROWS
#define IVF_BOOK 16
#define IVF_NONE UINT32_MAX
#define IVF_RUN 8 /* blocks scanned at once, while as many of the next list are on their way */
#define IVF_GROUP_BYTES (1 << 19) /* of tables and pools of queries answered together: half of L2 */

typedef struct {
    size_t dim, lists, m, width;
    int metric; /* of centroids and codes: DISTANCE_L2 or DISTANCE_IP */
    const float *centroids; /* [lists][dim] */
    const int8_t *coarse;   /* [lists][dim]: c ~ coarse_step * coarse + coarse_middle */
    const float *coarse_plus; /* [lists]: what ranks them beside the products */
    float coarse_step, coarse_middle;
    const float *book;      /* [m][width][16]; beyond dim zeros */
    uint8_t *codes;
    float *add, *mul;
    uint32_t *slot, *next, *head, *count;
    size_t blocks; /* used, free ones included */
    uint32_t free;
    const uint8_t *rows; /* NULL: not kept */
    size_t row_dim, stride, slots;
    int row_kind; /* 0 f32, 1 f16, 2 u8, 3 i8 */
    int row_metric;
    const float *by, *plus; /* or NULL */
} ivf;

typedef struct {
    const float *floats; /* [dim], as the centroids are */
    const void *row;     /* [row_dim], as the kernel of the rows wants it */
    float base, factor;
} ivf_query;

/* Candidates as numbers that rise with the key, then the slot. */
typedef struct {
    uint64_t *at;
    size_t n, keep, room; /* room >= keep + a run of entries */
    float limit;          /* keys not below are of no use any more */
} ivf_pool;

typedef struct {
    /* The tables of a query, u8 [m][16], whose sums S stand for bias + step S. `t` is float [m][16]. */
    void (*tables)(const ivf *x, const float *q, float *t, uint8_t *out, float *bias, float *step);
    /* Those of n entries with base + add + mul (bias + step sum) < limit, into the pool. */
    void (*pick)(ivf_pool *pool, const uint16_t *sums, size_t n, float base, const float *add,
                 const float *mul, float bias, float step, const uint32_t *slot,
                 const uint8_t *mask);
    /* Residual [m * width] to nibbles, one a byte [m]. */
    void (*encode)(const float *book, size_t m, size_t width, const float *r, uint8_t *nibbles);
} ivf_kernels;

extern const ivf_kernels ivf_kernels_baseline;
#if defined(ISA_X86)
extern const ivf_kernels ivf_kernels_avx2, ivf_kernels_avx512;
#elif defined(ISA_ARM64)
extern const ivf_kernels ivf_kernels_neon;
#endif

static inline const ivf_kernels *ivf_kernels_for(int level) {
#if defined(ISA_X86)
    if (level == ISA_AVX512) return &ivf_kernels_avx512;
    if (level == ISA_AVX2) return &ivf_kernels_avx2;
#elif defined(ISA_ARM64)
    if (level == ISA_NEON) return &ivf_kernels_neon;
#endif
    (void)level;
    return &ivf_kernels_baseline;
}

/* All kernels of one level. They are handed in, as each level is a library of its own. */
typedef struct {
    const ivf_kernels *lists;
    const code_kernels *codes;
    const distance_kernels *distances;
} ivf_level;

static inline ivf_level ivf_level_of(int level) {
    ivf_level at = {ivf_kernels_for(level), code_kernels_for(level), distance_kernels_for(level)};
    return at;
}

/* A query under way. */
typedef struct {
    ivf_pool pool;
    uint8_t *tables;
    float bias, step;
    uint64_t *probe; /* its lists, the nearest first, as keys */
} ivf_hunt;

/* What a thread needs to search. */
typedef struct {
    size_t group, nprobe; /* queries answered together, and lists of each */
    ivf_hunt *hunts;
    void *memory;    /* of the hunts */
    uint64_t *lists; /* [2 lists] */
    uint32_t *start, *order;
    int32_t *whole;
    float *t, *far;
    int8_t *q8;
    uint16_t *sums;
} ivf_desk;

/* For pools of `keep` and n queries of `nprobe` lists. 0, or -1 for no memory. */
int ivf_desk_make(ivf_desk *desk, const ivf *x, size_t keep, size_t nprobe, size_t n);
void ivf_desk_free(ivf_desk *desk);

/* The k nearest of each of n <= desk->group queries in their nearest lists, of the `keep` best by
 * their codes, and of rows for which mask[slot] (if any) is not 0; [n][k], untouched beyond what was
 * found. Returns the least number found. */
size_t ivf_search(const ivf *x, const ivf_level *level, ivf_desk *desk, const ivf_query *q,
                  size_t n, size_t k, const uint8_t *mask, int64_t *slots, float *distances);

/* The k nearest of n rows, by comparing all; keep of the desk is at least k. */
size_t ivf_compare(const ivf *x, const ivf_level *level, ivf_desk *desk, const ivf_query *q,
                   const uint32_t *slot, size_t n, size_t k, int64_t *slots, float *distances);

/* The slots in the nprobe nearest lists; out has room for all. */
size_t ivf_members(const ivf *x, const ivf_level *level, ivf_desk *desk, const float *q,
                   uint32_t *out);

/* Codes of n vectors [n][dim] of these lists, one nibble a byte [n][m]; scratch is float
 * [2 m width]. */
void ivf_encode(const ivf *x, const ivf_level *level, const float *vectors, const uint32_t *list, size_t n,
                int scaled, float *scratch, uint8_t *nibbles, float *add, float *mul);

/* Puts n entries into their lists; blocks for them are there (ivf_blocks_for). */
size_t ivf_blocks_for(const ivf *x, const uint32_t *list, size_t n, uint32_t *scratch);
void ivf_put(ivf *x, const uint32_t *list, const uint32_t *slot, size_t n, const uint8_t *nibbles,
             const float *add, const float *mul);

/* Takes a slot out of its list, in whose place the last entry goes. 0, or -1 where it is not. */
int ivf_take(ivf *x, uint32_t list, uint32_t slot);

#define IVF_NOWHERE UINT16_MAX /* the list of a slot that is in none; lists have lower numbers */

/* Whether chains and slots stay within the arrays and each slot comes once. `home` [slots] is all
 * IVF_NOWHERE, and becomes the list of each; `block_seen` [blocks] is zeros. */
int ivf_sound(const ivf *x, uint16_t *home, uint8_t *block_seen);

/* A book for residuals [n][m * width], by k-means from the rows `first`[16]. */
void ivf_learn(const ivf_level *level, const float *r, size_t n, size_t m, size_t width,
               const uint32_t *first, int rounds, uint8_t *nibbles, double *scratch, float *book);

#endif
