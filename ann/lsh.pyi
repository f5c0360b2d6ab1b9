import os
from typing import Any, TypeAlias, final

import numpy as np
from numpy.typing import NDArray

from sketches import MinHash

_Signatures: TypeAlias = MinHash | list[MinHash] | NDArray[np.uint32]
_Ids: TypeAlias = int | str | list[int] | list[str] | NDArray[Any]

EMPTY: int

@final
class MinHashLSH:
    threshold: float
    recall: float
    num_perm: int
    bands: int
    rows: int
    def __new__(
        cls,
        threshold: float = 0.8,
        recall: float = 0.99,
        num_perm: int = 128,
        *,
        bands: int | None = None,
        rows: int | None = None,
    ) -> MinHashLSH: ...
    def add(self, signatures: _Signatures, ids: _Ids | None = None) -> None: ...
    def query(self, signatures: _Signatures) -> list[Any]: ...
    def candidate_pairs(self) -> tuple[NDArray[Any], NDArray[Any]]: ...
    def remove(self, ids: _Ids) -> None: ...
    def __len__(self) -> int: ...
    def __contains__(self, name: object, /) -> bool: ...
    @property
    def nbytes(self) -> int: ...
    def to_bytes(self) -> bytes: ...
    @staticmethod
    def from_bytes(image: bytes | bytearray | memoryview) -> MinHashLSH: ...
    def save(self, path: str | os.PathLike[str]) -> None: ...
    @staticmethod
    def load(path: str | os.PathLike[str]) -> MinHashLSH: ...
