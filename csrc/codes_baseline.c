#include <stddef.h>
#include <stdint.h>

#include "codes_bits.h"

#define CODES_TABLE code_kernels_baseline

static void nibbles_sums(const int8_t *q, const uint8_t *const x[4], size_t groups, int32_t *out) {
    for (int j = 0; j < 4; j++) {
        int32_t sum = 0;
        for (size_t g = 0; g < groups; g++)
            for (size_t i = 0; i < 32; i++) {
                uint8_t byte = x[j][32 * g + i];
                sum += q[64 * g + i] * (byte & 15) + q[64 * g + 32 + i] * (byte >> 4);
            }
        out[j] = sum;
    }
}

static void fastscan_block(const uint8_t *tables, const uint8_t *codes, size_t m, uint16_t *out) {
    for (size_t i = 0; i < 16; i++) {
        uint16_t low = 0, high = 0;
        for (size_t j = 0; j < m; j++) {
            uint8_t byte = codes[16 * j + i];
            low = (uint16_t)(low + tables[16 * j + (byte & 15)]);
            high = (uint16_t)(high + tables[16 * j + (byte >> 4)]);
        }
        out[i] = low;
        out[i + 16] = high;
    }
}

#include "codes_inl.h"
