"""Copies folded, candidates found, and each pair of them verified.

Documents with the same sequence of shingles (*copies*) are folded into their first row before
anything else, so that a hundred thousand identical files cost one document, not 5e9 pairs. Of the
others, those that share a band key are *candidates*, and each is *verified*: exact Jaccard
similarity of the two sets of 64-bit shingle hashes. Candidates come in blocks, and threads verify
one while the next is made.
"""

from collections.abc import Iterator

import numpy as np

from ann import _pairs
from ann.dedup.arrays import Floats, Int64s, Pairs, Progress, Sketches, UInt32s, sorted_pairs
from ann.dedup.running import Clock, ordered_map
from ann.dedup.settings import Settings


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


def verify(
    sketches: Sketches, leader: Int64s, settings: Settings, clock: Clock, progress: Progress
) -> tuple[Pairs, int]:
    """The candidates whose exact Jaccard similarity reaches the threshold; how many there were."""
    n = len(leader)
    sizes = np.zeros(n, np.int64)  # of the distinct sets made so far
    starts = sketches.offsets[:-1]
    outlines = np.zeros((n, 8), np.uint64)
    done = 0

    def tasks() -> Iterator[tuple[UInt32s, UInt32s]]:
        """Candidates, once the sets of their documents are ready."""
        skip = (leader != np.arange(n)) | (np.diff(sketches.offsets) == 0)
        for pair in clock.each("pairs", _pairs.CandidatePairs(sketches.keys, skip)):
            for rows in pair:
                _pairs.distinct_sets(sketches.offsets, sketches.shingles, rows, sizes, outlines)
            yield pair

    def one(task: tuple[UInt32s, UInt32s]) -> tuple[int, UInt32s, UInt32s, Floats]:
        a, b = task
        similarity = _pairs.jaccard(
            a, b, starts, sizes, sketches.shingles, settings.threshold, outlines
        )
        close = similarity >= settings.threshold
        return len(a), a[close], b[close], similarity[close]

    parts = [(np.empty(0, np.uint32), np.empty(0, np.uint32), np.empty(0))]
    for count, close_a, close_b, similarity in ordered_map(one, tasks(), settings.threads):
        parts.append((close_a, close_b, similarity))
        done += count
        progress("verify", done, 0)
    a, b, jaccard = (np.concatenate(column) for column in zip(*parts, strict=True))
    return sorted_pairs(a.astype(np.int64), b.astype(np.int64), jaccard), done
