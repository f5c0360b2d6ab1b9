/* MurmurHash3 at NEON level: of every 8 numbers, 4 in vectors and 4 in plain registers.
 *
 * NEON has no 64-bit multiplication, and one put together for two keys in a vector costs more than
 * the scalar multiplier that it replaces. With the low halves of four keys in one vector and their
 * high halves in another it is cheap,
 *
 *     lo, hi = unzip(lo * c_lo as 64 bits);   hi += lo * c_hi + hi * c_lo
 *
 * six instructions for four keys, and x ^= x >> 33 is lo ^= hi >> 1. A 64-bit sum carries by hand,
 * so the last ones are made of whole words again. The scalar multiplier would stand idle meanwhile,
 * hence the other four keys. docs/design/hashing.md counts instructions and cycles.
 *
 * Byte strings: the plain loop.
 */
#include <arm_neon.h>

#include "murmur3.h"

#define HASH_TABLE hash_kernels_neon
#define HASH_U64 u64_neon
static void u64_neon(const uint64_t *keys, size_t n, uint64_t seed, uint64_t *h1, uint64_t *h2);
#include "hash_inl.h"

#define LANES 4
#define SCALARS 4
#define STEP (LANES + SCALARS)

typedef struct {
    uint32x4_t lo, hi;
} halves;

static inline halves split(uint64x2_t first, uint64x2_t last) {
    uint32x4_t p = vreinterpretq_u32_u64(first), q = vreinterpretq_u32_u64(last);
    return (halves){vuzp1q_u32(p, q), vuzp2q_u32(p, q)};
}

static inline halves everywhere(uint64_t v) {
    return (halves){vdupq_n_u32((uint32_t)v), vdupq_n_u32((uint32_t)(v >> 32))};
}

static inline halves times(halves x, uint64_t constant) {
    halves c = everywhere(constant);
    halves y = split(vmull_u32(vget_low_u32(x.lo), vget_low_u32(c.lo)), vmull_high_u32(x.lo, c.lo));
    return (halves){y.lo, vmlaq_u32(vmlaq_u32(y.hi, x.lo, c.hi), x.hi, c.lo)};
}

static inline halves plus(halves x, halves y) {
    uint32x4_t lo = vaddq_u32(x.lo, y.lo), carry = vcltq_u32(lo, y.lo); /* all bits: -1 */
    return (halves){lo, vsubq_u32(vaddq_u32(x.hi, y.hi), carry)};
}

static inline halves either(halves x, halves y) {
    return (halves){veorq_u32(x.lo, y.lo), veorq_u32(x.hi, y.hi)};
}

static inline halves rotate31(halves x) {
    return (halves){vsriq_n_u32(vshlq_n_u32(x.lo, 31), x.hi, 1),
                    vsriq_n_u32(vshlq_n_u32(x.hi, 31), x.lo, 1)};
}

static inline halves shift33(halves x) {
    return (halves){veorq_u32(x.lo, vshrq_n_u32(x.hi, 1)), x.hi};
}

static inline halves fmix(halves k) {
    k = times(shift33(k), UINT64_C(0xff51afd7ed558ccd));
    k = times(shift33(k), UINT64_C(0xc4ceb9fe1a85ec53));
    return shift33(k);
}

static inline void put2(uint32x4_t a, uint32x4_t b, uint64_t *h1, uint64_t *h2) {
    uint64x2_t second = vreinterpretq_u64_u32(b);
    uint64x2_t first = vaddq_u64(vreinterpretq_u64_u32(a), second);
    vst1q_u64(h1, first);
    if (h2) vst1q_u64(h2, vaddq_u64(second, first));
}

static inline void put(halves a, halves b, uint64_t *h1, uint64_t *h2) {
    put2(vzip1q_u32(a.lo, a.hi), vzip1q_u32(b.lo, b.hi), h1, h2);
    put2(vzip2q_u32(a.lo, a.hi), vzip2q_u32(b.lo, b.hi), h1 + 2, h2 ? h2 + 2 : NULL);
}

static inline void hash_vector(const uint64_t *keys, uint64_t seed, uint64_t *h1, uint64_t *h2) {
    halves k = times(split(vld1q_u64(keys), vld1q_u64(keys + 2)), MURMUR3_C1);
    k = times(rotate31(k), MURMUR3_C2);
    halves b = everywhere(seed ^ 8), a = plus(either(k, b), b);
    put(fmix(a), fmix(plus(a, b)), h1, h2);
}

static inline void hash_step(const uint64_t *keys, uint64_t seed, uint64_t *h1, uint64_t *h2) {
    uint64_t own[SCALARS], second[SCALARS]; /* read first: h1 may be keys, and the compiler overlaps
                                               the two kinds only where no store lies in between */
    for (int j = 0; j < SCALARS; j++) murmur3_u64(keys[LANES + j], seed, &own[j], &second[j]);
    hash_vector(keys, seed, h1, h2);
    for (int j = 0; j < SCALARS; j++) {
        h1[LANES + j] = own[j];
        if (h2) h2[LANES + j] = second[j];
    }
}

static void u64_neon(const uint64_t *keys, size_t n, uint64_t seed, uint64_t *h1, uint64_t *h2) {
    size_t i = 0;
    if (h2)
        for (; i + STEP <= n; i += STEP) hash_step(keys + i, seed, h1 + i, h2 + i);
    else
        for (; i + STEP <= n; i += STEP) hash_step(keys + i, seed, h1 + i, NULL);
    hash_u64(keys + i, n - i, seed, h1 + i, h2 ? h2 + i : NULL);
}
