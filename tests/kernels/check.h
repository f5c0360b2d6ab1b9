/* What the kernel checks share: random numbers, memory with guards, and the verdict.
 *
 * A check compares one instruction-set level with plain C that is written independently of it, or,
 * where other tests hold the baseline against an independent definition, with the baseline. It
 * returns nothing: FAIL prints the place and ends the program. To add a domain, write
 * check_<domain>.c with `void check_<domain>(int level)` and name it in check_kernels.c.
 */
#ifndef TRACTABLE_CHECK_H
#define TRACTABLE_CHECK_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "isa.h"

#define FAIL(...)                                         \
    do {                                                  \
        fprintf(stderr, "%s:%d: ", __FILE__, __LINE__);   \
        fprintf(stderr, __VA_ARGS__);                     \
        fputc('\n', stderr);                              \
        exit(1);                                          \
    } while (0)

uint64_t check_random(void);
void check_fill(uint8_t *p, size_t n);

/* `size` bytes between two pages that may not be touched: whatever is placed at their very start
 * or end cannot be read beyond without a fault, not even by instructions that a sanitizer does
 * not see. Never freed. `size` is rounded up to pages; the end is what *end says. */
uint8_t *check_guarded(size_t size, uint8_t **end);

void check_codes(int level);
void check_costs(int level);
void check_counters(int level);
void check_distance(int level);
void check_exact(int level);
void check_hash(int level);
void check_hll(int level);
void check_hnsw(int level);
void check_jaccard(int level);
void check_minhash(int level);
void check_text(int level);

#endif
