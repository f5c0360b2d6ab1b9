from concurrent.futures import ThreadPoolExecutor as ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Any, Self

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ann._projection import LINE as LINE
from ann._vectors import METRICS as METRICS

KINDS: list[np.dtype[Any]]
START: int
RELEARN: int
LEARNT_ENOUGH: int
RENEW: int
REPAIR: int
BLOCK: int
EF_SEARCH: int
SEED: int

def alone(index: Graph) -> AbstractContextManager[None]: ...

class Graph:
    ef_search: int
    def __new__(
        cls,
        dim: int,
        metric: str = "l2",
        *,
        M: int = 16,
        ef_construction: int = 200,
        codes: str = "auto",
        dtype: DTypeLike | None = None,
        seed: int = 9001,
    ) -> Self: ...
    @property
    def dim(self) -> int: ...
    @property
    def metric(self) -> str: ...
    @property
    def M(self) -> int: ...
    @property
    def ef_construction(self) -> int: ...
    @property
    def codes(self) -> str: ...
    @property
    def dtype(self) -> np.dtype[Any] | None: ...
    def _write_rows(self, rows: NDArray[Any], at: NDArray[np.int64]) -> None: ...
    def _encode(self, start: int, stop: int) -> None: ...
    def _join_part(self, order: NDArray[np.uint32]) -> None: ...
