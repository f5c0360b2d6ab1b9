"""Exact nearest neighbours: the plain answer, as fast as the machine can read or multiply.

Vectors lie in one matrix, without gaps: a removed one is replaced by the last. csrc/exact.h says
how they are searched, and why float32 sums cannot change the result.
"""

import threading
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ann._container import Path, Reader, write
from ann._exact import View, encode, norms
from ann._filters import allowed_slots
from ann._gate import Gate
from ann._slots import Slots
from ann._threads import check_threads, share_out
from ann._vectors import (
    NONE,
    aligned,
    as_ids,
    as_matrix,
    by_query,
    check_count,
    check_dim,
    check_dtype,
    check_metric,
    convert,
    dtype_for,
    nothing_found,
    refuse_zeros,
)
from sketches import FormatError

KIND, VERSION = b"EXCT", 1
SAMPLE = 1 << 20  # numbers that the range of the codes is taken from
LEAST_QUERIES = 16  # a thread: fewer do not pay for starting it


class Exact:
    """An index that compares a query with every vector.

    Parameters
    ----------
    dim : int
        Numbers a vector, 1 to 32,768.
    metric : {"l2", "ip", "cosine"}, default "l2"
        Distances are the squared Euclidean one, ``1 - <x, q>``, and ``1 - cos(x, q)``.
    dtype : float32, float16, uint8 or int8, optional
        What vectors are kept as; by default as the first ones come, of other types as float32.
    prefilter : bool, default True
        Keep a byte beside each float (``l2`` only). Single queries then read those first, a
        quarter of the memory, and the vectors themselves only where the bytes cannot rule them
        out. Results are the same with and without.

    Notes
    -----
    Results are those of brute force in float64 on the vectors as kept and the queries as float32
    (for an index of bytes: as bytes). Sums are made in float32 or in integers, their errors are
    bounded, and whatever the bound leaves open is computed in float64 (see ``csrc/exact.h``). Only
    the order of equal distances is open.

    A query takes the time to read all vectors once. A batch is a matrix multiplication, which reads
    them once for hundreds of queries.

    Searches go on beside each other and beside `add`; `remove` and `update` wait for those under
    way.

    Examples
    --------
    >>> import numpy as np
    >>> from ann import Exact
    >>> index = Exact(2)
    >>> index.add([[0, 0], [3, 4], [6, 8]], ids=[10, 20, 30])
    >>> ids, distances = index.search([[3, 3]], k=2)
    >>> ids.tolist(), distances.tolist()
    ([[20, 10]], [[1.0, 18.0]])
    """

    def __init__(
        self, dim: int, metric: str = "l2", dtype: Any = None, *, prefilter: bool = True
    ) -> None:
        self.dim = check_dim(dim)
        self.metric = check_metric(metric)
        self.prefilter = bool(prefilter)
        self._dtype = check_dtype(dtype)
        self._lock = threading.RLock()
        self._gate = Gate()
        self._slots = Slots()
        self._clear()

    def _clear(self) -> None:
        self._n = 0
        self._rows: NDArray[Any] | None = None  # [room, dim], and beside it by row:
        self._norm = np.empty(0, np.float32)
        self._codes: NDArray[np.int8] | None = None
        self._error: NDArray[np.float32] | None = None
        self._step, self._middle, self._coded = 1.0, 0.0, 0
        self._lengths = 0.0  # the sum of |x|
        self._view: View | None = None

    # ------------------------------------------------------------------ what is there

    @property
    def dtype(self) -> np.dtype[Any] | None:
        """What vectors are kept as; None while that is open."""
        return self._dtype

    @property
    def ids(self) -> NDArray[np.int64]:
        """The ids of all vectors, in the order in which a mask in `filter` names them."""
        with self._gate.shared():
            return self._slots.names(np.arange(self._n))

    @property
    def nbytes(self) -> int:
        """Bytes of the vectors, ids, and what lies beside them, room for more included."""
        arrays = [self._rows, self._norm, self._codes, self._error]
        return self._slots.nbytes + sum(a.nbytes for a in arrays if a is not None)

    def __len__(self) -> int:
        return self._n

    def __contains__(self, name: object) -> bool:
        return name in self._slots

    def __repr__(self) -> str:
        kept = self._dtype.name if self._dtype else None
        return f"Exact(dim={self.dim}, metric={self.metric!r}, dtype={kept}) <{self._n} vectors>"

    # ------------------------------------------------------------------ changes

    def add(self, vectors: Any, ids: ArrayLike | None = None) -> None:
        """Add vectors.

        Parameters
        ----------
        vectors : [n, dim] or [dim]
            Any array of numbers, lists, or an Arrow column of lists.
        ids : int64[n], optional
            By default those that follow the largest there has been, from 0 on.

        Raises
        ------
        ValueError
            For another dim, NaN or infinity, a number that `dtype` cannot hold, zeros under
            ``cosine``, an id that is there or comes twice; with the row. Nothing is added then.
        """
        matrix = as_matrix(vectors, self.dim)
        given = None if ids is None else as_ids(ids, len(matrix))
        with self._lock:
            kept = self._dtype or dtype_for(matrix)
            matrix = self._converted(matrix, kept)
            if not len(matrix):
                return
            names = self._slots.next_ids(len(matrix)) if given is None else given
            self._reserve(self._n + len(matrix), kept)
            self._put(self._n, matrix)
            try:
                self._slots.add(names, np.arange(self._n, self._n + len(matrix)))
            except BaseException:
                if not self._n:
                    self._clear()  # its type is as open as before
                raise
            self._dtype = kept
            self._publish(self._n + len(matrix))

    def remove(self, ids: ArrayLike) -> None:
        """Remove vectors by their ids. Raises KeyError for one that is not there; none goes then.

        The last vectors take the places of those removed, so the order of `ids` changes.
        """
        names = np.unique(as_ids(ids))
        with self._lock:
            slots = self._found(names)
            if not len(slots):
                return
            with self._gate.alone():
                left = self._n - len(slots)
                holes = np.sort(slots[slots < left])
                kept = np.ones(self._n, bool)
                kept[slots] = False
                movers = np.flatnonzero(kept[left:]) + left
                moved = self._slots.names(movers)
                self._slots.remove(names)
                self._slots.remove(moved)
                for array in (self._rows, self._norm, self._codes, self._error):
                    if array is not None:
                        array[holes] = array[movers]
                self._slots.add(moved, holes)
                self._publish(left)

    def update(self, ids: ArrayLike, vectors: Any) -> None:
        """Give ids that are there other vectors. Raises KeyError for one that is not there."""
        names = as_ids(ids)
        matrix = as_matrix(vectors, self.dim)
        if len(names) != len(matrix):
            raise ValueError(f"{len(names)} ids for {len(matrix)} vectors")
        if len(np.unique(names)) != len(names):
            raise ValueError("an id comes twice")
        with self._lock:
            slots = self._found(names)
            if not len(slots):
                return
            assert self._dtype is not None
            matrix = self._converted(matrix, self._dtype)
            with self._gate.alone():
                self._put(slots, matrix)
                self._publish(self._n)

    # ------------------------------------------------------------------ questions

    def search(
        self, queries: Any, k: int, *, filter: Any = None, threads: int | None = None
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The k nearest vectors of each query, nearest first.

        Parameters
        ----------
        queries : [nq, dim] or [dim]
        k : int
        filter : ids, bool[len(index)] or an Arrow column of either, optional
            What may be found; booleans go with `ids`, in their order.
        threads : int, optional
            By default all cores. The result does not depend on it.

        Returns
        -------
        ids : int64[nq, k]
            Filled up with -1 where there are fewer than k.
        distances : float32[nq, k]
            Filled up with infinity.
        """
        matrix, k, threads = self._asked(queries), check_count("k", k), check_threads(threads)
        with self._gate.shared():
            view = self._seen(filter)
            found, distances = nothing_found(len(matrix), k)
            if view is not None:
                matrix = self._converted(matrix, view.rows.dtype, queries=True)
                share_out(
                    lambda start, stop: view.nearest(matrix, start, stop, found, distances),
                    len(matrix),
                    threads,
                    LEAST_QUERIES,
                )
            return self._slots.names(found), distances

    def search_radius(
        self, queries: Any, radius: float, *, filter: Any = None, threads: int | None = None
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
        """All vectors at a distance of at most `radius`, nearest first.

        The radius is in the unit of the distances: that of ``l2`` is squared.

        Returns
        -------
        offsets : int64[nq + 1]
            Query i has found ``ids[offsets[i] : offsets[i + 1]]``.
        ids : int64[offsets[-1]]
        distances : float32[offsets[-1]]
        """
        matrix, threads, radius = self._asked(queries), check_threads(threads), float(radius)
        if np.isnan(radius):
            raise ValueError("radius is NaN")
        with self._gate.shared():
            view = self._seen(filter)
            answers = [NONE] * len(matrix)
            if view is not None:
                matrix = self._converted(matrix, view.rows.dtype, queries=True)

                def work(start: int, stop: int) -> None:
                    answers[start:stop] = view.within(matrix[start:stop], radius)

                share_out(work, len(matrix), threads, LEAST_QUERIES)
            offsets, slots, distances = by_query(answers)
            return offsets, self._slots.names(slots), distances

    def get(self, ids: ArrayLike) -> NDArray[Any]:
        """The vectors of ids, as they are kept. Raises KeyError for one that is not there."""
        with self._gate.shared():
            slots = self._found(as_ids(ids))
            if self._rows is None:
                return np.empty((0, self.dim), self._dtype or np.float32)
            return self._rows[slots]

    # ------------------------------------------------------------------ files

    def save(self, path: Path) -> None:
        """Write the index to a file, all or nothing (docs/design/formats.md, kind ``EXCT``)."""
        with self._lock:
            n = self._n
            parameters = {
                "dim": self.dim,
                "metric": self.metric,
                "dtype": self._dtype.name if self._dtype else None,
                "prefilter": self.prefilter,
                "n": n,
                "last_id": self._slots.last_id,
                "step": self._step,
                "middle": self._middle,
                "coded": self._coded,
            }
            sections: dict[str, Any] = {"ids": self.ids}
            if self._rows is not None:
                sections |= {"vectors": self._rows[:n], "norms": self._norm[:n]}
            if self._codes is not None and self._error is not None:
                sections |= {"codes": self._codes[:n], "errors": self._error[:n]}
            write(path, KIND, VERSION, parameters, sections)

    @classmethod
    def load(cls, path: Path, mmap: bool = False) -> Self:
        """The index that `save` wrote.

        With ``mmap`` vectors stay in the file and are read when they are needed; what is changed
        then is changed in memory alone. The file must stay whole meanwhile (`save` replaces it,
        which is fine). Raises `FormatError` for a file that is damaged or none of this kind; under
        ``mmap`` the vectors themselves are not looked at.
        """
        file = Reader(path, KIND, VERSION, mmap)
        name = file.parameter("dtype", (str, type(None)))
        n, last = file.parameter("n", int), file.parameter("last_id", int)
        try:
            step, middle = (float(file.parameter(p, (int, float))) for p in ("step", "middle"))
            metric, prefilter = file.parameter("metric", str), file.parameter("prefilter", bool)
            index = cls(file.parameter("dim", int), metric, name, prefilter=prefilter)
            if n and not name:
                raise ValueError("vectors without a type")
            index._slots.add(file.array("ids", "<i8", (n,), verify=True), np.arange(n))
            index._slots.last_id = max(index._slots.last_id, last)
        except (ValueError, TypeError, OverflowError) as error:
            raise FormatError(f"an index that cannot be: {error}") from None
        if not (np.isfinite(step) and np.isfinite(middle) and step > 0):
            raise FormatError(f"codes of step {step} from {middle}")
        if n:
            index._rows = file.array("vectors", index._dtype, (n, index.dim))
            index._norm = file.array("norms", "<f4", (n,))
        if n and index._coding:
            index._codes = file.array("codes", "|i1", (n, index.dim))
            index._error = file.array("errors", "<f4", (n,))
        index._step, index._middle = step, middle
        index._coded = file.parameter("coded", int)
        index._publish(n)
        return index

    def __reduce__(self) -> tuple[Any, ...]:
        with self._lock:
            name = self._dtype.name if self._dtype else None
            rows = None if self._rows is None else self._rows[: self._n].copy()
            made = (self.dim, self.metric, name, self.prefilter)
            return _restored, (*made, rows, self.ids, self._slots.last_id)

    # ------------------------------------------------------------------ inside
    # Changes: with the lock held. Questions: past the gate.

    @property
    def _coding(self) -> bool:
        floats = self._dtype is not None and self._dtype.kind == "f"
        return self.prefilter and self.metric == "l2" and floats

    def _converted(
        self, matrix: NDArray[Any], dtype: np.dtype[Any], queries: bool = False
    ) -> NDArray[Any]:
        what = "queries" if queries else "vectors"
        if queries and dtype == np.float16:
            dtype = np.dtype(np.float32)
        matrix = convert(matrix, dtype, what)
        if self.metric == "cosine":
            refuse_zeros(matrix, what)
        return matrix

    def _asked(self, queries: Any) -> NDArray[Any]:
        matrix = as_matrix(queries, self.dim, "queries")
        if self._dtype is None or not len(self):
            self._converted(matrix, dtype_for(matrix), queries=True)
        return matrix

    def _found(self, names: NDArray[np.int64]) -> NDArray[np.int64]:
        slots = self._slots.find(names)
        if len(slots) and slots.min() < 0:
            raise KeyError(int(names[slots.argmin()]))
        return slots

    def _seen(self, filter: Any) -> View | None:
        view = self._view
        if filter is None:
            return view
        slots = allowed_slots(filter, self._slots, np.arange(0 if view is None else len(view)))
        return None if view is None else view.among(slots[slots < len(view)])

    def _reserve(self, n: int, dtype: np.dtype[Any]) -> None:
        """Room for n vectors: exactly at first, later a quarter more than there was."""
        room = 0 if self._rows is None else len(self._rows)
        if n <= room:
            return
        room = max(n, room + room // 4)
        self._rows = grown(self._rows, self._n, (room, self.dim), dtype)
        self._norm = grown(self._norm, self._n, (room,), np.float32)
        if self._codes is not None or (
            self.prefilter and self.metric == "l2" and dtype.kind == "f"
        ):
            self._codes = grown(self._codes, self._n, (room, self.dim), np.int8)
            self._error = grown(self._error, self._n, (room,), np.float32)

    def _put(self, at: Any, matrix: NDArray[Any]) -> None:
        """Store vectors at slots, or from a slot on."""
        where = slice(at, at + len(matrix)) if isinstance(at, int) else at
        assert self._rows is not None
        self._rows[where] = matrix
        self._norm[where] = norms(matrix, self.metric)
        if self._codes is None or self._error is None:
            return
        end = at + len(matrix) if isinstance(at, int) else self._n
        if end >= 2 * self._coded:  # twice as many as the range was taken from
            self._step, self._middle = code_range(self._rows[:end])
            self._coded = end
            codes, error = encode(self._rows[:end], self._step, self._middle)
            self._codes = grown(codes, end, self._codes.shape, np.int8)  # searches read the old
            self._error = grown(error, end, self._error.shape, np.float32)
        else:
            self._codes[where], self._error[where] = encode(matrix, self._step, self._middle)

    def _publish(self, n: int) -> None:
        """Let searches see n vectors."""
        self._n = n
        if self._rows is None:
            self._view = None
            return
        norm, codes = self._norm[:n], None
        if self._codes is not None and self._error is not None:
            codes = (self._codes[:n], self._error[:n], self._step, self._middle)
        typical = 1.0
        if self.metric == "ip" and n:  # of a few: any will do, this one makes the bound tight
            some = np.sqrt(norm[:: max(1, n // 1000)].astype(np.float64))
            typical = float(np.nanmedian(some)) if np.isfinite(some).any() else 1.0
        self._view = View(self._rows[:n], norm, self.metric, typical or 1.0, codes) if n else None


def _restored(
    dim: int, metric: str, dtype: Any, prefilter: bool, rows: Any, ids: Any, last_id: int
) -> Exact:
    index = Exact(dim, metric, dtype, prefilter=prefilter)
    if rows is not None:
        index.add(rows, ids)
    index._slots.last_id = last_id
    return index


def grown(old: Any, n: int, shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
    """An array of this shape that begins with n rows of an old one."""
    new = aligned(shape, dtype)
    if old is not None:
        new[:n] = old[:n]
    return new


def code_range(rows: NDArray[Any]) -> tuple[float, float]:
    """The step of 8-bit codes, and the number that code 0 stands for.

    Numbers that are bytes already are kept without any error. Else the range is that of the
    numbers, but for those beyond 6 standard deviations, which would waste it: their rows have
    large errors, and are looked at more often.
    """
    some = rows[:: max(1, rows.size // SAMPLE)].astype(np.float64)
    low, high = float(some.min()), float(some.max())
    if high - low <= 255 and (some == np.rint(some)).all():
        return 1.0, float(np.ceil((low + high + 1) / 2))
    mean, spread = float(some.mean()), 6 * float(some.std())
    low, high = max(low, mean - spread), min(high, mean + spread)
    step = (high - low) / 255 or 1.0
    return step, low + 128 * step
