"""List: the verified pairs of rows, from pairs of groups of copies."""

import numpy as np

from ann.dedup.arrays import Int64s, Pairs, sorted_pairs

COPIES_LISTED = 100  # members of a group of copies that are listed pairwise: at most 4,950 pairs
PAIRS_LISTED = 10_000_000  # pairs with copies in them: half a gigabyte while they are made


def _products(size: Int64s, pairs: Pairs, many: Int64s) -> int:
    """Pairs of rows that pairs of groups, and groups with themselves, stand for."""
    own = size[many] * (size[many] - 1) // 2
    return int((size[pairs.a] * size[pairs.b]).sum() + own.sum())


def expand(leader: Int64s, pairs: Pairs) -> tuple[Pairs, int]:
    """Pairs of rows from pairs of groups of copies, and how many were left unlisted.

    The first `COPIES_LISTED` members of a group are listed pairwise and with those of each
    similar group, or fewer of them where that came to more than `PAIRS_LISTED` pairs; any further
    one is listed with the first of its own group alone.
    """
    size = np.bincount(leader, minlength=len(leader))
    many = np.flatnonzero(size > 1)
    if not len(many):
        return pairs, 0
    members = np.argsort(leader, kind="stable")  # group after group, each in row order
    start = np.cumsum(size) - size
    most = COPIES_LISTED
    while most > 1 and _products(np.minimum(size, most), pairs, many) > PAIRS_LISTED:
        most //= 2
    listed = np.minimum(size, most)
    total = _products(size, pairs, many)

    a, b = np.concatenate([pairs.a, many]), np.concatenate([pairs.b, many])
    similarity = np.concatenate([pairs.similarity, np.ones(len(many))])
    products = listed[a] * listed[b]
    source = np.repeat(np.arange(len(a)), products)
    within = np.arange(len(source)) - np.repeat(np.cumsum(products) - products, products)
    left, right = np.divmod(within, listed[b[source]])
    once = (source < len(pairs.a)) | (left < right)  # a group with itself: no member twice
    source, left, right = source[once], left[once], right[once]
    x, y = members[start[a[source]] + left], members[start[b[source]] + right]

    further = members[np.arange(len(members)) - start[leader[members]] >= most]
    x, y = np.concatenate([x, leader[further]]), np.concatenate([y, further])
    similarity = np.concatenate([similarity[source], np.ones(len(further))])
    return sorted_pairs(np.minimum(x, y), np.maximum(x, y), similarity), total - len(x)
