/* How alike two sets are, from the number of their common elements:
 *
 *     Jaccard      |A and B| / |A or B|              near-duplicates
 *     containment  |A and B| / min(|A|, |B|)         one inside the other
 *
 * and, for the filters, from how many common elements on a pair reaches the threshold. The filters
 * only ever err towards looking at a pair: what decides is measure_similarity, as it is printed.
 */
#ifndef TRACTABLE_MEASURE_H
#define TRACTABLE_MEASURE_H

#include <stddef.h>

typedef struct {
    double threshold; /* in [0, 1] */
    double share;     /* of n + m, or of the smaller: what has to be common */
    int containment;
} measure;

static inline measure measure_of(double threshold, int containment) {
    double share = containment ? threshold : threshold / (1 + threshold);
    return (measure){threshold, share, containment};
}

/* Two empty sets are nothing alike: 0. */
static inline double measure_similarity(const measure *what, size_t common, size_t n, size_t m) {
    size_t whole = what->containment ? (n < m ? n : m) : n + m - common;
    return whole ? (double)common / (double)whole : 0;
}

/* The smallest whole number from `least` on, or one less where rounding leaves that open. */
static inline size_t measure_ceil(double least) {
    least *= 1 - 1e-12; /* some thousand roundings of a double */
    size_t whole = (size_t)least;
    return whole + ((double)whole < least);
}

/* No pair of sets of n and m with fewer common elements reaches the threshold. */
static inline size_t measure_need(const measure *what, size_t n, size_t m) {
    return measure_ceil(what->share * (double)(!what->containment ? n + m : n < m ? n : m));
}

#endif
