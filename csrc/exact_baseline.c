#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "exact.h"
#include "half.h"

#define EXACT_TABLE exact_kernels_baseline
#define FLOATS 4
#define MR 4
typedef float vf __attribute__((vector_size(16)));

static inline vf vf_zero(void) { return (vf){0}; }
static inline vf vf_add(vf a, vf b) { return a + b; }
static inline vf vf_mul(vf a, vf b) { return a * b; }
static inline vf vf_fma(vf a, vf b, vf c) { return a * b + c; }
static inline vf vf_set1(float x) { return (vf){x, x, x, x}; }
static inline void vf_store(float *p, vf v) { memcpy(p, &v, sizeof v); }

static inline vf vf_load(const float *p) {
    vf v;
    memcpy(&v, p, sizeof v);
    return v;
}

static inline vf vf_from_int(const int32_t *p) {
    return (vf){(float)p[0], (float)p[1], (float)p[2], (float)p[3]};
}

static inline unsigned vf_within(vf v, vf limit) {
    unsigned found = 0;
    for (unsigned i = 0; i < 4; i++) found |= (unsigned)!(v[i] > limit[i]) << i;
    return found;
}

static void widen(exact_type type, const void *x, size_t n, float *out) {
    if (type == EXACT_F16)
        for (size_t i = 0; i < n; i++) out[i] = half_to_float(((const uint16_t *)x)[i]);
    else if (type == EXACT_U8)
        for (size_t i = 0; i < n; i++) out[i] = ((const uint8_t *)x)[i];
    else
        for (size_t i = 0; i < n; i++) out[i] = ((const int8_t *)x)[i];
}

#include "exact_inl.h"
