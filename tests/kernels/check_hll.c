/* The HyperLogLog kernels against registers raised one by one, and every state on the way there. */
#include <string.h>

#include "check.h"
#include "hll.h"

#define N_MAX 700

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size); /* fuzz_hll.c */

/* Hashes such that registers low and high are met, and a few that have no bit at all. */
static void fill_hashes(uint64_t *h1, uint64_t *h2, size_t n) {
    for (size_t i = 0; i < n; i++) {
        h1[i] = check_random();
        h2[i] = check_random() >> (check_random() % 4 ? 0 : check_random() % 64);
    }
}

static void check_update(const hll_kernels *kernels, uint32_t p, size_t n) {
    static uint64_t *h1, *h2;
    static uint8_t *end1, *end2;
    if (!h1) {
        h1 = (uint64_t *)(void *)check_guarded(N_MAX * sizeof *h1, &end1);
        h2 = (uint64_t *)(void *)check_guarded(N_MAX * sizeof *h2, &end2);
    }
    uint64_t *a = (uint64_t *)(void *)end1 - n, *b = (uint64_t *)(void *)end2 - n;
    size_t k = (size_t)1 << p;
    hll_dense *got = hll_dense_new(p);
    uint8_t *want = calloc(k, 1);
    if (!got || !want) FAIL("no memory");
    for (int round = 0; round < 40; round++) { /* the later, the warmer */
        fill_hashes(a, b, n);
        kernels->update(got, a, b, n);
        for (size_t i = 0; i < n; i++) {
            uint8_t value = (uint8_t)hll_value(b[i]), *r = &want[a[i] % k];
            if (value > *r) *r = value;
        }
    }
    if (memcmp(want, got->registers, k)) FAIL("update: p %u, %zu items", p, n);
    hll_dense kept = *got;
    got->stale = 1;
    hll_refresh(got);
    if (kept.kxq0 != got->kxq0 || kept.kxq1 != got->kxq1 || kept.low != got->low ||
        memcmp(kept.count, got->count, sizeof kept.count))
        FAIL("counts: p %u, %zu items", p, n);
    free(got);
    free(want);
}

/* Of the coupons of a stream those that are left out are held, and the rest come in order; of a stream
 * that has been taken, few are left. */
static void check_unheld(const hll_kernels *kernels, uint32_t p, size_t n) {
    static uint8_t *end;
    uint64_t h1[HLL_BLOCK], h2[HLL_BLOCK];
    uint32_t *coupons;
    hll s;
    if (!end) check_guarded(HLL_BLOCK * sizeof *coupons, &end);
    coupons = (uint32_t *)(void *)end - n;
    hll_init(&s, p);
    fill_hashes(h1, h2, n);
    for (size_t taken = 0;; taken++) {
        size_t kept = kernels->unheld(&s, h1, h2, n, coupons), k = 0;
        for (size_t i = 0; i < n; i++) {
            uint32_t coupon = hll_coupon(h1[i], h2[i]), held = 0;
            for (uint32_t j = 0; j < (s.state == HLL_AS_LIST ? s.n : 0); j++)
                held |= s.as.list[j] == coupon;
            if (s.state == HLL_AS_SET) held = *hll_find(s.as.set, s.lg_size, coupon) != 0;
            if (k < kept && coupons[k] == coupon)
                k++;
            else if (!held)
                FAIL("unheld: p %u, item %zu of %zu is lost", p, i, n);
        }
        if (k != kept) FAIL("unheld: p %u, %zu items", p, n);
        if (taken == n) {
            if (kept > n / 32 + n / 8) FAIL("unheld: p %u, %zu of %zu items are left", p, kept, n);
            break;
        }
        if (hll_update_coupon(&s, hll_coupon(h1[taken], h2[taken]))) FAIL("no memory");
        if (s.state == HLL_AS_DENSE) break;
    }
    hll_free(&s);
}

static void check_max(const hll_kernels *kernels, size_t n) {
    uint8_t *end, *p, q[512], want[512];
    check_guarded(n, &end);
    p = end - n;
    check_fill(p, n);
    check_fill(q, n);
    for (size_t i = 0; i < n; i++) want[i] = p[i] > q[i] ? p[i] : q[i];
    kernels->max(p, q, n);
    if (memcmp(want, p, n)) FAIL("max: %zu bytes", n);
}

/* Sketches of any state, there and back through every image, and merged every way. */
static void check_states(const hll_kernels *kernels, uint32_t p, size_t n) {
    hll s, t, back;
    uint64_t h1[N_MAX], h2[N_MAX];
    hll_init(&s, p);
    hll_init(&t, 4 + (p + 3) % 10);
    fill_hashes(h1, h2, n);
    if (hll_update(kernels, &s, h1, h2, n) || hll_update(kernels, &t, h1, h2, n / 2))
        FAIL("no memory");
    for (int form = 0; form < 6; form++) {
        size_t size = hll_image_size(&s, (hll_kind)(form / 2), form % 2);
        uint8_t *image = malloc(size);
        if (!image) FAIL("no memory");
        hll_image_write(&s, (hll_kind)(form / 2), form % 2, image);
        const char *wrong = hll_image_read(&back, image, size);
        if (wrong) FAIL("p %u, %zu items, form %d: %s", p, n, form, wrong);
        if (!hll_same(&s, &back)) FAIL("p %u, %zu items, form %d: another sketch", p, n, form);
        hll_free(&back);
        if (!hll_image_read(&back, image, size - 1)) FAIL("a truncated image was read");
        free(image);
    }
    if (hll_copy(&back, &s) || hll_merge(kernels, &back, &t) || hll_merge(kernels, &t, &s))
        FAIL("no memory");
    if (!hll_same(&back, &t)) FAIL("merge: p %u and %u, %zu items", p, t.p, n);
    if (hll_estimate(&back) != hll_estimate(&t)) FAIL("estimate: p %u, %zu items", p, n);
    hll_free(&back);
    hll_free(&s);
    hll_free(&t);
}

/* Images with a few bytes changed, most of them in the header, cut or extended: none is believed. */
static void check_damage(const hll_kernels *kernels, uint32_t p, size_t n) {
    hll s;
    uint64_t h1[N_MAX], h2[N_MAX];
    hll_init(&s, p);
    fill_hashes(h1, h2, n);
    if (hll_update(kernels, &s, h1, h2, n)) FAIL("no memory");
    for (int form = 0; form < 6; form++) {
        size_t size = hll_image_size(&s, (hll_kind)(form / 2), form % 2);
        uint8_t *image = calloc(size + 64, 1), *damaged = malloc(size + 64);
        if (!image || !damaged) FAIL("no memory");
        hll_image_write(&s, (hll_kind)(form / 2), form % 2, image);
        for (int round = 0; round < 400; round++) {
            size_t length = size;
            memcpy(damaged, image, size + 64);
            for (uint64_t k = check_random() % 4; k > 0; k--) {
                size_t reach = check_random() % 3 ? 48 : size;
                damaged[check_random() % (reach < size ? reach : size)] = (uint8_t)check_random();
            }
            if (check_random() % 4 == 0) length = check_random() % (size + 64);
            LLVMFuzzerTestOneInput(damaged, length);
        }
        free(image);
        free(damaged);
    }
    hll_free(&s);
}

void check_hll(int level) {
    static const size_t sizes[] = {0, 1, 7, 8, 9, 24, 25, 100, 511, 512, 700};
    const hll_kernels *kernels = hll_kernels_for(level);
    for (size_t j = 0; j < sizeof sizes / sizeof *sizes; j++) {
        for (uint32_t p = 4; p <= 12; p += 2) check_update(kernels, p, sizes[j]);
        for (uint32_t p = 7; p <= 13; p += 3) check_unheld(kernels, p, sizes[j] % (HLL_BLOCK + 1));
        for (uint32_t p = 4; p <= 13; p++) check_states(kernels, p, sizes[j]);
        for (uint32_t p = 4; p <= 10; p += 3) check_damage(kernels, p, sizes[j]);
    }
    for (size_t n = 16; n <= 512; n += 16) check_max(kernels, n);
}
