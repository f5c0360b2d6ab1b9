/* The kernels of hnsw.h, over one function that the including file defines before:
 *
 *   static inline int32_t dot(const uint8_t *code, const int8_t *query, uint32_t lines)
 *       the inner product over 64 * lines dimensions; the query holds 0 where the norm lies
 *
 * Include once, after that and HNSW_TABLE. */
#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "hnsw.h"

#define ALWAYS static inline __attribute__((always_inline))
#define AHEAD 8 /* codes on their way from memory: about what a core keeps in flight */

ALWAYS int32_t norm_of(const uint8_t *code, uint32_t lines) {
    int32_t norm;
    memcpy(&norm, code + lines * HNSW_LINE - sizeof norm, sizeof norm);
    return norm;
}

ALWAYS int32_t score_of(const uint8_t *code, const int8_t *query, uint32_t shift, uint32_t lines) {
    return (norm_of(code, lines) >> shift) - 2 * dot(code, query, lines);
}

ALWAYS void fetch(const void *p, uint32_t lines) {
    for (uint32_t i = 0; i < lines; i++) __builtin_prefetch((const char *)p + i * HNSW_LINE);
}

ALWAYS void fetch_links(const hnsw_graph *g, uint32_t slot) {
    const uint32_t *links = hnsw_links(g, slot);
    for (uint32_t i = 0; i < g->degree; i += HNSW_LINE / sizeof *links) __builtin_prefetch(links + i);
}

/* A new epoch of `seen`: a byte a slot, so the array is cleared every 255 searches. */
ALWAYS uint8_t next_epoch(const hnsw_graph *g, hnsw_scratch *s) {
    if (++s->epoch > 255) {
        memset(s->seen, 0, g->room);
        s->epoch = 1;
    }
    return (uint8_t)s->epoch;
}

/* The nearest entry point. */
ALWAYS hnsw_near enter(const hnsw_graph *g, const int8_t *query, uint32_t shift, uint32_t lines) {
    hnsw_near best = {INT32_MAX, 0};
    for (uint32_t i = 0; i < g->entries; i++) {
        int32_t score = score_of(g->entry_codes + (size_t)i * lines * HNSW_LINE, query, shift, lines);
        if (score < best.score) best = (hnsw_near){score, g->entry[i]};
    }
    return best;
}

/* Puts x into the ascending pool of at most ef; returns its place. */
ALWAYS uint32_t insert(hnsw_near *pool, uint32_t *size, uint32_t ef, hnsw_near x) {
    uint32_t low = 0, n = *size;
    while (n) { /* a conditional move, not a branch: where it goes is a guess */
        uint32_t half = n / 2;
        low = pool[low + half].score <= x.score ? low + n - half : low;
        n = half;
    }
    uint32_t end = *size < ef ? (*size)++ : ef - 1;
    memmove(pool + low + 1, pool + low, (end - low) * sizeof *pool);
    pool[low] = x;
    return low;
}

ALWAYS void search_lines(const hnsw_graph *g, hnsw_scratch *s, const int8_t *query, uint32_t shift,
                         uint32_t ef, uint32_t lines) {
    const uint32_t degree = g->degree;
    uint32_t fresh[HNSW_DEGREE_MAX + AHEAD], size = 1, at = 0;
    int32_t scores[HNSW_DEGREE_MAX];
    uint8_t *seen = s->seen, epoch = next_epoch(g, s);
    hnsw_near *pool = s->pool;
    pool[0] = enter(g, query, shift, lines);
    fetch_links(g, pool[0].slot);
    seen[pool[0].slot] = epoch;
    while (at < size) {
        const uint32_t *links = hnsw_links(g, pool[at].slot);
        pool[at].slot |= HNSW_EXPANDED;
        uint32_t n = 0;
        for (uint32_t i = 0; i < degree; i++) { /* no branch: half of them have been met */
            uint32_t slot = links[i];
            fresh[n] = slot;
            n += seen[slot] != epoch;
            seen[slot] = epoch;
        }
        uint32_t early = n < AHEAD ? n : AHEAD;
        for (uint32_t i = 0; i < early; i++) fetch(hnsw_code(g, fresh[i]), lines);
        for (uint32_t i = n; i < n + AHEAD; i++) fresh[i] = fresh[0];
        for (uint32_t i = 0; i < n; i++) {
            fetch(hnsw_code(g, fresh[i + AHEAD]), lines);
            scores[i] = score_of(hnsw_code(g, fresh[i]), query, shift, lines);
        }
        uint32_t lowest = at + 1;
        for (uint32_t i = 0; i < n; i++) {
            if (size == ef && scores[i] >= pool[size - 1].score) continue;
            fetch_links(g, fresh[i]);
            uint32_t place = insert(pool, &size, ef, (hnsw_near){scores[i], fresh[i]});
            if (place < lowest) lowest = place;
        }
        for (at = lowest; at < size && pool[at].slot & HNSW_EXPANDED;) at++;
    }
    for (uint32_t i = 0; i < size; i++) pool[i].slot &= ~HNSW_EXPANDED;
    s->size = size;
}

/* A constant number of lines keeps the query in registers. */
static void search(const hnsw_graph *g, hnsw_scratch *s, const int8_t *query, uint32_t shift,
                   uint32_t ef) {
    switch (g->entries ? g->lines : 0) {
    case 0: s->size = 0; break;
    case 1: search_lines(g, s, query, shift, ef, 1); break;
    case 2: search_lines(g, s, query, shift, ef, 2); break;
    case 3: search_lines(g, s, query, shift, ef, 3); break;
    case 4: search_lines(g, s, query, shift, ef, 4); break;
    default: search_lines(g, s, query, shift, ef, g->lines);
    }
}

/* A stored code as a query, and what its scores lack to be distances: norm + 256 sum y. */
static int32_t query_of(const hnsw_graph *g, uint32_t slot, int8_t *query) {
    const uint8_t *code = hnsw_code(g, slot);
    uint32_t dim = hnsw_code_dim(g);
    int32_t sum = 0;
    for (uint32_t i = 0; i < dim; i++) {
        query[i] = (int8_t)(code[i] - 128);
        sum += query[i];
    }
    memset(query + dim, 0, sizeof(int32_t));
    return norm_of(code, g->lines) + 256 * sum;
}

static int nearer(const void *a, const void *b) {
    const hnsw_near *x = a, *y = b;
    return x->score != y->score ? (x->score > y->score) - (x->score < y->score)
                                : (x->slot > y->slot) - (x->slot < y->slot);
}

#define RELAXED 1.21f /* squared: a link is kept until another node is nearer to its end by 10 % */

/* The links of a node, of n candidates in ascending order of distance to it: first those that no
 * chosen one is nearer to, then, while there is room, those that none is nearer to by far. They
 * move to the front; returns how many. */
static uint32_t prune(const hnsw_graph *g, hnsw_scratch *s, hnsw_near *c, uint32_t n,
                      int8_t *spare) {
    uint32_t lines = g->lines, chosen = 0;
    uint32_t links[HNSW_DEGREE_MAX];
    for (uint32_t i = 0; i < n; i++) s->occlusion[i] = 0;
    for (float most = 1; chosen < g->degree; most = RELAXED) {
        for (uint32_t i = 0; i < n && chosen < g->degree; i++) {
            if (s->occlusion[i] > most) continue;
            links[chosen++] = c[i].slot;
            s->occlusion[i] = INFINITY;
            int32_t rest = query_of(g, c[i].slot, spare);
            for (uint32_t j = i + 1; j < n; j++) {
                if (s->occlusion[j] > RELAXED) continue;
                int32_t d = score_of(hnsw_code(g, c[j].slot), spare, 0, lines) + rest;
                float factor = (float)c[j].score / (float)(d > 1 ? d : 1);
                if (factor > s->occlusion[j]) s->occlusion[j] = factor;
            }
        }
        if (most == RELAXED) break;
    }
    for (uint32_t i = 0; i < chosen; i++) c[i].slot = links[i];
    return chosen;
}

static void lock(const hnsw_graph *g, uint32_t slot) {
    _Atomic uint8_t *p = (_Atomic uint8_t *)&g->locks[slot];
    while (atomic_exchange_explicit(p, 1, memory_order_acquire))
        while (atomic_load_explicit(p, memory_order_relaxed)) continue;
}

static void unlock(const hnsw_graph *g, uint32_t slot) {
    atomic_store_explicit((_Atomic uint8_t *)&g->locks[slot], 0, memory_order_release);
}

static void set_links(const hnsw_graph *g, uint32_t slot, const hnsw_near *c, uint32_t n) {
    uint32_t *links = hnsw_links(g, slot);
    for (uint32_t i = 0; i < g->degree; i++) links[i] = i < n ? c[i].slot : slot;
}

/* The links of `slot` as candidates with their distances; `omit` left out. */
static uint32_t gather(const hnsw_graph *g, uint32_t slot, const int8_t *query, int32_t rest,
                       uint32_t omit, hnsw_near *c) {
    const uint32_t *links = hnsw_links(g, slot);
    uint32_t n = 0;
    for (uint32_t i = 0; i < g->degree; i++)
        if (links[i] != slot) fetch(hnsw_code(g, links[i]), g->lines);
    for (uint32_t i = 0; i < g->degree; i++)
        if (links[i] != slot && links[i] != omit)
            c[n++] = (hnsw_near){score_of(hnsw_code(g, links[i]), query, 0, g->lines) + rest, links[i]};
    return n;
}

/* Adds the link from -> to, choosing anew where there is no room. */
static void add_link(hnsw_graph *g, hnsw_scratch *s, uint32_t from, uint32_t to) {
    uint32_t *links = hnsw_links(g, from), free = g->degree;
    lock(g, from);
    for (uint32_t i = g->degree; i--;) {
        if (links[i] == to) {
            unlock(g, from);
            return;
        }
        if (links[i] == from) free = i;
    }
    if (free < g->degree) {
        links[free] = to;
    } else {
        int32_t rest = query_of(g, from, s->query);
        uint32_t n = gather(g, from, s->query, rest, to, s->chosen);
        s->chosen[n++] = (hnsw_near){score_of(hnsw_code(g, to), s->query, 0, g->lines) + rest, to};
        qsort(s->chosen, n, sizeof *s->chosen, nearer);
        set_links(g, from, s->chosen, prune(g, s, s->chosen, n, s->other));
    }
    unlock(g, from);
}

static void join(hnsw_graph *g, hnsw_scratch *s, uint32_t slot, uint32_t ef) {
    int32_t rest = query_of(g, slot, s->query);
    search(g, s, s->query, 0, ef);
    hnsw_near *c = s->chosen;
    uint32_t n = 0, mine[HNSW_DEGREE_MAX];
    for (uint32_t i = 0; i < s->size; i++)
        if (s->pool[i].slot != slot)
            c[n++] = (hnsw_near){s->pool[i].score + rest, s->pool[i].slot};
    lock(g, slot); /* links it has already, be it from its neighbours or a former pass */
    uint32_t had = gather(g, slot, s->query, rest, slot, c + n), found = n;
    for (uint32_t i = 0; i < had; i++) {
        uint32_t j = 0;
        while (j < found && c[j].slot != c[found + i].slot) j++;
        if (j == found) c[n++] = c[found + i];
    }
    if (n > found) qsort(c, n, sizeof *c, nearer);
    n = prune(g, s, c, n, s->other);
    atomic_thread_fence(memory_order_release); /* the code is there before anybody refers to it */
    set_links(g, slot, c, n);
    unlock(g, slot);
    for (uint32_t i = 0; i < n; i++) mine[i] = c[i].slot;
    for (uint32_t i = 0; i < n; i++) add_link(g, s, mine[i], slot);
}

/* Gives `from`, which loses `gone`, links to what `gone` led to. */
static void bypass(hnsw_graph *g, hnsw_scratch *s, uint32_t from, uint32_t gone) {
    uint32_t *links = hnsw_links(g, from), i = 0;
    while (i < g->degree && links[i] != gone) i++;
    if (i == g->degree || from == gone) return;
    lock(g, from);
    int32_t rest = query_of(g, from, s->query);
    hnsw_near *c = s->chosen;
    uint32_t n = gather(g, from, s->query, rest, gone, c), had = n;
    const uint32_t *beyond = hnsw_links(g, gone);
    for (i = 0; i < g->degree; i++) {
        uint32_t slot = beyond[i], j = 0;
        while (j < had && c[j].slot != slot) j++;
        if (slot == gone || slot == from || j < had) continue;
        c[n++] = (hnsw_near){score_of(hnsw_code(g, slot), s->query, 0, g->lines) + rest, slot};
    }
    qsort(c, n, sizeof *c, nearer);
    set_links(g, from, c, prune(g, s, c, n, s->other));
    unlock(g, from);
}

/* Who refers to the slot is not kept; a search for it passes them, as it would pass the slot. */
static void leave(hnsw_graph *g, hnsw_scratch *s, uint32_t slot, uint32_t ef) {
    query_of(g, slot, s->query);
    search(g, s, s->query, 0, ef);
    for (uint32_t i = 0; i < s->size; i++) bypass(g, s, s->pool[i].slot, slot);
    const uint32_t *links = hnsw_links(g, slot);
    for (uint32_t i = 0; i < g->degree; i++) bypass(g, s, links[i], slot);
}

/* Walks the graph from what the stack holds; marks what it meets. */
static void walk(const hnsw_graph *g, uint32_t *stack, uint32_t n, uint8_t *mark) {
    while (n) {
        const uint32_t *links = hnsw_links(g, stack[--n]);
        for (uint32_t i = 0; i < g->degree; i++)
            if (!mark[links[i]]) {
                mark[links[i]] = 1;
                stack[n++] = links[i];
            }
    }
}

/* A slot that nobody leads to gets a link from the nearest that has a free place, else from the
 * nearest of all in place of its farthest link, which is looked at again if that cut it off. */
static size_t reach(hnsw_graph *g, hnsw_scratch *s, uint8_t *mark, uint32_t ef) {
    uint32_t *stack = malloc((size_t)g->slots * sizeof *stack + 1), n = 0;
    size_t linked = 0;
    if (!stack) return SIZE_MAX;
    for (uint32_t i = 0; i < g->entries; i++)
        if (!mark[g->entry[i]]) {
            mark[g->entry[i]] = 1;
            stack[n++] = g->entry[i];
        }
    walk(g, stack, n, mark);
    for (uint32_t slot = 0; slot < g->slots; slot++) {
        if (mark[slot]) continue;
        query_of(g, slot, s->query);
        search(g, s, s->query, 0, ef);
        uint32_t host = s->size ? s->pool[0].slot : slot, place = g->degree - 1;
        for (uint32_t i = 0; i < s->size; i++) {
            const uint32_t *links = hnsw_links(g, s->pool[i].slot);
            uint32_t j = 0;
            while (j < g->degree && links[j] != s->pool[i].slot) j++;
            if (j == g->degree) continue;
            host = s->pool[i].slot, place = j;
            break;
        }
        lock(g, host);
        hnsw_links(g, host)[place] = slot;
        unlock(g, host);
        linked++;
        mark[slot] = 1;
        stack[0] = slot;
        walk(g, stack, 1, mark);
    }
    free(stack);
    return linked;
}

/* Rounds |x| < 2^22 to the nearest integer by the float's own last place; no call, so it is vectors. */
ALWAYS float rounded(float x) {
    const float shift = 12582912.0f; /* 1.5 * 2^23 */
    return x + shift - shift;
}

ALWAYS float clipped(float x, float most) {
    x = x < most ? x : most;
    return x > -most ? x : -most;
}

static float square(const float *x, size_t n) { /* in eight sums, the same at every level */
    float sums[8] = {0}, sum = 0;
    size_t i = 0;
    for (; i + 8 <= n; i += 8)
        for (size_t j = 0; j < 8; j++) sums[j] += x[i + j] * x[i + j];
    for (; i < n; i++) sums[i % 8] += x[i] * x[i];
    for (size_t j = 0; j < 8; j++) sum += sums[j];
    return sum;
}

static int64_t square_of_wide(const int16_t *w, size_t n) {
    int64_t sum = 0;
    for (size_t i = 0; i < n; i++) sum += (int32_t)w[i] * w[i];
    return sum;
}

static void widen(const hnsw_projection *p, const float *x, float scale, float extra, float step,
                  int16_t *w) {
    uint32_t dim = p->dim;
    for (uint32_t i = 0; i < dim; i++)
        w[i] = (int16_t)rounded(clipped((x[i] * scale - p->mean[i]) * step, 32767));
    for (uint32_t i = dim; i < p->padded; i++) w[i] = 0;
    if (p->metric == METRIC_IP)
        w[dim] = (int16_t)rounded(clipped((extra - p->mean[dim]) * step, 32767));
}

#define WIDE_MAX 2147302921 /* 46,339^2 */

static int32_t project(const hnsw_projection *p, const float *x, uint32_t *shift, int16_t *w,
                       int8_t *y) {
    float scale = 1, extra = 0, step = p->step, most = 0, gain = p->gain, norm;
    float values[HNSW_LINES_MAX * HNSW_LINE];
    if (p->metric != METRIC_L2) {
        float length = square(x, p->dim), longest = p->longest * p->longest;
        if (p->metric == METRIC_COSINE)
            scale = length > 0 ? 1 / sqrtf(length) : 0;
        else if (!shift)
            extra = length < longest ? sqrtf(longest - length) : 0;
        else
            scale = length > 0 ? p->longest / sqrtf(length) : 0;
    }
    widen(p, x, scale, extra, step, w);
    int64_t total = square_of_wide(w, p->padded);
    norm = (float)total * p->share;
    if (total > WIDE_MAX) { /* the direction is kept; half, so that the roundings cannot matter */
        float less = 0.5f * sqrtf(WIDE_MAX / (float)total);
        widen(p, x, scale, extra, step * less, w);
        gain /= less;
    }
    const size_t dim = p->padded;
    for (size_t j = 0; j < p->kept; j++) {
        const int16_t *row = p->matrix + j * dim;
        int32_t sum = 0;
        for (size_t i = 0; i < dim; i++) sum += (int32_t)row[i] * w[i];
        values[j] = (float)sum * gain;
        most = values[j] > most ? values[j] : -values[j] > most ? -values[j] : most;
    }
    scale = 1;
    if (shift)
        for (*shift = 0; most * scale > 127.5f && *shift < 30; ++*shift) scale *= 0.5f;
    for (size_t j = 0; j < p->kept; j++) {
        float value = clipped(values[j] * scale, 127), whole = rounded(value);
        y[j] = (int8_t)whole;
        norm += whole * whole - value * value; /* |x - q| then feels the roundings, not |x| and |q| */
    }
    return norm < HNSW_NORM_MAX ? (int32_t)rintf(norm) : HNSW_NORM_MAX;
}

const hnsw_kernels HNSW_TABLE = {search, join, leave, reach, project};
