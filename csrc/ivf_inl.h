/* The kernels of ivf.h as the compiler vectorises them; the including file defines IVF_TABLE, and
 * IVF_TABLES or IVF_PICK where it has its own. */
#include "ivf_pool.h"

static inline void table_of(const float *book, size_t width, const float *q, size_t left, float w,
                            float *t) {
    for (int k = 0; k < IVF_BOOK; k++) t[k] = 0;
    for (size_t s = 0; s < width && s < left; s++)
        for (int k = 0; k < IVF_BOOK; k++) t[k] += w * q[s] * book[s * IVF_BOOK + k];
}

#ifndef IVF_TABLES
#define IVF_TABLES tables
static void tables(const ivf *x, const float *q, float *t, uint8_t *out, float *bias, float *step) {
    float w = x->metric == DISTANCE_L2 ? -2.0f : -1.0f, most = 0, sum = 0, least = 0;
    for (size_t j = 0; j < x->m; j++) {
        size_t at = j * x->width, left = at < x->dim ? x->dim - at : 0;
        float *row = t + IVF_BOOK * j, low, high;
        table_of(x->book + at * IVF_BOOK, x->width, q + at, left, w, row);
        low = high = row[0];
        for (int k = 1; k < IVF_BOOK; k++) {
            low = row[k] < low ? row[k] : low;
            high = row[k] > high ? row[k] : high;
        }
        for (int k = 0; k < IVF_BOOK; k++) row[k] -= low;
        most = high - low > most ? high - low : most;
        sum += high - low, least += low;
    }
    *bias = least, *step = ivf_step(most, sum, x->m);
    float inverse = *step > 0 ? 1 / *step : 0;
    for (size_t i = 0; i < IVF_BOOK * x->m; i++) out[i] = (uint8_t)(t[i] * inverse + 0.5f);
}
#endif

#ifndef IVF_PICK
#define IVF_PICK pick
static void pick(ivf_pool *pool, const uint16_t *sums, size_t n, float base, const float *add,
                 const float *mul, float bias, float step, const uint32_t *slot,
                 const uint8_t *mask) {
    for (size_t i = 0; i < n; i++) {
        float part = bias + step * (float)sums[i];
        float key = base + add[i] + (mul ? mul[i] * part : part);
        if (key < pool->limit) ivf_push(pool, key, slot[i], mask);
    }
}
#endif

/* Squares are not negative, so as integers they keep their order: the low bits tell the entry. */
static void encode(const float *book, size_t m, size_t width, const float *r, uint8_t *nibbles) {
    for (size_t j = 0; j < m; j++, book += IVF_BOOK * width, r += width) {
        float t[IVF_BOOK] = {0};
        uint32_t bits[IVF_BOOK], least = UINT32_MAX;
        for (size_t s = 0; s < width; s++)
            for (int k = 0; k < IVF_BOOK; k++) {
                float d = r[s] - book[s * IVF_BOOK + k];
                t[k] += d * d;
            }
        memcpy(bits, t, sizeof bits);
        for (uint32_t k = 0; k < IVF_BOOK; k++) {
            uint32_t key = (bits[k] & ~UINT32_C(15)) | k;
            least = key < least ? key : least;
        }
        nibbles[j] = least & 15;
    }
}

const ivf_kernels IVF_TABLE = {IVF_TABLES, IVF_PICK, encode};
