#include "topk.h"

#include <stdlib.h>
#include <string.h>

#include "murmur3.h"

#define AHEAD 8        /* items: a slot is asked for while as many before it are looked up */
#define MOVE 256       /* items whose hashes are computed at once when a table is made anew */
#define LENGTH 0xFFFF  /* of `where`: the length, or this much */

/* An item: a number is its own tag and has nothing else. */
typedef struct {
    uint64_t tag, h1, h2;
    const uint8_t *bytes;
    size_t len;
} item;

void topk_release(topk *t) {
    free(t->slot);
    free(t->born);
    free(t->text);
    free(t->arena);
    memset(t, 0, sizeof *t);
}

static int make(topk *t, size_t slots, size_t room) {
    t->slots = slots;
    t->room = room;
    t->slot = (topk_slot *)calloc(slots, sizeof *t->slot);
    t->born = (uint64_t *)malloc(slots * sizeof *t->born);
    t->text = t->texts ? (topk_text *)malloc(slots * sizeof *t->text) : NULL;
    t->arena = room ? (uint8_t *)malloc(room) : NULL;
    if (t->slot && t->born && (t->text || !t->texts) && (t->arena || !room)) return TOPK_OK;
    topk_release(t);
    return TOPK_NO_MEMORY;
}

int topk_start(topk *t, size_t slots_max, uint64_t seed, int texts) {
    memset(t, 0, sizeof *t);
    t->slots_max = slots_max;
    t->seed = seed;
    t->texts = texts;
    t->kernels = &hash_kernels_baseline;
    return make(t, TOPK_SLOTS_MIN, 0);
}

int topk_copy(topk *to, const topk *from) {
    *to = *from;
    if (make(to, from->slots, from->used)) return TOPK_NO_MEMORY;
    memcpy(to->slot, from->slot, from->slots * sizeof *from->slot);
    memcpy(to->born, from->born, from->slots * sizeof *from->born);
    if (from->texts) memcpy(to->text, from->text, from->slots * sizeof *from->text);
    if (from->used) memcpy(to->arena, from->arena, from->used);
    return TOPK_OK;
}

/* ------------------------------------------------------------------ one item */

static inline int same_text(const topk *t, size_t i, const item *x) {
    uint64_t len;
    if (t->text[i].second != x->h2 ||
        (t->text[i].where & LENGTH) != (x->len < LENGTH ? x->len : LENGTH))
        return 0;
    if (x->len < TOPK_HASHED) return 1;
    const uint8_t *own = topk_bytes(t, i, NULL, &len);
    return len == x->len && !memcmp(own, x->bytes, len);
}

/* The slot that holds the item, or the free one where it belongs. */
static inline size_t find(const topk *t, const item *x, int texts) {
    size_t mask = t->slots - 1, i = x->h1 & mask;
    for (; t->slot[i].count; i = (i + 1) & mask)
        if (t->slot[i].tag == x->tag && (!texts || same_text(t, i, x))) break;
    return i;
}

/* Puts a text that is not in its hash into the arena. */
static int store_text(topk *t, size_t i, const item *x) {
    uint64_t len = x->len;
    if (len > SIZE_MAX / 4 - t->used) return TOPK_NO_MEMORY;
    size_t need = t->used + 8 + len;
    if (need > t->room) {
        size_t room = need + need / 2 + 1024;
        uint8_t *arena = (uint8_t *)realloc(t->arena, room);
        if (!arena) return TOPK_NO_MEMORY;
        t->arena = arena;
        t->room = room;
    }
    memcpy(t->arena + t->used, &len, 8);
    memcpy(t->arena + t->used + 8, x->bytes, len);
    t->text[i].where = (uint64_t)t->used << 16 | (len < LENGTH ? len : LENGTH);
    t->used = need;
    return TOPK_OK;
}

static inline int fill(topk *t, size_t i, const item *x, uint64_t count, uint64_t born) {
    if (t->texts) {
        t->text[i] = (topk_text){x->h2, x->len};
        if (x->len >= TOPK_HASHED && store_text(t, i, x)) return TOPK_NO_MEMORY;
    }
    t->slot[i].tag = x->tag;
    t->slot[i].count = count;
    t->born[i] = born;
    t->n++;
    return TOPK_OK;
}

static inline item item_of(const topk_batch *b, size_t k, int texts) {
    if (texts) return (item){b->h1[k], b->h1[k], b->h2[k], b->ptr[k], b->len[k]};
    return (item){b->keys[k], b->h1[k], 0, NULL, 0};
}

static inline int same_kth(const topk *t, size_t i, const topk_batch *b, size_t k) {
    if (t->text[i].second != b->h2[k]) return 0;
    if (t->text[i].where == b->len[k] && b->len[k] < TOPK_HASHED) return 1;
    item x = item_of(b, k, 1);
    return same_text(t, i, &x);
}

/* The item in slot i of a table of texts; of numbers the hash is another's to compute. */
static inline item text_at(const topk *t, size_t i) {
    uint64_t len = t->text[i].where & LENGTH, h1 = t->slot[i].tag;
    const uint8_t *bytes = len < TOPK_HASHED ? NULL : topk_bytes(t, i, NULL, &len);
    return (item){h1, h1, t->text[i].second, bytes, len};
}

/* ----------------------------------------------------------- the whole table */

/* Moves the items that count more than the ground into a table of this many slots. */
static int rebuild(topk *t, size_t slots, uint64_t ground) {
    topk fresh = *t;
    uint64_t tag[MOVE], h1[MOVE], len;
    size_t from[MOVE + 1], m = 0, room = 0;
    if (t->texts) {
        for (size_t i = 0; i < t->slots; i++)
            if (t->slot[i].count > ground && (t->text[i].where & LENGTH) >= TOPK_HASHED) {
                topk_bytes(t, i, NULL, &len);
                room += len + 8;
            }
        room += room / 2; /* for those to come */
    }
    fresh.n = fresh.used = 0;
    if (make(&fresh, slots, room)) return TOPK_NO_MEMORY;
    for (size_t i = 0; i <= t->slots; i++) {
        if (m == MOVE || i == t->slots) {
            for (size_t k = 0; k < m; k++) tag[k] = t->slot[from[k]].tag;
            if (!t->texts) t->kernels->u64(tag, m, t->seed, h1, NULL);
            for (size_t k = 0; k < m; k++) {
                item x = t->texts ? text_at(t, from[k]) : (item){tag[k], h1[k], 0, NULL, 0};
                size_t to = x.h1 & (slots - 1);
                while (fresh.slot[to].count) to = (to + 1) & (slots - 1);
                /* cannot fail: there is room for every text */
                fill(&fresh, to, &x, t->slot[from[k]].count, t->born[from[k]]);
            }
            m = 0;
            if (i == t->slots) break;
        }
        from[m] = i; /* no branch: which items stay is a guess */
        m += t->slot[i].count > ground;
    }
    free(t->slot);
    free(t->born);
    free(t->text);
    free(t->arena);
    *t = fresh;
    return TOPK_OK;
}

/* The k-th smallest of n, by Hoare's selection; orders them in part. */
static uint64_t select_kth(uint64_t *a, size_t n, size_t k) {
    size_t low = 0, high = n - 1;
    while (low < high) {
        uint64_t pivot = a[low + (high - low) / 2];
        size_t i = low, j = high;
        for (;;) {
            while (a[i] < pivot) i++;
            while (a[j] > pivot) j--;
            if (i >= j) break;
            uint64_t swap = a[i];
            a[i++] = a[j], a[j--] = swap;
        }
        if (k <= j)
            high = j;
        else
            low = j + 1;
    }
    return a[k];
}

/* The ground that drops the `fewer` lowest items at least. */
static int raised_ground(const topk *t, size_t fewer, uint64_t *ground) {
    size_t lowest = 0, n = 0;
    for (size_t i = 0; i < t->slots; i++) lowest += t->slot[i].count == t->offset + 1;
    *ground = t->offset + 1;
    if (lowest >= fewer) return TOPK_OK; /* as good as always, in a stream with a long tail */
    uint64_t *counts = (uint64_t *)malloc((t->n + 1) * sizeof *counts);
    if (!counts) return TOPK_NO_MEMORY;
    for (size_t i = 0; i < t->slots; i++) {
        counts[n] = t->slot[i].count;
        n += t->slot[i].count > 0;
    }
    *ground = select_kth(counts, n, fewer - 1);
    free(counts);
    return TOPK_OK;
}

static int purge(topk *t, size_t fewer) {
    uint64_t ground;
    if (raised_ground(t, fewer, &ground) || rebuild(t, t->slots_max, ground)) return TOPK_NO_MEMORY;
    t->offset = ground;
    return TOPK_OK;
}

/* ------------------------------------------------------------------- batches */

/* An item that has no counter. */
static int enter(topk *t, const item *x, uint64_t weight, size_t i) {
    if (t->n == TOPK_MOST(t->slots)) {
        int failed = t->slots < t->slots_max ? rebuild(t, 2 * t->slots, 0)
                                             : purge(t, (t->n + 1) / 2);
        if (failed) return failed;
        i = find(t, x, t->texts);
    }
    return fill(t, i, x, t->offset + weight, t->offset);
}

/* Adds items from the k-th on that have counters; says where it had to stop, because of one that has
 * none, or of a total too large. All that the loop reads again and again is in registers. */
static inline size_t add_known(topk *t, const topk_batch *b, const int64_t *weights, size_t k,
                               int texts) {
    topk_slot *slot = t->slot;
    const topk_text *text = t->text;
    const uint64_t *h1 = b->h1, *tags = texts ? b->h1 : b->keys;
    uint64_t total = t->total;
    size_t n = b->n, mask = t->slots - 1;
    for (; k < n; k++) {
        uint64_t weight = weights ? (uint64_t)weights[k] : 1, tag = tags[k];
        if (k + AHEAD < n) {
            size_t soon = h1[k + AHEAD] & mask;
            __builtin_prefetch(&slot[soon], 1);
            if (texts) __builtin_prefetch(&text[soon]);
        }
        if ((b->valid && !b->valid[k]) || !weight) continue;
        if (weight > TOPK_TOTAL_MAX - total) break;
        size_t i = h1[k] & mask;
        while (slot[i].count && (slot[i].tag != tag || (texts && !same_kth(t, i, b, k))))
            i = (i + 1) & mask;
        if (!slot[i].count) break;
        slot[i].count += weight;
        total += weight;
    }
    t->total = total;
    return k;
}

static inline int add(topk *t, const topk_batch *b, const int64_t *weights, int texts) {
    for (size_t k = 0; (k = add_known(t, b, weights, k, texts)) < b->n; k++) {
        uint64_t weight = weights ? (uint64_t)weights[k] : 1;
        item x = item_of(b, k, texts);
        if (weight > TOPK_TOTAL_MAX - t->total) return TOPK_TOO_MUCH;
        int failed = enter(t, &x, weight, find(t, &x, texts));
        if (failed) return failed;
        t->total += weight;
    }
    return TOPK_OK;
}

int topk_add(topk *t, const topk_batch *b, const int64_t *weights) {
    if (weights || b->valid) return t->texts ? add(t, b, weights, 1) : add(t, b, weights, 0);
    topk_batch plain = {b->keys, b->h1, b->h2, b->ptr, b->len, NULL, b->n};
    return t->texts ? add(t, &plain, NULL, 1) : add(t, &plain, NULL, 0);
}

void topk_find(const topk *t, const topk_batch *b, uint64_t *bounds) {
    for (size_t k = 0; k < b->n; k++, bounds += 2) {
        bounds[0] = bounds[1] = 0;
        if (b->valid && !b->valid[k]) continue;
        item x = item_of(b, k, t->texts);
        size_t i = find(t, &x, t->texts);
        bounds[0] = t->slot[i].count ? t->slot[i].count : t->offset;
        bounds[1] = t->slot[i].count ? t->slot[i].count - t->born[i] : 0;
    }
}

int topk_put(topk *t, const topk_batch *one, uint64_t count, uint64_t born) {
    if (t->n == TOPK_MOST(t->slots) && rebuild(t, 2 * t->slots, 0)) return TOPK_NO_MEMORY;
    item x = item_of(one, 0, t->texts);
    size_t i = find(t, &x, t->texts);
    if (t->slot[i].count) return TOPK_TWICE;
    return fill(t, i, &x, count, born);
}

int topk_merge(topk *t, const topk *other) {
    topk both;
    size_t slots = t->slots;
    if (other->total > TOPK_TOTAL_MAX - t->total) return TOPK_TOO_MUCH;
    while (TOPK_MOST(slots) < t->n + other->n) slots *= 2;
    if (topk_copy(&both, t)) return TOPK_NO_MEMORY;
    if (slots > t->slots && rebuild(&both, slots, 0)) goto fail;
    for (size_t i = 0; i < both.slots; i++)
        if (both.slot[i].count) both.slot[i].count += other->offset, both.born[i] += other->offset;
    for (size_t k = 0; k < other->slots; k++) {
        topk_slot theirs = other->slot[k];
        if (!theirs.count) continue;
        item x = {theirs.tag, 0, 0, NULL, 0};
        if (t->texts)
            x = text_at(other, k);
        else
            murmur3_u64(theirs.tag, t->seed, &x.h1, &x.h2);
        size_t i = find(&both, &x, t->texts);
        if (both.slot[i].count) {
            both.slot[i].count += theirs.count - other->offset;
            both.born[i] += other->born[k] - other->offset;
        } else if (fill(&both, i, &x, theirs.count + t->offset, other->born[k] + t->offset)) {
            goto fail;
        }
    }
    both.offset += other->offset;
    both.total += other->total;
    if (both.n > TOPK_MOST(t->slots_max)) {
        if (purge(&both, both.n - TOPK_MOST(t->slots_max))) goto fail;
    } else if (both.slots > t->slots_max && rebuild(&both, t->slots_max, 0)) {
        goto fail;
    }
    topk_release(t);
    *t = both;
    return TOPK_OK;
fail:
    topk_release(&both);
    return TOPK_NO_MEMORY;
}
