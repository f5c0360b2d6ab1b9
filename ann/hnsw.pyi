import os
from typing import Any, final

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from ann._graph import BLOCK as BLOCK
from ann._graph import SEED as SEED
from ann._graph import START as START
from ann._graph import Graph
from ann._projection import LINE as LINE

EF_MAX: int

@final
class HNSW(Graph):
    def add(
        self, vectors: Any, ids: ArrayLike | None = None, *, threads: int | None = None
    ) -> None: ...
    def remove(self, ids: ArrayLike) -> None: ...
    def update(self, ids: ArrayLike, vectors: Any, *, threads: int | None = None) -> None: ...
    def search(
        self,
        queries: Any,
        k: int,
        *,
        filter: Any = None,
        threads: int | None = None,
        ef_search: int | None = None,
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]: ...
    def search_radius(
        self,
        queries: Any,
        radius: float,
        *,
        filter: Any = None,
        threads: int | None = None,
        ef_search: int | None = None,
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]: ...
    def tune(self, queries: Any, *, recall: float = 0.95, k: int = 10) -> float: ...
    def get(self, ids: ArrayLike) -> NDArray[Any]: ...
    @property
    def ids(self) -> NDArray[np.int64]: ...
    @property
    def nbytes(self) -> int: ...
    @staticmethod
    def estimate_bytes(
        n: int,
        dim: int,
        metric: str = "l2",
        *,
        M: int = 16,
        codes: str = "auto",
        dtype: DTypeLike = ...,
        sample: Any = None,
    ) -> int: ...
    def save(self, path: str | bytes | os.PathLike[str] | os.PathLike[bytes]) -> None: ...
    @staticmethod
    def load(
        path: str | bytes | os.PathLike[str] | os.PathLike[bytes], mmap: bool = False
    ) -> HNSW: ...
    def __len__(self) -> int: ...
    def __contains__(self, name: object, /) -> bool: ...

def from_image(image: bytes) -> HNSW: ...
