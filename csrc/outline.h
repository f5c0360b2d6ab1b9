/* Outlines: 512 bits a set that prove most candidates to be false without looking at the sets.
 *
 * Every element sets one bit. A bit that A has and B has not comes from an element that B has not,
 * and different bits from different elements; so |A - B| >= popcount(a & ~b), and
 *
 *     |A and B| <= min(|A| - popcount(a & ~b), |B| - popcount(b & ~a)).
 *
 * That is exact: no pair that reaches the threshold is ever refused. 512 bits are one cache line
 * and tell sets of up to some hundreds of elements apart, where most documents are; larger sets fill
 * them and go on to be merged.
 */
#ifndef TRACTABLE_OUTLINE_H
#define TRACTABLE_OUTLINE_H

#include <stddef.h>
#include <stdint.h>

#define OUTLINE_WORDS 8

/* The outline of n uniform hashes. */
void outline_make(const uint64_t *x, size_t n, uint64_t outline[OUTLINE_WORDS]);

/* The most elements that two sets of n and m can have in common. */
size_t outline_common(const uint64_t *a, size_t n, const uint64_t *b, size_t m);

#endif
