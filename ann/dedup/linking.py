"""Link: which documents stay, and whom each of them stands for.

The documents are gone through in the order of preference; each one still undecided is kept and
removes those undecided that resemble it. So every removed document is itself a verified
near-duplicate of the one that stays in its place; there are no chains of resemblance.

With `link="transitive"` a group is all that is connected by such pairs, and its first stays. Chains
make giants, of which most members have nothing to do with the first: a group of more than `GIANT`
different documents is reported, and linked by resemblance after all.

Where similarity is containment the document of more shingles comes first, whatever the preference:
the other is inside it.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ann import _join, _pairs
from ann.dedup.arrays import Floats, Int64s, Pairs, Sets, Verified, pair_numbers, sorted_pairs
from ann.dedup.joining import open_join
from ann.dedup.keeping import Preference, first_of_each, reasons
from ann.dedup.settings import Settings, parse_keep

GIANT = 1000  # different documents: no text is edited so often, but licences and templates chain


class Linked(NamedTuple):
    """The outcome, by row, but for the pairs, which are of leaders."""

    representative: Int64s
    similarity: Floats
    pairs: Pairs  # found before, and of crowds now: each with whom it is represented by
    giants: list[int]  # sizes of groups that hang together only by chains, the largest first
    cluster: Int64s  # the first of its cluster; `one-per` keeps others there, too
    reason: npt.NDArray[np.int8]  # of `keeping.REASONS`


def link(leader: Int64s, found: Verified, preferred: Preference, settings: Settings) -> Linked:
    """Who stays in each one's place: every document goes with its copies' best member."""
    n, order = len(leader), preferred.order
    rank = np.empty(n, np.int64)
    rank[order] = np.arange(n)
    best = np.full(n, n)  # of each leader: the rank of its best copy
    np.minimum.at(best, leader, rank)
    turns = np.argsort(best, kind="stable")
    if settings.measure == "containment":  # what holds another comes before it
        turns = np.lexsort((best, -found.sets.sizes))
    crowd = open_join(found.sets, found.crowd, settings, n) if found.crowd.any() else None
    chosen, similarity, _ = _join.link_representative(turns, *found.pairs[:2], crowd)
    further = np.flatnonzero(similarity == similarity)  # a number
    pairs = found.pairs
    if len(further):
        low, high = np.minimum(further, chosen[further]), np.maximum(further, chosen[further])
        pairs = sorted_pairs(*map(np.append, pairs, (low, high, similarity[further])))
    giants: list[int] = []
    if settings.link == "transitive":
        giants = _merge(chosen, pairs, turns)
    similarity = _similarity(chosen, pairs, found.sets, settings)
    cluster = order[best[chosen[leader]]]
    representative, similarity = cluster, similarity[leader]
    if preferred.groups is not None:
        representative = first_of_each(preferred, cluster)
        similarity[representative == np.arange(n)] = 1
    sizes = found.sets.sizes[leader] if settings.measure == "containment" else None
    policy = parse_keep(settings.keep).policy
    reason = reasons(policy, preferred, representative, cluster, sizes)
    return Linked(representative, similarity, pairs, giants, cluster, reason)


def _merge(chosen: Int64s, pairs: Pairs, turns: Int64s) -> list[int]:
    """Let the first of each connected group stand for all of it, unless the group is a giant."""
    n = len(chosen)
    group = _join.components(n, pairs.a, pairs.b)
    sizes = np.bincount(group, minlength=n)
    rank = np.empty(n, np.int64)
    rank[turns] = np.arange(n)
    first = np.full(n, n)
    np.minimum.at(first, group, rank)
    small = sizes[group] <= GIANT
    chosen[small] = turns[first[group[small]]]
    return [int(size) for size in np.sort(sizes[sizes > GIANT])[::-1]]


def _similarity(chosen: Int64s, pairs: Pairs, sets: Sets, settings: Settings) -> Floats:
    """Of each leader to its representative; computed where they are no pair."""
    similarity = np.ones(len(chosen))
    removed = np.flatnonzero(chosen != np.arange(len(chosen)))
    low, high = np.minimum(removed, chosen[removed]), np.maximum(removed, chosen[removed])
    wanted, codes = pair_numbers(low, high), pair_numbers(pairs.a, pairs.b)
    where = np.searchsorted(codes, wanted)
    listed = where < len(codes)
    listed[listed] = codes[where[listed]] == wanted[listed]
    similarity[removed[listed]] = pairs.similarity[where[listed]]
    low, high = low[~listed].astype(np.uint32), high[~listed].astype(np.uint32)
    contained = settings.measure == "containment"
    similarity[removed[~listed]] = _pairs.similarity(
        low, high, sets.starts, sets.sizes, sets.shingles, 0.0, None, contained
    )
    return similarity
