"""Copies folded, candidates found, and each pair of them verified.

Documents with the same sequence of shingles (*copies*) are folded into their first row before
anything else, so that a hundred thousand identical files cost one document, not 5e9 pairs. Of the
others, the engine `lsh` takes those that share a band key for *candidates*, and each is *verified*:
exact Jaccard similarity of the two sets of 64-bit shingle hashes. Candidates come in blocks, and
threads verify one while the next is made. The engine `exact` finds every pair by a join: `joining`.

A band key that more than `CROWD` documents share would make more than CROWD^2 / 2 candidates: its
documents go to the join instead, whatever the engine. There, documents that share a rare shingle
and for the most part resemble one another are a *crowd*, whose pairs are not listed: `linking`
compares each with those that are kept. Should the pairs still grow beyond all use, smaller crowds
are treated so, too.
"""

from collections.abc import Iterator

import numpy as np

from ann import _pairs
from ann.dedup.arrays import (
    Bools,
    Floats,
    Int64s,
    Mapped,
    Pairs,
    Progress,
    Sets,
    Sketches,
    UInt32s,
    Verified,
    sorted_pairs,
)
from ann.dedup.banding import BandWalk
from ann.dedup.joining import join_pairs
from ann.dedup.running import Clock, ordered_map
from ann.dedup.settings import Settings

CROWD = 1000  # documents: half a million pairs, as many as are compared in the blink of an eye
PAIRS_HELD = 10_000_000  # verified pairs: 40 bytes each while they are sorted
ROWS_MADE = 4096  # documents whose sets are made at once


def copies(sketches: Sketches) -> Int64s:
    """For each document the first row with the same fingerprint; for an empty one itself.

    Sorted by half of the fingerprint, neighbours are compared in full. Should two different
    documents share that half, copies may go unnoticed here; then they meet as candidates.
    """
    leader = np.arange(len(sketches.sizes))
    full = np.flatnonzero(np.diff(sketches.offsets))
    full = full[np.argsort(sketches.fingerprints[full, 0], kind="stable")]
    prints = sketches.fingerprints[full]
    new = np.ones(len(full), np.bool_)
    new[1:] = (prints[1:] != prints[:-1]).any(axis=1)
    leader[full] = full[new][np.cumsum(new) - 1]
    return leader


class TooMany(Exception):
    """More pairs than are held."""


class _Taken:
    """Pairs as they come, in the order of the work."""

    def __init__(self, most: int, progress: Progress) -> None:
        self.candidates = 0
        self._most, self._progress, self._held = most, progress, 0
        self._parts = [(np.empty(0, np.uint32), np.empty(0, np.uint32), np.empty(0))]

    def take(self, candidates: int, a: UInt32s, b: UInt32s, similarity: Floats) -> None:
        self.candidates += candidates
        self._held += len(a)
        if self._held > self._most:
            raise TooMany
        self._parts.append((a, b, similarity))
        self._progress("verify", self.candidates, 0)

    def pairs(self) -> Pairs:
        """Each once, sorted; a pair of a crowded band may also have met in a lesser one."""
        a, b, similarity = (np.concatenate(column) for column in zip(*self._parts, strict=True))
        self._parts.clear()
        pairs = sorted_pairs(a.astype(np.int64), b.astype(np.int64), similarity)
        new = np.ones(len(pairs.a), np.bool_)
        new[1:] = (np.diff(pairs.a) != 0) | (np.diff(pairs.b) != 0)
        return Pairs(pairs.a[new], pairs.b[new], pairs.similarity[new])


def verify(
    sketches: Sketches, leader: Int64s, settings: Settings, clock: Clock, progress: Progress
) -> Verified:
    """The pairs of different documents whose exact similarity reaches the threshold."""
    n = len(leader)
    sets = no_sets(sketches)
    single = (leader == np.arange(n)) & (np.diff(sketches.offsets) > 0)
    crowd = CROWD
    while True:
        taken = _Taken(max(PAIRS_HELD, n), progress)
        try:
            joined = single
            if settings.engine == "lsh":
                joined = _meet(sketches, sets, single, settings, crowd, clock, taken)
            crowded = _join(sketches, sets, joined, settings, crowd, taken)
        except TooMany:
            crowd //= 8  # in the end of any two that resemble one another
        else:
            return Verified(sets, taken.pairs(), taken.candidates, crowded)


def _meet(
    sketches: Sketches,
    sets: Sets,
    single: Bools,
    settings: Settings,
    crowd: int,
    clock: Clock,
    taken: _Taken,
) -> Bools:
    """Verify the documents that share a band key; which ones do with more than `crowd` others."""
    if sketches.mapped:
        return _meet_in_files(sketches, sketches.mapped, single, settings, crowd, clock, taken)
    candidates = _pairs.CandidatePairs(sketches.keys, ~single, crowd)

    def tasks() -> Iterator[tuple[UInt32s, UInt32s]]:
        """Candidates, once the sets of their documents are ready."""
        for pair in clock.each("pairs", candidates):
            for rows in pair:
                make_sets(sketches, sets, rows)
            yield pair

    def one(task: tuple[UInt32s, UInt32s]) -> tuple[int, UInt32s, UInt32s, Floats]:
        a, b = task
        similarity = _pairs.similarity(
            a, b, sets.starts, sets.sizes, sets.shingles, settings.threshold, sets.outlines
        )
        close = similarity >= settings.threshold
        return len(a), a[close], b[close], similarity[close]

    for result in ordered_map(one, tasks(), settings.threads):
        taken.take(*result)
    return candidates.crowded


def _meet_in_files(
    sketches: Sketches,
    mapped: Mapped,
    single: Bools,
    settings: Settings,
    crowd: int,
    clock: Clock,
    taken: _Taken,
) -> Bools:
    """The same with the arrays in files: the sets of each block of candidates are read for it."""
    candidates = BandWalk(sketches.keys, ~single, crowd, mapped)

    def tasks() -> Iterator[tuple[UInt32s, UInt32s]]:
        for pair in clock.each("pairs", candidates):
            mapped.relieve()
            yield pair

    with mapped.shingles.open("rb") as file:

        def one(task: tuple[UInt32s, UInt32s]) -> tuple[int, UInt32s, UInt32s, Floats]:
            a, b = task
            rows, places = np.unique(np.concatenate(task), return_inverse=True)
            x, y = np.split(places.astype(np.uint32), 2)
            starts, ends = sketches.offsets[rows], sketches.offsets[rows + 1]
            sizes = ends - starts
            read = _pairs.read_spans(file.fileno(), starts, sizes)
            at = np.cumsum(sizes) - sizes
            similarity = _pairs.similarity(x, y, at, sizes, read, settings.threshold)
            close = similarity >= settings.threshold
            return len(a), a[close], b[close], similarity[close]

        for result in ordered_map(one, tasks(), settings.threads):
            taken.take(*result)
    return candidates.crowded


def no_sets(sketches: Sketches) -> Sets:
    """Room for the sets of all documents."""
    n = len(sketches.sizes)
    outlines = np.zeros((n, _pairs.OUTLINE), np.uint64)
    return Sets(sketches.offsets[:-1], np.zeros(n, np.int64), sketches.shingles, outlines)


def make_sets(sketches: Sketches, sets: Sets, rows: UInt32s) -> None:
    """Make the sets of some documents, but for those that are made."""
    make = _pairs.outlines_of if sketches.mapped else _pairs.distinct_sets
    make(sketches.offsets, sketches.shingles, rows, sets.sizes, sets.outlines)


def make_all(sketches: Sketches, sets: Sets, rows: UInt32s, threads: int) -> None:
    """The same for many; pages that were looked at are let go between."""
    blocks = np.array_split(rows, len(rows) // ROWS_MADE + 1)
    for _ in ordered_map(lambda block: make_sets(sketches, sets, block), blocks, threads):
        if sketches.mapped:
            sketches.mapped.relieve()


def _join(
    sketches: Sketches,
    sets: Sets,
    members: Bools,
    settings: Settings,
    crowd: int,
    taken: _Taken,
) -> Bools:
    """Join some of the documents, if they are any; which ones form crowds."""
    rows = np.flatnonzero(members).astype(np.uint32)
    if not len(rows):
        return members
    make_all(sketches, sets, rows, settings.threads)
    return join_pairs(sets, members, settings, crowd, taken.take)
