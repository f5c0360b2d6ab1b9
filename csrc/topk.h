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
 *     text[i]   second: h2;  where: place in the arena << 16 | length, 65,535 at most
 *     arena     of each text of 16 bytes or more that is in the table: u64 length, then its bytes
 *
 * Shorter texts are not stored but in their hash: from two words of 64 bits to h1 and h2, each step
 * can be undone. So they are equal if length, h1 and h2 are, without a chance of error.
 */
#ifndef TRACTABLE_TOPK_H
#define TRACTABLE_TOPK_H

#include <stddef.h>
#include <stdint.h>

#include "hash.h"
#include "murmur3.h"

#define TOPK_SLOTS_MIN 8 /* the smallest of Apache DataSketches */
#define TOPK_MOST(slots) ((slots) / 4 * 3) /* probes stay short up to there */
#define TOPK_HASHED 16 /* texts below this length are in their hash */
#define TOPK_TOTAL_MAX INT64_MAX /* what an image of Apache DataSketches holds */

typedef struct {
    uint64_t tag, count;
} topk_slot;

typedef struct {
    uint64_t second, where;
} topk_text;

typedef struct {
    size_t slots, slots_max, n; /* slots: a power of two, grows to slots_max */
    uint64_t offset, total, seed;
    int texts;
    const hash_kernels *kernels;
    topk_slot *slot;
    uint64_t *born;
    topk_text *text;
    uint8_t *arena;
    size_t used, room;
} topk;

typedef enum { TOPK_OK = 0, TOPK_NO_MEMORY = -1, TOPK_TOO_MUCH = -2, TOPK_TWICE = -3 } topk_status;

/* A batch of numbers (keys, h1) or texts (ptr, len, h1, h2); valid: NULL or a flag each. */
typedef struct {
    const uint64_t *keys, *h1, *h2;
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
/* An item (a batch of one) with its counters, as an image has them. TOPK_TWICE if it is there. */
int topk_put(topk *t, const topk_batch *item, uint64_t count, uint64_t born);
/* Adds what the other table holds. On failure t is unchanged. */
int topk_merge(topk *t, const topk *other);

/* The text in slot i, where it lies or in `own`. */
static inline const uint8_t *topk_bytes(const topk *t, size_t i, uint8_t own[16], uint64_t *len) {
    const uint8_t *at = t->arena + (t->text[i].where >> 16);
    uint64_t words[2];
    *len = t->text[i].where & 0xFFFF;
    if (*len < TOPK_HASHED) {
        murmur3_undo(t->slot[i].tag, t->text[i].second, *len, t->seed, words);
        memcpy(own, words, 16);
        return own;
    }
    memcpy(len, at, 8);
    return at + 8;
}

#endif
