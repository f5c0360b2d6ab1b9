"""Candidates from band keys that lie in files: one band at a time, and of a band what fits.

In memory the keys of a document lie together, which is what comparing two documents wants. Here
they lie band by band, so that sorting a band reads its keys once, in their order. Where a band
(8 bytes of key, 4 of document, and room to sort) does not fit the memory, it is walked in ranges of
its keys, which are hashes and so spread evenly: the column is read once a range, and nothing is
spilled and merged. For that to take more than two or three readings the arrays of a few bytes a
document that any search holds would have to be larger than the memory themselves.
"""

from collections.abc import Iterator

import numpy as np

from ann import _pairs
from ann.dedup.arrays import Bools, Int64s, Mapped, UInt32s, UInt64s

SORTED = 48  # bytes a document while a band is sorted: its key and row, two records of 16
PAIRS = 1 << 14  # at once: their sets are read together


class BandWalk:
    """As `_pairs.CandidatePairs`: the pairs that share a key, each once, in blocks.

    Parameters
    ----------
    keys : uint64[bands, n]
    skip : bool[n]
    most : int
        The most documents under one key that are paired with one another; see `crowded`.
    mapped : Mapped
        What the keys are among; a quarter of its memory is for sorting.

    Attributes
    ----------
    crowded : bool[n]
        Documents under a key of more than `most`, once all is done.
    """

    def __init__(self, keys: UInt64s, skip: Bools, most: int, mapped: Mapped) -> None:
        self._keys, self._skip, self._most, self._mapped = keys, skip, most, mapped
        memory = mapped.memory // 4
        self.crowded = np.zeros(len(skip), np.bool_)
        self._ranges = max(1, -(-SORTED * int((~skip).sum()) // max(memory, 1)))

    def __iter__(self) -> Iterator[tuple[UInt32s, UInt32s]]:
        for band in range(len(self._keys)):
            for rows in self._parts(band):
                walk = _pairs.CandidatePairs(self._keys[band][rows][:, None], None, self._most)
                for a, b in walk:
                    yield from self._new(band, rows[a], rows[b])
                self.crowded[rows[walk.crowded]] = True

    def _parts(self, band: int) -> Iterator[Int64s]:
        """The rows of each range of the keys."""
        column = self._keys[band]
        step = 2**64 // self._ranges + 1
        for i in range(self._ranges):
            inside = ~self._skip
            if self._ranges > 1:
                inside &= column >= np.uint64(i * step)
                inside &= column <= np.uint64(min((i + 1) * step, 2**64) - 1)
            yield np.flatnonzero(inside)

    def _new(self, band: int, a: Int64s, b: Int64s) -> Iterator[tuple[UInt32s, UInt32s]]:
        """Those that have met in no earlier band."""
        for earlier in self._keys[:band]:
            apart = earlier[a] != earlier[b]
            a, b = a[apart], b[apart]
            self._mapped.relieve()
        for start in range(0, len(a), PAIRS):
            block = slice(start, start + PAIRS)
            yield a[block].astype(np.uint32), b[block].astype(np.uint32)
