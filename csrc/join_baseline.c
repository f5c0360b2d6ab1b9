#include "join.h"

#include <stdlib.h>
#include <string.h>

#define CLASSES 64 /* of counts: each up to 15 for itself, then four to an octave, to 65,535 */

static inline unsigned class_of(unsigned count) {
    if (count < 16) return count - 1;
    unsigned octave = 31 - (unsigned)__builtin_clz(count);
    return 15 + 4 * (octave - 4) + (count >> (octave - 2) & 3);
}

size_t join_looked_up(const set_join *j, size_t size) {
    if (j->what.containment) return size;
    return size - measure_ceil(j->what.threshold * (double)size) + 1;
}

size_t join_indexed(const set_join *j, size_t size) {
    size_t need = measure_need(&j->what, size, size);
    return size - need + (need > 0);
}

size_t join_stored(const set_join *j, size_t rank, size_t places) {
    return places > j->unique[rank] ? places - j->unique[rank] : 0;
}

/* log2 of the least power of two from n on, and at least `least` */
static int log2_ceil(size_t n, int least) {
    int bits = least;
    while (bits < 40 && (size_t)1 << bits < n) bits++;
    return bits;
}

int join_open(set_join *j) {
    size_t total = 0, n = j->n;
    j->prefix = malloc((n + 1) * sizeof *j->prefix);
    j->size = malloc((n + 1) * sizeof *j->size);
    j->unique = calloc(n + 1, sizeof *j->unique);
    j->crowded = calloc(n + 1, 1);
    j->scans = calloc(n + 1, 1);
    j->aside = calloc(n + 1, 1);
    if (j->prefix && j->size) {
        j->prefix[0] = 0;
        for (size_t r = 0; r < n; r++) {
            size_t size = (size_t)j->sizes[j->document[r]];
            j->size[r] = (uint32_t)size;
            total += size;
            j->prefix[r + 1] = j->prefix[r] + join_looked_up(j, size);
        }
        /* at most half of the counters are taken: two elements in five that are alone in fact
         * share one, and 4 to 8 bytes an element are enough of memory */
        j->total = total;
        int bits = log2_ceil(2 * total, 10);
        j->counter_shift = 64 - bits;
        j->counters = calloc((size_t)1 << bits, sizeof *j->counters);
        j->element = malloc(j->prefix[n] * sizeof *j->element + 1); /* never zero bytes */
    }
    if (j->unique && j->crowded && j->scans && j->aside && j->counters && j->element) return 0;
    join_close(j);
    return -1;
}

void join_close(set_join *j) {
    free(j->counters);
    free(j->prefix);
    free(j->element);
    free(j->size);
    free(j->unique);
    free(j->bucket);
    free(j->postings);
    free(j->crowded);
    free(j->scans);
    free(j->aside);
    free(j->bits);
    free(j->slack);
    j->counters = NULL;
    j->prefix = j->bucket = NULL;
    j->element = NULL;
    j->size = j->unique = NULL;
    j->postings = NULL;
    j->crowded = j->scans = j->aside = NULL;
    j->bits = NULL;
    j->slack = NULL;
}

/* The first of n sorted hashes from `least` on. */
static size_t lower_bound(const uint64_t *x, size_t n, uint64_t least) {
    size_t from = 0;
    while (n) {
        size_t half = n / 2;
        if (x[from + half] < least) {
            from += half + 1;
            n -= half + 1;
        } else
            n = half;
    }
    return from;
}

void join_count(set_join *j, size_t part, size_t parts) {
    uint64_t width = parts > 1 ? UINT64_MAX / parts + 1 : 0;
    for (size_t r = 0; r < j->n; r++) {
        const uint64_t *x = j->hashes + j->starts[j->document[r]];
        size_t size = join_size(j, r);
        size_t i = part ? lower_bound(x, size, part * width) : 0;
        size_t end = part + 1 < parts ? lower_bound(x, size, (part + 1) * width) : size;
        for (; i < end; i++) {
            uint16_t *counter = &j->counters[x[i] >> j->counter_shift];
            *counter += *counter < UINT16_MAX;
        }
    }
}

/* A counting sort by class, which leaves the hashes of one class in their order; what lies beyond
 * the prefix, or is nobody else's, is not stored. */
void join_order(set_join *j, size_t from, size_t to, uint8_t *spare) {
    for (size_t r = from; r < to; r++) {
        const uint64_t *x = j->hashes + j->starts[j->document[r]];
        size_t size = join_size(j, r), places = join_looked_up(j, size), at[CLASSES] = {0};
        for (size_t i = 0; i < size; i++) {
            spare[i] = (uint8_t)class_of(j->counters[x[i] >> j->counter_shift]);
            at[spare[i]]++;
        }
        j->unique[r] = (uint32_t)at[0];
        size_t room = join_stored(j, r, places), sum = 0;
        unsigned last = 0;
        while (sum < room) {
            size_t count = at[++last];
            at[last] = sum;
            sum += count;
        }
        uint64_t *out = j->element + j->prefix[r];
        if (room)
            for (size_t i = 0; i < size; i++) {
                if (!spare[i] || spare[i] > last) continue;
                size_t place = at[spare[i]]++;
                if (place < room) out[place] = x[i];
            }
    }
}

static inline uint16_t tag_of(const set_join *j, uint64_t hash) {
    return (uint16_t)(hash >> (j->bucket_shift - 16));
}

static inline size_t smaller(size_t a, size_t b) { return a < b ? a : b; }

static inline compared_set set_at(const set_join *j, size_t rank) {
    size_t d = j->document[rank];
    return (compared_set){j->hashes + j->starts[d], join_size(j, rank),
                          j->outlines + d * OUTLINE_WORDS};
}

double join_compare(const set_join *j, size_t x, size_t y) {
    return compare_sets(j->kernels, &j->what, set_at(j, x), set_at(j, y));
}

#define SAMPLE 64     /* pairs that tell a crowd from an element that is merely frequent */
#define CROWD_SHARE 8 /* one in so many: as many true pairs as other work, about */
#define PASSED_OVER UINT32_MAX /* no rank: stands in the first posting of a bucket */

/* Do the sets of a bucket resemble one another? */
static int is_crowd(const set_join *j, const posting *p, size_t n) {
    size_t similar = 0;
    for (size_t k = 0; k < SAMPLE; k++) {
        size_t x = k * n / SAMPLE, y = (x + 1 + k * (n - 2) / SAMPLE) % n; /* near and far */
        similar += join_compare(j, p[x].rank, p[y].rank) >= 0;
    }
    return similar * CROWD_SHARE > SAMPLE;
}

#define BITS_EACH 4 /* an element: one in five finds its bit set */
#define BITS_LOG 12 /* 4,096 bits a set at most: two tiles of them stay in L1 */
#define LOOK 30     /* nanoseconds at a posting, with its share of the comparisons that follow, */
#define SCAN 3      /* at a set, */
#define SCAN_8 1    /* and at eight words of its bitmap */
#define SCANS 1
#define WARY 2

/* Decide who scans, and make the bitmaps if anybody does. */
static int weigh(set_join *j) {
    size_t n = j->n;
    int bits = log2_ceil(n ? BITS_EACH * (j->total / n) : 0, 9);
    if (bits > BITS_LOG) bits = BITS_LOG;
    j->words = ((size_t)1 << bits) / 64;
    for (size_t x = 0; x < n; x++) {
        const uint64_t *element = j->element + j->prefix[x];
        size_t size = join_size(j, x), stored = join_stored(j, x, join_looked_up(j, size));
        size_t looks = 0;
        int wary = 0;
        for (size_t k = 0; k < stored; k++) {
            size_t b = element[k] >> j->bucket_shift, at = j->bucket[b];
            size_t many = j->bucket[b + 1] - at;
            if (many && j->postings[at].rank == PASSED_OVER)
                wary = WARY;
            else
                looks += many;
        }
        if (looks * LOOK <= n * (SCAN + j->words / 8 * SCAN_8)) continue;
        if (size > (size_t)1 << bits) continue; /* a bitmap that is full refuses nobody */
        j->scans[x] = (uint8_t)(SCANS | wary);
        j->crowded[x] |= wary > 0;
        j->scanning++;
    }
    if (!j->scanning) return 0;
    j->bits = calloc(n * j->words, sizeof *j->bits);
    j->slack = malloc(n * sizeof *j->slack);
    if (!j->bits || !j->slack) return -1;
    for (size_t x = 0; x < n; x++) {
        compared_set set = set_at(j, x);
        uint64_t *row = j->bits + x * j->words;
        uint32_t slack = 0;
        for (size_t k = 0; k < set.n; k++) {
            uint64_t *word = &row[set.hashes[k] / 64 % j->words];
            uint64_t bit = UINT64_C(1) << set.hashes[k] % 64;
            slack += (*word & bit) != 0;
            *word |= bit;
        }
        j->slack[x] = slack;
    }
    return 0;
}

int join_index(set_join *j) {
    size_t total = 0;
    for (size_t r = 0; r < j->n; r++) total += join_stored(j, r, join_indexed(j, join_size(j, r)));
    int bits = log2_ceil(total, 4);
    size_t buckets = (size_t)1 << bits;
    j->bucket_shift = 64 - bits;
    j->bucket = calloc(buckets + 2, sizeof *j->bucket);
    j->postings = malloc(total * sizeof *j->postings + 1);
    if (!j->bucket || !j->postings) return -1;
    size_t *end = j->bucket + 2; /* two on: counted here, then where the next posting goes */
    for (size_t r = 0; r < j->n; r++) {
        const uint64_t *x = j->element + j->prefix[r];
        size_t stored = join_stored(j, r, join_indexed(j, join_size(j, r)));
        for (size_t k = 0; k < stored; k++) end[x[k] >> j->bucket_shift]++;
    }
    for (size_t b = 1; b < buckets; b++) end[b] += end[b - 1];
    for (size_t r = 0; r < j->n; r++) {
        const uint64_t *x = j->element + j->prefix[r];
        size_t stored = join_stored(j, r, join_indexed(j, join_size(j, r)));
        for (size_t k = 0; k < stored; k++) {
            size_t place = j->unique[r] + k;
            j->postings[j->bucket[(x[k] >> j->bucket_shift) + 1]++] =
                (posting){(uint32_t)r, tag_of(j, x[k]),
                          (uint16_t)(place < UINT16_MAX ? place : UINT16_MAX)};
        }
    }
    for (size_t b = 0; b < buckets; b++) {
        posting *p = j->postings + j->bucket[b];
        size_t many = j->bucket[b + 1] - j->bucket[b];
        if (many <= j->crowd || !is_crowd(j, p, many)) continue;
        for (size_t k = 0; k < many; k++) j->crowded[p[k].rank] = j->aside[p[k].rank] = 1;
        p->rank = PASSED_OVER;
    }
    return weigh(j);
}

static int append(join_pairs *found, uint32_t a, uint32_t b, double similarity) {
    if (found->n == found->room) {
        size_t room = found->room + found->room / 2 + 256;
        void *p = realloc(found->a, room * sizeof *found->a);
        if (p) found->a = p;
        void *q = realloc(found->b, room * sizeof *found->b);
        if (q) found->b = q;
        void *s = realloc(found->similarity, room * sizeof *found->similarity);
        if (s) found->similarity = s;
        if (!p || !q || !s) return -1;
        found->room = room;
    }
    found->a[found->n] = a < b ? a : b;
    found->b[found->n] = a < b ? b : a;
    found->similarity[found->n++] = similarity;
    return 0;
}

#define FAILED UINT32_MAX /* in place of a count: cannot reach the threshold any more */

/* The lower ranks that may be similar to x: each once in `met`, its common elements so far in
 * shared[rank], or FAILED. */
static size_t meet(set_join *j, size_t x, size_t first, uint32_t *shared, uint32_t *met,
                   uint64_t *looked) {
    const uint64_t *element = j->element + j->prefix[x];
    size_t n = join_size(j, x), stored = join_stored(j, x, join_looked_up(j, n));
    size_t found = 0;
    for (size_t k = 0; k < stored; k++) {
        size_t b = element[k] >> j->bucket_shift, at = j->bucket[b], end = j->bucket[b + 1];
        if (at < end && j->postings[at].rank == PASSED_OVER) {
            j->crowded[x] = 1;
            continue;
        }
        size_t left_x = n - j->unique[x] - k; /* this element and those after it */
        uint16_t tag = tag_of(j, element[k]);
        size_t from = at;
        while (at < end && j->postings[at].rank < first) at++;
        for (; at < end && j->postings[at].rank < x; at++) {
            posting p = j->postings[at];
            if (p.tag != tag || shared[p.rank] == FAILED) continue;
            size_t m = join_size(j, p.rank), left = smaller(left_x, m - p.place);
            if (shared[p.rank] + left < measure_need(&j->what, n, m)) {
                if (shared[p.rank]) shared[p.rank] = FAILED;
                continue;
            }
            if (!shared[p.rank]++) met[found++] = p.rank;
        }
        *looked += at - from + 1;
    }
    return found;
}

/* The lowest rank that is large enough for x, from one that is not beyond it. */
static size_t first_of(const set_join *j, size_t x, size_t first) {
    if (j->what.containment) return 0;
    size_t least = measure_ceil(j->what.threshold * (double)join_size(j, x));
    while (join_size(j, first) < least) first++;
    return first;
}

#define TILE 16 /* sets that scan together, and that are scanned while they stay in L1 */

typedef struct {
    size_t n, x[TILE], first[TILE]; /* sets of rising rank, and where each begins to look */
} tile;

/* Compare the sets of a tile with all before each. */
static int scan(const set_join *j, const tile *t, join_pairs *found) {
    uint32_t common[TILE];
    for (size_t from = t->first[0]; t->n && from < t->x[t->n - 1]; from += TILE)
        for (size_t i = 0; i < t->n; i++) {
            size_t x = t->x[i], n = join_size(j, x), m = 0, need = 0;
            size_t start = from < t->first[i] ? t->first[i] : from, end = smaller(from + TILE, x);
            if (start >= end) continue;
            j->kernels->bits(j->bits + x * j->words, j->bits + start * j->words, end - start,
                             j->words, common);
            found->looked += end - start;
            for (size_t y = start; y < end; y++) {
                if (join_size(j, y) != m) need = measure_need(&j->what, n, m = join_size(j, y));
                if (common[y - start] + smaller(j->slack[x], j->slack[y]) < need) continue;
                if ((j->scans[x] & WARY) && j->aside[y]) continue;
                found->compared++;
                double similarity = join_compare(j, x, y);
                if (similarity < 0) continue;
                if (append(found, j->document[x], j->document[y], similarity)) return -1;
            }
        }
    return 0;
}

int join_search(set_join *j, size_t from, size_t to, join_pairs *found) {
    uint32_t *shared = calloc(to + 1, sizeof *shared), *met = malloc(to * sizeof *met + 1);
    int status = shared && met ? 0 : -1;
    size_t first = 0;
    tile t = {0};
    for (size_t x = from; x < to && !status; x++) {
        first = first_of(j, x, first);
        if (j->scans[x]) {
            t.x[t.n] = x;
            t.first[t.n++] = first;
            if (t.n == TILE) {
                status = scan(j, &t, found);
                t.n = 0;
            }
            continue;
        }
        size_t many = meet(j, x, first, shared, met, &found->looked);
        for (size_t k = 0; k < many; k++) {
            uint32_t y = met[k];
            int failed = shared[y] == FAILED;
            shared[y] = 0;
            if (failed || status) continue;
            found->compared++;
            double similarity = join_compare(j, x, y);
            if (similarity >= 0)
                status = append(found, j->document[x], j->document[y], similarity);
        }
    }
    if (!status) status = scan(j, &t, found);
    free(shared);
    free(met);
    return status;
}

size_t join_nbytes(const set_join *j) {
    size_t counters = j->counters ? (size_t)1 << (64 - j->counter_shift) : 0;
    size_t bytes = counters * sizeof *j->counters +
                   j->n * (sizeof *j->prefix + sizeof *j->size + sizeof *j->unique + 3) +
                   j->prefix[j->n] * sizeof *j->element;
    if (j->bits) bytes += j->n * (j->words * sizeof *j->bits + sizeof *j->slack);
    if (j->bucket) {
        size_t buckets = (size_t)1 << (64 - j->bucket_shift);
        bytes += (buckets + 2) * sizeof *j->bucket + j->bucket[buckets] * sizeof *j->postings;
    }
    return bytes;
}
