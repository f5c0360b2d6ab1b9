/* Search in an inverted file: csrc/ivf.h. */
#include <float.h>
#include <stdlib.h>

#include "ivf_pool.h"

static inline void swap(uint64_t *a, uint64_t *b) {
    uint64_t c = *a;
    *a = *b, *b = c;
}

/* The k lowest come first, in any order (Hoare 1961, FIND; the median of three as pivot). */
static void select_low(uint64_t *a, size_t n, size_t k) {
    size_t low = 0, high = n;
    while (high - low > 12 && k > low && k < high) {
        size_t mid = low + (high - low) / 2, i = low, j = high - 1;
        if (a[mid] < a[low]) swap(a + mid, a + low);
        if (a[high - 1] < a[low]) swap(a + high - 1, a + low);
        if (a[high - 1] < a[mid]) swap(a + high - 1, a + mid);
        uint64_t pivot = a[mid];
        for (;;) {
            while (a[i] < pivot) i++;
            while (pivot < a[j]) j--;
            if (i >= j) break;
            swap(a + i++, a + j--);
        }
        if (k <= i) high = i;
        else low = i;
    }
    if (k <= low || k >= high) return;
    for (size_t i = low + 1; i < high; i++) {
        uint64_t v = a[i];
        size_t j = i;
        for (; j > low && a[j - 1] > v; j--) a[j] = a[j - 1];
        a[j] = v;
    }
}

static int ascending(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static void sort_low(uint64_t *a, size_t n, size_t k) {
    if (k < n) select_low(a, n, k);
    else k = n;
    if (k > 64) {
        qsort(a, k, sizeof *a, ascending);
        return;
    }
    for (size_t i = 1; i < k; i++) {
        uint64_t v = a[i];
        size_t j = i;
        for (; j && a[j - 1] > v; j--) a[j] = a[j - 1];
        a[j] = v;
    }
}

static void cut(ivf_pool *pool) {
    if (pool->n <= pool->keep) return;
    select_low(pool->at, pool->n, pool->keep);
    uint64_t worst = 0;
    for (size_t i = 0; i < pool->keep; i++) worst = pool->at[i] > worst ? pool->at[i] : worst;
    pool->n = pool->keep;
    pool->limit = ivf_key_value(worst);
}

int ivf_desk_make(ivf_desk *desk, const ivf *x, size_t keep, size_t nprobe, size_t n) {
    size_t run = IVF_RUN * IVF_BLOCK, table = IVF_BOOK * (x->m ? x->m : 1);
    memset(desk, 0, sizeof *desk);
    if (nprobe > x->lists) nprobe = x->lists;
    if (keep > SIZE_MAX / 64 - run) return -1;
    size_t room = 2 * keep + run, each = 8 * room + 8 * nprobe + table;
    size_t group = IVF_GROUP_BYTES / each;
    desk->group = group = group < 1 ? 1 : group > n ? n : group;
    desk->nprobe = nprobe;
    desk->hunts = calloc(group, sizeof *desk->hunts);
    uint8_t *memory = desk->memory = malloc(group * each);
    desk->lists = malloc(2 * x->lists * sizeof *desk->lists);
    desk->start = malloc((x->lists + 1) * sizeof *desk->start);
    desk->order = malloc(group * nprobe * sizeof *desk->order);
    desk->whole = malloc(x->lists * sizeof *desk->whole);
    desk->far = malloc((x->lists > run ? x->lists : run) * sizeof *desk->far);
    desk->t = malloc(table * sizeof *desk->t);
    desk->q8 = malloc(x->dim);
    desk->sums = malloc(run * sizeof *desk->sums);
    if (!desk->hunts || !memory || !desk->lists || !desk->start || !desk->order || !desk->whole ||
        !desk->far || !desk->t || !desk->q8 || !desk->sums) {
        ivf_desk_free(desk);
        return -1;
    }
    for (size_t i = 0; i < group; i++, memory += each) {
        ivf_hunt *hunt = desk->hunts + i;
        hunt->pool.at = (uint64_t *)(void *)memory;
        hunt->pool.keep = keep, hunt->pool.room = room;
        hunt->probe = hunt->pool.at + room;
        hunt->tables = (uint8_t *)(hunt->probe + nprobe);
    }
    return 0;
}

void ivf_desk_free(ivf_desk *desk) {
    free(desk->hunts);
    free(desk->memory);
    free(desk->lists);
    free(desk->start);
    free(desk->order);
    free(desk->whole);
    free(desk->far);
    free(desk->t);
    free(desk->q8);
    free(desk->sums);
    memset(desk, 0, sizeof *desk);
}

/* The products of the 8-bit centroids with the query in steps of its own; what one of them stands
 * for. */
static float coarse_products(const ivf *x, const ivf_level *level, ivf_desk *desk, const float *q) {
    float middle = x->metric == DISTANCE_L2 ? x->coarse_middle : 0, most = 0;
    for (size_t d = 0; d < x->dim; d++) {
        float v = q[d] - middle, size = v < 0 ? -v : v;
        most = size > most ? size : most;
    }
    float inverse = most > 0 ? 127 / most : 0;
    for (size_t d = 0; d < x->dim; d++) {
        float v = (q[d] - middle) * inverse;
        desk->q8[d] = (int8_t)(v + (v < 0 ? -0.5f : 0.5f));
    }
    level->distances->i8[DISTANCE_IP].block(desk->q8, x->coarse, x->lists, x->dim, x->dim,
                                            desk->whole);
    return most / 127 * x->coarse_step;
}

static inline void consider(ivf_pool *pool, float key, uint32_t list) {
    if (!(key < pool->limit)) return;
    pool->at[pool->n++] = ivf_key(key, list);
    if (pool->n == 2 * pool->keep) cut(pool);
}

/* The nearest lists, in order: by their centroids, of which 8 bits choose some more than needed.
 * Keys beyond floats, of a query far off, count as the largest: none may be missing in the pool. */
static void probes(const ivf *x, const ivf_level *level, ivf_desk *desk, const float *q,
                   uint64_t *out) {
    const distance_floats *floats = level->distances->f32 + x->metric;
    size_t n = desk->nprobe, some = n + n / 4 + 8;
    float sign = x->metric == DISTANCE_L2 ? 1 : -1;
    ivf_pool pool = {desk->lists, 0, n, 2 * x->lists, INFINITY};
    if (2 * some < x->lists) {
        float unit = -(x->metric == DISTANCE_L2 ? 2 : 1) * coarse_products(x, level, desk, q);
        pool.keep = some;
        for (uint32_t i = 0; i < x->lists; i++)
            consider(&pool, fminf(x->coarse_plus[i] + unit * (float)desk->whole[i], FLT_MAX), i);
        cut(&pool);
        for (size_t i = 0; i < pool.n; i++) {
            uint32_t list = (uint32_t)pool.at[i];
            pool.at[i] = ivf_key(sign * floats->one(q, x->centroids + list * x->dim, x->dim), list);
        }
    } else {
        floats->block(q, x->centroids, x->lists, x->dim * sizeof *q, x->dim, desk->far);
        for (uint32_t i = 0; i < x->lists; i++) pool.at[i] = ivf_key(sign * desk->far[i], i);
        pool.n = x->lists;
    }
    sort_low(pool.at, pool.n, n);
    memcpy(out, pool.at, n * sizeof *out);
}

/* Rows of these slots, four at a time, those ahead on their way from memory. */
#define AHEAD 8
static void raws(const ivf *x, const ivf_level *level, const void *q, const uint64_t *at, size_t n,
                 float *out) {
    const distance_kernels *d = level->distances;
    const distance_floats *floats = x->row_kind < 2 ? (x->row_kind ? d->f16 : d->f32) : NULL;
    const distance_bytes *bytes = (x->row_kind == 3 ? d->i8 : d->u8) + x->row_metric;
    size_t i = 0;
    if (floats) floats += x->row_metric;
#define ROW(i) (x->rows + (size_t)(uint32_t)at[i] * x->stride)
    for (size_t j = 0; j < AHEAD && j < n; j++)
        for (size_t b = 0; b < x->stride; b += 64) __builtin_prefetch(ROW(j) + b);
    for (; i + 4 <= n; i += 4) {
        const void *four[4] = {ROW(i), ROW(i + 1), ROW(i + 2), ROW(i + 3)};
        for (size_t j = i + AHEAD; j < i + AHEAD + 4 && j < n; j++)
            for (size_t b = 0; b < x->stride; b += 64) __builtin_prefetch(ROW(j) + b);
        if (floats) {
            floats->four(q, four, x->row_dim, out + i);
        } else {
            int32_t whole[4];
            bytes->four(q, four, x->row_dim, whole);
            for (int j = 0; j < 4; j++) out[i + j] = (float)whole[j];
        }
    }
    for (; i < n; i++)
        out[i] = floats ? floats->one(q, ROW(i), x->row_dim)
                        : (float)bytes->one(q, ROW(i), x->row_dim);
#undef ROW
}

static void measure(const ivf *x, const ivf_level *level, const ivf_query *q, uint64_t *at, size_t n,
                    float *room) {
    raws(x, level, q->row, at, n, room);
    for (size_t i = 0; i < n; i++) {
        uint32_t slot = (uint32_t)at[i];
        float raw = x->by ? room[i] * x->by[slot] : room[i];
        float d = q->base + q->factor * raw + (x->plus ? x->plus[slot] : 0);
        at[i] = ivf_key(d, slot);
    }
}

/* Entries of a run of blocks by their rows: candidates first, then those that are no better go. */
static void scan_rows(const ivf *x, const ivf_level *level, ivf_desk *desk, ivf_pool *pool,
                      const ivf_query *q, const uint32_t *slot, size_t n, const uint8_t *mask) {
    uint64_t *at = pool->at + pool->n;
    size_t some = 0, kept = 0;
    for (size_t i = 0; i < n; i++)
        if (!mask || mask[slot[i]]) at[some++] = slot[i];
    measure(x, level, q, at, some, desk->far);
    for (size_t i = 0; i < some; i++) {
        at[kept] = at[i];
        kept += ivf_key_value(at[i]) < pool->limit;
    }
    pool->n += kept;
}

static inline void fetch(const void *from, size_t bytes) {
    for (size_t b = 0; b < bytes; b += 64) __builtin_prefetch((const uint8_t *)from + b, 0, 2);
}

/* Lists begin where nobody has read before: each run scanned lets one of the next list come. */
static void fetch_run(const ivf *x, uint32_t list, size_t first) {
    size_t blocks = (x->count[list] + IVF_BLOCK - 1) / IVF_BLOCK, block = x->head[list] + first;
    if (first >= blocks) return;
    size_t run = blocks - first < IVF_RUN ? blocks - first : IVF_RUN;
    if (block + run > x->blocks) return;
    fetch(x->next + block, run * 4);
    fetch(x->slot + block * IVF_BLOCK, run * IVF_BLOCK * 4);
    if (!x->m) return;
    fetch(x->codes + block * 16 * x->m, run * 16 * x->m);
    fetch(x->add + block * IVF_BLOCK, run * IVF_BLOCK * 4);
    if (x->mul) fetch(x->mul + block * IVF_BLOCK, run * IVF_BLOCK * 4);
}

static void scan_list(const ivf *x, const ivf_level *level, ivf_desk *desk, ivf_hunt *hunt,
                      const ivf_query *q, uint64_t list, uint32_t ahead, const uint8_t *mask) {
    ivf_pool *pool = &hunt->pool;
    size_t left = x->count[(uint32_t)list], done = 0;
    uint32_t block = x->head[(uint32_t)list];
    while (left) {
        size_t run = 1, all = (left + IVF_BLOCK - 1) / IVF_BLOCK, from = block;
        while (run < all && run < IVF_RUN && x->next[block] == block + 1) block++, run++;
        block = x->next[block];
        size_t n = run * IVF_BLOCK < left ? run * IVF_BLOCK : left, first = from * IVF_BLOCK;
        if (ahead != IVF_NONE) fetch_run(x, ahead, done);
        if (x->m) {
            level->codes->fastscan(hunt->tables, x->codes + from * 16 * x->m, run, x->m,
                                   desk->sums);
            level->lists->pick(pool, desk->sums, n, ivf_key_value(list), x->add + first,
                               x->mul ? x->mul + first : NULL, hunt->bias, hunt->step,
                               x->slot + first, mask);
        } else {
            scan_rows(x, level, desk, pool, q, x->slot + first, n, mask);
        }
        if (pool->n >= 2 * pool->keep) cut(pool);
        left -= n, done += run;
    }
}

static size_t best(ivf_pool *pool, size_t k, float shift, int64_t *slots, float *distances) {
    k = k < pool->n ? k : pool->n;
    sort_low(pool->at, pool->n, k);
    for (size_t i = 0; i < k; i++) {
        slots[i] = (uint32_t)pool->at[i];
        distances[i] = ivf_key_value(pool->at[i]) + shift;
    }
    return k;
}

/* Each query looks through its nearest list first, which brings the limit down. Then list after
 * list is looked through for all queries that want it, while it is in the cache. */
static void scan_together(const ivf *x, const ivf_level *level, ivf_desk *desk, const ivf_query *q,
                          size_t n, const uint8_t *mask) {
    size_t nprobe = desk->nprobe;
    memset(desk->start, 0, (x->lists + 1) * sizeof *desk->start);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 1; j < nprobe; j++) desk->start[(uint32_t)desk->hunts[i].probe[j] + 1]++;
    for (size_t l = 0; l < x->lists; l++) desk->start[l + 1] += desk->start[l];
    for (size_t i = n; i--;)
        for (size_t j = nprobe; j-- > 1;) {
            uint32_t list = (uint32_t)desk->hunts[i].probe[j];
            desk->order[--desk->start[list + 1]] = (uint32_t)(i * nprobe + j);
        }
    for (size_t i = 0; i < n; i++) {
        uint32_t ahead = i + 1 < n ? (uint32_t)desk->hunts[i + 1].probe[0] : IVF_NONE;
        scan_list(x, level, desk, desk->hunts + i, q + i, desk->hunts[i].probe[0], ahead, mask);
    }
    for (size_t p = 0; p < n * (nprobe - 1); p++) {
        size_t i = desk->order[p] / nprobe, j = desk->order[p] % nprobe;
        uint64_t list = desk->hunts[i].probe[j];
        uint32_t ahead = IVF_NONE;
        if (p + 1 < n * (nprobe - 1)) {
            size_t next = desk->order[p + 1];
            ahead = (uint32_t)desk->hunts[next / nprobe].probe[next % nprobe];
        }
        scan_list(x, level, desk, desk->hunts + i, q + i, list,
                  ahead == (uint32_t)list ? IVF_NONE : ahead, mask);
    }
}

size_t ivf_search(const ivf *x, const ivf_level *level, ivf_desk *desk, const ivf_query *q,
                  size_t n, size_t k, const uint8_t *mask, int64_t *slots, float *distances) {
    size_t run = IVF_RUN * IVF_BLOCK, least = k;
    for (size_t i = 0; i < n; i++) {
        ivf_hunt *hunt = desk->hunts + i;
        hunt->pool.n = 0, hunt->pool.limit = INFINITY;
        probes(x, level, desk, q[i].floats, hunt->probe);
        if (x->m)
            level->lists->tables(x, q[i].floats, desk->t, hunt->tables, &hunt->bias, &hunt->step);
    }
    if (n > 1) scan_together(x, level, desk, q, n, mask);
    else
        for (size_t j = 0; j < desk->nprobe; j++) {
            const uint64_t *probe = desk->hunts->probe + j;
            uint32_t ahead = j + 1 < desk->nprobe ? (uint32_t)probe[1] : IVF_NONE;
            scan_list(x, level, desk, desk->hunts, q, *probe, ahead, mask);
        }
    for (size_t i = 0; i < n; i++) {
        ivf_pool *pool = &desk->hunts[i].pool;
        cut(pool);
        if (x->m && x->rows)
            for (size_t j = 0; j < pool->n; j += run)
                measure(x, level, q + i, pool->at + j, pool->n - j < run ? pool->n - j : run,
                        desk->far);
        float shift = x->m && !x->rows ? q[i].base : 0;
        size_t found = best(pool, k, shift, slots + i * k, distances + i * k);
        least = found < least ? found : least;
    }
    return least;
}

size_t ivf_compare(const ivf *x, const ivf_level *level, ivf_desk *desk, const ivf_query *q,
                   const uint32_t *slot, size_t n, size_t k, int64_t *slots, float *distances) {
    ivf_pool *pool = &desk->hunts->pool;
    size_t run = IVF_RUN * IVF_BLOCK;
    pool->n = 0, pool->limit = INFINITY;
    for (size_t i = 0; i < n; i += run) {
        scan_rows(x, level, desk, pool, q, slot + i, n - i < run ? n - i : run, NULL);
        if (pool->n >= 2 * pool->keep) cut(pool);
    }
    return best(pool, k, 0, slots, distances);
}

size_t ivf_members(const ivf *x, const ivf_level *level, ivf_desk *desk, const float *q,
                   uint32_t *out) {
    size_t n = 0;
    probes(x, level, desk, q, desk->hunts->probe);
    for (size_t i = 0; i < desk->nprobe; i++) {
        uint32_t list = (uint32_t)desk->hunts->probe[i], block = x->head[list];
        for (size_t j = 0; j < x->count[list]; j++) {
            if (j && j % IVF_BLOCK == 0) block = x->next[block];
            out[n++] = x->slot[(size_t)block * IVF_BLOCK + j % IVF_BLOCK];
        }
    }
    return n;
}
