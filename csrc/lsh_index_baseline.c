#include "lsh_index.h"

#include <stdlib.h>
#include <string.h>

void lsh_release(lsh_index *x) {
    free(x->keys);
    free(x->head);
    free(x->next);
    free(x->alive);
    memset(x, 0, sizeof *x);
}

static void chain(lsh_index *x, size_t row) {
    const uint64_t *keys = x->keys + row * x->bands;
    for (size_t band = 0; band < x->bands; band++) {
        uint32_t *head = &x->head[band * x->buckets + (keys[band] & (x->buckets - 1))];
        x->next[row * x->bands + band] = *head;
        *head = (uint32_t)row;
    }
}

static void chain_all(lsh_index *x) {
    memset(x->head, 0xFF, x->bands * x->buckets * sizeof *x->head);
    for (size_t row = 0; row < x->rows; row++) chain(x, row);
}

static int grow(void **block, size_t count, size_t size) {
    if (count > SIZE_MAX / 2 / size) return -1;
    void *grown = realloc(*block, count * size);
    if (!grown) return -1;
    *block = grown;
    return 0;
}

int lsh_reserve(lsh_index *x, size_t more) {
    if (more >= LSH_NONE - x->rows) return -1;
    size_t need = x->rows + more;
    if (need <= x->room) return 0;
    size_t room = x->room + x->room / 2;
    room = room < need ? need : room;
    if (room > LSH_NONE) room = LSH_NONE;
    if (grow((void **)&x->keys, room * x->bands, sizeof *x->keys) ||
        grow((void **)&x->next, room * x->bands, sizeof *x->next) ||
        grow((void **)&x->alive, room, sizeof *x->alive))
        return -1; /* what grew has grown; room still tells the least of them */
    size_t buckets = x->buckets ? x->buckets : 16;
    while (buckets < room) buckets *= 2;
    if (buckets > x->buckets) {
        if (grow((void **)&x->head, x->bands * buckets, sizeof *x->head)) return -1;
        x->buckets = buckets;
        chain_all(x);
    }
    x->room = room;
    return 0;
}

void lsh_append(lsh_index *x, const uint64_t *keys, size_t n) {
    memcpy(x->keys + x->rows * x->bands, keys, n * x->bands * sizeof *keys);
    memset(x->alive + x->rows, 1, n);
    for (size_t end = x->rows + n; x->rows < end; x->rows++) chain(x, x->rows);
}

void lsh_compact(lsh_index *x) {
    size_t to = 0;
    for (size_t row = 0; row < x->rows; row++) {
        if (!x->alive[row]) continue;
        memmove(x->keys + to * x->bands, x->keys + row * x->bands, x->bands * sizeof *x->keys);
        x->alive[to++] = 1;
    }
    x->rows = to;
    if (x->buckets) chain_all(x);
}

/* Did row meet the keys in a band before this one? Then it has been found already. */
static int met_before(const lsh_index *x, size_t row, const uint64_t *keys, size_t band) {
    const uint64_t *own = x->keys + row * x->bands;
    for (size_t b = 0; b < band; b++)
        if (own[b] == keys[b]) return 1;
    return 0;
}

size_t lsh_query(const lsh_index *x, const uint64_t *keys, uint32_t **found, size_t *room) {
    size_t n = 0;
    if (!x->rows) return 0;
    for (size_t band = 0; band < x->bands; band++) {
        uint32_t row = x->head[band * x->buckets + (keys[band] & (x->buckets - 1))];
        for (; row != LSH_NONE; row = x->next[row * x->bands + band]) {
            if (x->keys[row * x->bands + band] != keys[band] || !x->alive[row] ||
                met_before(x, row, keys, band))
                continue;
            if (n == *room) {
                if (grow((void **)found, *room * 2 + 64, sizeof **found)) return SIZE_MAX;
                *room = *room * 2 + 64;
            }
            (*found)[n++] = row;
        }
    }
    return n;
}

size_t lsh_nbytes(const lsh_index *x) {
    return x->room * (x->bands * (sizeof *x->keys + sizeof *x->next) + 1) +
           x->bands * x->buckets * sizeof *x->head;
}
