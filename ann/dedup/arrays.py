"""What one stage of the search hands to the next: arrays by row, and nothing of the text."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Int64s = npt.NDArray[np.int64]
UInt32s = npt.NDArray[np.uint32]
UInt64s = npt.NDArray[np.uint64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Progress = Callable[[str, int, int], None]


class Batch(NamedTuple):
    """Some documents in row order: their texts, and the UTF-8 bytes of each."""

    texts: Any
    sizes: Int64s


class Sketches(NamedTuple):
    """What is kept of the documents once their text has gone by."""

    bands: int
    rows: int
    keys: UInt64s  # [n, bands]
    fingerprints: UInt64s  # [n, 2], equal for copies
    offsets: Int64s  # [n + 1]: where each document's shingles start; an empty one has none
    shingles: UInt64s
    sizes: Int64s
    invalid: int  # stretches of bytes that were no UTF-8


class Pairs(NamedTuple):
    """Verified pairs of rows, a < b, sorted by (a, b)."""

    a: Int64s
    b: Int64s
    jaccard: Floats


class Found(NamedTuple):
    """The outcome of the search, by row."""

    representative: Int64s  # the row kept in this one's place; its own number: it is kept
    similarity: Floats  # exact Jaccard similarity to the representative
    pairs: Pairs
    candidates: int
    unlisted: int  # pairs of copies beyond COPIES_LISTED, true but not in `pairs`


def sorted_pairs(a: Int64s, b: Int64s, jaccard: Floats) -> Pairs:
    """Pairs of rows, a < b, in their order."""
    by_rows = np.argsort(a << 32 | b)  # rows are numbered in 32 bits
    return Pairs(a[by_rows], b[by_rows], jaccard[by_rows])
