/* Candidates of csrc/ivf.h: pushed below a limit, cut down to the best now and then. */
#ifndef TRACTABLE_IVF_POOL_H
#define TRACTABLE_IVF_POOL_H

#include <math.h>
#include <string.h>

#include "ivf.h"

static inline uint64_t ivf_key(float key, uint32_t slot) {
    uint32_t bits;
    key += 0.0f; /* -0 is 0 */
    memcpy(&bits, &key, sizeof bits);
    bits ^= bits >> 31 ? UINT32_MAX : UINT32_C(0x80000000);
    return (uint64_t)bits << 32 | slot;
}

static inline float ivf_key_value(uint64_t key) {
    uint32_t bits = (uint32_t)(key >> 32);
    float value;
    bits ^= bits >> 31 ? UINT32_C(0x80000000) : UINT32_MAX;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline void ivf_push(ivf_pool *pool, float key, uint32_t slot, const uint8_t *mask) {
    if (!mask || mask[slot]) pool->at[pool->n++] = ivf_key(key, slot);
}

/* So that neither a table entry leaves 8 bits nor a sum, each part rounded up, 16. */
static inline float ivf_step(float most, float sum, size_t m) {
    float by_entry = most / 255, by_sum = sum / (65535 - (float)m);
    return by_entry > by_sum ? by_entry : by_sum;
}

#endif
