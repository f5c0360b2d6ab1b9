from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

OUTLINE: int
BLOCK: int

def band_keys(signatures: NDArray[np.uint32], bands: int, rows: int) -> NDArray[np.uint64]: ...

class CandidatePairs:
    def __new__(
        cls, keys: NDArray[np.uint64], skip: ArrayLike | None = None, most: int | None = None
    ) -> CandidatePairs: ...
    @property
    def crowded(self) -> NDArray[np.bool_]: ...
    def __iter__(self) -> Iterator[tuple[NDArray[np.uint32], NDArray[np.uint32]]]: ...
    def __next__(self) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]: ...

def candidate_pairs(
    keys: NDArray[np.uint64], skip: ArrayLike | None = None
) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]: ...
def read_spans(
    file: int, starts: NDArray[np.int64], sizes: NDArray[np.int64]
) -> NDArray[np.uint64]: ...
def text_keys(offsets: NDArray[np.int64], shingles: NDArray[np.uint64]) -> NDArray[np.uint64]: ...
def distinct_sets(
    offsets: NDArray[np.int64],
    shingles: NDArray[np.uint64],
    rows: NDArray[np.uint32],
    counts: NDArray[np.int64],
    outlines: NDArray[np.uint64],
) -> None: ...
def outlines_of(
    offsets: NDArray[np.int64],
    shingles: NDArray[np.uint64],
    rows: NDArray[np.uint32],
    counts: NDArray[np.int64],
    outlines: NDArray[np.uint64],
) -> None: ...
def distinct(offsets: NDArray[np.int64], shingles: NDArray[np.uint64]) -> NDArray[np.int64]: ...
def similarity(
    a: NDArray[np.uint32],
    b: NDArray[np.uint32],
    starts: NDArray[np.int64],
    counts: NDArray[np.int64],
    shingles: NDArray[np.uint64],
    threshold: float = 0.0,
    outlines: NDArray[np.uint64] | None = None,
    containment: bool = False,
) -> NDArray[np.float64]: ...
