"""HNSW: approximate nearest neighbours by a graph (Malkov, Yashunin 2018, arXiv 1603.09320).

Here the graph of ann._graph meets ids, filters and files.
"""

import os
import tempfile
from contextlib import nullcontext

import numpy as np

cimport cython

cimport numpy as cnp

from ann._graph cimport Graph, hnsw_gate_leave, hnsw_index_nbytes, hnsw_queries_are_plain

from ann import _container
from ann._filters import allowed_slots
from ann._graph import BLOCK, SEED, START, alone
from ann._projection import LINE, Projection, learn, lines_for
from ann._threads import check_threads, share_out
from ann._vectors import (
    as_ids, as_matrix, by_query, check_count, check_dim, check_dtype, check_metric, convert,
    dtype_for, nothing_found, refuse_zeros,
)
from sketches import FormatError

cnp.import_array()

EF_MAX = 4096  # a filter that asks for more is answered by comparing all that it allows


@cython.final
cdef class HNSW(Graph):
    """An index of vectors that finds the nearest approximately, by a graph.

    Parameters
    ----------
    dim : int
        Numbers a vector, 1 .. 32768.
    metric : {"l2", "ip", "cosine"}, default "l2"
        Distances are the squared Euclidean one, ``1 - <x, q>``, or ``1 - cos``.
    M : int, default 16
        Half the links a vector may have. More links cost bytes and building time and pay at high
        recall and in many dimensions.
    ef_construction : int, default 200
        How many candidates a new vector's links are chosen from.
    codes : {"auto", "sq8"}, default "auto"
        What the graph looks at on its way. "auto": 8 bits in as many leading principal axes as keep
        nine tenths of the variance, in whole cache lines of 60 axes; "sq8": 8 bits in every
        dimension. Answers are ranked by the vectors themselves in both cases.
    dtype : {float32, float16, uint8, int8}, optional
        What vectors are kept as; by default what the first ones are (float64 becomes float32).
    seed : int, default 9001
        Of the order in which a batch is linked, and of the codes' rotation.

    Attributes
    ----------
    ef_search : int
        Candidates that a search keeps, where a call does not say: more find more, and take longer
        in proportion. 64 at first; `tune` sets it by the recall wanted.

    Notes
    -----
    There is no bound on the recall: measure it (`tune`) on queries of your own. Distances are exact
    for the ids returned, in float32. A vector costs ``dim * itemsize + 64 * lines + 8 * M + 11``
    bytes, where a code has ``lines`` cache lines; see `estimate_bytes`.

    Fewer than 1,000 vectors have no graph and are compared exactly.

    Safe to share between threads: any number may search while one adds; changes take turns.

    Examples
    --------
    >>> import numpy as np
    >>> from ann import HNSW
    >>> vectors = np.random.default_rng(0).standard_normal((2000, 32), np.float32)
    >>> index = HNSW(32)
    >>> index.add(vectors)
    >>> ids, distances = index.search(vectors[:2], k=3)
    >>> ids[:, 0].tolist(), distances[:, 0].tolist()
    ([0, 1], [0.0, 0.0])
    """
    def add(self, vectors, ids=None, *, threads=None):
        """Add vectors.

        Parameters
        ----------
        vectors : array, list or Arrow column [n, dim], or one vector [dim]
        ids : int64[n], optional
            By default numbers: 0, 1, ... or from the largest id so far on.
        threads : int, optional
            By default all cores.

        Raises
        ------
        ValueError
            For another dim, NaN or infinity, a vector of zeros under cosine (each with its row),
            or an id that is there already or comes twice. Nothing is added.
        """
        cores = check_threads(threads)
        matrix = as_matrix(vectors, self.dim)
        with self.mutex:
            dtype = self.dtype or dtype_for(matrix)
            rows = convert(matrix, dtype)
            if self.metric == "cosine":
                refuse_zeros(rows)
            last = self.names.last
            new = self.names.next_ids(len(rows)) if ids is None else as_ids(ids, len(rows))
            at = self._places(len(rows))
            reused = np.count_nonzero(at < self.x.graph.slots)
            with alone(self) if reused else nullcontext():  # or searches name old vectors anew
                self.names.add(new, at)
            del self.free[len(self.free) - reused:]
            try:
                if self.dtype is None:
                    self._set_dtype(dtype)
                self._write(rows, at, cores)
                self._link(at, cores)
            except BaseException:
                self._take_back(new, at)
                self.names.last = last
                raise

    def remove(self, ids):
        """Remove vectors by id. What led to them leads on to their neighbours, and their places are
        taken by the next ones added.

        Raises
        ------
        KeyError
            For an id that is not there. Nothing is removed.
        """
        gone = np.unique(as_ids(ids))
        with self.mutex:
            self._remove(gone)

    cdef _remove(self, gone):
        at = self.names.find(gone)
        if (at < 0).any():
            raise KeyError(int(gone[at.argmin()]))
        self._leave(at)
        self.names.remove(gone)

    def update(self, ids, vectors, *, threads=None):
        """Give ids that are there other vectors. Raises KeyError for one that is not; nothing
        changes then, nor for what `add` refuses."""
        names = as_ids(ids)
        matrix = as_matrix(vectors, self.dim)
        with self.mutex:
            if len(names) != len(matrix):
                raise ValueError(f"{len(names)} ids for {len(matrix)} vectors")
            if len(np.unique(names)) < len(names):
                raise ValueError("an id comes twice")
            if not len(names):
                return
            missing = self.names.find(names) < 0
            if missing.any():
                raise KeyError(int(names[missing.argmax()]))
            rows = convert(matrix, self.dtype)
            if self.metric == "cosine":
                refuse_zeros(rows)
            self._remove(np.sort(names))
            self.add(rows, names, threads=threads)

    def search(self, queries, k, *, filter=None, threads=None, ef_search=None):
        """The k nearest of each query.

        Parameters
        ----------
        queries : array, list or Arrow column [nq, dim], or one vector [dim]
        k : int
        filter : ids, or booleans over `ids` (an array or Arrow column), optional
            Only these are found. Where they are few, they are compared one and all.
        threads : int, optional
            By default all cores.
        ef_search : int, optional
            Candidates a search keeps, at least k; `self.ef_search` by default.

        Returns
        -------
        ids : int64[nq, k]
            In order of distance, padded with -1 where there are fewer.
        distances : float32[nq, k]
            Padded with inf.
        """
        rows = self._queries(queries)
        cdef Py_ssize_t wanted = check_count("k", k)
        cdef Py_ssize_t n = rows.shape[0]
        ef = self.ef_search if ef_search is None else check_count("ef_search", ef_search)
        self._enter()
        try:
            if n > 1 or filter is not None or wanted > self.x.live:
                return self._search_many(rows, wanted, ef, filter, check_threads(threads))
            ids, distances = np.empty((n, wanted), np.int64), np.empty((n, wanted), np.float32)
            self._answer(rows, 0, n, ids, distances, ef, None, None)
            return ids, distances
        finally:
            hnsw_gate_leave(&self.gate)

    cdef _search_many(self, rows, k, ef, filter, threads):
        ids, distances = nothing_found(len(rows), k)
        allowed = mask = None
        if filter is not None:
            allowed, mask, ef = self._filtered(filter, ef, k)
            if not len(allowed):
                return ids, distances
        least = min(k, self.x.live if allowed is None else len(allowed))
        some = ids, distances
        if least < k:  # fewer than k exist: the rest stays as it is
            some = np.empty((len(rows), least), np.int64), np.empty((len(rows), least), np.float32)
        if least:
            def work(start, stop):
                for at in range(start, stop, BLOCK):
                    self._answer(rows, at, min(at + BLOCK, stop), some[0], some[1], ef, mask,
                                 allowed)
            share_out(work, len(rows), threads, 16)
        if least < k:
            ids[:, :least], distances[:, :least] = some
        return ids, distances

    cdef _filtered(self, filter, ef, k):
        """The slots allowed, uint32; a mask of them, or None where comparing them all is cheaper;
        the candidates to keep so that about `ef` allowed ones are among them."""
        alive = self._alive()
        present = np.flatnonzero(alive)
        allowed = allowed_slots(filter, self.names, present)
        allowed = allowed[allowed < len(alive)].astype(np.uint32)  # others are being written
        wide = int(1.2 * max(ef, k) * len(present) / max(1, len(allowed))) + k
        if wide > EF_MAX or len(allowed) < wide * self.M // 2:
            return allowed, None, ef
        mask = np.zeros(self.x.graph.room, np.uint8)  # a search may meet what is added meanwhile
        mask[allowed] = 1
        return allowed, mask, wide

    def get(self, ids):
        """The vectors of ids, as they are kept. Raises KeyError for one that is not there."""
        names = as_ids(ids)
        self._enter()
        try:
            at, alive = self.names.find(names), self._alive()
            known = (at >= 0) & (at < len(alive))
            known[known] = alive[at[known]]  # not while it is added
            if not known.all():
                raise KeyError(int(names[known.argmin()]))
            if not len(at):
                return np.empty((0, self.dim), self.dtype or np.float32)
            return self._rows()[at]
        finally:
            hnsw_gate_leave(&self.gate)

    def search_radius(self, queries, radius, *, filter=None, threads=None, ef_search=None):
        """All that the graph finds within a distance of each query.

        As many as lie there are found with `ef_search` candidates for each `ef_search` / 2 of them.

        Returns
        -------
        offsets : int64[nq + 1]
            The answers to query i are ``offsets[i]:offsets[i + 1]`` of the other two.
        ids : int64[m]
        distances : float32[m]
            At most `radius`, ascending for each query.
        """
        rows = self._queries(queries)
        bound = float(radius)
        if bound != bound:
            raise ValueError("radius is NaN")
        found = [None] * len(rows)
        ef = self.ef_search if ef_search is None else check_count("ef_search", ef_search)

        def work(start, stop):
            for i in range(start, stop):
                k = max(1, ef // 2)
                while True:
                    ids, away = self.search(rows[i : i + 1], k, filter=filter, threads=1,
                                            ef_search=2 * k)
                    inside = int(((away[0] <= bound) & (ids[0] >= 0)).sum())
                    if inside < k or k >= len(self):
                        break
                    k *= 4
                found[i] = ids[0, :inside], away[0, :inside]

        share_out(work, len(rows), check_threads(threads))
        return by_query(found)

    def tune(self, queries, *, recall=0.95, k=10):
        """Set `ef_search` to the least that finds this share of the k nearest of these queries.

        Each query is compared with all vectors once. Returns the recall reached, on these very
        queries: a hundred or more of them, like those to come, make it a fair guess.
        """
        rows = self._queries(queries)
        k = min(check_count("k", k), len(self))
        if not 0 < recall <= 1:
            raise ValueError(f"recall must be above 0 and at most 1, not {recall}")
        if not len(rows) or not k:
            raise ValueError("tune needs queries, and vectors in the index")
        exact = self._exact(rows, k)[:, -1:]
        exact = exact + 1e-6 * np.abs(exact)  # who is as far as the k-th is as good
        low, high, best = k, None, 0.0
        while high is None or high - low > max(1, low // 16):
            ef = 2 * low if high is None else (low + high) // 2
            reached = float((self.search(rows, k, ef_search=ef)[1] <= exact).mean())
            if reached >= recall or ef >= 2 * len(self):
                high, best = ef, reached
            else:
                low = ef
        self.ef_search = high
        return best

    cdef _exact(self, rows, k):
        """The distances of the k nearest, by comparing all."""
        ids, distances = nothing_found(len(rows), k)
        self._enter()
        try:
            all_of_them = np.flatnonzero(self._alive()).astype(np.uint32)
            for start in range(0, len(rows), BLOCK):
                self._answer(rows, start, min(start + BLOCK, len(rows)), ids, distances, k, None,
                             all_of_them)
        finally:
            hnsw_gate_leave(&self.gate)
        return distances

    cdef _queries(self, queries):
        """Queries as the kernels take them: of the index's bytes, or float32."""
        if self.dtype is None:
            dtype = np.dtype(np.float32)
        else:
            dtype = self.dtype if self.dtype.kind != "f" else np.dtype(np.float32)
        if (type(queries) is np.ndarray and queries.dtype == dtype and queries.ndim == 2
                and queries.shape[1] == self.dim and queries.flags.c_contiguous
                and queries.flags.aligned):
            if dtype.kind != "f" and self.metric != "cosine":
                return queries
            if dtype.kind == "f" and hnsw_queries_are_plain(
                    <const float *>cnp.PyArray_DATA(<cnp.ndarray>queries), len(queries), self.dim,
                    self.metric == "cosine"):
                return queries  # what the checks below would find, in a tenth of their time
        rows = convert(as_matrix(queries, self.dim, "queries"), dtype, "queries")
        if self.metric == "cosine":
            refuse_zeros(rows, "queries")
        return rows

    @property
    def ids(self):
        """All ids: int64[n], in the order that a filter of booleans goes by."""
        with self.mutex:
            return self.names.names(np.flatnonzero(self._alive()))

    def __len__(self):
        return self.x.live

    def __contains__(self, name):
        return name in self.names

    def __repr__(self):
        kind = "" if self.dtype is None else f", dtype={self.dtype.name}"
        return (f"HNSW({self.dim}, {self.metric!r}, M={self.M},"
                f" ef_construction={self.ef_construction}{kind}) <{len(self)} vectors>")

    @property
    def nbytes(self):
        """Bytes of vectors, codes, links, ids and tables; what threads use to search is not among
        them: a byte a vector and some kilobytes each."""
        with self.mutex:
            codes = 0 if self.projection is None else self.projection.nbytes
            return hnsw_index_nbytes(&self.x) + self.names.nbytes + codes

    @staticmethod
    def estimate_bytes(n, dim, metric="l2", *, M=16, codes="auto", dtype=np.float32, sample=None):
        """What `nbytes` will be with n vectors added at once, their ids 0 .. n-1 or any others.

        How long codes are depends on the vectors where ``codes="auto"``: `sample`, some thousand of
        them, tells; without it every dimension is counted, which is the most.
        """
        n, dim, metric = check_count("n", n, 0), check_dim(dim), check_metric(metric)
        lines = lines_for(dim, metric)
        if codes == "auto" and sample is not None:
            lines = learn(as_matrix(sample, dim).astype(np.float32), metric, None, SEED).lines
        vector = dim * check_dtype(dtype).itemsize + 1 + 4 * (metric == "cosine") + 8
        if n < START:
            return n * vector
        entry = int(n**0.5) * (LINE * lines + 4)
        held = Projection.nbytes_of(dim, metric, lines)
        return n * (vector + LINE * lines + 8 * M + 1) + entry + held

    def save(self, path):
        """Write the index to a file, all or nothing (docs/design/formats.md, kind ``HNSW``)."""
        with self.mutex:
            _container.write(path, b"HNSW", 1, self._parameters(), self._sections())

    def __reduce__(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "index")
            self.save(path)
            with open(path, "rb") as file:
                return from_image, (file.read(),)

    @staticmethod
    def load(path, mmap=False):
        """The index that `save` wrote. With `mmap`, vectors, codes and links stay in the file until
        they are used; what is changed then is changed in memory alone.

        Raises `FormatError` for a damaged file; with `mmap`, vectors and codes are not checked.
        """
        file = _container.Reader(path, b"HNSW", 1, mmap)
        try:
            index = HNSW(
                file.parameter("dim", int), file.parameter("metric", str),
                M=file.parameter("M", int), codes=file.parameter("codes", str),
                ef_construction=file.parameter("ef_construction", int),
                dtype=file.parameter("dtype", (str, type(None))), seed=file.parameter("seed", int),
            )
            (<Graph>index)._restore(file, mmap)
        except (ValueError, TypeError, OverflowError) as error:
            raise FormatError(f"a file of kind HNSW that no index wrote: {error}") from error
        return index


def from_image(image):
    """The index whose file this is: for pickle."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "index")
        with open(path, "wb") as file:
            file.write(image)
        return HNSW.load(path)
