import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sketches import MinHash

Signatures = MinHash | list[MinHash] | NDArray[np.uint32]
Ids = int | str | list[int] | list[str] | NDArray[Any]

class MinHashLSH:
    threshold: float
    recall: float
    num_perm: int
    bands: int
    rows: int
    def __init__(
        self,
        threshold: float = 0.8,
        recall: float = 0.99,
        num_perm: int = 128,
        *,
        bands: int | None = None,
        rows: int | None = None,
    ) -> None: ...
    def add(self, signatures: Signatures, ids: Ids | None = None) -> None: ...
    def query(self, signatures: Signatures) -> list[Any]: ...
    def candidate_pairs(self) -> tuple[NDArray[Any], NDArray[Any]]: ...
    def remove(self, ids: Ids) -> None: ...
    def __len__(self) -> int: ...
    def __contains__(self, name: object) -> bool: ...
    @property
    def nbytes(self) -> int: ...
    def to_bytes(self) -> bytes: ...
    @staticmethod
    def from_bytes(image: bytes | bytearray | memoryview) -> MinHashLSH: ...
    def save(self, path: str | os.PathLike[str]) -> None: ...
    @staticmethod
    def load(path: str | os.PathLike[str]) -> MinHashLSH: ...
