from typing import Any, final

import numpy as np
from numpy.typing import NDArray

BLOCK: int
NOWHERE: np.uint16
KINDS: list[np.dtype[Any]]

def learn_book(
    residuals: NDArray[np.float32], width: int, rounds: int, rng: np.random.Generator
) -> NDArray[np.float32]: ...

@final
class Lists:
    centroids: NDArray[np.float32]
    book: NDArray[np.float32] | None
    rows: NDArray[Any]
    scaled: bool
    def __init__(
        self,
        centroids: NDArray[np.float32],
        metric: int,
        book: NDArray[np.float32] | None = None,
        scaled: bool = False,
    ) -> None: ...
    def set_rows(
        self,
        rows: NDArray[Any],
        metric: int,
        by: NDArray[np.float32] | None = None,
        plus: NDArray[np.float32] | None = None,
    ) -> None: ...
    def __len__(self) -> int: ...
    @property
    def lengths(self) -> NDArray[np.uint32]: ...
    @property
    def nbytes(self) -> int: ...
    def encode(
        self, vectors: NDArray[np.float32], lists: NDArray[np.uint32]
    ) -> tuple[Any, ...]: ...
    def reserve(self, lists: NDArray[np.uint32]) -> None: ...
    def put(
        self, lists: NDArray[np.uint32], slots: NDArray[np.uint32], codes: tuple[Any, ...]
    ) -> None: ...
    def take(self, lists: NDArray[np.uint32], slots: NDArray[np.uint32]) -> None: ...
    def search(
        self,
        floats: NDArray[np.float32],
        rows: NDArray[Any],
        base: NDArray[np.float32],
        factor: NDArray[np.float32],
        nprobe: int,
        keep: int,
        mask: NDArray[np.uint8] | None,
        start: int,
        stop: int,
        slots: NDArray[np.int64],
        distances: NDArray[np.float32],
        only: NDArray[np.uint32] | None = None,
    ) -> int: ...
    def members(self, query: NDArray[np.float32], nprobe: int) -> NDArray[np.uint32]: ...
    def sections(self) -> dict[str, NDArray[Any]]: ...
    @property
    def parameters(self) -> dict[str, int]: ...
    def restore(self, file: Any, slots: int) -> NDArray[np.uint16]: ...
