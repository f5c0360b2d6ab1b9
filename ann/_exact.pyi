from typing import Any, final

import numpy as np
from numpy.typing import NDArray

TYPES: dict[str, int]
METRICS: dict[str, int]

_Codes = tuple[NDArray[np.int8], NDArray[np.float32], float, float]

def norms(rows: NDArray[Any], metric: str) -> NDArray[np.float32]: ...
def encode(
    rows: NDArray[Any], step: float, middle: float
) -> tuple[NDArray[np.int8], NDArray[np.float32]]: ...

@final
class View:
    rows: NDArray[Any]
    norm: NDArray[np.float32]
    codes: NDArray[np.int8] | None
    error: NDArray[np.float32] | None
    only: object
    metric: str
    def __init__(
        self,
        rows: NDArray[Any],
        norm: NDArray[np.float32],
        metric: str,
        typical: float = 1.0,
        codes: _Codes | None = None,
    ) -> None: ...
    def among(self, slots: NDArray[np.int64]) -> View: ...
    def __len__(self) -> int: ...
    def nearest(
        self,
        queries: NDArray[Any],
        start: int,
        stop: int,
        slots: NDArray[np.int64],
        distances: NDArray[np.float32],
    ) -> None: ...
    def within(
        self, queries: NDArray[Any], radius: float
    ) -> list[tuple[NDArray[np.int64], NDArray[np.float32]]]: ...
