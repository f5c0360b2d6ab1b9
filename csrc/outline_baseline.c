#include "outline.h"

#include <string.h>

void outline_make(const uint64_t *x, size_t n, uint64_t outline[OUTLINE_WORDS]) {
    memset(outline, 0, OUTLINE_WORDS * sizeof *outline);
    for (size_t i = 0; i < n; i++)
        outline[x[i] / 64 % OUTLINE_WORDS] |= UINT64_C(1) << x[i] % 64;
}

/* The bits of a word, byte by byte: without the popcnt instruction, but in vectors of any width. */
static inline uint64_t byte_counts(uint64_t v) {
    v -= v >> 1 & UINT64_C(0x5555555555555555);
    v = (v & UINT64_C(0x3333333333333333)) + (v >> 2 & UINT64_C(0x3333333333333333));
    return (v + (v >> 4)) & UINT64_C(0x0f0f0f0f0f0f0f0f);
}

static inline size_t sum_of_bytes(uint64_t v) {
    v = (v & UINT64_C(0x00ff00ff00ff00ff)) + (v >> 8 & UINT64_C(0x00ff00ff00ff00ff));
    return (size_t)(v * UINT64_C(0x0001000100010001) >> 48);
}

size_t outline_common(const uint64_t *a, size_t n, const uint64_t *b, size_t m) {
    uint64_t only_a = 0, only_b = 0; /* 8 counters each, of at most 64 */
    for (int w = 0; w < OUTLINE_WORDS; w++) {
        only_a += byte_counts(a[w] & ~b[w]);
        only_b += byte_counts(b[w] & ~a[w]);
    }
    n -= sum_of_bytes(only_a);
    m -= sum_of_bytes(only_b);
    return n < m ? n : m;
}
