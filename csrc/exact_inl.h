/* The kernels of exact.h. The including file defines EXACT_TABLE, FLOATS, MR (rows of a tile) and
 *
 *     vf, vf_zero, vf_load, vf_fma, vf_mul, vf_set1, vf_store
 *     vf_within(v, limit)      a bit for each lane with !(v > limit)
 *     vf_from_int(p)           FLOATS int32 from p on, as floats
 *     widen(type, x, n, out)
 */
#include "exact.h"

#define INLINE static inline __attribute__((always_inline))
#define LANES (2 * FLOATS)

INLINE uint32_t slot_of(const uint32_t *only, uint32_t first, size_t i) {
    return only ? only[i] : first + (uint32_t)i;
}

static __attribute__((noinline)) void push_lanes(vf v, unsigned found, size_t lane, uint32_t slot,
                                                 const exact_lanes *to) {
    float value[FLOATS];
    vf_store(value, v);
    for (; found; found &= found - 1) {
        size_t at = (size_t)__builtin_ctz(found);
        exact_push(&to->pools[lane + at], value[at], slot);
        to->limit[lane + at] = to->pools[lane + at].limit;
    }
}

INLINE unsigned lanes_from(size_t queries, size_t lane) {
    size_t left = queries > lane ? queries - lane : 0;
    return left >= FLOATS ? (1u << FLOATS) - 1 : (1u << left) - 1;
}

/* Rows are read by broadcasts from where they lie, by three pointers and two strides: more would not
 * fit the registers for addresses. */
static void tile(const float *x, size_t rows, size_t dim, const float *norm, const uint32_t *only,
                 uint32_t first, int scaled, const exact_lanes *to) {
    vf low[MR], high[MR];
    const float *panel = to->panel;
    size_t stride2 = 2 * dim, stride3 = 3 * dim;
    for (int r = 0; r < MR; r++) low[r] = high[r] = vf_zero();
    for (size_t i = 0; i < dim; i++, panel += LANES) {
        vf p = vf_load(panel), q = vf_load(panel + FLOATS);
#define ROW(r, at)                                                      \
    if ((r) < MR) {                                                     \
        vf b = vf_set1(at);                                             \
        low[r] = vf_fma(b, p, low[r]), high[r] = vf_fma(b, q, high[r]); \
    }
#define FOUR(r, base)                                                                 \
    if ((r) < MR) {                                                                   \
        const float *at = (base) + i;                                                 \
        ROW(r, at[0]) ROW(r + 1, at[dim]) ROW(r + 2, at[stride2]) ROW(r + 3, at[stride3]) \
    }
        FOUR(0, x)
#if MR > 4
        FOUR(4, x + 4 * dim)
#endif
#if MR > 8
        FOUR(8, x + 8 * dim)
#endif
    }
    unsigned real_low = lanes_from(to->queries, 0), real_high = lanes_from(to->queries, FLOATS);
    for (size_t r = 0; r < MR; r++) {
        if (r >= rows) break;
        vf n = vf_set1(norm[r]), v = low[r], w = high[r];
        v = scaled ? vf_mul(v, n) : vf_fma(n, vf_load(to->weight), v);
        w = scaled ? vf_mul(w, n) : vf_fma(n, vf_load(to->weight + FLOATS), w);
        unsigned a = vf_within(v, vf_load(to->limit)) & real_low;
        unsigned b = vf_within(w, vf_load(to->limit + FLOATS)) & real_high;
        if (a | b) {
            push_lanes(v, a, 0, slot_of(only, first, r), to);
            push_lanes(w, b, FLOATS, slot_of(only, first, r), to);
        }
    }
}

INLINE void push_found(exact_pool *pool, vf v, unsigned found, const uint32_t *only,
                       uint32_t first, size_t i) {
    float value[FLOATS];
    if (!found) return;
    vf_store(value, v);
    for (; found; found &= found - 1) {
        size_t at = (size_t)__builtin_ctz(found);
        exact_push(pool, value[at], slot_of(only, first, i + at));
    }
}

static void pick(exact_pool *pool, const float *s, size_t n, float a, float b, int scaled,
                 const float *norm, const uint32_t *only, uint32_t first) {
    size_t i = 0;
    for (; i + FLOATS <= n; i += FLOATS) {
        vf v = vf_mul(vf_set1(a), vf_load(s + i));
        if (scaled) v = vf_mul(v, vf_load(norm + i));
        else if (b != 0) v = vf_fma(vf_set1(b), vf_load(norm + i), v);
        push_found(pool, v, vf_within(v, vf_set1(pool->limit)), only, first, i);
    }
    for (; i < n; i++) {
        float v = a * s[i];
        if (scaled) v *= norm[i];
        else if (b != 0) v += b * norm[i];
        if (!(v > pool->limit)) exact_push(pool, v, slot_of(only, first, i));
    }
}

/* d^2 L <= (limit + e(x))^2 without a root; what passes gets one, for its bound. */
static void pick_codes(exact_pool *pool, const int32_t *s, size_t n, const float *error,
                       const uint32_t *only, uint32_t first) {
    const double step = pool->rows->step;
    const float square = (float)(step * step * (1 - 0x1p-21)); /* 8 u: below what it stands for */
    size_t i = 0;
    for (; i < n; i += FLOATS) {
        size_t now = n - i < FLOATS ? n - i : FLOATS;
        unsigned found = (1u << now) - 1;
        if (now == FLOATS) {
            vf reach = vf_add(vf_set1(pool->limit), vf_load(error + i));
            vf v = vf_mul(vf_set1(square), vf_from_int(s + i));
            found = vf_within(v, vf_mul(reach, reach));
        }
        for (; found; found &= found - 1) {
            size_t at = i + (size_t)__builtin_ctz(found);
            float bound = (float)(step * __builtin_sqrt((double)s[at]) * (1 - 0x1p-21)) - error[at];
            if (!(bound > pool->limit)) exact_push(pool, bound, slot_of(only, first, at));
        }
    }
}

const exact_kernels EXACT_TABLE = {LANES, MR, tile, pick, pick_codes, widen};
