/* Search in an inverted file: csrc/ivf.h. */
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

int ivf_desk_make(ivf_desk *desk, const ivf *x, size_t keep) {
    size_t run = IVF_RUN * IVF_BLOCK, m = x->m ? x->m : 1;
    memset(desk, 0, sizeof *desk);
    if (keep > SIZE_MAX / 32 - run) return -1;
    desk->pool.keep = keep, desk->pool.room = 2 * keep + run;
    desk->lists = malloc(x->lists * sizeof *desk->lists);
    desk->far = malloc((x->lists > run ? x->lists : run) * sizeof *desk->far);
    desk->t = malloc(IVF_BOOK * m * sizeof *desk->t);
    desk->tables = malloc(IVF_BOOK * m);
    desk->sums = malloc(run * sizeof *desk->sums);
    desk->pool.at = malloc(desk->pool.room * sizeof *desk->pool.at);
    if (desk->lists && desk->far && desk->t && desk->tables && desk->sums && desk->pool.at)
        return 0;
    ivf_desk_free(desk);
    return -1;
}

void ivf_desk_free(ivf_desk *desk) {
    free(desk->lists);
    free(desk->far);
    free(desk->t);
    free(desk->tables);
    free(desk->sums);
    free(desk->pool.at);
    memset(desk, 0, sizeof *desk);
}

/* The nearest lists, in order. */
static size_t probes(const ivf *x, const ivf_level *level, ivf_desk *desk, const float *q, size_t nprobe) {
    level->distances->f32[x->metric].block(q, x->centroids, x->lists, x->dim * sizeof *q, x->dim, desk->far);
    for (uint32_t i = 0; i < x->lists; i++) {
        if (x->metric == DISTANCE_IP) desk->far[i] = -desk->far[i];
        desk->lists[i] = ivf_key(desk->far[i], i);
    }
    if (nprobe > x->lists) nprobe = x->lists;
    sort_low(desk->lists, x->lists, nprobe);
    return nprobe;
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
static void scan_rows(const ivf *x, const ivf_level *level, ivf_desk *desk, const ivf_query *q,
                      const uint32_t *slot, size_t n, const uint8_t *mask) {
    ivf_pool *pool = &desk->pool;
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

static void scan_list(const ivf *x, const ivf_level *level, ivf_desk *desk, const ivf_query *q, uint64_t list,
                      float bias, float step, const uint8_t *mask) {
    const code_kernels *codes = level->codes;
    const ivf_kernels *kernels = level->lists;
    ivf_pool *pool = &desk->pool;
    size_t left = x->count[(uint32_t)list];
    uint32_t block = x->head[(uint32_t)list];
    while (left) {
        size_t run = 1, all = (left + IVF_BLOCK - 1) / IVF_BLOCK, from = block;
        while (run < all && run < IVF_RUN && x->next[block] == block + 1) block++, run++;
        block = x->next[block];
        size_t n = run * IVF_BLOCK < left ? run * IVF_BLOCK : left, first = from * IVF_BLOCK;
        if (x->m) {
            codes->fastscan(desk->tables, x->codes + from * 16 * x->m, run, x->m, desk->sums);
            kernels->pick(pool, desk->sums, n, ivf_key_value(list), x->add + first,
                          x->mul ? x->mul + first : NULL, bias, step, x->slot + first, mask);
        } else {
            scan_rows(x, level, desk, q, x->slot + first, n, mask);
        }
        if (pool->n >= 2 * pool->keep) cut(pool);
        left -= n;
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

size_t ivf_search(const ivf *x, const ivf_level *level, ivf_desk *desk, const ivf_query *q, size_t nprobe,
                  size_t k, const uint8_t *mask, int64_t *slots, float *distances) {
    ivf_pool *pool = &desk->pool;
    float bias = 0, step = 0;
    pool->n = 0, pool->limit = INFINITY;
    nprobe = probes(x, level, desk, q->floats, nprobe);
    if (x->m) level->lists->tables(x, q->floats, desk->t, desk->tables, &bias, &step);
    for (size_t i = 0; i < nprobe; i++)
        scan_list(x, level, desk, q, desk->lists[i], bias, step, mask);
    cut(pool);
    size_t run = IVF_RUN * IVF_BLOCK;
    if (x->m && x->rows)
        for (size_t i = 0; i < pool->n; i += run)
            measure(x, level, q, pool->at + i, pool->n - i < run ? pool->n - i : run, desk->far);
    return best(pool, k, x->m && !x->rows ? q->base : 0, slots, distances);
}

size_t ivf_compare(const ivf *x, const ivf_level *level, ivf_desk *desk, const ivf_query *q,
                   const uint32_t *slot, size_t n, size_t k, int64_t *slots, float *distances) {
    ivf_pool *pool = &desk->pool;
    size_t run = IVF_RUN * IVF_BLOCK;
    pool->n = 0, pool->limit = INFINITY;
    for (size_t i = 0; i < n; i += run) {
        scan_rows(x, level, desk, q, slot + i, n - i < run ? n - i : run, NULL);
        if (pool->n >= 2 * pool->keep) cut(pool);
    }
    return best(pool, k, 0, slots, distances);
}

size_t ivf_members(const ivf *x, const ivf_level *level, ivf_desk *desk, const float *q, size_t nprobe,
                   uint32_t *out) {
    size_t n = 0;
    nprobe = probes(x, level, desk, q, nprobe);
    for (size_t i = 0; i < nprobe; i++) {
        uint32_t list = (uint32_t)desk->lists[i], block = x->head[list];
        for (size_t j = 0; j < x->count[list]; j++) {
            if (j && j % IVF_BLOCK == 0) block = x->next[block];
            out[n++] = x->slot[(size_t)block * IVF_BLOCK + j % IVF_BLOCK];
        }
    }
    return n;
}
