/* Which slot of an index holds the vector of an id, and the other way round.
 *
 *     id[slot]   int64   by slot, below `room`
 *     table      uint32  open addressing by a hash of the id: slots, or SLOTS_NONE
 *
 * The table holds slots alone, and looks an id up where it is kept. As long as ids run on from the
 * first (slot s has base + s, none gone), which is what an index without ids of its own has, there
 * is no table at all. */
#ifndef TRACTABLE_SLOTS_H
#define TRACTABLE_SLOTS_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS_NONE UINT32_MAX
#define SLOTS_MAX UINT32_C(0x7FFFFFFF) /* the top bit is left to the indexes */

typedef struct {
    int64_t *id;
    size_t room;    /* of id */
    size_t n;       /* ids that are there */
    uint32_t *table; /* NULL while ids run on */
    size_t mask;    /* of the table's size, a power of two, at most half full */
    int64_t base;
} slots;

static inline size_t slots_hash(int64_t id) {
    uint64_t z = (uint64_t)id * UINT64_C(0x9E3779B97F4A7C15); /* Fibonacci hashing, Knuth 6.4 */
    return (size_t)(z ^ z >> 32);
}

static inline size_t slots_cell(const slots *s, int64_t id) {
    size_t at = slots_hash(id) & s->mask;
    while (s->table[at] != SLOTS_NONE && s->id[s->table[at]] != id) at = (at + 1) & s->mask;
    return at;
}

static inline uint32_t slots_find(const slots *s, int64_t id) {
    if (s->table) return s->table[slots_cell(s, id)];
    uint64_t at = (uint64_t)id - (uint64_t)s->base;
    return at < s->n ? (uint32_t)at : SLOTS_NONE;
}

/* A table for n ids, filled with the old one's, or with those that ran on. 0, or -1 for no memory. */
static inline int slots_rehash(slots *s, size_t n) {
    size_t size = 16;
    while (size < 2 * n) size *= 2;
    uint32_t *old = s->table, *table = (uint32_t *)malloc(size * sizeof *table);
    size_t cells = old ? s->mask + 1 : s->n;
    if (!table) return -1;
    memset(table, 0xFF, size * sizeof *table);
    s->table = table, s->mask = size - 1;
    for (size_t i = 0; i < cells; i++) {
        uint32_t slot = old ? old[i] : (uint32_t)i;
        if (slot != SLOTS_NONE) table[slots_cell(s, s->id[slot])] = slot;
    }
    free(old);
    return 0;
}

static inline void slots_free(slots *s) {
    free(s->id);
    free(s->table);
    memset(s, 0, sizeof *s);
}

/* Room for slots below `room`. */
static inline int slots_reserve(slots *s, size_t room) {
    if (room <= s->room) return 0;
    int64_t *id = (int64_t *)realloc(s->id, room * sizeof *id);
    if (!id) return -1;
    s->id = id, s->room = room;
    return 0;
}

/* An emptied cell would end the search for those behind it: they move up (Knuth 6.4, algorithm R). */
static inline void slots_remove(slots *s, int64_t id) {
    size_t gap = slots_cell(s, id), at = gap;
    if (s->table[gap] == SLOTS_NONE) return;
    s->n--;
    for (;;) {
        s->table[gap] = SLOTS_NONE;
        for (;;) {
            at = (at + 1) & s->mask;
            if (s->table[at] == SLOTS_NONE) return;
            size_t home = slots_hash(s->id[s->table[at]]) & s->mask;
            if (((at - home) & s->mask) >= ((at - gap) & s->mask)) break;
        }
        s->table[gap] = s->table[at];
        gap = at;
    }
}

/* Whether ids at these slots go on with those that run on. */
static inline int slots_run_on(const slots *s, const int64_t *id, const uint32_t *slot, size_t n) {
    if (s->table || !n) return !s->table;
    int64_t base = s->n ? s->base : id[0];
    for (size_t i = 0; i < n; i++) {
        uint64_t far = (uint64_t)id[i] - (uint64_t)base;
        if (slot[i] != s->n + i || far != s->n + i) return 0;
    }
    return 1;
}

/* Puts ids at slots, for which there is room. Returns n; the place of an id that is there already,
 * with nothing changed; or SIZE_MAX for no memory. */
static inline size_t slots_add(slots *s, const int64_t *id, const uint32_t *slot, size_t n) {
    if (slots_run_on(s, id, slot, n)) {
        if (!s->n && n) s->base = id[0];
        if (n) memcpy(s->id + s->n, id, n * sizeof *id);
        s->n += n;
        return n;
    }
    if ((!s->table || s->mask + 1 < 2 * (s->n + n)) && slots_rehash(s, s->n + n)) return SIZE_MAX;
    for (size_t i = 0; i < n; i++) {
        size_t cell = slots_cell(s, id[i]);
        if (s->table[cell] != SLOTS_NONE) {
            for (size_t j = i; j--;) slots_remove(s, id[j]);
            return i;
        }
        s->id[slot[i]] = id[i];
        s->table[cell] = slot[i];
        s->n++;
    }
    return n;
}

#endif
