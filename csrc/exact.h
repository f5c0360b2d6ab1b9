/* Exact nearest neighbours: everything is compared, quickly, and nothing is lost to rounding.
 *
 * Three ways through the rows, each of which gives of a row v, from which a bound on its key (what
 * neighbours are ranked by, in exact arithmetic) follows:
 *
 *     scan     one query against rows in order, at the speed of memory
 *     codes    one query against 8-bit codes of the rows, a quarter of the bytes (l2 only)
 *     tile     many queries by blocked matrix multiplication: MR rows times two vectors of queries
 *              stay in registers, and what comes out is compared with the limits of the queries
 *              at once, so that no matrix of distances is ever written
 *
 * Keys are |q - x|^2 for l2, -<q, x> for ip, -cos(q, x) for cosine. A pool per query gathers the rows
 * that may be among the nearest: those with !(v > limit). Of these it computes keys in double, few of
 * them: the k lowest bounds first, whose largest key U is at least that of the k-th neighbour; then
 * a row with a bound above U is out. What remains at the end is ranked by its key. So the result is
 * that of brute force in float64, whatever float32 made of the sums.
 *
 * With u = 2^-24, g = (dim + 8) u / (1 - (dim + 8) u), and <q, x> summed in any order (Higham 2002,
 * section 3.1), v and limit are
 *
 *     scan  l2      v = s                         limit = U / (1 - g)
 *     tile  l2      v = (1 - g) |x|^2 - 2 <q, x>  limit = U - |q|^2 + g |q|^2
 *                   as 2 |q| |x| <= |q|^2 + |x|^2
 *     ip            v = -s - (g t / 2) |x|^2      limit = U + g |q|^2 / (2 t), t = |q| / typical |x|
 *                   as 2 |q| |x| <= t |x|^2 + |q|^2 / t
 *     cosine        v = -s / |x|                  limit = U + 2 g; of q / |q|
 *     codes l2      v^2 = d^2 L                   limit = sqrt(U) + e(q), against v - e(x)
 *
 * where rows and query are d c + middle up to an error of length e, L is the squared distance of the
 * codes, and |q - x| >= d sqrt(L) - e(q) - e(x) by the triangle inequality. v that overflowed
 * (NaN) counts as below every limit. */
#ifndef TRACTABLE_EXACT_H
#define TRACTABLE_EXACT_H

#include <stddef.h>
#include <stdint.h>

#include "distance.h"
#include "isa.h"

typedef enum { EXACT_F32, EXACT_F16, EXACT_U8, EXACT_I8 } exact_type;
typedef enum { EXACT_L2, EXACT_IP, EXACT_COSINE } exact_metric;

#define EXACT_QUERIES_MAX 1024 /* queries a group: pools and panels of a thread */

typedef struct {
    exact_type type;
    exact_metric metric;
    size_t dim, n;
    const void *rows;
    const float *norm;    /* |x|^2; for cosine 1 / |x|; NaN: beyond what products of floats hold */
    const uint32_t *only; /* n slots, rising, or NULL: all of 0 .. n - 1 */
    const int8_t *codes;  /* or NULL */
    const float *error;   /* e(x), rounded up */
    double step, middle;  /* of the codes */
    double typical;       /* |x|, above 0 */
} exact_rows;

typedef struct {
    double key; /* NaN: not computed yet */
    float bound;
    uint32_t slot;
} exact_hit;

typedef struct {
    exact_hit *hits;
    size_t n, room, k; /* k = 0: all within a radius; hits grow then */
    float limit;
    int root;       /* limit = root ? sqrt(U) + shift : factor U + shift */
    double factor, shift, radius;
    const exact_rows *rows;
    const float *query; /* bytes too are floats here */
    double length;      /* |q| */
    int failed;         /* memory ran out */
} exact_pool;

/* Where the tile kernel leaves what it finds, by lane. */
typedef struct {
    exact_pool *pools;
    size_t queries;     /* lanes that are queries */
    const float *panel; /* [dim][lanes] of -2 q (l2) or -q */
    const float *weight; /* of the norm in v, for l2 and ip */
    float *limit;
} exact_lanes;

typedef struct {
    size_t lanes, tile_rows;
    /* `rows` <= tile_rows rows from x on, dim floats each; the memory of tile_rows is there. */
    void (*tile)(const float *x, size_t rows, size_t dim, const float *norm, const uint32_t *only,
                 uint32_t first, int scaled, const exact_lanes *lanes);
    /* Pushes those of n rows with v = a s + b norm (b = 0: no norms), or v = a s norm, not above
     * the pool's limit. Their slots are only[i] or first + i. */
    void (*pick)(exact_pool *pool, const float *s, size_t n, float a, float b, int scaled,
                 const float *norm, const uint32_t *only, uint32_t first);
    /* The same for squared distances of codes. */
    void (*pick_codes)(exact_pool *pool, const int32_t *s, size_t n, const float *error,
                       const uint32_t *only, uint32_t first);
    /* n elements of a type other than float32, as floats. */
    void (*widen)(exact_type type, const void *x, size_t n, float *out);
} exact_kernels;

extern const exact_kernels exact_kernels_baseline;
#if defined(ISA_X86)
extern const exact_kernels exact_kernels_avx2, exact_kernels_avx512;
#elif defined(ISA_ARM64)
extern const exact_kernels exact_kernels_neon;
#endif

static inline const exact_kernels *exact_kernels_for(int level) {
#if defined(ISA_X86)
    if (level == ISA_AVX512) return &exact_kernels_avx512;
    if (level == ISA_AVX2) return &exact_kernels_avx2;
#elif defined(ISA_ARM64)
    if (level == ISA_NEON) return &exact_kernels_neon;
#endif
    (void)level;
    return &exact_kernels_baseline;
}

static inline size_t exact_width(exact_type type) {
    return type == EXACT_F32 ? 4 : type == EXACT_F16 ? 2 : 1;
}

static inline const char *exact_row(const exact_rows *r, size_t slot) {
    return (const char *)r->rows + slot * r->dim * exact_width(r->type);
}

/* Takes in a row, and makes room when there is none left. */
void exact_make_room(exact_pool *pool);

static inline void exact_push(exact_pool *pool, float bound, uint32_t slot) {
    if (pool->n == pool->room) {
        exact_make_room(pool);
        if (pool->n == pool->room || bound > pool->limit) return;
    }
    exact_hit hit = {__builtin_nan(""), bound == bound ? bound : -__builtin_inff(), slot};
    pool->hits[pool->n++] = hit;
}

/* How many queries go through the rows together, of nq: what panels and pools leave in the cache. */
size_t exact_group(const exact_rows *r, size_t nq);

/* The neighbours of at most exact_group() queries: of each the k nearest (room for them in `pools`
 * is made here), or with k = 0 all whose key is at most `radius`. `queries` are of the rows' type,
 * float32 for float16; `floats` the same as floats. Returns 0, or -1 where memory ran out. Of every
 * pool exact_release has to be called, after either. */
int exact_search(const exact_kernels *kernels, const distance_kernels *distances,
                 const exact_rows *r, const void *queries, const float *floats, size_t nq, size_t k,
                 double radius, exact_pool *pools);
void exact_release(exact_pool *pool);

/* What rows need beside themselves: norms; codes and their errors. */
void exact_norms(const exact_kernels *kernels, exact_type type, exact_metric metric,
                 const void *rows, size_t n, size_t dim, float *norm);
void exact_encode(const exact_kernels *kernels, exact_type type, const void *rows, size_t n,
                  size_t dim, double step, double middle, int8_t *codes, float *error);

#endif
