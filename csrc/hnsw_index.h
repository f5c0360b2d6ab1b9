/* A graph (hnsw.h) over vectors kept as they came: what answers a query.
 *
 *   rows[slot]     `dim` elements of f32, f16, u8 or i8
 *   lengths[slot]  cosine alone: 1 / |x|, or 0 for the zero vector
 *   alive[slot]    0: removed, or not yet added; its links still lead on
 *
 * The graph names candidates by their codes; the rows themselves rank them, so distances are exact.
 * Few rows have no graph: they are all compared.
 */
#ifndef TRACTABLE_HNSW_INDEX_H
#define TRACTABLE_HNSW_INDEX_H

#include "distance.h"
#include "hnsw.h"

enum { KIND_F32, KIND_F16, KIND_U8, KIND_I8 };

typedef struct {
    float distance;
    uint32_t slot;
} hnsw_hit;

typedef struct {
    hnsw_graph graph; /* lines = 0: none yet */
    hnsw_projection projection;
    int kind;
    size_t stride; /* bytes a row */
    uint32_t live;
    uint8_t *rows, *alive;
    float *lengths;
    int borrowed; /* rows and lengths are the caller's */
} hnsw_index;

/* What a thread needs to answer. */
typedef struct {
    hnsw_scratch search;
    int16_t *wide; /* [padded] */
    float *row;    /* [dim] a query of bytes as floats */
    hnsw_hit *hits; /* [most] */
    size_t most;
} hnsw_desk;

/* The kernels of one instruction set for one index: found by who owns the level, since what is
 * compiled for the plainest machine names no other. */
typedef struct {
    const hnsw_kernels *graph;
    const distance_floats *floats; /* or */
    const distance_bytes *bytes;
} hnsw_tools;

static inline hnsw_tools hnsw_tools_for(int level, const hnsw_index *x) {
    int metric = x->projection.metric == METRIC_L2 ? DISTANCE_L2 : DISTANCE_IP;
    hnsw_tools tools = {.graph = hnsw_kernels_for(level)};
    if (x->kind == KIND_F32 || x->kind == KIND_F16)
        tools.floats = distance_floats_for(level, x->kind == KIND_F16, metric);
    else
        tools.bytes = distance_bytes_for(level, x->kind == KIND_I8, metric);
    return tools;
}

int hnsw_desk_fit(hnsw_desk *desk, const hnsw_index *x, uint32_t ef, uint32_t k);
void hnsw_desk_release(hnsw_desk *desk);

int hnsw_index_reserve(hnsw_index *x, uint32_t room);
/* Of an empty index: n slots, whose rows, codes and links the caller lends. 0, or -1. */
int hnsw_index_hold(hnsw_index *x, uint32_t n);
void hnsw_index_release(hnsw_index *x);
size_t hnsw_index_nbytes(const hnsw_index *x);

/* Whether n queries of floats need no word: all finite, and with `directed` none all zeros. */
int hnsw_queries_are_plain(const float *x, size_t n, size_t dim, int directed);

/* Writes the row of a slot that has room; floats are the row's f32 where it is f16, else NULL. Its
 * code, too, once there is a projection. */
void hnsw_index_write(hnsw_index *x, hnsw_desk *desk, const hnsw_tools *tools, uint32_t slot, const void *row,
                      const float *floats);

/* The code of a slot from its row. */
void hnsw_index_encode(hnsw_index *x, hnsw_desk *desk, const hnsw_tools *tools, uint32_t slot, const float *floats);

/* The k nearest among the ef that the graph finds and, where `allowed` is given, allows. The query
 * is f32 for rows of floats, else of their kind. Ascending, in desk->hits; returns how many. */
uint32_t hnsw_index_search(const hnsw_index *x, hnsw_desk *desk, const hnsw_tools *tools, const void *query,
                           uint32_t k, uint32_t ef, const uint8_t *allowed);

/* The k nearest of n slots: of 0..n-1 where `slots` is NULL. */
uint32_t hnsw_index_scan(const hnsw_index *x, hnsw_desk *desk, const hnsw_tools *tools, const void *query,
                         uint32_t k, const uint32_t *slots, uint32_t n);

/* Desks that wait for the next thread. */
typedef struct {
    uint8_t busy;
    uint32_t n;
    hnsw_desk *desk[64];
} hnsw_desks;

hnsw_desk *hnsw_desk_take(hnsw_desks *desks); /* NULL when memory ran out */
void hnsw_desk_give(hnsw_desks *desks, hnsw_desk *desk);
void hnsw_desks_release(hnsw_desks *desks);

/* Many may be inside, or one alone; who is refused waits for the one's lock, which is not here. */
typedef struct {
    int32_t inside, closed;
} hnsw_gate;

static inline int hnsw_gate_enter(hnsw_gate *gate) {
    __atomic_add_fetch(&gate->inside, 1, __ATOMIC_SEQ_CST);
    if (!__atomic_load_n(&gate->closed, __ATOMIC_SEQ_CST)) return 1;
    __atomic_sub_fetch(&gate->inside, 1, __ATOMIC_SEQ_CST);
    return 0;
}

static inline void hnsw_gate_leave(hnsw_gate *gate) {
    __atomic_sub_fetch(&gate->inside, 1, __ATOMIC_SEQ_CST);
}

static inline void hnsw_gate_close(hnsw_gate *gate, int closed) {
    __atomic_store_n(&gate->closed, closed, __ATOMIC_SEQ_CST);
}

static inline int hnsw_gate_is_empty(hnsw_gate *gate) {
    return __atomic_load_n(&gate->inside, __ATOMIC_SEQ_CST) == 0;
}

#endif
