/* The three ways through the rows. See exact.h. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "exact.h"
#include "exact_pool.h"

#define BLOCK 512              /* rows between two looks at their distances: these stay in L1 */
#define PANELS (768 << 10)     /* bytes of queries, which stay in a cache of 1 MiB beside rows */
#define ROWS_BYTES (64 << 10)  /* of rows that go through all panels */
#define TILE_FROM 6            /* queries from which on tiles are faster than scans of floats, */
#define TILE_FROM_BYTES 14     /* and of bytes, which are a quarter */
#define FAR 1e37               /* products of lengths whose squares lie in 1/FAR .. FAR are floats */

static double rounding(size_t dim) {
    double u = 0x1p-24, n = (double)(dim + 8);
    return n * u / (1 - n * u) * 1.001; /* and the roundings of the double sums */
}

static size_t least(size_t a, size_t b) { return a < b ? a : b; }

size_t exact_group(const exact_rows *r, size_t nq) {
    size_t most = PANELS / (4 * r->dim) / 32 * 32;
    most = most < 32 ? 32 : least(most, EXACT_QUERIES_MAX);
    size_t groups = (nq + most - 1) / most; /* of one size, or the last would be nearly empty lanes */
    return groups ? ((nq + groups - 1) / groups + 31) / 32 * 32 : 32;
}

static double square_of(const float *q, size_t dim) {
    double sum = 0;
    for (size_t i = 0; i < dim; i++) sum += (double)q[i] * q[i];
    return sum;
}

/* How v relates to the norm of a row, and the limit to a key: the table in exact.h. Where a query is
 * so long (for cosine: or so short) that float32 may not hold a product, the weight is NaN, and so is
 * every v: all rows are looked at in double. Rows of that kind have a norm of NaN. */
static float relate(exact_pool *pool, int tile) {
    const exact_rows *r = pool->rows;
    double g = rounding(r->dim), q2 = pool->length * pool->length;
    double lost = (double)r->dim * 0x1p-146; /* what products below float32's range can come to */
    float weight = 0;
    pool->root = 0, pool->factor = 1;
    if (r->metric == EXACT_COSINE) {
        pool->shift = 2 * g;
        if (q2 < 1 / FAR) weight = NAN;
    } else if (r->metric == EXACT_IP) {
        double t = pool->length / r->typical;
        weight = (float)(-g * t / 2 * (1 + 0x1p-22));
        pool->shift = g * pool->length * r->typical / 2 + lost;
        if (q2 > 0 && weight > -0x1p-126f) weight = NAN;
    } else if (tile) {
        weight = (float)(1 - g);
        pool->shift = q2 * (g - 1) + lost;
    } else {
        pool->factor = 1 / (1 - 2 * g), pool->shift = lost;
    }
    if (q2 > FAR) weight = NAN;
    if (!pool->k) exact_set_limit(pool, pool->radius);
    return weight;
}

/* ----------------------------------------------------------------- one query */

typedef struct {
    const distance_floats *floats;
    const distance_bytes *bytes;
    const exact_kernels *kernels;
} scan_kernels;

/* The sums for rows i .. i + n - 1, as floats. */
static void sums(const scan_kernels *k, const exact_rows *r, const void *query, size_t i, size_t n,
                 float *out) {
    size_t width = r->dim * exact_width(r->type);
    int32_t *whole = (int32_t *)(void *)out; /* of one size: made floats where they lie */
    if (!r->only) {
        if (k->floats) k->floats->block(query, exact_row(r, i), n, width, r->dim, out);
        else k->bytes->block(query, exact_row(r, i), n, width, r->dim, whole);
    } else {
        for (size_t j = 0; j < n; j += 4) {
            const void *x[4];
            union {
                float f[4];
                int32_t i[4];
            } four;
            for (size_t l = 0; l < 4; l++) x[l] = exact_row(r, r->only[i + least(j + l, n - 1)]);
            if (k->floats) k->floats->four(query, x, r->dim, four.f);
            else k->bytes->four(query, x, r->dim, four.i);
            memcpy(out + j, &four, 4 * least(4, n - j));
        }
    }
    if (k->floats) return;
    for (size_t j = 0; j < n; j++) {
        int32_t sum;
        memcpy(&sum, out + j, sizeof sum);
        out[j] = (float)sum;
    }
}

static void gather_floats(const float *from, const uint32_t *at, size_t n, float *out) {
    for (size_t i = 0; i < n; i++) out[i] = from[at[i]];
}

static void scan(const scan_kernels *k, const exact_rows *r, const void *query, exact_pool *pool) {
    float out[BLOCK], norms[BLOCK];
    int scaled = r->metric == EXACT_COSINE;
    float b = relate(pool, 0), a = r->metric == EXACT_L2 ? 1 : -1;
    if (scaled) a = (float)(-1 / pool->length);
    if (b != b) a = b;
    for (size_t i = 0; i < r->n; i += BLOCK) {
        size_t n = least(BLOCK, r->n - i);
        const uint32_t *only = r->only ? r->only + i : NULL;
        const float *norm = r->norm ? r->norm + (only ? 0 : i) : NULL;
        sums(k, r, query, i, n, out);
        if (only && norm) gather_floats(r->norm, only, n, norms), norm = norms;
        k->kernels->pick(pool, out, n, a, b, scaled, norm, only, (uint32_t)i);
    }
}

/* ----------------------------------------------------------------- codes */

/* Adding and taking away 1.5 * 2^52 rounds to a whole number. */
static inline int8_t code_of(double x, double step, double middle) {
    double c = (x - middle) / step;
    c = c < -128 ? -128 : c > 127 ? 127 : c;
    return (int8_t)(c + 0x1.8p52 - 0x1.8p52);
}

static void scan_codes(const scan_kernels *k, const exact_rows *r, const float *query,
                       int8_t *coded, exact_pool *pool) {
    int32_t out[BLOCK];
    double error = 0;
    for (size_t i = 0; i < r->dim; i++) {
        coded[i] = code_of(query[i], r->step, r->middle);
        double d = query[i] - (r->step * coded[i] + r->middle);
        error += d * d;
    }
    pool->root = 1;
    pool->shift = sqrt(error);
    if (!pool->k) exact_set_limit(pool, pool->radius);
    for (size_t i = 0; i < r->n; i += BLOCK) {
        size_t n = least(BLOCK, r->n - i);
        k->bytes->block(coded, r->codes + i * r->dim, n, r->dim, r->dim, out);
        k->kernels->pick_codes(pool, out, n, r->error + i, NULL, (uint32_t)i);
    }
}

/* ----------------------------------------------------------------- many queries */

/* What the tiles of one group of queries share. */
typedef struct {
    const exact_kernels *kernels;
    const exact_rows *rows;
    exact_pool *pools;
    size_t nq, count; /* queries; vectors of lanes that they take */
    float *panels, *weight, *limit; /* by lane; panels: [dim][lanes] for each count */
    float *room, *norms;            /* for rows that do not lie as floats, in whole tiles */
} tiling;

static void pack(tiling *t, const float *floats) {
    const exact_rows *r = t->rows;
    size_t lanes = t->kernels->lanes, all = t->count * lanes;
    memset(t->panels, 0, all * (r->dim + 2) * sizeof *t->panels);
    for (size_t j = 0; j < t->nq; j++) {
        float *to = t->panels + j / lanes * lanes * r->dim + j % lanes;
        const float *q = floats + j * r->dim;
        double factor = r->metric == EXACT_L2 ? -2 : -1;
        t->weight[j] = relate(t->pools + j, 1);
        t->limit[j] = t->pools[j].limit;
        if (r->metric == EXACT_COSINE) factor /= t->pools[j].length;
        if (t->weight[j] != t->weight[j]) factor = NAN;
        for (size_t i = 0; i < r->dim; i++) to[i * lanes] = (float)(factor * q[i]);
    }
}

/* Rows i .. i + n - 1 as floats, where they lie or brought there. */
static const float *as_floats(const tiling *t, size_t i, size_t n, int bring) {
    const exact_rows *r = t->rows;
    if (!bring) return (const float *)(const void *)exact_row(r, i);
    if (r->type != EXACT_F32 && !r->only)
        t->kernels->widen(r->type, exact_row(r, i), n * r->dim, t->room);
    for (size_t j = 0; j < n && (r->only || r->type == EXACT_F32); j++) {
        const char *x = exact_row(r, r->only ? r->only[i + j] : i + j);
        if (r->type == EXACT_F32) memcpy(t->room + j * r->dim, x, r->dim * sizeof *t->room);
        else t->kernels->widen(r->type, x, r->dim, t->room + j * r->dim);
    }
    return t->room;
}

/* n rows from i on against all queries. */
static void all_panels(const tiling *t, size_t i, size_t n, int bring) {
    const exact_rows *r = t->rows;
    size_t lanes = t->kernels->lanes, mr = t->kernels->tile_rows;
    const float *x = as_floats(t, i, n, bring), *norm = r->norm + i;
    const uint32_t *only = r->only ? r->only + i : NULL;
    if (only) gather_floats(r->norm, only, n, t->norms), norm = t->norms;
    for (size_t lane = 0; lane < t->nq; lane += lanes) {
        exact_lanes to = {t->pools + lane, least(lanes, t->nq - lane),
                          t->panels + lane * r->dim, t->weight + lane, t->limit + lane};
        for (size_t j = 0; j < n; j += mr)
            t->kernels->tile(x + j * r->dim, least(mr, n - j), r->dim, norm + j,
                             only ? only + j : NULL, (uint32_t)(i + j),
                             r->metric == EXACT_COSINE, &to);
    }
}

static int tiles(const exact_kernels *k, const exact_rows *r, const float *floats, size_t nq,
                 exact_pool *pools) {
    size_t lanes = k->lanes, mr = k->tile_rows, block = ROWS_BYTES / (4 * r->dim) / mr * mr;
    tiling t = {.kernels = k, .rows = r, .pools = pools, .nq = nq};
    if (!block) block = mr;
    t.count = (nq + lanes - 1) / lanes;
    t.panels = malloc(t.count * lanes * (r->dim + 2) * sizeof *t.panels);
    t.room = calloc(block * (r->dim + 1), sizeof *t.room);
    if (t.panels && t.room) {
        t.weight = t.panels + t.count * lanes * r->dim, t.limit = t.weight + t.count * lanes;
        t.norms = t.room + block * r->dim;
        pack(&t, floats);
        int bring = r->only || r->type != EXACT_F32;
        for (size_t i = 0; i < r->n; i += block) {
            size_t n = least(block, r->n - i), whole = bring ? n : n / mr * mr;
            if (whole) all_panels(&t, i, whole, bring);
            if (whole < n) all_panels(&t, i + whole, n - whole, 1);
        }
    }
    int failed = t.panels && t.room ? 0 : -1;
    free(t.panels), free(t.room);
    return failed;
}

int exact_search(const exact_kernels *kernels, const distance_kernels *distances,
                 const exact_rows *r, const void *queries, const float *floats, size_t nq, size_t k,
                 double radius, exact_pool *pools) {
    int bytes = r->type == EXACT_U8 || r->type == EXACT_I8, inner = r->metric != EXACT_L2;
    int coded = r->codes && !inner && !r->only, failed = 0;
    int tiled = nq >= (bytes || coded ? TILE_FROM_BYTES : TILE_FROM);
    size_t width = bytes ? r->dim : 4 * r->dim;
    scan_kernels scans = {
        bytes ? NULL : (r->type == EXACT_F16 ? distances->f16 : distances->f32) + inner,
        (coded || r->type == EXACT_I8 ? distances->i8 : distances->u8) + inner,
        kernels,
    };
    int8_t *room = malloc(r->dim);
    memset(pools, 0, nq * sizeof *pools);
    for (size_t j = 0; j < nq; j++) {
        exact_pool *pool = pools + j;
        pool->k = k, pool->radius = radius, pool->rows = r, pool->query = floats + j * r->dim;
        pool->length = sqrt(square_of(pool->query, r->dim));
        failed |= exact_open(pool);
    }
    failed |= !room;
    if (!failed && tiled) failed = tiles(kernels, r, floats, nq, pools);
    for (size_t j = 0; j < nq && !failed; j++) {
        if (!tiled && coded) scan_codes(&scans, r, floats + j * r->dim, room, pools + j);
        else if (!tiled) scan(&scans, r, (const char *)queries + j * width, pools + j);
        failed = exact_close(pools + j);
    }
    free(room);
    return failed ? -1 : 0;
}

/* ----------------------------------------------------------------- beside the rows */

#define PIECE 256 /* elements made floats at a time */

/* Elements `from` .. `from` + PIECE - 1 of a row, at most `dim`, as floats. */
static size_t piece(const exact_kernels *k, exact_type type, const void *row, size_t from,
                    size_t dim, float *out) {
    size_t n = least(PIECE, dim - from);
    const char *at = (const char *)row + from * exact_width(type);
    if (type == EXACT_F32) memcpy(out, at, n * sizeof *out);
    else k->widen(type, at, n, out);
    return n;
}

void exact_norms(const exact_kernels *k, exact_type type, exact_metric metric, const void *rows,
                 size_t n, size_t dim, float *norm) {
    for (size_t i = 0; i < n; i++) {
        const char *row = (const char *)rows + i * dim * exact_width(type);
        double sum = 0;
        float x[PIECE];
        for (size_t from = 0, m; from < dim; from += m) {
            double part[4] = {0};
            size_t j = 0;
            m = piece(k, type, row, from, dim, x);
            for (; j + 4 <= m; j += 4)
                for (size_t l = 0; l < 4; l++) part[l] += (double)x[j + l] * x[j + l];
            for (; j < m; j++) part[0] += (double)x[j] * x[j];
            sum += (part[0] + part[1]) + (part[2] + part[3]);
        }
        int far = sum > FAR || (metric == EXACT_COSINE && sum < 1 / FAR);
        norm[i] = far ? NAN : (float)(metric == EXACT_COSINE ? 1 / sqrt(sum) : sum);
    }
}

void exact_encode(const exact_kernels *k, exact_type type, const void *rows, size_t n, size_t dim,
                  double step, double middle, int8_t *codes, float *error) {
    for (size_t i = 0; i < n; i++, codes += dim) {
        const char *row = (const char *)rows + i * dim * exact_width(type);
        double sum = 0;
        float x[PIECE];
        for (size_t from = 0, m; from < dim; from += m) {
            m = piece(k, type, row, from, dim, x);
            for (size_t j = 0; j < m; j++) codes[from + j] = code_of(x[j], step, middle);
            for (size_t j = 0; j < m; j++) {
                double d = x[j] - (step * codes[from + j] + middle);
                sum += d * d;
            }
        }
        error[i] = (float)(sqrt(sum) * (1 + 0x1p-20)); /* up, by more than anything was rounded */
    }
}
