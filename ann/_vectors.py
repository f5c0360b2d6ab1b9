"""What the indexes take in: vectors, ids and numbers, checked once and for all of them.

Vectors come as arrays of any number type, lists, or Arrow columns of (fixed-size) lists, and leave
as a C-contiguous matrix of the index's own type, or with an error that names the row. Nothing is
copied that fits as it is.
"""

import operator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ann._arrow_vectors import arrow_matrix, is_arrow
from ann._distance import DIM_MAX

METRICS = ("l2", "ip", "cosine")
DTYPES = (np.float32, np.float16, np.uint8, np.int8)
LINE = 64  # bytes of a cache line
BLOCK = 1 << 20  # elements looked at together: what a check needs beside the vectors stays small


def check_metric(metric: str) -> str:
    if metric not in METRICS:
        raise ValueError(f"metric must be one of {', '.join(METRICS)}, not {metric!r}")
    return metric


def check_dim(dim: int) -> int:
    if isinstance(dim, bool) or not 1 <= operator.index(dim) <= DIM_MAX:
        raise ValueError(f"dim must be 1 .. {DIM_MAX}, not {dim}")
    return operator.index(dim)


def check_dtype(dtype: Any) -> np.dtype[Any] | None:
    """The type that vectors are kept in; None: to be that of the first ones."""
    if dtype is None:
        return None
    kept: np.dtype[Any] = np.dtype(dtype)
    if kept == np.float64:
        return np.dtype(np.float32)
    if kept not in DTYPES:
        names = ", ".join(np.dtype(t).name for t in DTYPES)
        raise ValueError(f"dtype must be one of {names}, not {kept}")
    return kept


def dtype_for(vectors: NDArray[Any]) -> np.dtype[Any]:
    """The type an index takes on with its first vectors: theirs, or float32."""
    return vectors.dtype if vectors.dtype in DTYPES else np.dtype(np.float32)


def check_count(name: str, value: int, least: int = 1) -> int:
    if isinstance(value, bool):
        raise TypeError(f"{name} must be an integer, not bool")
    number = operator.index(value)
    if number < least:
        raise ValueError(f"{name} must be at least {least}, not {number}")
    return number


def as_matrix(vectors: Any, dim: int, what: str = "vectors") -> NDArray[Any]:
    """Vectors of any kind as a matrix of numbers [n, dim]; one vector is a matrix of one row."""
    if is_arrow(vectors) and not isinstance(vectors, np.ndarray):
        matrix = arrow_matrix(vectors, dim, what)
    else:
        try:
            matrix = np.asarray(vectors)
        except ValueError as error:
            raise ValueError(f"{what} must have {dim} numbers each: {error}") from None
    if matrix.ndim == 1 and matrix.shape[0] == dim and matrix.dtype != object:
        matrix = matrix[None]
    if matrix.size == 0 and matrix.ndim == 1:  # an empty list
        matrix = np.empty((0, dim), np.float32)
    if matrix.ndim != 2 or matrix.shape[1] != dim:
        raise ValueError(f"{what} of shape {matrix.shape}; the index has dim={dim}")
    if matrix.dtype == bool or not np.issubdtype(matrix.dtype, np.number):
        raise TypeError(f"{what} are numbers, not {matrix.dtype}")
    if np.issubdtype(matrix.dtype, np.complexfloating):
        raise TypeError(f"{what} are real numbers, not {matrix.dtype}")
    return matrix


def convert(matrix: NDArray[Any], dtype: np.dtype[Any], what: str = "vectors") -> NDArray[Any]:
    """The matrix in the index's type: C-contiguous, aligned, finite.

    Floats are rounded to shorter floats; only numbers that are bytes already become bytes.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        kept = np.require(matrix, dtype, ["C", "A"])
    if np.issubdtype(matrix.dtype, np.integer) and not np.issubdtype(dtype, np.integer):
        return kept if dtype == np.float32 else _finite(matrix, kept, what)
    if not np.issubdtype(dtype, np.integer):
        return _finite(matrix, kept, what)
    if kept.dtype != matrix.dtype:
        for start, rows in _blocks(matrix):
            wrong = (rows != kept[start : start + len(rows)]).any(axis=1)
            if wrong.any():
                row = start + int(wrong.argmax())
                raise ValueError(
                    f"row {row} of {what} holds what is no {dtype}: an index of {dtype} takes whole"
                    f" numbers of {np.iinfo(dtype).min} .. {np.iinfo(dtype).max}"
                )
    return kept


def _finite(matrix: NDArray[Any], kept: NDArray[Any], what: str) -> NDArray[Any]:
    for start, rows in _blocks(kept):
        if not np.isfinite(rows).all():
            row = start + int((~np.isfinite(rows)).any(axis=1).argmax())
            if np.isfinite(matrix[row]).all():
                raise ValueError(f"row {row} of {what} is beyond the range of {kept.dtype}")
            raise ValueError(f"row {row} of {what} holds NaN or infinity")
    return kept


def _blocks(matrix: NDArray[Any]) -> Any:
    step = max(1, BLOCK // max(1, matrix.shape[1]))
    for start in range(0, len(matrix), step):
        yield start, matrix[start : start + step]


def refuse_zeros(matrix: NDArray[Any], what: str = "vectors") -> None:
    """A vector of zeros has no direction, and so no cosine."""
    for start, rows in _blocks(matrix):
        some = rows.any(axis=1)
        if not some.all():
            row = start + int((~some).argmax())
            raise ValueError(f"row {row} of {what} is all zeros: it has no cosine to anything")


def as_ids(ids: Any, n: int | None = None) -> NDArray[np.int64]:
    """Ids of any integer kind as int64[n]; one id is an array of one."""
    array = np.asarray(ids)
    if array.size == 0 and array.dtype == np.float64:  # an empty list
        array = array.astype(np.int64)
    if array.ndim > 1:
        raise ValueError(f"ids of shape {array.shape}; they are one-dimensional")
    array = array.reshape(-1)
    if array.dtype == object and all(
        isinstance(name, (int, np.integer)) and not isinstance(name, bool) for name in array
    ):
        for name in array:
            if not -(2**63) <= name < 2**63:
                raise ValueError(f"id {name} is beyond 64 bits")
        array = array.astype(np.int64)
    if not np.issubdtype(array.dtype, np.integer):
        raise TypeError(f"ids are integers, not {array.dtype}")
    if array.dtype == np.uint64 and array.size and array.max() > np.uint64(2**63 - 1):
        raise ValueError(f"id {array.max()} is beyond 64 bits")
    if n is not None and len(array) != n:
        raise ValueError(f"{len(array)} ids for {n} vectors")
    return np.ascontiguousarray(array, np.int64)


def nothing_found(queries: int, k: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The answer that has yet to be filled in: ids of -1 at infinite distances, [queries, k]."""
    return np.full((queries, k), -1, np.int64), np.full((queries, k), np.inf, np.float32)


NONE = np.empty(0, np.int64), np.empty(0, np.float32)  # a query that nothing answers


def by_query(
    answers: list[tuple[NDArray[np.int64], NDArray[np.float32]]],
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    """Answers of any number to each query, one behind the other: offsets, ids, distances."""
    ids, distances = zip(NONE, *answers, strict=True)
    offsets = np.cumsum([len(part) for part in ids], dtype=np.int64)
    return offsets, np.concatenate(ids), np.concatenate(distances)


def aligned(shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
    """An empty array that begins a cache line: loads of whole vectors do not straddle two."""
    nbytes = int(np.prod(shape)) * np.dtype(dtype).itemsize
    memory = np.empty(nbytes + LINE, np.uint8)
    start = -memory.ctypes.data % LINE
    placed: NDArray[Any] = memory[start : start + nbytes].view(dtype)
    return placed.reshape(shape)
