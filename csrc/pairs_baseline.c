#include "pairs.h"

#include <stdlib.h>
#include <string.h>

#include "murmur3.h"

void band_keys(const uint32_t *signatures, size_t n, size_t k, size_t bands, size_t rows,
               uint64_t *keys) {
    uint64_t unused;
    for (size_t i = 0; i < n; i++)
        for (size_t band = 0; band < bands; band++)
            murmur3_x64_128((const uint8_t *)(signatures + i * k + band * rows), 4 * rows, band,
                            &keys[i * bands + band], &unused);
}

int pair_walk_open(pair_walk *w, const uint64_t *keys, const uint8_t *skip, size_t n,
                   size_t bands, size_t most) {
    memset(w, 0, sizeof *w);
    if (n > SIZE_MAX / sizeof *w->sorted) return -1;
    w->sorted = malloc(n * sizeof *w->sorted + 1); /* never zero bytes */
    w->spare = malloc(n * sizeof *w->spare + 1);
    w->crowded = calloc(n + 1, 1);
    if (!w->sorted || !w->spare || !w->crowded) {
        pair_walk_close(w);
        return -1;
    }
    w->keys = keys;
    w->skip = skip;
    w->n = n;
    w->bands = bands;
    w->most = most;
    return 0;
}

void pair_walk_close(pair_walk *w) {
    free(w->sorted);
    free(w->spare);
    free(w->crowded);
    memset(w, 0, sizeof *w);
}

#define DIGIT 11 /* bits a pass: 2,048 counters of 8 bytes stay in L1; 6 passes for 64 bits */

/* Least significant digit first, hence stable: documents of one key stay in rising order. */
static void sort_band(pair_walk *w) {
    size_t m = 0;
    for (size_t i = 0; i < w->n; i++)
        if (!w->skip || !w->skip[i])
            w->sorted[m++] = (keyed_doc){w->keys[i * w->bands + w->band], (uint32_t)i};
    w->m = m;
    for (int shift = 0; shift < 64; shift += DIGIT) {
        size_t at[1 << DIGIT] = {0}, sum = 0;
        for (size_t i = 0; i < m; i++) at[w->sorted[i].key >> shift & ((1 << DIGIT) - 1)]++;
        for (size_t d = 0; d < 1 << DIGIT; d++) {
            size_t count = at[d];
            at[d] = sum;
            sum += count;
        }
        for (size_t i = 0; i < m; i++)
            w->spare[at[w->sorted[i].key >> shift & ((1 << DIGIT) - 1)]++] = w->sorted[i];
        keyed_doc *swap = w->sorted;
        w->sorted = w->spare;
        w->spare = swap;
    }
}

/* Also where they met in a run that was passed over: then both are marked. */
static int met_before(const pair_walk *w, uint32_t a, uint32_t b) {
    const uint64_t *p = w->keys + a * w->bands, *q = w->keys + b * w->bands;
    for (size_t band = 0; band + 1 < w->band; band++)
        if (p[band] == q[band]) return 1;
    return 0;
}

/* Move on to the next run of 2 to `most` documents. 0: none is left in any band. */
static int next_run(pair_walk *w) {
    for (;;) {
        w->first = w->end;
        if (w->first >= w->m) {
            if (w->band == w->bands) {
                w->i = w->end; /* a further call ends here again */
                return 0;
            }
            sort_band(w);
            w->band++;
            w->first = w->end = 0;
            if (!w->m) continue;
        }
        uint64_t key = w->sorted[w->first].key;
        for (w->end = w->first + 1; w->end < w->m && w->sorted[w->end].key == key;) w->end++;
        size_t many = w->end - w->first;
        if (many > w->most)
            for (size_t i = w->first; i < w->end; i++) w->crowded[w->sorted[i].doc] = 1;
        else if (many > 1) {
            w->i = w->first;
            w->j = w->first + 1;
            return 1;
        }
    }
}

size_t pair_walk_next(pair_walk *w, uint32_t *a, uint32_t *b, size_t room) {
    size_t found = 0;
    while (found < room) {
        if (w->i + 1 >= w->end && !next_run(w)) break;
        uint32_t doc = w->sorted[w->i].doc;
        for (; w->j < w->end && found < room; w->j++) {
            uint32_t other = w->sorted[w->j].doc;
            if (met_before(w, doc, other)) continue;
            a[found] = doc;
            b[found++] = other;
        }
        if (w->j == w->end) {
            w->i++;
            w->j = w->i + 1;
        }
    }
    return found;
}

static int ascending(const void *p, const void *q) {
    uint64_t a = *(const uint64_t *)p, b = *(const uint64_t *)q;
    return a < b ? -1 : a > b;
}

static void insertion_sort(uint64_t *x, size_t n) {
    for (size_t i = 1; i < n; i++) {
        uint64_t v = x[i];
        size_t j = i;
        for (; j && x[j - 1] > v; j--) x[j] = x[j - 1];
        x[j] = v;
    }
}

#define SMALL 24       /* where insertion beats everything else, and the most it is trusted with */
#define RANGES_LOG 12  /* 2^12 ranges at most: 32 KB of counters */

/* Uniform hashes fall into as many ranges, by their top bits, as there are hashes or nearly: spread
 * over them they are all but sorted. Where a range has many (repeats of one hash, or hashes that
 * are not uniform) insertion would be quadratic. */
static void sort_hashes(uint64_t *x, size_t n, uint64_t *spare) {
    if (n <= SMALL) {
        insertion_sort(x, n);
        return;
    }
    int bits = 5;
    while (bits < RANGES_LOG && n >> bits > 1) bits++;
    size_t ranges = (size_t)1 << bits, sum = 0, most = 0, at[1 << RANGES_LOG];
    memset(at, 0, ranges * sizeof *at);
    for (size_t i = 0; i < n; i++) at[x[i] >> (64 - bits)]++;
    for (size_t r = 0; r < ranges; r++) {
        size_t count = at[r];
        most = count > most ? count : most;
        at[r] = sum;
        sum += count;
    }
    for (size_t i = 0; i < n; i++) spare[at[x[i] >> (64 - bits)]++] = x[i];
    memcpy(x, spare, n * sizeof *x);
    if (most <= SMALL) {
        insertion_sort(x, n);
        return;
    }
    for (size_t r = 0, from = 0; r < ranges; from = at[r++]) {
        if (at[r] - from <= SMALL)
            insertion_sort(x + from, at[r] - from);
        else
            qsort(x + from, at[r] - from, sizeof *x, ascending);
    }
}

size_t sort_distinct(uint64_t *x, size_t n, uint64_t *spare) {
    if (!n) return 0;
    sort_hashes(x, n, spare);
    size_t m = 1;
    for (size_t i = 1; i < n; i++) {
        x[m] = x[i];
        m += x[i] != x[m - 1];
    }
    return m;
}
