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

/* The bits of a word, byte by byte: without the popcnt instruction, but in vectors of any width. */
static inline uint64_t outline_bytes(uint64_t v) {
    v -= v >> 1 & UINT64_C(0x5555555555555555);
    v = (v & UINT64_C(0x3333333333333333)) + (v >> 2 & UINT64_C(0x3333333333333333));
    return (v + (v >> 4)) & UINT64_C(0x0f0f0f0f0f0f0f0f);
}

static inline size_t outline_sum(uint64_t bytes) {
    bytes = (bytes & UINT64_C(0x00ff00ff00ff00ff)) + (bytes >> 8 & UINT64_C(0x00ff00ff00ff00ff));
    return (size_t)(bytes * UINT64_C(0x0001000100010001) >> 48);
}

/* The bits that two outlines share. */
static inline size_t outline_bits(const uint64_t *a, const uint64_t *b) {
    uint64_t both = 0; /* 8 counters of at most 64 */
    for (int w = 0; w < OUTLINE_WORDS; w++) both += outline_bytes(a[w] & b[w]);
    return outline_sum(both);
}

/* The outline of n uniform hashes. */
void outline_make(const uint64_t *x, size_t n, uint64_t outline[OUTLINE_WORDS]);

/* The most elements that two sets of n and m can have in common. */
size_t outline_common(const uint64_t *a, size_t n, const uint64_t *b, size_t m);

#endif
