#include "outline.h"

#include <string.h>

void outline_make(const uint64_t *x, size_t n, uint64_t outline[OUTLINE_WORDS]) {
    memset(outline, 0, OUTLINE_WORDS * sizeof *outline);
    for (size_t i = 0; i < n; i++)
        outline[x[i] / 64 % OUTLINE_WORDS] |= UINT64_C(1) << x[i] % 64;
}

size_t outline_common(const uint64_t *a, size_t n, const uint64_t *b, size_t m) {
    uint64_t only_a = 0, only_b = 0; /* 8 counters each, of at most 64 */
    for (int w = 0; w < OUTLINE_WORDS; w++) {
        only_a += outline_bytes(a[w] & ~b[w]);
        only_b += outline_bytes(b[w] & ~a[w]);
    }
    n -= outline_sum(only_a);
    m -= outline_sum(only_b);
    return n < m ? n : m;
}
