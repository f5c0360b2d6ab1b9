#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "hnsw_index.h"

static int fit(void *field, size_t bytes) {
    void **p = field, *block = hnsw_block(bytes);
    if (!block) return -1;
    free(*p);
    *p = block;
    return 0;
}

int hnsw_desk_fit(hnsw_desk *desk, const hnsw_index *x, uint32_t ef, uint32_t k) {
    size_t most = ef > k ? ef : k;
    if (x->graph.lines && hnsw_scratch_fit(&desk->search, &x->graph, ef)) return -1;
    if (x->graph.lines && !desk->wide && fit(&desk->wide, x->projection.padded * sizeof(int16_t)))
        return -1;
    if (!desk->row && fit(&desk->row, x->projection.dim * sizeof(float))) return -1;
    if (desk->most < most) {
        if (fit(&desk->hits, (most + 1) * sizeof *desk->hits)) return -1;
        desk->most = most;
    }
    return 0;
}

void hnsw_desk_release(hnsw_desk *desk) {
    hnsw_scratch_release(&desk->search);
    free(desk->wide);
    free(desk->row);
    free(desk->hits);
    memset(desk, 0, sizeof *desk);
}

static void drop(hnsw_index *x) {
    if (!x->borrowed) {
        free(x->rows);
        free(x->lengths);
    }
    free(x->alive);
    x->borrowed = 0;
    x->rows = x->alive = NULL, x->lengths = NULL;
}

void hnsw_index_release(hnsw_index *x) {
    hnsw_release(&x->graph);
    drop(x);
}

/* The rows' room is the graph's; before there is a graph its other arrays are of no size. */
int hnsw_index_reserve(hnsw_index *x, uint32_t room) {
    hnsw_graph *g = &x->graph;
    if (room <= g->room) return 0;
    uint8_t *rows = hnsw_block(room * x->stride), *alive = calloc(room, 1);
    int has_lengths = x->projection.metric == METRIC_COSINE;
    float *lengths = has_lengths ? malloc(room * sizeof *lengths) : NULL;
    if (!rows || !alive || (has_lengths && !lengths) || hnsw_reserve(g, room)) {
        free(rows);
        free(alive);
        free(lengths);
        return -1;
    }
    if (x->rows) {
        memcpy(rows, x->rows, g->slots * x->stride);
        memcpy(alive, x->alive, g->slots);
        if (lengths) memcpy(lengths, x->lengths, g->slots * sizeof *lengths);
    }
    drop(x);
    x->rows = rows, x->alive = alive, x->lengths = lengths;
    return 0;
}

int hnsw_index_hold(hnsw_index *x, uint32_t n) {
    x->alive = calloc(n, 1);
    x->graph.locks = calloc(n, 1);
    if (!x->alive || !x->graph.locks) return -1;
    x->graph.slots = x->graph.room = n;
    return 0;
}

size_t hnsw_index_nbytes(const hnsw_index *x) {
    const hnsw_graph *g = &x->graph;
    size_t code = (size_t)g->lines * HNSW_LINE;
    size_t slot = x->stride + 1 + (x->lengths ? sizeof *x->lengths : 0);
    slot += g->lines ? code + g->degree * sizeof *g->links + 1 : 0;
    return g->room * slot + g->entries * (code + sizeof *g->entry);
}

int hnsw_queries_are_plain(const float *x, size_t n, size_t dim, int directed) {
    const uint32_t exponent = 0x7f800000u;
    for (; n--; x += dim) {
        uint32_t bad = 0, any = 0;
        for (size_t i = 0; i < dim; i++) { /* no branch, so that it is vectors */
            uint32_t bits;
            memcpy(&bits, x + i, sizeof bits);
            bad |= (bits & exponent) == exponent;
            any |= bits << 1;
        }
        if (bad || (directed && !any)) return 0;
    }
    return 1;
}

static const float *floats_of(const hnsw_index *x, const void *row, float *spare) {
    if (x->kind == KIND_F32 || x->kind == KIND_F16) return row;
    if (x->kind == KIND_U8)
        for (uint32_t i = 0; i < x->projection.dim; i++) spare[i] = ((const uint8_t *)row)[i];
    else
        for (uint32_t i = 0; i < x->projection.dim; i++) spare[i] = ((const int8_t *)row)[i];
    return spare;
}

static float inverse_length(const float *row, uint32_t dim) {
    double sum = 0;
    for (uint32_t i = 0; i < dim; i++) sum += (double)row[i] * row[i];
    return sum > 0 ? (float)(1 / sqrt(sum)) : 0;
}

void hnsw_index_encode(hnsw_index *x, hnsw_desk *desk, const hnsw_tools *tools, uint32_t slot,
                       const float *floats) {
    const hnsw_graph *g = &x->graph;
    const hnsw_projection *p = &x->projection;
    if (!floats) floats = floats_of(x, x->rows + slot * x->stride, desk->row);
    int8_t *y = desk->search.query;
    int32_t norm = tools->graph->project(p, floats, NULL, desk->wide, y);
    memset(y + p->kept, 0, hnsw_code_dim(g) - p->kept);
    hnsw_encode(hnsw_code(g, slot), y, hnsw_code_dim(g), norm);
}

void hnsw_index_write(hnsw_index *x, hnsw_desk *desk, const hnsw_tools *tools, uint32_t slot, const void *row,
                      const float *floats) {
    memcpy(x->rows + slot * x->stride, row, x->stride);
    if (!floats) floats = floats_of(x, row, desk->row);
    if (x->lengths) x->lengths[slot] = inverse_length(floats, x->projection.dim);
    if (!x->graph.lines) return;
    hnsw_index_encode(x, desk, tools, slot, floats);
    hnsw_clear_links(&x->graph, slot);
}

/* A query, ready to be compared. */
typedef struct {
    const hnsw_index *x;
    const void *query;
    const hnsw_tools *tools;
    float inverse;
} comparison;

static comparison compare(const hnsw_index *x, hnsw_desk *desk, const hnsw_tools *tools, const void *query) {
    comparison c = {.x = x, .query = query, .tools = tools};
    if (x->projection.metric == METRIC_COSINE)
        c.inverse = inverse_length(floats_of(x, query, desk->row), x->projection.dim);
    return c;
}

/* The distances to four slots; a negative inner product may come out of rounding: none is hidden. */
static void distances(const comparison *c, const uint32_t slot[4], float out[4]) {
    const hnsw_index *x = c->x;
    const void *rows[4];
    int32_t sums[4];
    for (int i = 0; i < 4; i++) rows[i] = x->rows + slot[i] * x->stride;
    if (c->tools->floats) {
        c->tools->floats->four(c->query, rows, x->projection.dim, out);
    } else {
        c->tools->bytes->four(c->query, rows, x->projection.dim, sums);
        for (int i = 0; i < 4; i++) out[i] = (float)sums[i];
    }
    if (x->projection.metric == METRIC_IP)
        for (int i = 0; i < 4; i++) out[i] = 1 - out[i];
    if (x->projection.metric == METRIC_COSINE)
        for (int i = 0; i < 4; i++) out[i] = 1 - out[i] * c->inverse * x->lengths[slot[i]];
}

#define FEW 256u /* hits that are kept in order; more are a heap, the farthest on top, until the end */

static void sift_down(hnsw_hit *heap, uint32_t n, uint32_t i) {
    hnsw_hit hit = heap[i];
    for (uint32_t child; (child = 2 * i + 1) < n; i = child) {
        if (child + 1 < n && heap[child + 1].distance > heap[child].distance) child++;
        if (heap[child].distance <= hit.distance) break;
        heap[i] = heap[child];
    }
    heap[i] = hit;
}

/* Keeps the k nearest. */
static uint32_t keep(hnsw_hit *hits, uint32_t n, uint32_t k, hnsw_hit hit) {
    if (k > FEW && n < k) {
        hits[n++] = hit;
        if (n == k)
            for (uint32_t i = n / 2; i--;) sift_down(hits, n, i);
        return n;
    }
    if (n == k && hit.distance >= hits[k > FEW ? 0 : n - 1].distance) return n;
    if (k > FEW) {
        hits[0] = hit;
        sift_down(hits, n, 0);
        return n;
    }
    uint32_t i = n < k ? n : n - 1;
    for (; i && hits[i - 1].distance > hit.distance; i--) hits[i] = hits[i - 1];
    hits[i] = hit;
    return n < k ? n + 1 : n;
}

static int nearer(const void *a, const void *b) {
    float x = ((const hnsw_hit *)a)->distance, y = ((const hnsw_hit *)b)->distance;
    return (x > y) - (x < y);
}

static uint32_t settle(hnsw_hit *hits, uint32_t n, uint32_t k) {
    if (k > FEW) qsort(hits, n, sizeof *hits, nearer);
    return n;
}

static void fetch_row(const hnsw_index *x, uint32_t slot) {
    const char *row = (const char *)x->rows + slot * x->stride;
    size_t most = x->stride < 1024 ? x->stride : 1024; /* the hardware goes on by itself */
    for (size_t i = 0; i < most; i += HNSW_LINE) __builtin_prefetch(row + i);
}

/* Ranks `slots`, four at a time, the next four on their way. A last incomplete four repeats one. */
static uint32_t rank(const comparison *c, hnsw_hit *hits, uint32_t k, const uint32_t *slots,
                     uint32_t n) {
    uint32_t found = 0;
    float d[4];
    for (uint32_t i = 0; i < n && i < 4; i++) fetch_row(c->x, slots[i]);
    for (uint32_t i = 0; i < n; i += 4) {
        uint32_t four[4];
        for (uint32_t j = 0; j < 4; j++) four[j] = slots[i + j < n ? i + j : n - 1];
        for (uint32_t j = i + 4; j < n && j < i + 8; j++) fetch_row(c->x, slots[j]);
        distances(c, four, d);
        for (uint32_t j = 0; j < 4 && i + j < n; j++)
            found = keep(hits, found, k, (hnsw_hit){d[j], four[j]});
    }
    return settle(hits, found, k);
}

uint32_t hnsw_index_search(const hnsw_index *x, hnsw_desk *desk, const hnsw_tools *tools, const void *query,
                           uint32_t k, uint32_t ef, const uint8_t *allowed) {
    const hnsw_graph *g = &x->graph;
    hnsw_scratch *s = &desk->search;
    uint32_t shift;
    tools->graph->project(&x->projection, floats_of(x, query, desk->row), &shift, desk->wide,
                          s->query);
    memset(s->query + x->projection.kept, 0, g->lines * HNSW_LINE - x->projection.kept);
    tools->graph->search(g, s, s->query, shift, ef);
    comparison c = compare(x, desk, tools, query);
    uint32_t *slots = (uint32_t *)s->chosen, n = 0;
    for (uint32_t i = 0; i < s->size; i++) {
        uint32_t slot = s->pool[i].slot;
        slots[n] = slot;
        n += x->alive[slot] && (!allowed || allowed[slot]);
    }
    return rank(&c, desk->hits, k, slots, n);
}

uint32_t hnsw_index_scan(const hnsw_index *x, hnsw_desk *desk, const hnsw_tools *tools, const void *query,
                         uint32_t k, const uint32_t *slots, uint32_t n) {
    comparison c = compare(x, desk, tools, query);
    uint32_t found = 0, four[4], m = 0;
    float d[4];
    for (uint32_t i = 0; i < n; i++) {
        uint32_t slot = slots ? slots[i] : i;
        if (slots && i + 8 < n) fetch_row(x, slots[i + 8]);
        if (!x->alive[slot]) continue;
        four[m++] = slot;
        if (m < 4) continue;
        distances(&c, four, d);
        for (uint32_t j = 0; j < 4; j++)
            found = keep(desk->hits, found, k, (hnsw_hit){d[j], four[j]});
        m = 0;
    }
    for (uint32_t j = m; m && j < 4; j++) four[j] = four[0];
    if (m) distances(&c, four, d);
    for (uint32_t j = 0; j < m; j++) found = keep(desk->hits, found, k, (hnsw_hit){d[j], four[j]});
    return settle(desk->hits, found, k);
}

static void hold(hnsw_desks *desks) {
    while (__atomic_exchange_n(&desks->busy, 1, __ATOMIC_ACQUIRE)) continue;
}

static void release(hnsw_desks *desks) { __atomic_store_n(&desks->busy, 0, __ATOMIC_RELEASE); }

hnsw_desk *hnsw_desk_take(hnsw_desks *desks) {
    hnsw_desk *desk = NULL;
    hold(desks);
    if (desks->n) desk = desks->desk[--desks->n];
    release(desks);
    return desk ? desk : calloc(1, sizeof *desk);
}

void hnsw_desk_give(hnsw_desks *desks, hnsw_desk *desk) {
    hold(desks);
    if (desks->n < sizeof desks->desk / sizeof *desks->desk) {
        desks->desk[desks->n++] = desk;
        desk = NULL;
    }
    release(desks);
    if (desk) {
        hnsw_desk_release(desk);
        free(desk);
    }
}

void hnsw_desks_release(hnsw_desks *desks) {
    while (desks->n) {
        hnsw_desk *desk = desks->desk[--desks->n];
        hnsw_desk_release(desk);
        free(desk);
    }
}
