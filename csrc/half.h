/* IEEE 754 half precision to single, where no instruction does it. */
#ifndef TRACTABLE_HALF_H
#define TRACTABLE_HALF_H

#include <stdint.h>
#include <string.h>

/* Exponent and fraction move to their places as they are, and multiplying by 2^(127 - 15) mends the
 * exponent's bias; that is exact, and makes normal numbers of the subnormal ones. */
static inline float half_to_float(uint16_t h) {
    uint32_t bits = (uint32_t)(h & 0x7FFF) << 13, scale = UINT32_C(239) << 23;
    float value, factor;
    memcpy(&value, &bits, sizeof value);
    memcpy(&factor, &scale, sizeof factor);
    value *= factor;
    memcpy(&bits, &value, sizeof bits);
    if ((h & 0x7C00) == 0x7C00) bits = UINT32_C(0x7F800000) | (uint32_t)(h & 0x3FF) << 13;
    bits |= (uint32_t)(h & 0x8000) << 16;
    memcpy(&value, &bits, sizeof value);
    return value;
}

#endif
