#define COSTS_TABLE costs_kernels_baseline
#define VECTOR 16
typedef double vec64 __attribute__((vector_size(16)));
typedef float vec32 __attribute__((vector_size(16)));
#define FMA64(a, x, y) ((a) * (x) + (y))
#define FMA32(a, x, y) ((a) * (x) + (y))
#define FMA(a, x, y) ((a) * (x) + (y))
#if defined(__SSE2__)
#include <emmintrin.h>
#define SQRT64 _mm_sqrt_pd
#define SQRT32 _mm_sqrt_ps
#else
#include <math.h>
#define SQRT64(a) ((vec64){sqrt((a)[0]), sqrt((a)[1])})
#define SQRT32(a) ((vec32){sqrtf((a)[0]), sqrtf((a)[1]), sqrtf((a)[2]), sqrtf((a)[3])})
#endif

#include "costs_inl.h"
#include "murmur3.h"

void *const *costs_chase(void *const *at, size_t steps) {
    for (size_t i = 0; i < steps; i++) at = (void *const *)*at;
    return at;
}

/* Sattolo's shuffle of the lines' numbers, which gives one cycle, kept in the lines themselves. */
void costs_shuffle(void **block, size_t bytes, size_t stride) {
    size_t words = stride / sizeof(void *), lines = bytes / stride;
    for (size_t i = 0; i < lines; i++) block[i * words] = &block[i * words];
    for (size_t i = lines; i-- > 1;) {
        size_t j = murmur3_fmix64(i) % i;
        void *kept = block[i * words];
        block[i * words] = block[j * words];
        block[j * words] = kept;
    }
}
