/* The heavy hitters of a stream, with the items themselves and bounds that always hold.
 *
 * Misra and Gries ("Finding repeated elements", 1982) keep some counters; an item without one gets a
 * free one, and when none is free, every counter falls until some are. Here (as in Anderson, Bevin,
 * Lang, Liberty, Rhodes, Thaler: "A high-performance algorithm for identifying frequent items in
 * data streams", IMC 2017, arXiv 1705.07001) they fall by their median at once, so that a purge
 * of `most` counters frees half of them and costs a constant an item.
 *
 * Counters do not fall, the ground rises: `offset` is the sum of all falls. An item that comes in
 * starts from there, at `born` = offset, for it may have come that often unseen. So
 *
 *     count - born <= true weight <= count,     and without a counter: true weight <= offset
 *
 * (Metwally, Agrawal, El Abbadi's Space-Saving, ICDT 2005, has the same bounds an item); a purge drops
 * whatever the ground has reached. As each step of it takes one from half of the counters at least,
 *
 *     offset <= 2 total / most.
 *
 * The table is open addressing with linear probing by the low bits of h1 of MurmurHash3:
 *
 *     slot[i]   tag: a number itself, or h1 of a text;  count: 0 where the slot is free
 *     born[i]
 *     place[i]  where in the arena a text is: u64 length, then its bytes
 *
 * The arena keeps the texts in the table and no others; they are compared byte by byte.
 */
#ifndef TRACTABLE_TOPK_H
#define TRACTABLE_TOPK_H

#include <stddef.h>
#include <stdint.h>

#include "hash.h"

#define TOPK_SLOTS_MIN 8 /* the smallest of Apache DataSketches */
#define TOPK_MOST(slots) ((slots) / 4 * 3) /* probes stay short up to there */
#define TOPK_TOTAL_MAX INT64_MAX /* what an image of Apache DataSketches holds */

typedef struct {
    uint64_t tag, count;
} topk_slot;

typedef struct {
    size_t slots, slots_max, n; /* slots: a power of two, grows to slots_max */
    uint64_t offset, total, seed;
    int texts;
    const hash_kernels *kernels;
    topk_slot *slot;
    uint64_t *born, *place;
    uint8_t *arena;
    size_t used, room;
} topk;

typedef enum { TOPK_OK = 0, TOPK_NO_MEMORY = -1, TOPK_TOO_MUCH = -2, TOPK_TWICE = -3 } topk_status;

/* A batch of numbers (keys) or texts (ptr, len); h1 of each; valid: NULL or a flag each. */
typedef struct {
    const uint64_t *keys, *h1;
    const uint8_t *const *ptr;
    const size_t *len;
    const uint8_t *valid;
    size_t n;
} topk_batch;

/* Makes an empty table. topk_release is for what topk_start made, failed or not. */
int topk_start(topk *t, size_t slots_max, uint64_t seed, int texts);
void topk_release(topk *t);
/* Makes a table of its own with the same state. */
int topk_copy(topk *to, const topk *from);
/* Adds items of these weights, not negative; NULL: one each. Stops at the first that fails; the
 * table is good then, without it. */
int topk_add(topk *t, const topk_batch *items, const int64_t *weights);
/* The upper and the lower bound of each item: pairs. Those of a row that is not valid are 0, 0. */
void topk_find(const topk *t, const topk_batch *items, uint64_t *bounds);
/* An item with its counters, as an image has them. TOPK_TWICE if it is there already. */
int topk_put(topk *t, uint64_t tag, uint64_t h1, const uint8_t *text, size_t len, uint64_t count,
             uint64_t born);
/* Adds what the other table holds. On failure t is unchanged. */
int topk_merge(topk *t, const topk *other);

static inline const uint8_t *topk_text(const topk *t, size_t i, uint64_t *len) {
    const uint8_t *at = t->arena + t->place[i];
    __builtin_memcpy(len, at, 8);
    return at + 8;
}

#endif
