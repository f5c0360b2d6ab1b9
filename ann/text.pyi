from typing import Any, Literal, final, overload

import numpy as np
from numpy.typing import NDArray

ALGORITHM: str

@final
class TextSketcher:
    num_perm: int
    ngram: int
    unit: str
    casefold: bool
    normalize: str | None
    seed: int
    invalid: int
    def __new__(
        cls,
        num_perm: int = 128,
        ngram: int = 5,
        unit: str = "word",
        casefold: bool = True,
        normalize: str | None = None,
        seed: int = 9001,
    ) -> TextSketcher: ...
    @overload
    def sketch(
        self, texts: Any, shingles: Literal[True] = True
    ) -> tuple[NDArray[np.uint32], NDArray[np.int64], NDArray[np.uint64]]: ...
    @overload
    def sketch(self, texts: Any, shingles: Literal[False]) -> NDArray[np.uint32]: ...
    def shingles(self, texts: Any) -> tuple[NDArray[np.int64], NDArray[np.uint64]]: ...

def shingle(
    texts: Any,
    *,
    ngram: int = 5,
    unit: str = "word",
    casefold: bool = True,
    normalize: str | None = None,
    seed: int = 9001,
) -> tuple[NDArray[np.int64], NDArray[np.uint64]]: ...
