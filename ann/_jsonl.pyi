from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

class Texts:
    offsets: NDArray[np.int64]
    data: NDArray[np.uint8]
    def __new__(cls, offsets: NDArray[np.int64], data: NDArray[np.uint8]) -> Texts: ...
    def __len__(self) -> int: ...
    def __arrow_c_array__(self, requested_schema: object = None) -> tuple[object, object]: ...
    def __getitem__(self, row: int) -> str: ...

class JsonLines:
    def __new__(cls, text: str, id: str | None = None) -> JsonLines: ...
    def take(
        self,
        block: bytes,
        judge: Callable[[bytes, int], tuple[str, int | str | None] | None],
    ) -> tuple[Texts, NDArray[np.int64], list[int | str], int]: ...
