/* The Count-Min of Apache Spark (org.apache.spark.util.sketch.CountMinSketch), cell by cell: counts
 * are signed 64-bit, cells[depth][width] of any width, and an item's cell in row i is
 *
 *   an integer x    h = a[i] x, wrapped to 64 bits;  h += h >> 32;  (h mod 2^31) mod width
 *   bytes, UTF-8    |(h1 + i h2) rem width| in 32 bits, h1 = M(bytes, 0), h2 = M(bytes, h1)
 *
 * with shifts that keep the sign, a remainder of the dividend's sign, and M Murmur3 x86 32 but for
 * its last bytes: each is widened with its sign and mixed like a block.
 */
#ifndef TRACTABLE_SPARK_H
#define TRACTABLE_SPARK_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
    uint32_t depth, width;
    const int64_t *a;
    int64_t *cells, total;
} spark_table;

/* Numbers (keys), or texts where ptr is not NULL; valid: NULL or a flag each; weights: NULL for one
 * each. Returns 0, or -1 where the total would exceed 2^63 - 1: then the items before are in. */
int spark_add(spark_table *t, const uint64_t *keys, const uint8_t *const *ptr, const size_t *len,
              const uint8_t *valid, const int64_t *weights, size_t n);
void spark_estimate(const spark_table *t, const uint64_t *keys, const uint8_t *const *ptr,
                    const size_t *len, const uint8_t *valid, size_t n, uint64_t *out);

#endif
