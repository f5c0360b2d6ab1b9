/* A graph of near neighbours that is searched greedily (Malkov, Yashunin: "Efficient and robust
 * approximate nearest neighbor search using Hierarchical Navigable Small World graphs", 2018,
 * arXiv 1603.09320), laid out for what a search costs today: cache misses.
 *
 *   codes[slot]  `lines` cache lines   u8[64 lines - 4], then i32 norm: what a search reads
 *   links[slot]  u32[degree]           neighbours; a free place holds the slot itself
 *
 * A code is the vector in a few dimensions of 8 bits: y = round(scale P (x - mean)), kept as
 * u = y + 128, and norm = |y|^2 + |scale (x - mean)|^2 less its part in those dimensions. A query is the same y, signed and
 * kept in registers, so that
 *
 *     score = norm - 2 <u, y>  =  scale^2 |x - q|^2 + what depends on the query alone
 *
 * up to the inner product of what P leaves out. A query far from all vectors does not fit into 8
 * bits: y is halved then, and so are the norms, some times. The score is an integer, the same at every instruction set.
 * The codes choose the way and the candidates; the caller ranks these by the vectors themselves.
 *
 * There is one layer: a table of entry points, spread over the set and scanned by the query, finds
 * a near start at once (Munyampirwa, Lakshman, Coleman 2024, arXiv 2412.01940, found the layers
 * useless from 32 dimensions on). Neighbours are chosen by the rule of the relative neighbourhood
 * graph, then filled up with those that a relaxed rule keeps (Subramanya et al.: "DiskANN", 2019).
 *
 * Threads: `search` reads links while `link` of other slots changes them under a lock per slot; a
 * reader may see a list half old, half new, and each entry of it is a valid slot. What moves memory
 * or gives a slot another vector must be alone: that is the caller's lock.
 */
#ifndef TRACTABLE_HNSW_H
#define TRACTABLE_HNSW_H

#include <stddef.h>
#include <stdint.h>

#include "isa.h"

#define HNSW_LINE 64u
#define HNSW_NORM_MAX (1 << 28)    /* above are outliers: sums of two norms stay within 31 bits */
#define HNSW_DEGREE_MAX 256u       /* neighbours a node */
#define HNSW_LINES_MAX 64u         /* 4,092 dimensions in a code */
#define HNSW_SLOTS_MAX 0x7fffffffu /* the highest bit of a slot marks it in a pool */
#define HNSW_EXPANDED 0x80000000u

typedef struct {
    int32_t score;
    uint32_t slot;
} hnsw_near;

typedef struct {
    uint32_t slots, room;   /* used; allocated */
    uint32_t degree, lines; /* neighbours a node; cache lines a code */
    int borrowed;           /* codes and links are the caller's: a file that is mapped */
    uint8_t *codes;
    uint32_t *links;
    uint8_t *locks;
    uint32_t entries; /* the table of entry points */
    uint32_t *entry;
    uint8_t *entry_codes;
} hnsw_graph;

/* What a thread needs to search; sized by hnsw_scratch_fit. */
typedef struct {
    uint32_t room, ef, epoch;
    uint8_t *seen;      /* [room] the epoch in which a slot was met */
    hnsw_near *pool;    /* [ef + 1] the best so far, ascending; the search's result */
    uint32_t size;      /* of pool */
    hnsw_near *chosen;  /* [ef + 3 degree] candidates for the links of a node */
    float *occlusion;   /* beside chosen */
    int8_t *query;      /* [64 lines] */
    int8_t *other;
} hnsw_scratch;

enum { METRIC_L2, METRIC_IP, METRIC_COSINE };

/* From a vector to the y of its code. All is l2 here: `cosine` divides by the length, and `ip` gives
 * what is stored one dimension more, sqrt(longest^2 - |x|^2), and the query a 0 there, so that all
 * stored vectors are equally long and the nearest has the largest product (Bachrach et al.: "Speeding
 * up the Xbox recommender system using a Euclidean transformation", 2014). Then
 *
 *     wide = round(step (x - mean)), i16;   y = round(gain (matrix . wide));   norm = share |wide|^2
 *
 * in integers but for the roundings, so that every instruction set makes the same code. `step` keeps
 * |wide| below 46,341 = 2^15.5 for all but outliers, which are shortened: no sum leaves 32 bits. */
typedef struct {
    uint32_t dim, padded, kept; /* of a vector; with the dimension more, to whole 32; of a code */
    int metric;
    float step, gain, share, longest;
    const int16_t *matrix; /* [kept][padded] times 32,767 */
    const float *mean;     /* [padded] */
} hnsw_projection;

typedef struct {
    /* The ef nearest that the graph leads to, in scratch->pool. The query is 2^-shift of its y. */
    void (*search)(const hnsw_graph *g, hnsw_scratch *s, const int8_t *query, uint32_t shift,
                   uint32_t ef);
    /* Links a slot that has its code, choosing among the ef nearest. */
    void (*join)(hnsw_graph *g, hnsw_scratch *s, uint32_t slot, uint32_t ef);
    /* Links around a slot that is to go: nobody near it refers to it any more. */
    void (*leave)(hnsw_graph *g, hnsw_scratch *s, uint32_t slot, uint32_t ef);
    /* Makes every slot reachable from the table, where the caller's mark[slot] is 0 (else skip);
     * mark is spent. Returns how many it had to link, or SIZE_MAX when memory ran out. */
    size_t (*reach)(hnsw_graph *g, hnsw_scratch *s, uint8_t *mark, uint32_t ef);
    /* Writes the p->kept numbers of a vector's y, and returns its norm; `wide` is p->padded long. With
     * `shift` it is a query: halved as often as it takes to fit into 8 bits, which is told there.
     * What is stored is clipped instead. */
    int32_t (*project)(const hnsw_projection *p, const float *x, uint32_t *shift, int16_t *wide,
                       int8_t *y);
} hnsw_kernels;

extern const hnsw_kernels hnsw_kernels_baseline;
#if defined(ISA_X86)
extern const hnsw_kernels hnsw_kernels_avx2, hnsw_kernels_avx512;
#elif defined(ISA_ARM64)
extern const hnsw_kernels hnsw_kernels_neon;
#endif

static inline const hnsw_kernels *hnsw_kernels_for(int level) {
#if defined(ISA_X86)
    if (level == ISA_AVX512) return &hnsw_kernels_avx512;
    if (level == ISA_AVX2) return &hnsw_kernels_avx2;
#elif defined(ISA_ARM64)
    if (level == ISA_NEON) return &hnsw_kernels_neon;
#endif
    (void)level;
    return &hnsw_kernels_baseline;
}

/* Blocks of whole pages, huge ones where the system has them: a random access to gigabytes else
 * misses the TLB as well. NULL when memory ran out. */
void *hnsw_block(size_t bytes);

/* Room for `room` slots in all. 0, or -1 when memory ran out; the graph is unchanged then. */
int hnsw_reserve(hnsw_graph *g, uint32_t room);
void hnsw_release(hnsw_graph *g);
/* Gives a graph of no lines and no degree, whose slots are all in use, both; no slot has links yet.
 * 0, or -1 when memory ran out; the graph is unchanged then. */
int hnsw_start(hnsw_graph *g, uint32_t lines, uint32_t degree);
/* Codes of another size, not yet written. 0, or -1 when memory ran out. */
int hnsw_recode(hnsw_graph *g, uint32_t lines);
/* Sets the table: the slots given, their codes copied. 0, or -1 when memory ran out. */
int hnsw_set_entries(hnsw_graph *g, const uint32_t *slots, uint32_t n);
/* Whether every link and entry is a slot in use: what a file must keep. */
int hnsw_is_sound(const hnsw_graph *g);

/* Fits a scratch (zeroed at first) to the graph and an ef. 0, or -1 when memory ran out. */
int hnsw_scratch_fit(hnsw_scratch *s, const hnsw_graph *g, uint32_t ef);
void hnsw_scratch_release(hnsw_scratch *s);

static inline uint8_t *hnsw_code(const hnsw_graph *g, uint32_t slot) {
    return g->codes + (size_t)slot * g->lines * HNSW_LINE;
}

static inline uint32_t *hnsw_links(const hnsw_graph *g, uint32_t slot) {
    return g->links + (size_t)slot * g->degree;
}

static inline void hnsw_clear_links(const hnsw_graph *g, uint32_t slot) {
    for (uint32_t i = 0; i < g->degree; i++) hnsw_links(g, slot)[i] = slot;
}

/* The number of dimensions in a code. */
static inline uint32_t hnsw_code_dim(const hnsw_graph *g) {
    return g->lines * HNSW_LINE - (uint32_t)sizeof(int32_t);
}

/* Writes the code of a projected vector: y, in code_dim dimensions, and its norm. */
static inline void hnsw_encode(uint8_t *code, const int8_t *y, uint32_t dim, int32_t norm) {
    for (uint32_t i = 0; i < dim; i++) code[i] = (uint8_t)(y[i] + 128);
    __builtin_memcpy(code + dim, &norm, sizeof norm);
}

#endif
