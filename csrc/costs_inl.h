/* The loops of costs.h over vectors that the including file defines:
 *
 *   VECTOR       bytes of a vector
 *   FMA64(a, x, y), FMA32(a, x, y)   a * x + y of vec64, vec32
 *   FMA(a, x, y) the same of two doubles
 *   SQRT64(a), SQRT32(a) square roots of vec64, vec32
 *
 * Include once, after those and COSTS_TABLE. GCC and Clang share these vector types. */
#include <math.h>
#include <string.h>

#include "costs.h"

#if defined(ISA_X86)
#define IN_REGISTER "+x"
#elif defined(ISA_ARM64)
#define IN_REGISTER "+w"
#else
#define IN_REGISTER "+m"
#endif
#if defined(__AVX512F__)
#define IN_VECTOR "+v"
#else
#define IN_VECTOR IN_REGISTER
#endif

typedef uint64_t vec_i64 __attribute__((vector_size(VECTOR)));
typedef uint32_t vec_i32 __attribute__((vector_size(VECTOR)));

#define LANES64 (VECTOR / 8)
#define UNROLL 8 /* vectors of loads under way */

static inline vec64 load_v64(const double *p) {
    vec64 v;
    memcpy(&v, p, sizeof v);
    return v;
}

static inline void store_v64(double *p, vec64 v) {
    memcpy(p, &v, sizeof v);
}

static double read_all(const double *a, size_t n) {
    vec64 sum[UNROLL] = {{0}};
    double total = 0;
    size_t i = 0;
    for (; i + UNROLL * LANES64 <= n; i += UNROLL * LANES64)
        for (int j = 0; j < UNROLL; j++) sum[j] += load_v64(a + i + j * LANES64);
    for (; i < n; i++) total += a[i];
    for (int j = 0; j < UNROLL; j++)
        for (int k = 0; k < LANES64; k++) total += sum[j][k];
    return total;
}

static void write_all(double *a, size_t n) {
    vec64 one;
    for (int k = 0; k < LANES64; k++) one[k] = 1.0;
    size_t i = 0;
    for (; i + UNROLL * LANES64 <= n; i += UNROLL * LANES64)
        for (int j = 0; j < UNROLL; j++) {
            store_v64(a + i + j * LANES64, one);
            __asm__("" ::: "memory"); /* or the loop becomes a call of memset's, or of its kind */
        }
    for (; i < n; i++) a[i] = 1.0;
}

static void copy_all(double *restrict a, const double *restrict b, size_t n) {
    size_t i = 0;
    for (; i + UNROLL * LANES64 <= n; i += UNROLL * LANES64)
        for (int j = 0; j < UNROLL; j++) {
            store_v64(a + i + j * LANES64, load_v64(b + i + j * LANES64));
            __asm__("" ::: "memory"); /* the same for memcpy, which may pass the caches by */
        }
    for (; i < n; i++) a[i] = b[i];
}

static void triad_all(double *restrict a, const double *restrict b, const double *restrict c,
                      size_t n) {
    vec64 three;
    for (int k = 0; k < LANES64; k++) three[k] = 3.0;
    size_t i = 0;
    for (; i + UNROLL * LANES64 <= n; i += UNROLL * LANES64)
        for (int j = 0; j < UNROLL; j++) {
            size_t at = i + j * LANES64;
            store_v64(a + at, FMA64(three, load_v64(c + at), load_v64(b + at)));
        }
    for (; i < n; i++) a[i] = FMA(3.0, c[i], b[i]);
}

/* Multiplying by a little less than 1 and adding a little keeps the numbers normal for ever. */
#define NEAR_ONE 0.999999
#define LITTLE 0.000001

static double scalar64(size_t rounds) {
    double chain[COSTS_CHAINS], total = 0;
    for (int j = 0; j < COSTS_CHAINS; j++) chain[j] = 1.0 + j;
    for (size_t i = 0; i < rounds; i++)
        for (int j = 0; j < COSTS_CHAINS; j++) {
            chain[j] = FMA(chain[j], NEAR_ONE, LITTLE);
            __asm__("" : IN_REGISTER(chain[j])); /* or the compiler makes a vector of these */
        }
    for (int j = 0; j < COSTS_CHAINS; j++) total += chain[j];
    return total;
}

#define ARITHMETIC(name, vec, lane, FUSED)                                                  \
    static lane name(size_t rounds) {                                                       \
        vec chain[COSTS_CHAINS], near, little;                                              \
        lane total = 0;                                                                     \
        for (size_t k = 0; k < sizeof(vec) / sizeof(lane); k++) {                           \
            near[k] = (lane)NEAR_ONE;                                                       \
            little[k] = (lane)LITTLE;                                                       \
            for (int j = 0; j < COSTS_CHAINS; j++) chain[j][k] = (lane)(1.0 + j);           \
        }                                                                                   \
        for (size_t i = 0; i < rounds; i++)                                                 \
            for (int j = 0; j < COSTS_CHAINS; j++) chain[j] = FUSED(chain[j], near, little); \
        for (int j = 0; j < COSTS_CHAINS; j++)                                              \
            for (size_t k = 0; k < sizeof(vec) / sizeof(lane); k++) total += chain[j][k];   \
        return total;                                                                       \
    }

ARITHMETIC(vector64, vec64, double, FMA64)
ARITHMETIC(vector32, vec32, float, FMA32)

#define ODD 0x9e3779b97f4a7c15u /* times which no number but 0 becomes 0 */
#define BITS 0xc2b2ae3d27d4eb4fu

static uint64_t scalar_i64(size_t rounds) {
    uint64_t chain[COSTS_CHAINS], total = 0;
    for (int j = 0; j < COSTS_CHAINS; j++) chain[j] = 1u + j;
    for (size_t i = 0; i < rounds; i++)
        for (int j = 0; j < COSTS_CHAINS; j++) {
            chain[j] = chain[j] * ODD ^ BITS;
            __asm__("" : "+r"(chain[j])); /* or the compiler makes a vector of these */
        }
    for (int j = 0; j < COSTS_CHAINS; j++) total += chain[j];
    return total;
}

static uint64_t vector_i64(size_t rounds) {
    vec_i64 chain[COSTS_CHAINS], odd, bits;
    uint64_t total = 0;
    for (int k = 0; k < LANES64; k++) {
        odd[k] = ODD;
        bits[k] = BITS;
        for (int j = 0; j < COSTS_CHAINS; j++) chain[j][k] = 1u + j;
    }
    __asm__("" : IN_VECTOR(odd), IN_VECTOR(bits)); /* no multiplication by a known number */
    for (size_t i = 0; i < rounds; i++)
        for (int j = 0; j < COSTS_CHAINS; j++) chain[j] = chain[j] * odd ^ bits;
    for (int j = 0; j < COSTS_CHAINS; j++)
        for (int k = 0; k < LANES64; k++) total += chain[j][k];
    return total;
}

/* Block by block: the first step reads the first operand, later ones what is in `out` already. */
/* Bytes of an array: with more, one operand after the other streams from memory, not all at once. */
#define BLOCK 512

#define STEP(vector, one)                     \
    for (; j + WIDE <= m; j += WIDE) {        \
        memcpy(&v, from + j, sizeof v);       \
        memcpy(&w, with + j, sizeof w);       \
        v = vector;                           \
        memcpy(to + j, &v, sizeof v);         \
    }                                         \
    for (; j < m; j++) {                      \
        a = from[j];                          \
        b = with[j];                          \
        to[j] = one;                          \
    }                                         \
    break

#define FUSED(name, vec, ivec, lane, SIGN, SQRT, sqrt_one)                                \
    static void name(const int *steps, int count, const lane *const *operands, lane *out, \
                     size_t n) {                                                          \
        const size_t WIDE = VECTOR / sizeof(lane);                                        \
        ivec sign;                                                                        \
        for (size_t k = 0; k < WIDE; k++) sign[k] = SIGN;                                 \
        for (size_t i = 0, m; i < n; i += m) {                                            \
            m = n - i < BLOCK / sizeof(lane) ? n - i : BLOCK / sizeof(lane);              \
            const lane *const *next = operands;                                           \
            const lane *from = *next++ + i;                                               \
            lane *to = out + i;                                                           \
            for (int s = 0; s < count; s++, from = to) {                                  \
                const lane *with = steps[s] < COSTS_UNARY ? *next++ + i : from;           \
                size_t j = 0;                                                             \
                vec v, w;                                                                 \
                lane a, b;                                                                \
                switch (steps[s]) {                                                       \
                case COSTS_ADD: STEP(v + w, a + b);                                       \
                case COSTS_SUBTRACT: STEP(v - w, a - b);                                  \
                case COSTS_MULTIPLY: STEP(v * w, a * b);                                  \
                case COSTS_DIVIDE: STEP(v / w, a / b);                                    \
                case COSTS_NEGATIVE: STEP((vec)((ivec)v ^ sign), -a);                     \
                case COSTS_ABSOLUTE: STEP((vec)((ivec)v & ~sign), (lane)fabs(a));         \
                case COSTS_SQUARE: STEP(v * v, a * a);                                    \
                case COSTS_SQRT: STEP(SQRT(v), sqrt_one(a));                              \
                }                                                                         \
            }                                                                             \
        }                                                                                 \
    }

FUSED(fused64, vec64, vec_i64, double, (uint64_t)1 << 63, SQRT64, sqrt)
FUSED(fused32, vec32, vec_i32, float, (uint32_t)1 << 31, SQRT32, sqrtf)

const costs_kernels COSTS_TABLE = {read_all,   write_all,  copy_all, triad_all, scalar64, vector64,
                                   vector32, scalar_i64, vector_i64, fused64,  fused32,  VECTOR};
