from typing import Any, ClassVar, final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sketches._counters import Counters

ALGORITHM: str

@final
class CountMin(Counters):
    __hash__: ClassVar[None]
    def __new__(
        cls,
        width: int,
        depth: int,
        seed: int = 9001,
        dtype: str = "uint32",
        conservative: bool = False,
    ) -> CountMin: ...
    @classmethod
    def for_error(cls, eps: float, delta: float = 0.01, **options: Any) -> CountMin: ...
    # One item gives a number, a batch an array of them.
    def estimate(self, items: Any) -> Any: ...
    def estimate_hashes(self, hashes: ArrayLike) -> NDArray[np.uint64]: ...
    def bounds(self, items: Any, confidence: float = 0.95) -> tuple[Any, Any]: ...
    @property
    def error(self) -> float: ...
    @property
    def conservative(self) -> bool: ...
    def inner_product(self, other: CountMin) -> int: ...
    def to_bytes(self) -> bytes: ...
    @staticmethod
    def from_bytes(image: bytes | bytearray | memoryview) -> CountMin: ...
