/* All pairs of similar sets, exactly: a join by prefixes.
 *
 * Order all elements of all sets from rare to frequent. If two sets are to have `need` elements in
 * common, then the first |x| - need + 1 of one and the first |y| - need + 1 of the other, their
 * prefixes, have one in common: so only prefixes are indexed and looked up, and they hold what is
 * rarest (AllPairs: Bayardo, Ma, Srikant, WWW 2007). Sets are numbered by size, and x looks for
 * those before it; the larger x can share more with y than y with another of its own size, and y is
 * found under an even shorter prefix (PPJoin: Xiao, Wang, Lin, Yu, WWW 2008):
 *
 *     Jaccard >= t      x looks up |x| - t |x| + 1,  y is under |y| - 2t/(1+t) |y| + 1,  |y| >= t |x|
 *     containment >= t  x looks up all its elements, y is under |y| - t |y| + 1
 *
 * Where an element is met, its places in both sets bound what they can still share (PPJoin's
 * positional filter). What passes is compared: outlines first (outline.h), then the sets.
 *
 *   order    : any order will do as long as it is one for all sets. Occurrences are counted by the
 *              top bits of the hash, 2 bytes a counter: elements that share one look more frequent
 *              than they are. The order is (class of the count, hash). An element that is alone
 *              under its counter can be shared with nobody and is neither stored nor looked up.
 *   index    : postings {set, 16 bits of the hash, place} by the top bits of the hash. Two elements
 *              that agree in all those bits (2^-16) cost a false candidate, never a pair.
 *   scans    : where all elements are frequent (characters by threes, say) a set would look at more
 *              postings than there are sets. Such a set looks at all sets of fitting size instead, at
 *              a bitmap of each, in tiles that stay in L1. Every element sets one bit; of those that A
 *              and B share, each sets one in both, so |A and B| <= popcount(a & b) +
 *              min(|A| - popcount(a), |B| - popcount(b)). With four bits an element that refuses
 *              nearly all, at some nanoseconds a pair, and nothing that is similar: the join of n sets
 *              never takes more than n^2 / 2 of them.
 *   crowds   : of k sets that resemble one another k^2 / 2 pairs are true, of which the k - 1 with
 *              whoever stays are wanted. Where more than `crowd` sets stand under one element, some
 *              of them are compared; if those are similar more often than one time in CROWD_SHARE,
 *              the element is passed over and its sets are marked, with those that look there; a set
 *              that scans passes over marked sets if it would have looked there. So any two sets of which not both are marked are found; leaders.h does the rest.
 *
 * A join is opened; its parts are counted and its prefixes made, from several threads if wanted, in
 * this order; then it is indexed, and ranges of it are searched, again from several threads.
 */
#ifndef TRACTABLE_JOIN_H
#define TRACTABLE_JOIN_H

#include <stddef.h>
#include <stdint.h>

#include "compare.h"

typedef struct {
    uint32_t rank;
    uint16_t tag;
    uint16_t place; /* of the element in its set's order; 65,535 stands for all beyond */
} posting;

typedef struct {
    /* what it is asked; the arrays are not owned */
    const uint64_t *hashes;   /* sorted sets: document d has sizes[d] of them from starts[d] on */
    const int64_t *starts, *sizes;
    const uint64_t *outlines; /* [documents][OUTLINE_WORDS] */
    const uint32_t *document; /* [n] by rank: by size, none empty */
    size_t n, total; /* sets; elements of all */
    measure what;
    size_t crowd;
    const jaccard_kernels *kernels;
    /* the order of elements */
    uint16_t *counters;
    int counter_shift;
    /* sets and their prefixes, by rank */
    uint32_t *size;
    size_t *prefix;   /* [n + 1]: where its elements start, at the most it may have */
    uint64_t *element;
    uint32_t *unique; /* [n]: elements of the set that come before them, and are nobody else's */
    /* the index */
    size_t *bucket;
    posting *postings;
    int bucket_shift;
    uint8_t *crowded; /* [n] */
    /* who scans, of how many, and what: empty where nobody does */
    uint8_t *scans; /* [n]: SCANS, and WARY where it would have looked at a crowd */
    uint8_t *aside; /* [n]: stands in a crowd's bucket */
    size_t scanning, words;
    uint64_t *bits;  /* [n][words] */
    uint32_t *slack; /* [n]: elements that found their bit set */
} set_join;

typedef struct { /* a zeroed one is empty */
    uint32_t *a, *b; /* documents, a < b */
    double *similarity;
    size_t n, room;
    uint64_t compared, looked; /* what it cost: sets compared, postings looked at */
} join_pairs;

int join_open(set_join *join); /* 0, or -1 when memory ran out; the upper part is filled in */
void join_close(set_join *join);
/* Count the elements of part k of `parts` (a power of two): those whose hash begins with k. */
void join_count(set_join *join, size_t part, size_t parts);
/* The prefixes of ranks [from, to); spare: room for the largest of these sets. */
void join_order(set_join *join, size_t from, size_t to, uint8_t *spare);
int join_index(set_join *join); /* 0, or -1 */
/* All pairs of a rank in [from, to) and a lower one that reach the threshold, appended; 0, or -1. */
int join_search(set_join *join, size_t from, size_t to, join_pairs *found);
size_t join_nbytes(const set_join *join);

/* What leaders.h shares. */
static inline size_t join_size(const set_join *join, size_t rank) {
    return join->size[rank];
}
size_t join_looked_up(const set_join *join, size_t size); /* elements in the prefix to look up */
size_t join_indexed(const set_join *join, size_t size);   /* elements in the one to find it under */
/* The stored elements among the first `places` of a set: how many. */
size_t join_stored(const set_join *join, size_t rank, size_t places);
/* The similarity of two ranks, or -1 where it is below the threshold. */
double join_compare(const set_join *join, size_t x, size_t y);

#endif
