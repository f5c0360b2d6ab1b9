from typing import Any, Literal, TypeAlias, overload

import numpy as np
from numpy.typing import NDArray

_Scalar: TypeAlias = str | bytes | int | float
_Hashes: TypeAlias = NDArray[np.uint64]
_Valid: TypeAlias = NDArray[np.bool_]

# Batches are Any: iterables, arrays and objects of libraries that need not be installed.
@overload
def hash64(
    items: _Scalar,
    seed: int = 9001,
    *,
    skip_empty: Literal[False] = False,
    return_valid: Literal[False] = False,
) -> int: ...
@overload
def hash64(
    items: Any, seed: int = 9001, *, skip_empty: bool = False, return_valid: Literal[False] = False
) -> _Hashes: ...
@overload
def hash64(
    items: Any, seed: int = 9001, *, skip_empty: bool = False, return_valid: Literal[True]
) -> tuple[_Hashes, _Valid]: ...
@overload
def hash128(
    items: _Scalar,
    seed: int = 9001,
    *,
    skip_empty: Literal[False] = False,
    return_valid: Literal[False] = False,
) -> tuple[int, int]: ...
@overload
def hash128(
    items: Any, seed: int = 9001, *, skip_empty: bool = False, return_valid: Literal[False] = False
) -> tuple[_Hashes, _Hashes]: ...
@overload
def hash128(
    items: Any, seed: int = 9001, *, skip_empty: bool = False, return_valid: Literal[True]
) -> tuple[_Hashes, _Hashes, _Valid]: ...
def _checksum(data: bytes | memoryview) -> int: ...
def _seal(image: bytes) -> bytes: ...
