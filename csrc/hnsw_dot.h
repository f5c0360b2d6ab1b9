/* The inner product of hnsw_inl.h where the compiler knows best. */
#include <stdint.h>

static inline int32_t dot(const uint8_t *code, const int8_t *query, uint32_t lines) {
    int32_t sum = 0;
    for (uint32_t i = 0; i < 64 * lines; i++) sum += code[i] * query[i];
    return sum;
}
