"""Near neighbours by an inverted file: `IVF`. The lists and their codes are in csrc/ivf.h."""

import math
import threading
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ann import _ivf_file
from ann._centroids import SAMPLE, imbalance, learn_centroids, nearest
from ann._container import Path
from ann._encoding import CODES, LEARN_BOOK, WIDTH, Encoding
from ann._filters import allowed_slots
from ann._gate import Gate
from ann._lists import BLOCK, NOWHERE, Lists
from ann._slots import Slots
from ann._threads import check_threads, share_out
from ann._vectors import (
    NONE,
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

LISTS_MAX = int(NOWHERE)  # so that each number below is a list's
AT_ONCE = 1 << 24  # numbers that are floats at a time, as vectors are added: 64 MB


class IVF:
    """Near neighbours in the lists of the nearest centroids.

    Vectors are in lists by their nearest of `n_lists` centroids (k-means). A search looks through
    the `nprobe` lists nearest to the query: by 4-bit codes, after which the best are compared
    exactly.

    Parameters
    ----------
    dim : int
    metric : {"l2", "ip", "cosine"}
        Distances are squared Euclidean, ``1 - <x, q>``, or ``1 - cos(x, q)``.
    n_lists : int or "auto"
        "auto" takes about the square root of the number of vectors it is trained with.
    codes : {"pq4", "rabitq", "sq8", "f32"}
        What lists are scanned by. "pq4": 4 bits for two dimensions, by books learnt from the
        residuals (Jegou, Douze, Schmid, PAMI 2011; Andre, Kermarrec, Le Scouarnec, VLDB 2015).
        "rabitq": 4 bits for four dimensions, nothing learnt (Gao, Long, arXiv 2405.12497). "sq8":
        8 bits a dimension, and nothing else is kept (vectors of bytes stay as they are). "f32": the
        vectors themselves.
    rerank : int
        With "pq4" and "rabitq", how many times k candidates are compared exactly. With 0 the
        vectors are not kept, and distances are those of the codes.
    dtype : optional
        What vectors are kept as: float32, float16, uint8 or int8; by default the type of the first.
    seed : int
        Of all that is random.

    Attributes
    ----------
    nprobe : int or None
        Lists that a search looks through unless told otherwise; None: a thirty-second of them, and
        at least eight.

    Notes
    -----
    The first vectors added are what centroids and books are learnt from, unless `train` was called
    with a sample before; neither changes later. `imbalance` tells how well they still fit. Searches
    go on beside each other, and changes wait for them.
    """

    def __init__(
        self,
        dim: int,
        metric: Literal["l2", "ip", "cosine"] = "l2",
        *,
        n_lists: int | Literal["auto"] = "auto",
        codes: Literal["f32", "sq8", "pq4", "rabitq"] = "pq4",
        rerank: int = 10,
        dtype: Any = None,
        seed: int = 9001,
    ) -> None:
        self.dim, self.metric, self.dtype = check_dim(dim), check_metric(metric), check_dtype(dtype)
        if codes not in CODES:
            raise ValueError(f"codes must be one of {', '.join(CODES)}, not {codes!r}")
        if n_lists != "auto" and check_count("n_lists", n_lists) > LISTS_MAX:
            raise ValueError(f"n_lists must be at most {LISTS_MAX}, not {n_lists}")
        self.n_lists: int | str = n_lists
        self.codes, self.rerank = codes, check_count("rerank", rerank, 0)
        self._keeps_rows = codes not in WIDTH or self.rerank > 0
        self.seed = check_count("seed", seed, 0)
        self.nprobe: int | None = None
        self._names, self._gate, self._lock = Slots(), Gate(), threading.RLock()
        self._free: list[int] = []
        self._slots = 0  # used, free ones included
        self._lists: Lists | None = None

    # Training

    def train(self, vectors: Any, n: int | None = None) -> None:
        """Learn centroids and codes from a sample, before anything is added.

        Parameters
        ----------
        vectors : array, list or Arrow column [m, dim]
        n : int, optional
            How many vectors there will be, for ``n_lists="auto"``; by default as many as these.
        """
        with self._lock:
            if self._lists is not None:
                raise ValueError("the index is trained already, and lists keep their centroids")
            matrix = self._taken_in(vectors)
            if not len(matrix):
                raise ValueError("no vectors to train with")
            self._train(matrix, check_count("n", n) if n is not None else len(matrix))

    def _train(self, matrix: NDArray[Any], n: int) -> None:
        rng = np.random.default_rng(self.seed)
        lists = _lists_for(n, len(matrix)) if isinstance(self.n_lists, str) else self.n_lists
        if lists > len(matrix):
            raise ValueError(f"{lists} lists need as many vectors to train with, not {len(matrix)}")
        size = min(len(matrix), max(SAMPLE * lists, LEARN_BOOK))
        some = matrix[np.sort(rng.choice(len(matrix), size, replace=False))]
        encoding = self._new_encoding(matrix.dtype)
        floats = encoding.learn(some, rng)
        centroids = learn_centroids(floats, lists, rng)
        self._begin(encoding, centroids, encoding.learn_book(floats, centroids, rng))
        self.dtype = matrix.dtype

    def _new_encoding(self, dtype: Any) -> Encoding:
        return Encoding(self.dim, self.metric, self.codes, self._keeps_rows, dtype)

    def _begin(
        self,
        encoding: Encoding,
        centroids: NDArray[np.float32],
        book: NDArray[np.float32] | None,
    ) -> None:
        """Lists, and rows by slot, with nothing in them."""
        kept = self.dim if self._keeps_rows else 0
        self._rows = np.empty((0, kept), encoding.row_dtype)
        self._beside = {name: np.empty(0, np.float32) for name in encoding.beside}
        self._home = np.empty(0, np.uint16)
        self._encoding, self._lists = encoding, encoding.lists(centroids, book)

    # Changes

    def _taken_in(self, vectors: Any) -> NDArray[Any]:
        matrix = as_matrix(vectors, self.dim)
        kept = self.dtype or dtype_for(matrix)
        matrix = convert(matrix, kept)
        if self.metric == "cosine":
            refuse_zeros(matrix)
        return matrix

    def add(
        self, vectors: Any, ids: ArrayLike | None = None, *, threads: int | None = None
    ) -> None:
        """Add vectors, under these ids or those that follow the highest there has been.

        The first ones also train the index: see the class. Raises ValueError for an id that is
        there or comes twice, and for NaN and infinity; nothing has changed then.
        """
        with self._lock:
            matrix = self._taken_in(vectors)
            named = None if ids is None else as_ids(ids, len(matrix))
            if not len(matrix):
                return
            if self._lists is None:
                if named is not None and len(np.unique(named)) < len(named):
                    raise ValueError("an id comes twice")  # before it is trained by them
                self._train(matrix, len(matrix))
            last = self._names.last_id
            if named is None:
                named = self._names.next_ids(len(matrix))
            reused = min(len(self._free), len(matrix))
            fresh = np.arange(self._slots, self._slots + len(matrix) - reused, dtype=np.int64)
            again = np.array(self._free[len(self._free) - reused :], np.int64)
            slots = np.concatenate([again, fresh])
            self._names.add(named, slots)
            try:
                self._write(slots, matrix, check_threads(threads))
            except BaseException:
                with self._gate.alone():
                    self._take(slots[self._home_of(slots) != NOWHERE])
                self._names.remove(named)
                self._names.last_id = last
                raise
            del self._free[len(self._free) - reused :]
            self._slots += len(fresh)

    def _write(self, slots: NDArray[np.int64], matrix: NDArray[Any], threads: int) -> None:
        """Enter vectors, which leave the lists that they may be in: a part at a time, each of which
        is computed before the gate closes, and in the order of lists, so that a list's blocks
        follow one another."""
        lists = self._trained()
        home = np.empty(len(matrix), np.uint32)
        step = max(1, AT_ONCE // self.dim)
        for start in range(0, len(matrix), step):
            floats = self._encoding.floats(matrix[start : start + step])
            home[start : start + step] = nearest(floats, lists.centroids)
        order = np.argsort(home, kind="stable")
        with self._gate.alone():
            lists.reserve(home)
            self._reserve(int(slots.max()) + 1)
        for start in range(0, len(matrix), step):
            some = order[start : start + step]
            at, part, into = slots[some], matrix[some], home[some]
            codes = self._encode(part, into, threads)
            rows, beside = self._encoding.rows(part)
            with self._gate.alone():
                self._take(at[self._home[at] != NOWHERE])
                self._rows[at] = rows
                for name, values in beside.items():
                    self._beside[name][at] = values
                lists.put(into, at.astype(np.uint32), codes)
                self._home[at] = into

    def _encode(
        self, matrix: NDArray[Any], home: NDArray[np.uint32], threads: int
    ) -> tuple[Any, ...]:
        lists = self._trained()
        if lists.book is None:
            return lists.encode(np.empty((0, self.dim), np.float32), home[:0])
        m = lists.book.shape[0]
        nibbles, addends = np.empty((len(matrix), m), np.uint8), np.empty(len(matrix), np.float32)
        scales = np.empty(len(matrix), np.float32) if lists.scaled else None

        def work(start: int, stop: int) -> None:
            part = slice(start, stop)
            some = lists.encode(self._encoding.floats(matrix[part]), home[part])
            nibbles[part], addends[part] = some[:2]
            if scales is not None:
                scales[part] = some[2]

        share_out(work, len(matrix), threads, 1024)
        return nibbles, addends, scales

    def _reserve(self, slots: int) -> None:
        room = len(self._home)
        if slots > room:
            more = max(slots, room + room // 4)
            self._rows = _grown(self._rows, more)
            self._beside = {name: _grown(array, more) for name, array in self._beside.items()}
            self._home = _grown(self._home, more)
            self._home[room:] = NOWHERE
            if self._keeps_rows:
                kernel = self._encoding.row_kernel
                self._trained().set_rows(self._rows, kernel, **self._beside)

    def remove(self, ids: ArrayLike) -> None:
        """Remove vectors. Raises KeyError for an id that is not there; nothing has changed then."""
        with self._lock:
            named = np.unique(as_ids(ids))
            slots = self._found(named)
            if len(named):
                with self._gate.alone():
                    self._take(slots)
                    self._names.remove(named)
                self._free += slots.tolist()

    def _found(self, named: NDArray[np.int64]) -> NDArray[np.int64]:
        slots = self._names.find(named)
        if len(slots) and slots.min() < 0:
            raise KeyError(int(named[slots.argmin()]))
        return slots

    def _home_of(self, slots: NDArray[np.int64]) -> NDArray[np.uint16]:
        known = slots < len(self._home)
        return (
            np.where(known, self._home[np.where(known, slots, 0)], NOWHERE)
            if known.any()
            else (np.full(len(slots), NOWHERE))
        )

    def _take(self, slots: NDArray[np.int64]) -> None:
        home = self._home[slots].astype(np.uint32)
        self._trained().take(home, slots.astype(np.uint32))
        self._home[slots] = NOWHERE

    def update(self, ids: ArrayLike, vectors: Any, *, threads: int | None = None) -> None:
        """Give ids that are there other vectors. Raises KeyError for one that is not; nothing has
        changed then."""
        with self._lock:
            named = as_ids(ids)
            matrix = self._taken_in(vectors)
            if len(named) != len(matrix):
                raise ValueError(f"{len(named)} ids for {len(matrix)} vectors")
            if len(np.unique(named)) < len(named):
                raise ValueError("an id comes twice")
            slots = self._found(named)
            if len(named):
                self._write(slots, matrix, check_threads(threads))

    # Questions

    def search(
        self,
        queries: Any,
        k: int,
        *,
        filter: Any = None,
        threads: int | None = None,
        nprobe: int | None = None,
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The k nearest of each query, as far as the lists looked through hold them.

        Parameters
        ----------
        queries : array, list or Arrow column [nq, dim], or one vector [dim]
        k : int
        filter : ids, or booleans over `ids` (an array or Arrow column), optional
            Only these are found. More lists are looked through, the fewer there are; where
            comparing all that is allowed costs less, this is done.
        threads : int, optional
            By default all cores.
        nprobe : int, optional
            Lists to look through; `self.nprobe` by default. As many as there are: all.

        Returns
        -------
        ids : int64[nq, k]
            In order of distance, padded with -1 where there are fewer.
        distances : float32[nq, k]
            Padded with inf.
        """
        k = check_count("k", k)
        if nprobe is not None:
            nprobe = check_count("nprobe", nprobe)
        with self._gate.shared():
            lists = self._lists
            if lists is None:
                return nothing_found(len(as_matrix(queries, self.dim, "queries")), k)
            asked = self._encoding.asked(queries)
            n, held = len(asked.floats), len(self._names)
            nprobe = min(self._probes() if nprobe is None else nprobe, len(lists))
            mask = only = None
            if filter is not None:
                allowed = allowed_slots(filter, self._names, self._present())
                allowed = allowed[self._home_of(allowed) != NOWHERE]  # not while they are added
                held, share = len(allowed), len(allowed) / max(1, len(self._names))
                if self._keeps_rows and share * len(lists) <= nprobe:
                    only = allowed.astype(np.uint32)
                else:
                    mask = np.zeros(len(self._home), np.uint8)
                    mask[allowed] = 1
                    nprobe = min(len(lists), int(np.ceil(nprobe / share))) if held else 1
            slots, distances = nothing_found(n, k)
            least = min(k, held)
            if not least or not n:
                return slots, distances
            keep = k if self.codes not in WIDTH else max(k, self.rerank * k)
            keep = min(keep, max(k, held))
            wide = min(k, held)
            some = (slots, distances)
            if wide < k:
                some = nothing_found(n, wide)

            def work(start: int, stop: int) -> None:
                probed = nprobe
                while True:
                    found = lists.search(*asked, probed, keep, mask, start, stop, *some, only)
                    if found >= least or probed >= len(lists):
                        return
                    probed = min(len(lists), 4 * probed)

            if n == 1:
                work(0, 1)
            else:
                share_out(work, n, check_threads(threads), 16)
            if wide < k:
                slots[:, :wide], distances[:, :wide] = some
            return self._names.names(slots), distances

    def search_radius(
        self, queries: Any, radius: float, *, threads: int | None = None, nprobe: int | None = None
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
        """All within a distance of each query, in the lists looked through.

        Returns
        -------
        offsets : int64[nq + 1]
            The answers to query i are ``offsets[i]:offsets[i + 1]`` of the other two.
        ids : int64[m]
        distances : float32[m]
            At most `radius`, ascending for each query.
        """
        bound = float(radius)
        if bound != bound:
            raise ValueError("radius is NaN")
        with self._gate.shared():
            lists = self._lists
            if lists is None:
                return by_query([NONE] * len(as_matrix(queries, self.dim, "queries")))
            asked = self._encoding.asked(queries)
            probed = self._probes() if nprobe is None else check_count("nprobe", nprobe)
            found: list[Any] = [None] * len(asked.floats)

            def work(start: int, stop: int) -> None:
                for i in range(start, stop):
                    one = asked.one(i)
                    among = lists.members(one.floats[0], min(probed, len(lists)))
                    slots, away = nothing_found(1, max(1, len(among)))
                    if len(among):
                        only = among if self._keeps_rows else None
                        lists.search(*one, probed, len(among), None, 0, 1, slots, away, only)
                    inside = int(((away[0] <= bound) & (slots[0] >= 0)).sum())
                    found[i] = self._names.names(slots[0, :inside]), away[0, :inside]

            share_out(work, len(found), check_threads(threads))
        return by_query(found)

    def _trained(self) -> Lists:
        assert self._lists is not None
        return self._lists

    def _probes(self) -> int:
        lists = len(self._trained())
        return self.nprobe if self.nprobe is not None else max(8, -(-lists // 32))

    def _present(self) -> NDArray[np.int64]:
        if self._lists is None:
            return np.empty(0, np.int64)
        return np.flatnonzero(self._home != NOWHERE)

    def __len__(self) -> int:
        return len(self._names)

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __repr__(self) -> str:
        kind = "" if self.dtype is None else f", dtype={self.dtype.name}"
        lists = self.n_lists if self._lists is None else len(self._lists)
        return (
            f"IVF({self.dim}, {self.metric!r}, n_lists={lists}, codes={self.codes!r},"
            f" rerank={self.rerank}{kind}) <{len(self)} vectors>"
        )

    @property
    def ids(self) -> NDArray[np.int64]:
        """The ids, in the order that a mask given as `filter` is in: int64[len(self)]."""
        with self._gate.shared():
            return self._names.names(self._present())

    @property
    def list_lengths(self) -> NDArray[np.uint32]:
        """How many vectors are in each list; empty before training."""
        with self._gate.shared():
            return np.empty(0, np.uint32) if self._lists is None else self._lists.lengths

    @property
    def imbalance(self) -> float:
        """What searches pay for lists of different lengths: n_lists times the sum of squared
        lengths over n^2, 1 where all are equal. Where it grows far beyond what it was after
        training, what is added no longer looks like what the centroids were learnt from: build the
        index anew."""
        return imbalance(self.list_lengths)

    @property
    def nbytes(self) -> int:
        """Bytes of vectors, lists, codes, centroids and ids, room for more of them included."""
        with self._gate.shared():
            held = self._names.nbytes
            if self._lists is not None:
                turn = self._encoding.turn
                held += 0 if turn is None else turn.nbytes
                held += self._lists.nbytes + self._rows.nbytes + self._home.nbytes
                held += sum(array.nbytes for array in self._beside.values())
            return held

    @staticmethod
    def estimate_bytes(
        n: int,
        dim: int,
        metric: Literal["l2", "ip", "cosine"] = "l2",
        *,
        n_lists: int | Literal["auto"] = "auto",
        codes: Literal["f32", "sq8", "pq4", "rabitq"] = "pq4",
        rerank: int = 10,
        dtype: Any = np.float32,
    ) -> int:
        """What `nbytes` will be with n vectors added at once, their ids 0 .. n-1.

        Half of a list's last block counts as empty, the mean where lists are of many lengths.
        """
        like = IVF(dim, metric, n_lists=n_lists, codes=codes, rerank=rerank, dtype=dtype)
        n = check_count("n", n, 0)
        if not n:
            return 0
        lists = _lists_for(n, n) if isinstance(n_lists, str) else n_lists
        row, entry, fixed = like._new_encoding(like.dtype).bytes_of(n, lists)
        blocks = n / BLOCK + lists / 2
        return round(n * (row + 8 + 2) + blocks * (BLOCK * entry + 4) + fixed)

    # Files

    def save(self, path: Path) -> None:
        """Write the index to a file, all or nothing (docs/design/formats.md, kind ``IVF``)."""
        with self._lock:
            _ivf_file.write(self, path)

    @staticmethod
    def load(path: Path, mmap: bool = False) -> "IVF":
        """The index that `save` wrote. With `mmap`, vectors and codes stay in the file until they
        are used; what is changed then is changed in memory alone.

        Raises `FormatError` for a damaged file; with `mmap`, vectors and codes are not checked.
        """
        file = _ivf_file.Reader(path, mmap)
        try:
            index = IVF(**file.made_with())
            file.fill(index)
        except (ValueError, TypeError, OverflowError) as error:
            raise FormatError(f"a file of kind IVF that no index wrote: {error}") from error
        return index


def _grown(array: NDArray[Any], n: int) -> NDArray[Any]:
    new = np.empty((n, *array.shape[1:]), array.dtype)
    new[: len(array)] = array
    return new


def _lists_for(n: int, known: int) -> int:
    """As many lists as a mean list has vectors: about what makes the sum of both least."""
    return max(1, min(round(math.sqrt(n)), known // 8, LISTS_MAX))
