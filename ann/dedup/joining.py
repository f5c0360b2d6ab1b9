"""Join: all pairs of similar documents, exactly, by the rarest of their shingles.

`_join.Join` holds the index; here threads share the work on it.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

from ann._join import Join
from ann.dedup.arrays import Bools, Floats, Sets, UInt32s
from ann.dedup.running import ordered_map
from ann.dedup.settings import Settings

RANGES = 64  # of ranks, at least: so that threads end together and the progress bar moves
RANKS = 2048  # in one, at least: some milliseconds


def _ranges(total: int, threads: int) -> list[tuple[int, int]]:
    """The ranks 0 .. total - 1 in ranges."""
    step = max(RANKS, total // (RANGES * threads) + 1)
    return list(pairwise([*range(0, total, step), total]))


def open_join(sets: Sets, members: Bools, settings: Settings, crowd: int) -> Join:
    """The join of some of the sets, counted and ordered."""
    contained = settings.measure == "containment"
    sizes = np.where(members, sets.sizes, 0)
    join = Join(
        sets.starts, sizes, sets.shingles, sets.outlines, settings.threshold, contained, crowd
    )
    parts = 1 << (settings.threads - 1).bit_length()
    run = settings.threads
    list(ordered_map(lambda part: join.count(part, parts), range(parts), run))
    list(ordered_map(lambda ranks: join.order(*ranks), _ranges(len(join), run), run))
    return join


def join_pairs(
    sets: Sets,
    members: Bools,
    settings: Settings,
    crowd: int,
    take: Callable[[int, UInt32s, UInt32s, Floats], Any],
) -> Bools:
    """Hand every pair to `take(compared, a, b, similarity)`; returns which sets form crowds."""
    join = open_join(sets, members, settings, crowd)
    join.index()
    ranges = _ranges(len(join), settings.threads)
    for a, b, similarity, compared, _ in ordered_map(
        lambda ranks: join.pairs(*ranks), ranges, settings.threads
    ):
        take(compared, a, b, similarity)
    return join.crowded
