from typing import final

import numpy as np
from numpy.typing import ArrayLike, NDArray

@final
class Join:
    def __new__(
        cls,
        starts: NDArray[np.int64],
        sizes: NDArray[np.int64],
        shingles: NDArray[np.uint64],
        outlines: NDArray[np.uint64],
        threshold: float,
        containment: bool = False,
        crowd: int = 1000,
    ) -> Join: ...
    @property
    def indexed(self) -> bool: ...
    @property
    def nbytes(self) -> int: ...
    @property
    def crowded(self) -> NDArray[np.bool_]: ...
    def __len__(self) -> int: ...
    def count(self, part: int = 0, parts: int = 1) -> None: ...
    def order(self, start: int, stop: int) -> None: ...
    def index(self) -> None: ...
    def pairs(
        self, start: int, stop: int
    ) -> tuple[NDArray[np.uint32], NDArray[np.uint32], NDArray[np.float64], int]: ...

def link_representative(
    order: ArrayLike, a: ArrayLike, b: ArrayLike, crowd: Join | None = None
) -> tuple[NDArray[np.int64], NDArray[np.float64], int]: ...
