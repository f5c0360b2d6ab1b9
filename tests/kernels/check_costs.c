/* The measuring loops: what they write is what they say, on any number of doubles up to the guard;
 * the arithmetic of a level is that of its scalar loop; the chase visits every line once. */
#include <math.h>

#include "check.h"
#include "costs.h"

#define LARGEST 300
#define LINES 500
#define LINE 64

static void check_loops(const costs_kernels *k, size_t n) {
    static uint8_t *end[3];
    double *at[3], sum = 0;
    for (int i = 0; i < 3; i++) {
        if (!end[i]) check_guarded(LARGEST * sizeof(double), &end[i]);
        at[i] = (double *)(void *)end[i] - n;
        for (size_t j = 0; j < n; j++) at[i][j] = (double)(check_random() % 1000);
    }
    double *a = at[0], *b = at[1], *c = at[2];
    for (size_t j = 0; j < n; j++) sum += b[j]; /* whole numbers: any order gives the same */
    if (k->read(b, n) != sum) FAIL("read of %zu", n);
    k->write(a, n);
    for (size_t j = 0; j < n; j++)
        if (a[j] != 1.0) FAIL("write of %zu at %zu", n, j);
    k->copy(a, b, n);
    for (size_t j = 0; j < n; j++)
        if (a[j] != b[j]) FAIL("copy of %zu at %zu", n, j);
    k->triad(a, b, c, n);
    for (size_t j = 0; j < n; j++)
        if (a[j] != b[j] + 3.0 * c[j]) FAIL("triad of %zu at %zu", n, j);
}

static void check_arithmetic(const costs_kernels *k) {
    for (size_t rounds = 0; rounds < 50; rounds += 7) {
        double scalar = k->scalar64(rounds), wide = k->vector64(rounds);
        double narrow = (double)k->vector32(rounds);
        if (fabs(wide / (k->bytes / 8) - scalar) > 1e-12 * scalar) FAIL("vector64 %zu", rounds);
        if (fabs(narrow / (k->bytes / 4) - scalar) > 1e-4 * scalar) FAIL("vector32 %zu", rounds);
    }
}

static void check_chase(void) {
    static void *block[LINES * LINE / sizeof(void *)];
    size_t words = LINE / sizeof(void *);
    costs_shuffle(block, sizeof block, LINE);
    for (size_t step = 1; step <= LINES; step++) {
        void *const *at = costs_chase(block, step);
        if ((size_t)((void **)(size_t)at - block) % words) FAIL("between lines");
        if ((at == block) != (step == LINES)) FAIL("a cycle of %zu lines, not %d", step, LINES);
    }
}

void check_costs(int level) {
    const costs_kernels *k = costs_kernels_for(level);
    for (size_t n = 0; n <= LARGEST; n++) check_loops(k, n);
    check_arithmetic(k);
    check_chase();
}
