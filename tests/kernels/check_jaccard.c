/* The Jaccard kernels against counting, for sets of every size around the lanes' multiples. */
#include "check.h"
#include "jaccard.h"

#define LARGEST 70

static int ascending(const void *p, const void *q) {
    uint64_t a = *(const uint64_t *)p, b = *(const uint64_t *)q;
    return a < b ? -1 : a > b;
}

/* n distinct numbers of 0..2n-1 or spread over 64 bits, sorted, against the guard. */
static uint64_t *make(uint8_t *end, size_t n, size_t range, uint64_t spread) {
    uint64_t all[4 * LARGEST], *x = (uint64_t *)(void *)end - n;
    for (size_t i = 0; i < range; i++) all[i] = (i + 1) * spread;
    for (size_t i = 0; i < n; i++) { /* shuffled as far as needed */
        size_t j = i + check_random() % (range - i);
        uint64_t swap = all[i];
        all[i] = all[j];
        all[j] = swap;
        x[i] = all[i];
    }
    qsort(x, n, sizeof *x, ascending);
    return x;
}

void check_jaccard(int level) {
    const jaccard_kernels *kernels = jaccard_kernels_for(level);
    static uint8_t *end_a, *end_b;
    if (!end_a) {
        check_guarded(LARGEST * sizeof(uint64_t), &end_a);
        check_guarded(LARGEST * sizeof(uint64_t), &end_b);
    }
    for (int round = 0; round < 20000; round++) {
        size_t n = check_random() % (LARGEST + 1), m = check_random() % (LARGEST + 1);
        size_t range = (n > m ? n : m) + check_random() % (2 * LARGEST), common = 0;
        uint64_t spread = round & 1 ? 1 : UINT64_MAX / (4 * LARGEST);
        range += !range;
        uint64_t *a = make(end_a, n, range, spread), *b = make(end_b, m, range, spread);
        for (size_t i = 0; i < n; i++)
            for (size_t j = 0; j < m; j++) common += a[i] == b[j];
        size_t need = check_random() % (LARGEST + 2), want = common >= need ? common : 0;
        size_t got = kernels->common(a, n, b, m, need);
        if (got != want)
            FAIL("jaccard: %zu and %zu, %zu common, %zu needed: %zu", n, m, common, need, got);
    }
}
