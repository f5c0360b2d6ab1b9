/* Loops that show what a machine can do: bytes moved and floating-point operations a second.
 *
 * The bandwidth loops are those of STREAM (J. McCalpin, "Memory bandwidth and machine balance in
 * current high performance computers", IEEE TCCA Newsletter, 1995), with a pure read and a pure write
 * beside them, and count bytes as STREAM does: what a loop names, not what caches add to it. Stores
 * are ordinary ones, as in almost all programs, and bring in the line they write to.
 *
 * The arithmetic loops keep CHAINS independent fused multiply-adds in registers, enough to fill two
 * units of latency 4 or 5, and touch no memory. An x86 baseline has no fused instruction, so it
 * multiplies and adds. Those of integers multiply and take the exclusive or, as hash functions do:
 * two operations, too, and two that no compiler can fold into fewer.
 *
 * The fused loop does steps of element-wise arithmetic block by block, so that each operand comes
 * from memory once and the result goes there once; every step rounds, as numpy's does.
 *
 * The latency loop follows pointers, each load waiting for the one before.
 */
#ifndef TRACTABLE_COSTS_H
#define TRACTABLE_COSTS_H

#include <stddef.h>
#include <stdint.h>

#include "isa.h"

#define COSTS_CHAINS 12 /* of 16 vector registers; two hold the constants */

/* Steps of the fused loop: those below COSTS_UNARY take a further operand. */
typedef enum {
    COSTS_ADD,
    COSTS_SUBTRACT,
    COSTS_MULTIPLY,
    COSTS_DIVIDE,
    COSTS_UNARY,
    COSTS_NEGATIVE = COSTS_UNARY,
    COSTS_ABSOLUTE,
    COSTS_SQUARE,
    COSTS_SQRT,
} costs_step;

typedef struct {
    double (*read)(const double *a, size_t n); /* 8 n bytes; returns the sum */
    void (*write)(double *a, size_t n);        /* 8 n bytes */
    void (*copy)(double *restrict a, const double *restrict b, size_t n); /* 16 n bytes */
    /* a = b + 3 c: 24 n bytes, 2 n operations */
    void (*triad)(double *restrict a, const double *restrict b, const double *restrict c, size_t n);
    /* `rounds` multiply-adds in each chain and lane; returns something that depends on them all. */
    double (*scalar64)(size_t rounds);
    double (*vector64)(size_t rounds);
    float (*vector32)(size_t rounds);
    uint64_t (*scalar_i64)(size_t rounds);
    uint64_t (*vector_i64)(size_t rounds);
    /* out[i] = the steps, from operands[0][i] on, each taking its further operand in order. */
    void (*fused64)(const int *steps, int count, const double *const *operands, double *out,
                    size_t n);
    void (*fused32)(const int *steps, int count, const float *const *operands, float *out, size_t n);
    int bytes; /* of a vector */
} costs_kernels;

extern const costs_kernels costs_kernels_baseline;
#if defined(ISA_X86)
extern const costs_kernels costs_kernels_avx2, costs_kernels_avx512;
#elif defined(ISA_ARM64)
extern const costs_kernels costs_kernels_neon;
#endif

static inline const costs_kernels *costs_kernels_for(int level) {
#if defined(ISA_X86)
    if (level == ISA_AVX512) return &costs_kernels_avx512;
    if (level == ISA_AVX2) return &costs_kernels_avx2;
#elif defined(ISA_ARM64)
    if (level == ISA_NEON) return &costs_kernels_neon;
#endif
    (void)level;
    return &costs_kernels_baseline;
}

/* `steps` loads along a chain of pointers from `at`; returns where it ends. */
void *const *costs_chase(void *const *at, size_t steps);

/* Link the lines of a block, `stride` bytes apart, into one cycle in random order. */
void costs_shuffle(void **block, size_t bytes, size_t stride);

#endif
