#include "spark.h"

#include <string.h>

static uint32_t rotl(uint32_t x, int r) {
    return x << r | x >> (32 - r);
}

static uint32_t mix(uint32_t h, uint32_t block) {
    h ^= rotl(block * UINT32_C(0xcc9e2d51), 15) * UINT32_C(0x1b873593);
    return rotl(h, 13) * 5 + UINT32_C(0xe6546b64);
}

static uint32_t murmur3_x86_32(const uint8_t *p, size_t n, uint32_t h) {
    size_t i = 0;
    for (uint32_t block; i + 4 <= n; i += 4) {
        memcpy(&block, p + i, 4);
        h = mix(h, block);
    }
    for (; i < n; i++) h = mix(h, (uint32_t)(int32_t)(int8_t)p[i]);
    h ^= (uint32_t)n;
    h = (h ^ h >> 16) * UINT32_C(0x85ebca6b);
    h = (h ^ h >> 13) * UINT32_C(0xc2b2ae35);
    return h ^ h >> 16;
}

/* What finds an item's cell in each row: two words. */
typedef struct {
    uint64_t first, second;
    int text;
} place;

static place find(const uint64_t *keys, const uint8_t *const *ptr, const size_t *len, size_t k) {
    if (!ptr) return (place){keys[k], 0, 0};
    uint32_t h1 = murmur3_x86_32(ptr[k], len[k], 0);
    return (place){h1, murmur3_x86_32(ptr[k], len[k], h1), 1};
}

static size_t cell(const spark_table *t, place p, uint32_t row) {
    int64_t at;
    if (p.text) {
        at = (int32_t)((uint32_t)p.first + row * (uint32_t)p.second) % (int64_t)t->width;
        at = at < 0 ? -at : at;
    } else {
        int64_t h = (int64_t)((uint64_t)t->a[row] * p.first);
        h = (int64_t)((uint64_t)h + (uint64_t)(h >> 32));
        at = (h & INT32_MAX) % (int64_t)t->width;
    }
    return (size_t)row * t->width + (size_t)at;
}

int spark_add(spark_table *t, const uint64_t *keys, const uint8_t *const *ptr, const size_t *len,
              const uint8_t *valid, const int64_t *weights, size_t n) {
    for (size_t k = 0; k < n; k++) {
        int64_t weight = weights ? weights[k] : 1;
        if (valid && !valid[k]) continue;
        if (weight > INT64_MAX - t->total) return -1;
        place p = find(keys, ptr, len, k);
        for (uint32_t row = 0; row < t->depth; row++) t->cells[cell(t, p, row)] += weight;
        t->total += weight;
    }
    return 0;
}

void spark_estimate(const spark_table *t, const uint64_t *keys, const uint8_t *const *ptr,
                    const size_t *len, const uint8_t *valid, size_t n, uint64_t *out) {
    for (size_t k = 0; k < n; k++) {
        out[k] = 0;
        if (valid && !valid[k]) continue;
        place p = find(keys, ptr, len, k);
        int64_t least = INT64_MAX;
        for (uint32_t row = 0; row < t->depth; row++) {
            int64_t count = t->cells[cell(t, p, row)];
            least = count < least ? count : least;
        }
        out[k] = (uint64_t)least;
    }
}
