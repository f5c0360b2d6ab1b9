"""What one stage of the search hands to the next: arrays by row, and nothing of the text."""

import mmap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Int64s = npt.NDArray[np.int64]
UInt32s = npt.NDArray[np.uint32]
UInt64s = npt.NDArray[np.uint64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Progress = Callable[[str, int, int], None]
Announce = Callable[[str], None]  # a line that people should see at once


class Batch(NamedTuple):
    """Some documents in row order, and all that is remembered of each."""

    texts: Any
    sizes: Int64s  # UTF-8 bytes
    ids: Sequence[int | str] | None = None
    places: Int64s | None = None  # [n, 2]: where the source finds each again, if it needs that


class Mapped(NamedTuple):
    """Arrays that lie in files: their pages count as memory of the process once looked at."""

    arrays: list[Any]  # np.memmap
    memory: int  # bytes from which on the pages are let go
    shingles: Path  # the file of them, to read what is compared

    def relieve(self) -> None:
        """Let go of the pages, which stay in the system's cache, where the process is too large."""
        if resident() > self.memory * 3 // 4:  # before what comes next has filled the rest
            for array in self.arrays:
                array._mmap.madvise(mmap.MADV_DONTNEED)


def resident() -> int:
    """Bytes of memory the process has; where the system does not tell, more than any limit."""
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[1]) * mmap.PAGESIZE
    except OSError:
        return 1 << 62


class Sketches(NamedTuple):
    """What is kept of the documents once their text has gone by."""

    bands: int
    rows: int
    keys: UInt64s  # [n, bands]
    fingerprints: UInt64s  # [n, 2], equal for copies
    offsets: Int64s  # [n + 1]: where each document's shingles start; an empty one has none
    shingles: UInt64s
    sizes: Int64s
    short: int  # documents of a single shingle
    invalid: int  # stretches of bytes that were no UTF-8
    mapped: "Mapped | None" = None  # then keys are [bands, n] and shingles sorted sets, read-only


class Sets(NamedTuple):
    """The distinct shingles of each document, rising; of size 0 until they are made."""

    starts: Int64s
    sizes: Int64s
    shingles: UInt64s
    outlines: UInt64s  # [n, 8]


class Pairs(NamedTuple):
    """Verified pairs of rows, a < b, sorted by (a, b)."""

    a: Int64s
    b: Int64s
    similarity: Floats


class Known(NamedTuple):
    """Documents that an index has already: they are removed, and take no part in the search."""

    rows: Int64s
    ids: list[str]  # of what they resemble most there
    similarity: Floats


NOTHING_KNOWN = Known(np.empty(0, np.int64), [], np.empty(0))


class Documents(NamedTuple):
    """All that is known of the documents once their text has gone by."""

    sketches: Sketches
    ids: Any  # int64 or object of str; None: row numbers
    places: Int64s  # [m, 2], of those rows whose sources need them
    known: Known = NOTHING_KNOWN


class Verified(NamedTuple):
    """What the search for pairs of different documents leaves for the linking."""

    sets: Sets
    pairs: Pairs
    candidates: int
    crowd: Bools  # of two documents marked here the pair may be similar and not be listed


class Found(NamedTuple):
    """The outcome of the search, by row."""

    representative: Int64s  # the row kept in this one's place; its own number: it is kept
    similarity: Floats  # exact Jaccard similarity to the representative
    pairs: Pairs
    candidates: int
    unlisted: int  # pairs of copies beyond COPIES_LISTED, true but not in `pairs`
    crowded: int  # documents of crowds, of which only the pairs with kept ones are sure to be there
    giants: list[int]  # sizes of groups that were too large to be merged for a chain
    cluster: Int64s  # the row that stands for the cluster; `one-per` keeps others of it, too
    reason: npt.NDArray[np.int8]  # why a row stays or goes: of `keeping.REASONS`


def pair_numbers(a: Int64s, b: Int64s) -> UInt64s:
    """A number for each pair, in the order of (a, b): rows are numbered in 32 bits."""
    return np.asarray(a.astype(np.uint64) << np.uint64(32) | b.astype(np.uint64))


def sorted_pairs(a: Int64s, b: Int64s, similarity: Floats) -> Pairs:
    """Pairs of rows, a < b, in their order."""
    by_rows = np.argsort(pair_numbers(a, b))
    return Pairs(a[by_rows], b[by_rows], similarity[by_rows])
