/* Distances in plain C: four floats at a time, which every compiler turns into a vector where there
 * is one, and bytes one by one, a sum of integers that compilers vectorise by themselves. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "distance.h"
#include "half.h"

#define DISTANCE_TABLE distance_kernels_baseline
#define FLOATS 4
typedef float vf __attribute__((vector_size(16)));

static inline vf vf_zero(void) { return (vf){0}; }
static inline vf vf_add(vf a, vf b) { return a + b; }
static inline vf vf_sub(vf a, vf b) { return a - b; }
static inline vf vf_fma(vf a, vf b, vf c) { return a * b + c; }

static inline vf vf_part(const float *p, size_t n) {
    vf v = {0};
    memcpy(&v, p, n * sizeof *p);
    return v;
}

static inline vf vf_load(const float *p) {
    vf v;
    memcpy(&v, p, sizeof v);
    return v;
}

static inline vf vf_part_f16(const uint16_t *p, size_t n) {
    vf v = {0};
    for (size_t i = 0; i < n; i++) v[i] = half_to_float(p[i]);
    return v;
}

static inline vf vf_load_f16(const uint16_t *p) {
    return (vf){half_to_float(p[0]), half_to_float(p[1]), half_to_float(p[2]), half_to_float(p[3])};
}

static inline float vf_sum(vf v) { return (v[0] + v[1]) + (v[2] + v[3]); }

static inline void vf_sum4(const vf *v, float *out) {
    for (int j = 0; j < 4; j++) out[j] = vf_sum(v[j]);
}

#define BYTES 1
typedef uint8_t vb;
typedef int32_t vi;
#define SHARED(metric, sign) 0

static inline vb vb_load(const uint8_t *p) { return *p; }
static inline vb vb_part(const uint8_t *p, size_t n) { return (void)n, *p; } /* never: BYTES is 1 */
static inline vi vi_zero(void) { return 0; }
static inline vi vi_add(vi a, vi b) { return a + b; }
static inline int32_t vi_sum(vi v) { return v; }
static inline void vi_sum4(const vi *v, int32_t *out) { memcpy(out, v, 4 * sizeof *v); }

static inline vi byte_shared(int metric, int sign, vi acc, vb q) {
    (void)metric, (void)sign, (void)q;
    return acc;
}

static inline vi byte_step(int metric, int sign, vi acc, vb q, vb x) {
    int a = sign ? (int8_t)q : q, b = sign ? (int8_t)x : x;
    return acc + (metric == DISTANCE_IP ? a * b : (a - b) * (a - b));
}

#include "distance_inl.h"
