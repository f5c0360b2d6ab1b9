/* The kernels of codes.h. The including file defines CODES_TABLE and
 *
 *     nibbles_sums(q, x, groups, out)        of four rows x[0..3]
 *     bits_sums(q, planes, x, words, out)    of four rows x[0..3]
 *     BITS_BLOCK                             bits_block, where not by fours
 *     fastscan_block(tables, codes, m, out)  of one block
 */
#include "codes.h"

static void nibbles_block(const int8_t *q, const uint8_t *rows, size_t n, size_t stride,
                          size_t groups, int32_t *out) {
    for (; n >= 4; n -= 4, rows += 4 * stride, out += 4) {
        const uint8_t *const x[4] = {rows, rows + stride, rows + 2 * stride, rows + 3 * stride};
        nibbles_sums(q, x, groups, out);
    }
    for (; n; n--, rows += stride) {
        const uint8_t *const x[4] = {rows, rows, rows, rows};
        int32_t all[4];
        nibbles_sums(q, x, groups, all);
        *out++ = all[0];
    }
}

#ifndef BITS_BLOCK
#define BITS_BLOCK bits_by_fours
#endif

static void bits_by_fours(const uint64_t *q, unsigned planes, const uint64_t *rows, size_t n,
                          size_t words, uint32_t *out) {
    for (; n >= 4; n -= 4, rows += 4 * words, out += 4) {
        const uint64_t *const x[4] = {rows, rows + words, rows + 2 * words, rows + 3 * words};
        bits_sums(q, planes, x, words, out);
    }
    for (; n; n--, rows += words) {
        const uint64_t *const x[4] = {rows, rows, rows, rows};
        uint32_t all[4];
        bits_sums(q, planes, x, words, all);
        *out++ = all[0];
    }
}

static void fastscan(const uint8_t *tables, const uint8_t *codes, size_t blocks, size_t m,
                     uint16_t *out) {
    for (; blocks; blocks--, codes += 16 * m, out += FASTSCAN_ROWS)
        fastscan_block(tables, codes, m, out);
}

const code_kernels CODES_TABLE = {nibbles_sums, nibbles_block, bits_sums, BITS_BLOCK, fastscan};
