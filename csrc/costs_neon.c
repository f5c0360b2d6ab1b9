#include <arm_neon.h>

#define COSTS_TABLE costs_kernels_neon
#define VECTOR 16
typedef float64x2_t vec64;
typedef float32x4_t vec32;
#define FMA64(a, x, y) vfmaq_f64(y, a, x)
#define FMA32(a, x, y) vfmaq_f32(y, a, x)
#define FMA(a, x, y) __builtin_fma(a, x, y)
#define SQRT64 vsqrtq_f64
#define SQRT32 vsqrtq_f32

#include "costs_inl.h"
