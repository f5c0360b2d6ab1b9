/* The kernels of codes against one dimension after the other, with the last row against the guard. */
#include "check.h"
#include "codes.h"

#define GROUPS 5
#define WORDS 19
#define BLOCKS 3
#define TABLES 40
#define ROWS 21

static uint8_t *end_q, *end_x;

static void nibbles(const code_kernels *kernels, size_t groups, size_t n) {
    size_t stride = 32 * groups + check_random() % 3;
    int8_t *q = (int8_t *)end_q - 64 * groups;
    uint8_t *x = end_x - (n - 1) * stride - 32 * groups;
    int32_t want[ROWS] = {0}, got[ROWS];
    check_fill((uint8_t *)q, 64 * groups);
    check_fill(x, (size_t)(end_x - x));
    if (check_random() % 4 == 0)
        for (size_t i = 0; i < 64 * groups; i++) q[i] = -128;
    for (size_t i = 0; i < n; i++)
        for (size_t d = 0; d < 64 * groups; d++) {
            uint8_t byte = x[i * stride + d / 64 * 32 + d % 32];
            want[i] += q[d] * (d % 64 < 32 ? byte & 15 : byte >> 4);
        }
    kernels->nibbles_block(q, x, n, stride, groups, got);
    for (size_t i = 0; i < n; i++)
        if (got[i] != want[i]) FAIL("nibbles: %zu groups, %d for %d", groups, got[i], want[i]);
    size_t at[4];
    const uint8_t *four[4];
    for (int j = 0; j < 4; j++) four[j] = x + (at[j] = check_random() % n) * stride;
    kernels->nibbles_four(q, four, groups, got);
    for (int j = 0; j < 4; j++)
        if (got[j] != want[at[j]]) FAIL("nibbles, four: %d for %d", got[j], want[at[j]]);
}

static void bits(const code_kernels *kernels, size_t words, unsigned planes, size_t n) {
    uint64_t *q = (uint64_t *)(void *)end_q - planes * words;
    uint64_t *x = (uint64_t *)(void *)end_x - n * words;
    uint32_t want[ROWS] = {0}, got[ROWS];
    check_fill((uint8_t *)q, 8 * planes * words);
    check_fill((uint8_t *)x, 8 * n * words);
    if (check_random() % 4 == 0)
        for (size_t i = 0; i < n * words; i++) x[i] = UINT64_MAX;
    for (size_t i = 0; i < n; i++)
        for (unsigned b = 0; b < planes; b++)
            for (size_t d = 0; d < 64 * words; d++)
                want[i] += (uint32_t)(x[i * words + d / 64] >> d % 64 & 1 & q[b * words + d / 64] >> d % 64) << b;
    kernels->bits_block(q, planes, x, n, words, got);
    for (size_t i = 0; i < n; i++)
        if (got[i] != want[i]) FAIL("bits: %zu words, %u planes: %u for %u", words, planes, got[i], want[i]);
    size_t at[4];
    const uint64_t *four[4];
    for (int j = 0; j < 4; j++) four[j] = x + (at[j] = check_random() % n) * words;
    kernels->bits_four(q, planes, four, words, got);
    for (int j = 0; j < 4; j++)
        if (got[j] != want[at[j]]) FAIL("bits, four: %u for %u", got[j], want[at[j]]);
}

static void fastscan(const code_kernels *kernels, size_t blocks, size_t m) {
    uint8_t *tables = end_q - 16 * m, *codes = end_x - 16 * m * blocks;
    uint16_t got[FASTSCAN_ROWS * BLOCKS];
    check_fill(tables, 16 * m);
    check_fill(codes, 16 * m * blocks);
    if (check_random() % 4 == 0)
        for (size_t i = 0; i < 16 * m; i++) tables[i] = 0xFF;
    kernels->fastscan(tables, codes, blocks, m, got);
    for (size_t i = 0; i < FASTSCAN_ROWS * blocks; i++) {
        uint16_t want = 0;
        for (size_t j = 0; j < m; j++) {
            uint8_t byte = codes[i / 32 * 16 * m + 16 * j + i % 16];
            want = (uint16_t)(want + tables[16 * j + (i % 32 < 16 ? byte & 15 : byte >> 4)]);
        }
        if (got[i] != want) FAIL("fastscan: m %zu, row %zu: %u for %u", m, i, got[i], want);
    }
}

void check_codes(int level) {
    const code_kernels *kernels = code_kernels_for(level);
    if (!end_q) {
        check_guarded(8 * BITS_PLANES_MAX * WORDS, &end_q);
        check_guarded(ROWS * (32 * GROUPS + 8 * WORDS), &end_x);
    }
    for (size_t n = 1; n <= ROWS; n++) {
        for (size_t groups = 1; groups <= GROUPS; groups++) nibbles(kernels, groups, n);
        for (size_t words = 1; words <= WORDS; words++)
            bits(kernels, words, (unsigned)(1 + check_random() % BITS_PLANES_MAX), n);
    }
    for (size_t blocks = 1; blocks <= BLOCKS; blocks++)
        for (size_t m = 2; m <= TABLES; m += 2) fastscan(kernels, blocks, m);
}
