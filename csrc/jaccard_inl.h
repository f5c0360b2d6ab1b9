/* The kernel of jaccard.h. The including file defines JACCARD_TABLE, and where it has vectors LANES
 * and block_common(a, b): how many of LANES elements from a on stand among LANES from b on. */
#include "jaccard.h"

static size_t sorted_common(const uint64_t *a, size_t n, const uint64_t *b, size_t m, size_t need) {
    size_t i = 0, j = 0, common = 0;
#ifdef LANES
    while (i + LANES <= n && j + LANES <= m) {
        if (common + (n - i < m - j ? n - i : m - j) < need) return 0;
        uint64_t p = a[i + LANES - 1], q = b[j + LANES - 1];
        common += block_common(a + i, b + j);
        i += p <= q ? LANES : 0;
        j += q <= p ? LANES : 0;
    }
#endif
    while (i < n && j < m) { /* what of a block has met already is smaller than all that is left */
        size_t left = n - i < m - j ? n - i : m - j;
        if (common + left < need) return 0;
        size_t steps = left < 16 ? left : 16; /* the bound is looked at once in 16 steps */
        while (steps--) {
            uint64_t p = a[i], q = b[j];
            common += p == q;
            i += p <= q;
            j += q <= p;
        }
    }
    return common >= need ? common : 0;
}

const jaccard_kernels JACCARD_TABLE = {sorted_common};
