/* The graph at every level beside the baseline's: codes, links and answers have to be the same. What
 * the answers are worth is for tests/ann/test_hnsw.py; here they are compared with a scan. */
#include <math.h>
#include <string.h>

#include "check.h"
#include "half.h"
#include "hnsw_index.h"

#define ROWS 150 /* the joins are dear under sanitizers */
#define QUERIES 8
#define K 5
#define EF 9
#define DEGREE 8

typedef struct {
    hnsw_index x;
    hnsw_desk desk;
    hnsw_tools tools;
} world;

static int16_t matrix[(2 * HNSW_LINE - 4) * 160];
static float mean[160];
static uint8_t *rows;
static float floats[ROWS][130];

/* Any matrix will do: a graph needs no orthonormal one. */
static hnsw_projection projection(uint32_t dim, uint32_t lines, int metric) {
    hnsw_projection p = {.dim = dim, .metric = metric, .longest = 30};
    p.padded = (dim + (metric == METRIC_IP) + 31) / 32 * 32;
    p.kept = lines * HNSW_LINE - 4;
    p.step = metric == METRIC_COSINE ? 8000 : 300, p.gain = 3e-7f, p.share = 1e-4f;
    check_fill((uint8_t *)matrix, sizeof matrix);
    for (size_t i = 0; i < sizeof matrix / sizeof *matrix; i++) matrix[i] /= 4;
    for (size_t i = 0; i < 160; i++) mean[i] = (float)(check_random() % 1000) / 500 - 1;
    p.matrix = matrix, p.mean = mean;
    return p;
}

static void begin(world *w, hnsw_projection p, int kind, uint32_t lines, int level) {
    memset(w, 0, sizeof *w);
    w->x.projection = p, w->x.kind = kind;
    w->x.stride = p.dim * (size_t[]){4, 2, 1, 1}[kind];
    w->tools = hnsw_tools_for(level, &w->x);
    if (hnsw_index_reserve(&w->x, ROWS / 2)) FAIL("no memory");
    w->x.graph.slots = 0;
    for (uint32_t i = 0; i < ROWS / 2; i++) {
        if (hnsw_desk_fit(&w->desk, &w->x, EF, K)) FAIL("no memory");
        hnsw_index_write(&w->x, &w->desk, &w->tools, i, rows + i * w->x.stride, floats[i]);
        w->x.graph.slots = i + 1;
    }
    if (hnsw_start(&w->x.graph, lines, DEGREE)) FAIL("no memory");
    if (hnsw_desk_fit(&w->desk, &w->x, EF, K)) FAIL("no memory");
    for (uint32_t i = 0; i < ROWS / 2; i++)
        hnsw_index_encode(&w->x, &w->desk, &w->tools, i, floats[i]);
    if (hnsw_index_reserve(&w->x, ROWS)) FAIL("no memory");
    if (hnsw_desk_fit(&w->desk, &w->x, EF, K)) FAIL("no memory");
    for (uint32_t i = ROWS / 2; i < ROWS; i++)
        hnsw_index_write(&w->x, &w->desk, &w->tools, i, rows + i * w->x.stride, floats[i]);
    w->x.graph.slots = ROWS;
}

static void build(world *w) {
    static uint8_t mark[ROWS];
    uint32_t table[10];
    hnsw_graph *g = &w->x.graph;
    for (uint32_t i = 0; i < 10; i++) table[i] = i;
    if (hnsw_set_entries(g, table, 1)) FAIL("no memory");
    w->x.alive[0] = 1;
    for (uint32_t i = 1; i < ROWS; i++) {
        w->tools.graph->join(g, &w->desk.search, i, EF);
        w->x.alive[i] = 1;
        if (i == 9 && hnsw_set_entries(g, table, 10)) FAIL("no memory");
    }
    for (uint32_t i = 20; i < 60; i++) {
        w->tools.graph->leave(g, &w->desk.search, i, EF);
        w->x.alive[i] = 0;
        for (uint32_t j = 0; j < DEGREE; j++)
            if (hnsw_links(g, 0)[j] >= ROWS) FAIL("a link to %u", hnsw_links(g, 0)[j]);
    }
    for (uint32_t i = 0; i < ROWS; i++) mark[i] = !w->x.alive[i];
    if (w->tools.graph->reach(g, &w->desk.search, mark, EF) == SIZE_MAX) FAIL("no memory");
    if (!hnsw_is_sound(g)) FAIL("links out of range");
}

static void compare(world *a, world *b, uint32_t dim, int kind, int metric) {
    const hnsw_graph *g = &a->x.graph, *h = &b->x.graph;
    if (memcmp(g->codes, h->codes, (size_t)ROWS * g->lines * HNSW_LINE))
        FAIL("codes differ: dim %u kind %d metric %d", dim, kind, metric);
    if (memcmp(g->links, h->links, ROWS * DEGREE * sizeof *g->links))
        FAIL("links differ: dim %u kind %d metric %d", dim, kind, metric);
    for (uint32_t i = 0; i < QUERIES; i++) {
        const void *query = kind < KIND_U8 ? (const void *)floats[i] : rows + i * a->x.stride;
        uint32_t found[2], scanned;
        world *both[2] = {a, b};
        hnsw_hit hits[2][K];
        for (int j = 0; j < 2; j++) {
            world *w = both[j];
            found[j] = hnsw_index_search(&w->x, &w->desk, &w->tools, query, K, EF, NULL);
            memcpy(hits[j], w->desk.hits, found[j] * sizeof **hits);
        }
        if (!found[0] || found[0] != found[1]) FAIL("%u and %u found", found[0], found[1]);
        scanned = hnsw_index_scan(&a->x, &a->desk, &a->tools, query, K, NULL, ROWS);
        if (scanned != K) FAIL("%u scanned", scanned);
        for (uint32_t j = 0; j < found[0]; j++) {
            float d = hits[0][j].distance, e = hits[1][j].distance;
            if (fabsf(d - e) > 1e-4f * (1 + fabsf(d))) FAIL("distances %g and %g", d, e);
            if (d < a->desk.hits[j].distance) FAIL("nearer than the nearest");
        }
    }
}

static void end(world *w) {
    hnsw_desk_release(&w->desk);
    hnsw_index_release(&w->x);
}

static void fill(uint32_t dim, int kind) {
    size_t width = (size_t[]){4, 2, 1, 1}[kind], size = ROWS * dim * width;
    uint8_t *end;
    check_guarded(size, &end);
    rows = end - size / 64 * 64 - 64; /* aligned; the last row may lie before the guard */
    if (size % 64 == 0) rows += 64;
    check_fill(rows, size);
    for (uint32_t i = 0; i < ROWS; i++)
        for (uint32_t j = 0; j < dim; j++) {
            uint8_t *p = rows + (i * dim + j) * width;
            float f = (float)(check_random() % 20000) / 1000 - 10;
            uint16_t half = (uint16_t)(0x3000 | (check_random() & 0x8FFF));
            if (kind == KIND_F32) memcpy(p, &f, 4);
            if (kind == KIND_F16) memcpy(p, &half, 2);
            floats[i][j] = kind == KIND_F32   ? f
                           : kind == KIND_F16 ? half_to_float(half)
                           : kind == KIND_U8  ? *p
                                              : *(int8_t *)p;
        }
    for (uint32_t i = 0; i < ROWS; i++) /* packed as the callers pack f16's floats: by row */
        for (uint32_t j = dim; j < 130; j++) floats[i][j] = 0;
}

void check_hnsw(int level) {
    for (uint32_t dim = 1; dim <= 130; dim += 86)
        for (int kind = KIND_F32; kind <= KIND_I8; kind++) {
            fill(dim, kind);
            for (int metric = METRIC_L2; metric <= METRIC_COSINE; metric++) {
                uint32_t lines = dim > 60 ? 2 : 1;
                hnsw_projection p = projection(dim, lines, metric);
                world a, b;
                begin(&a, p, kind, lines, level);
                begin(&b, p, kind, lines, ISA_BASELINE);
                build(&a);
                build(&b);
                compare(&a, &b, dim, kind, metric);
                end(&a);
                end(&b);
            }
        }
}
