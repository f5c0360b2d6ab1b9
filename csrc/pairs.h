/* From signatures to verified pairs of similar sets.
 *
 *   band keys  : bands of r slots each, hashed to 64 bits; sets whose keys meet in a band are
 *                candidates (Broder 1997; Indyk, Motwani 1998). 32 bits would collide everywhere
 *                at 10^9 documents.
 *   candidates : band by band, sort (key, document) and walk the runs of equal keys. A pair that
 *                met in an earlier band is passed over by comparing the keys: no set of pairs
 *                already seen is kept, and the memory is 2 x 16 bytes a document. A run of more
 *                than `most` documents is passed over and its documents are marked: the pairs of
 *                two that are marked are left to the join (join.h).
 *   verify     : sort each set of shingle hashes once, then compare two and two (jaccard.h).
 */
#ifndef TRACTABLE_PAIRS_H
#define TRACTABLE_PAIRS_H

#include <stddef.h>
#include <stdint.h>

/* keys[n][bands] from signatures[n][k], bands * rows <= k: h1 of MurmurHash3 x64 128 over the band's
 * slots as little-endian bytes, the band's number for a seed. */
void band_keys(const uint32_t *signatures, size_t n, size_t k, size_t bands, size_t rows,
               uint64_t *keys);

typedef struct {
    uint64_t key;
    uint32_t doc;
} keyed_doc; /* padded to 16 bytes in memory; sorted one band at a time */

typedef struct { /* where the walk is; a zeroed one is at the start */
    const uint64_t *keys; /* [n][bands], not owned */
    const uint8_t *skip;  /* [n], documents to leave out, or NULL */
    size_t n, bands, most;
    uint8_t *crowded;     /* [n] */
    keyed_doc *sorted, *spare;
    size_t m;             /* documents sorted */
    size_t band;          /* the next one to sort */
    size_t first, end;    /* the run of equal keys */
    size_t i, j;          /* the next pair within it */
} pair_walk;

int pair_walk_open(pair_walk *walk, const uint64_t *keys, const uint8_t *skip, size_t n,
                   size_t bands, size_t most); /* 0, or -1 when memory ran out */
void pair_walk_close(pair_walk *walk);
/* Up to `room` further candidate pairs, a < b, none twice: of any two that meet and are not both
 * marked. 0: there are no more. */
size_t pair_walk_next(pair_walk *walk, uint32_t *a, uint32_t *b, size_t room);

/* Sort n hashes and drop repeats, in place; spare: room for n. Returns how many are left. Expected
 * linear time for uniform hashes. */
size_t sort_distinct(uint64_t *x, size_t n, uint64_t *spare);

#endif
