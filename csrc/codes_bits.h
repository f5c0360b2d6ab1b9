/* The sums of bits by the processor's own count of 64 of them, which most start several of in a
 * cycle: no vector below AVX-512 is faster at rows of a few words. */
#include <stddef.h>
#include <stdint.h>

static void bits_sums(const uint64_t *q, unsigned planes, const uint64_t *const x[4], size_t words,
                      uint32_t *out) {
    uint64_t sum[4] = {0};
    for (unsigned b = 0; b < planes; b++, q += words) {
        uint64_t plane[4] = {0};
        for (size_t i = 0; i < words; i++)
            for (int j = 0; j < 4; j++) plane[j] += (uint64_t)__builtin_popcountll(q[i] & x[j][i]);
        for (int j = 0; j < 4; j++) sum[j] += plane[j] << b;
    }
    for (int j = 0; j < 4; j++) out[j] = (uint32_t)sum[j];
}
