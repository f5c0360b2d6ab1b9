/* Many small counters: one HyperLogLog for each different key of a stream of (key, item) rows.
 *
 * Keys are told apart by 96 bits of their hash, in an open-addressed table of 16 bytes a cell that is
 * at most 3/4 full; the counters stand side by side, and hold up to 7 coupons in themselves. Of a
 * million keys two are taken for one with probability 1e-17. A key with three items takes 40 bytes of
 * counter, 21 to 43 of table, and itself.
 *
 * A counter's first set comes from a stack of tables that all share: not one malloc a key.
 *
 * Keys are looked up by the block, so that the memory they need is asked for ahead: buckets of a cache
 * line each, of four cells. Items wait until
 * the groups of all rows are known, and are then sorted by ranges of groups: a range's counters fit
 * the cache, and each item finds its own there.
 */
#ifndef TRACTABLE_HLL_GROUPS_H
#define TRACTABLE_HLL_GROUPS_H

#include "hll.h"

typedef struct {
    uint64_t h1;
    uint32_t h2, group; /* group + 1: 0 in an empty cell */
} hll_key;

typedef struct hll_tables hll_tables; /* many of a set's first tables in one piece of memory */
typedef struct {
    hll_key *cells;
    void *memory; /* of the cells */
    hll *counters;
    uint32_t p, lg_cells, n, room;
    hll_tables *tables;
    size_t n_tables, unused; /* of all pieces; of them, never lent so far: the last piece's last */
    uint32_t *spare; /* a stack: hll_update_sharing */
} hll_groups;

int hll_groups_init(hll_groups *g, uint32_t p);
void hll_groups_free(hll_groups *g);
/* The groups of n keys, in the order of their first rows: those from g->n on were new. */
int hll_groups_find(hll_groups *g, const uint64_t *h1, const uint64_t *h2, size_t n,
                    uint32_t *group);
/* Gives back memory kept for more groups. */
void hll_groups_fit(hll_groups *g);
size_t hll_groups_nbytes(const hll_groups *g);

/* A load of rows, laid down by ranges of groups, each range in the order of its rows: what a counter
 * is given comes in the order it came. */
typedef struct {
    uint32_t group, coupon; /* coupon 0: a null */
} hll_row;

typedef struct {
    hll_row *rows;
    size_t *end;           /* of each range's rows: so far, while they come */
    const uint32_t *group; /* of the rows still to come */
    size_t left, due;      /* rows still to come: of all, of this load */
    size_t room;
    uint32_t shift, ranges; /* a range is 2^shift groups */
} hll_rows;

/* For n rows of these groups, which are to stay where they are. */
int hll_rows_init(hll_rows *r, const hll_groups *g, const uint32_t *group, size_t n);
void hll_rows_free(hll_rows *r);
/* Takes the next n items; `valid` NULL, or 0 for those to leave out. */
int hll_rows_add(hll_rows *r, hll_groups *g, const uint64_t *h1, const uint64_t *h2,
                 const uint8_t *valid, size_t n);

#endif
