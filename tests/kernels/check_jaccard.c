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

static void check_bits(const jaccard_kernels *kernels) {
    static uint64_t *a, *rows;
    enum { ROWS = 5, WORDS = 24 };
    if (!a) {
        uint8_t *end_a, *end_rows;
        check_guarded(WORDS * sizeof *a, &end_a);
        check_guarded(ROWS * WORDS * sizeof *rows, &end_rows);
        a = (uint64_t *)(void *)end_a - WORDS;
        rows = (uint64_t *)(void *)end_rows - ROWS * WORDS;
    }
    for (size_t words = 8; words <= WORDS; words += 8) {
        uint64_t *x = a + WORDS - words, *r = rows + ROWS * (WORDS - words);
        uint32_t common[ROWS];
        for (size_t w = 0; w < words; w++) x[w] = check_random();
        for (size_t w = 0; w < ROWS * words; w++) r[w] = w < words ? UINT64_MAX : check_random();
        kernels->bits(x, r, ROWS, words, common);
        for (size_t i = 0; i < ROWS; i++) {
            uint32_t want = 0;
            for (size_t b = 0; b < 64 * words; b++)
                want += x[b / 64] >> b % 64 & r[i * words + b / 64] >> b % 64 & 1;
            if (common[i] != want) FAIL("bits: row %zu of %zu words: %u", i, words, common[i]);
        }
    }
}

void check_jaccard(int level) {
    const jaccard_kernels *kernels = jaccard_kernels_for(level);
    for (int round = 0; round < 100; round++) check_bits(kernels);
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
