from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

DIM_MAX: int
GROUP: int
METRICS: dict[str, int]

def distances(
    query: ArrayLike, rows: ArrayLike, metric: str, at: ArrayLike | None = None, times: int = 1
) -> NDArray[Any]: ...
def nibbles(query: NDArray[np.int8], rows: NDArray[np.uint8]) -> NDArray[np.int32]: ...
def bits(planes: NDArray[np.uint64], rows: NDArray[np.uint64]) -> NDArray[np.uint32]: ...
def fastscan(tables: NDArray[np.uint8], codes: NDArray[np.uint8]) -> NDArray[np.uint16]: ...
