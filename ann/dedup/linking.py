"""Link: which documents stay, and whom each of them stands for.

The documents are gone through in the order of preference; each one still undecided is kept and
removes those undecided that resemble it. So every removed document is itself a verified
near-duplicate of the one that stays in its place; there are no chains of resemblance.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ann import _join
from ann.dedup.arrays import Floats, Int64s, Pairs, Verified, pair_numbers, sorted_pairs
from ann.dedup.joining import open_join
from ann.dedup.settings import Settings


def preference(keep: str, sizes: Int64s, ids: Sequence[Any] | None) -> Int64s:
    """Rows from the one most worth keeping; ties by id, then by row."""
    rows = np.arange(len(sizes))
    if keep == "first":
        return rows
    names = rows if ids is None else np.unique(np.asarray(ids), return_inverse=True)[1]
    return np.lexsort((names, -sizes))


def link(
    leader: Int64s, found: Verified, order: Int64s, settings: Settings
) -> tuple[Int64s, Floats, Pairs]:
    """Who stays in each one's place: every document goes with its copies' best member.

    Returned with the pairs found on the way, those of crowds with whom they are represented by.
    """
    n, pairs = len(leader), found.pairs
    rank = np.empty(n, np.int64)
    rank[order] = np.arange(n)
    best = np.full(n, n)  # of each leader: the rank of its best copy
    np.minimum.at(best, leader, rank)
    crowd = None
    if found.crowd.any():
        crowd = open_join(found.sets, found.crowd, settings, 0)
    chosen, similarity, _ = _join.link_representative(
        np.argsort(best, kind="stable"), pairs.a, pairs.b, crowd
    )
    further = np.flatnonzero(similarity == similarity)  # a number
    low, high = np.minimum(further, chosen[further]), np.maximum(further, chosen[further])
    if len(further):
        pairs = sorted_pairs(*map(np.append, pairs, (low, high, similarity[further])))

    similarity = np.ones(n)
    removed = np.flatnonzero(chosen != np.arange(n))
    low, high = np.minimum(removed, chosen[removed]), np.maximum(removed, chosen[removed])
    where = np.searchsorted(pair_numbers(pairs.a, pairs.b), pair_numbers(low, high))
    similarity[removed] = pairs.jaccard[where]
    return order[best[chosen[leader]]], similarity[leader], pairs
