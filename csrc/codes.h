/* What a query makes of rows whose dimensions were rounded to four bits or to one.
 *
 * Nibbles: sum of q[i] x[i] over int8 q and x of 0 .. 15. Dimensions come in groups of 64, the last
 * filled up with zeros, each in 32 bytes: byte j of group g has dimension 64 g + j in its low half
 * and 64 g + 32 + j in its high half, so that a shift and a mask bring both in the query's order.
 *
 * Bits: sum over i of x[i] q[i] for x of one bit and q of `planes` bits, that is
 * sum over b of 2^b |x & plane b| (Gao, Long: RaBitQ, SIGMOD 2024, arXiv 2405.12497, section 3.3).
 * Rows and planes are `words` of 64 bits; plane b is words b * words and on.
 *
 * FastScan: sum over j < m of table j at the nibble j of a row, for blocks of 32 rows, by shuffles
 * (Andre, Kermarrec, Le Scouarnec, VLDB 2015). Tables are 16 bytes each; of a block, nibble j lies in
 * the 16 bytes from 16 j on: byte i has that of row i in its low half, of row i + 16 in its high
 * half. m is even. Sums are kept modulo 2^16, so a caller scales its tables to stay below.
 *
 * Everything is an exact integer, the same at every level. */
#ifndef TRACTABLE_CODES_H
#define TRACTABLE_CODES_H

#include <stddef.h>
#include <stdint.h>

#include "isa.h"

#define NIBBLES_GROUP 64 /* dimensions, in 32 bytes: a vector of AVX2, half a cache line */
#define BITS_PLANES_MAX 8
#define FASTSCAN_ROWS 32

typedef struct {
    void (*nibbles_four)(const int8_t *q, const uint8_t *const x[4], size_t groups, int32_t out[4]);
    void (*nibbles_block)(const int8_t *q, const uint8_t *x, size_t n, size_t stride,
                          size_t groups, int32_t *out);
    void (*bits_four)(const uint64_t *q, unsigned planes, const uint64_t *const x[4], size_t words,
                      uint32_t out[4]);
    /* Row i begins at x + i * words. */
    void (*bits_block)(const uint64_t *q, unsigned planes, const uint64_t *x, size_t n,
                       size_t words, uint32_t *out);
    void (*fastscan)(const uint8_t *tables, const uint8_t *codes, size_t blocks, size_t m,
                     uint16_t *out);
} code_kernels;

extern const code_kernels code_kernels_baseline;
#if defined(ISA_X86)
extern const code_kernels code_kernels_avx2, code_kernels_avx512;
#elif defined(ISA_ARM64)
extern const code_kernels code_kernels_neon;
#endif

static inline const code_kernels *code_kernels_for(int level) {
#if defined(ISA_X86)
    if (level == ISA_AVX512) return &code_kernels_avx512;
    if (level == ISA_AVX2) return &code_kernels_avx2;
#elif defined(ISA_ARM64)
    if (level == ISA_NEON) return &code_kernels_neon;
#endif
    (void)level;
    return &code_kernels_baseline;
}

#endif
