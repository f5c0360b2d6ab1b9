#define _DEFAULT_SOURCE /* madvise */
#include "hll_groups.h"

#include <stdlib.h>
#include <sys/mman.h>

enum { LG_CELLS = 6, ROOM = 16 };
enum { AHEAD = 16 }; /* rows: how long memory takes to answer */
enum { SOME = 128 };  /* keys: those looked up twice are in the L1 cache still */
enum { LINE = 64, BUCKET = LINE / sizeof(hll_key) };

enum { HUGE_PAGE = 1 << 21 };

/* Asks for large pages, if the system has them: new memory comes 4 KiB at a time otherwise, and a
 * random access waits for the page's address, too. */
static void *in_large_pages(void *memory, size_t size) {
#ifdef MADV_HUGEPAGE
    uintptr_t mask = HUGE_PAGE - 1, from = ((uintptr_t)memory + mask) & ~mask;
    uintptr_t to = ((uintptr_t)memory + size) & ~mask;
    if (memory && from < to) madvise((void *)from, to - from, MADV_HUGEPAGE);
#else
    (void)size;
#endif
    return memory;
}

/* Empty cells, of which a cache line holds a bucket. Not aligned_alloc: what is to be cleared by hand
 * is written twice. */
static int new_cells(hll_groups *g, uint32_t lg_cells) {
    size_t size = (sizeof(hll_key) << lg_cells) + LINE;
    void *memory = in_large_pages(calloc(1, size), size);
    if (!memory) return -1;
    g->memory = memory;
    g->cells = (hll_key *)(((uintptr_t)memory + LINE - 1) & ~(uintptr_t)(LINE - 1));
    g->lg_cells = lg_cells;
    return 0;
}

int hll_groups_init(hll_groups *g, uint32_t p) {
    memset(g, 0, sizeof *g);
    g->p = p;
    g->room = ROOM;
    g->counters = malloc(ROOM * sizeof *g->counters);
    if (g->counters && !new_cells(g, LG_CELLS)) return 0;
    hll_groups_free(g);
    return -1;
}

/* ------------------------------------------------------------------ tables of small sets */

enum { TABLE = 1 << HLL_LG_SET, TABLES = 128 };
struct hll_tables {
    hll_tables *before;
    uint32_t cells[][TABLE];
};

static void free_tables(hll_tables *t) {
    while (t) {
        hll_tables *before = t->before;
        free(t);
        t = before;
    }
}

static int more_tables(hll_groups *g) {
    size_t n = TABLES + g->n_tables / 2, size = sizeof *g->tables + n * sizeof *g->tables->cells;
    hll_tables *tables = in_large_pages(calloc(1, size), size);
    if (!tables) return -1;
    tables->before = g->tables;
    g->tables = tables;
    g->n_tables += n;
    g->unused = n;
    return 0;
}

/* Sees to it that there is a spare table. */
static inline int spare_table(hll_groups *g) {
    if (g->spare || g->p < 8) return 0;
    if (!g->unused && more_tables(g)) return -1;
    g->spare = g->tables->cells[--g->unused];
    return 0;
}

void hll_groups_free(hll_groups *g) {
    for (uint32_t i = 0; i < g->n; i++) hll_free(&g->counters[i]);
    free(g->memory);
    free(g->counters);
    free_tables(g->tables);
    memset(g, 0, sizeof *g);
}

size_t hll_groups_nbytes(const hll_groups *g) {
    size_t sum = (sizeof *g->cells << g->lg_cells) + (g->room - g->n) * sizeof *g->counters;
    size_t tables = g->n_tables;
    for (uint32_t i = 0; i < g->n; i++) {
        sum += hll_nbytes(&g->counters[i]);
        tables -= g->counters[i].lent;
    }
    return sum + tables * sizeof *g->tables->cells;
}

/* The cell of a key, or the empty one where it belongs: one bucket after the other, each from the
 * place on that the hash names. */
static hll_key *find(hll_key *cells, uint32_t lg_cells, uint64_t h1, uint32_t h2) {
    uint64_t mask = (UINT64_C(1) << lg_cells) - BUCKET;
    for (uint64_t at = h1;; at += BUCKET)
        for (uint64_t j = 0; j < BUCKET; j++) {
            hll_key *cell = &cells[(at & mask) + (at + j) % BUCKET];
            if (!cell->group || (cell->h1 == h1 && cell->h2 == h2)) return cell;
        }
}

static int grow_cells(hll_groups *g) {
    hll_groups before = *g;
    if (new_cells(g, g->lg_cells + 1)) return -1;
    for (size_t i = 0; i < (size_t)1 << before.lg_cells; i++)
        if (before.cells[i].group)
            *find(g->cells, g->lg_cells, before.cells[i].h1, before.cells[i].h2) = before.cells[i];
    free(before.memory);
    return 0;
}

static int add(hll_groups *g, hll_key *cell, uint64_t h1, uint32_t h2) {
    if (g->n == UINT32_MAX - 1) return -1;
    if (g->n == g->room) {
        size_t room = g->room + (size_t)g->room / 2;
        if (room > UINT32_MAX) room = UINT32_MAX;
        size_t size = room * sizeof(hll);
        hll *counters = in_large_pages(realloc(g->counters, size), size);
        if (!counters) return -1;
        g->counters = counters;
        g->room = (uint32_t)room;
    }
    hll_init(&g->counters[g->n++], g->p);
    *cell = (hll_key){h1, h2, g->n};
    return 4 * (uint64_t)g->n > UINT64_C(3) << g->lg_cells ? grow_cells(g) : 0;
}

void hll_groups_fit(hll_groups *g) {
    hll *counters = realloc(g->counters, (g->n ? g->n : 1) * sizeof *counters);
    if (!counters) return; /* as large as before is no harm */
    g->counters = counters;
    g->room = g->n ? g->n : 1;
}

/* The second bucket of a key that is not in the first, and finds no room there. */
static inline void ask_next(const hll_groups *g, uint64_t h1, uint32_t h2) {
    uint64_t mask = (UINT64_C(1) << g->lg_cells) - BUCKET;
    const hll_key *cell = &g->cells[h1 & mask];
    uint32_t elsewhere = 1;
    for (uint64_t j = 0; j < BUCKET; j++)
        elsewhere &= (cell[j].group != 0) & !((cell[j].h1 == h1) & (cell[j].h2 == h2));
    if (elsewhere) __builtin_prefetch(&g->cells[(h1 + BUCKET) & mask]);
}

/* Whether a key is in the first cell that it may be in is a guess for a branch; so that is looked
 * up without one, and those that are not there are gone through again, in order. */
static int find_some(hll_groups *g, const uint64_t *h1, const uint64_t *h2, size_t n, size_t known,
                     uint32_t *group) {
    uint64_t mask = (UINT64_C(1) << g->lg_cells) - 1;
    uint16_t missed[SOME];
    size_t m = 0;
    for (size_t i = 0; i < n; i++) {
        if (i + AHEAD < known) __builtin_prefetch(&g->cells[h1[i + AHEAD] & mask]);
        const hll_key *cell = &g->cells[h1[i] & mask];
        group[i] = cell->group - 1;
        missed[m] = (uint16_t)i;
        m += !((cell->h1 == h1[i]) & (cell->h2 == (uint32_t)h2[i]) & (cell->group != 0));
    }
    for (size_t k = 0; k < m; k++) ask_next(g, h1[missed[k]], (uint32_t)h2[missed[k]]);
    for (size_t k = 0; k < m; k++) {
        size_t i = missed[k];
        hll_key *cell = find(g->cells, g->lg_cells, h1[i], (uint32_t)h2[i]);
        if (cell->group) {
            group[i] = cell->group - 1;
        } else {
            group[i] = g->n;
            if (add(g, cell, h1[i], (uint32_t)h2[i])) return -1;
        }
    }
    return 0;
}

int hll_groups_find(hll_groups *g, const uint64_t *h1, const uint64_t *h2, size_t n,
                    uint32_t *group) {
    for (size_t i = 0; i < n; i += SOME)
        if (find_some(g, h1 + i, h2 + i, n - i < SOME ? n - i : SOME, n - i, group + i)) return -1;
    return 0;
}

/* The memory behind a counter that an item will be looked for in. */
static inline void ask_for(const hll *s, uint32_t coupon) {
    if (s->state == HLL_AS_SET)
        __builtin_prefetch(&s->as.set[coupon & ((1u << s->lg_size) - 1)], 1);
    else if (s->state == HLL_AS_DENSE)
        __builtin_prefetch(&s->as.dense->registers[coupon & ((1u << s->p) - 1)], 1);
}

/* ------------------------------------------------------------------ rows by ranges */

enum { LG_RANGE = 10 };  /* groups: with a set each, their counters take 180 KiB */
enum { LG_RANGES = 10 }; /* more places than that are slow to write to in turn */
enum { LOAD = 1 << 23 }; /* rows laid down at a time: 64 MiB */
enum { FEW = 1 << 9 };   /* the same where one range holds all groups, and rows need no order */

/* Makes room for the rows of each range of the next load. */
static void begin_load(hll_rows *r) {
    r->due = r->left < r->room ? r->left : r->room;
    memset(r->end, 0, (r->ranges + 1) * sizeof *r->end);
    for (size_t i = 0; i < r->due; i++) r->end[(r->group[i] >> r->shift) + 1]++;
    for (uint32_t i = 0; i < r->ranges; i++) r->end[i + 1] += r->end[i];
}

int hll_rows_init(hll_rows *r, const hll_groups *g, const uint32_t *group, size_t n) {
    uint32_t groups = g->n ? g->n : 1;
    *r = (hll_rows){.group = group, .left = n, .shift = LG_RANGE};
    while ((groups - 1) >> r->shift >> LG_RANGES) r->shift++;
    r->ranges = ((groups - 1) >> r->shift) + 1;
    r->room = r->ranges > 1 ? LOAD : FEW;
    if (r->room > n) r->room = n;
    size_t size = r->room * sizeof *r->rows + 1; /* never zero bytes */
    r->rows = in_large_pages(malloc(size), size);
    r->end = malloc((r->ranges + 1) * sizeof *r->end);
    if (r->rows && r->end) {
        begin_load(r);
        return 0;
    }
    hll_rows_free(r);
    return -1;
}

void hll_rows_free(hll_rows *r) {
    free(r->rows);
    free(r->end);
    memset(r, 0, sizeof *r);
}

static int take_load(hll_rows *r, hll_groups *g) {
    size_t n = r->end[r->ranges - 1];
    const hll_row *rows = r->rows;
    for (size_t i = 0; i < n; i++) {
        if (i + 2 * AHEAD < n) __builtin_prefetch(&g->counters[rows[i + 2 * AHEAD].group], 1);
        if (i + AHEAD < n) ask_for(&g->counters[rows[i + AHEAD].group], rows[i + AHEAD].coupon);
        if (!rows[i].coupon) continue;
        if (spare_table(g)) return -1;
        if (hll_update_sharing(&g->counters[rows[i].group], rows[i].coupon, &g->spare)) return -1;
    }
    return 0;
}

int hll_rows_add(hll_rows *r, hll_groups *g, const uint64_t *h1, const uint64_t *h2,
                 const uint8_t *valid, size_t n) {
    for (size_t i = 0; i < n;) {
        size_t stop = n - i < r->due ? n : i + r->due;
        r->due -= stop - i;
        r->left -= stop - i;
        for (; i < stop; i++) {
            uint32_t group = *r->group++;
            uint32_t coupon = valid && !valid[i] ? 0 : hll_coupon(h1[i], h2[i]);
            r->rows[r->end[group >> r->shift]++] = (hll_row){group, coupon};
        }
        if (!r->due) {
            if (take_load(r, g)) return -1;
            begin_load(r);
        }
    }
    return 0;
}
