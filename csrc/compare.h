/* Two sets compared exactly: the one place where the bounds of measure.h and outline.h are asked before
 * the sets are merged. */
#ifndef TRACTABLE_COMPARE_H
#define TRACTABLE_COMPARE_H

#include "jaccard.h"
#include "measure.h"
#include "outline.h"

typedef struct {
    const uint64_t *hashes; /* n of them, rising */
    size_t n;
    const uint64_t *outline; /* or NULL */
} compared_set;

/* Their similarity, or -1 where it is below the threshold. */
static inline double compare_sets(const jaccard_kernels *kernels, const measure *what,
                                  compared_set a, compared_set b) {
    size_t need = measure_need(what, a.n, b.n);
    if (a.outline && outline_common(a.outline, a.n, b.outline, b.n) < need) return -1;
    size_t common = kernels->common(a.hashes, a.n, b.hashes, b.n, need);
    double similarity = measure_similarity(what, common, a.n, b.n);
    return similarity >= what->threshold ? similarity : -1;
}

#endif
