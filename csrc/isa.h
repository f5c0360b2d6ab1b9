/* Instruction-set levels.
 *
 * Each kernel is compiled once per level, in a file of its own named after it (x_baseline.c,
 * x_avx2.c, ...), because a flag such as -mavx2 is a permission for the whole translation unit.
 * A domain (hash, minhash, text) has one struct of function pointers per level and one inline
 * function that maps a level to its struct; the level itself lives in sketches._cpu alone.
 */
#ifndef TRACTABLE_ISA_H
#define TRACTABLE_ISA_H

typedef enum { ISA_BASELINE = 0, ISA_NEON = 1, ISA_AVX2 = 2, ISA_AVX512 = 3 } isa_level;

#if defined(__x86_64__)
#define ISA_X86 1
#include <cpuid.h>
#elif defined(__aarch64__)
#define ISA_ARM64 1
#endif

/* The highest level that this CPU and its operating system support. AVX2 here is what Haswell and Zen
 * have, AVX-512 what Ice Lake and Zen 4 have: the processors before them lack VNNI and VPOPCNTDQ, and
 * lower their clock where 512 bits are used. */
static inline isa_level isa_detect(void) {
#if defined(ISA_X86)
    unsigned a, b, c = 0, d;
    __builtin_cpu_init();
    if (!(__builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") &&
          __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("popcnt") &&
          __builtin_cpu_supports("fma") && __get_cpuid(1, &a, &b, &c, &d) && (c & bit_F16C)))
        return ISA_BASELINE;
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512vnni") &&
        __builtin_cpu_supports("avx512vpopcntdq"))
        return ISA_AVX512;
    return ISA_AVX2;
#elif defined(ISA_ARM64)
    return ISA_NEON; /* part of every AArch64 */
#else
    return ISA_BASELINE;
#endif
}

#endif
