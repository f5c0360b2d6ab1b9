"""MinHash-LSH: which sets, among those added, resemble this one?

An index of signatures cut into bands (`ann.bands` chooses them by the recall at the threshold;
Indyk, Motwani 1998). It answers with candidates: whoever shares a band. The rows of
csrc/lsh_index.h are joined here with the users' ids.
"""

import operator
import struct
import threading

import numpy as np

cimport cython
from libc.stdint cimport SIZE_MAX, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free
from libc.string cimport memset

from ann._pairs import band_keys, candidate_pairs
from ann.bands import check_share, choose_bands, s_curve
from sketches import FormatError, MinHash
from sketches._files import replacing
from sketches._frame import pack, unpack
from sketches._signatures import EMPTY, check_num_perm
from sketches.minhash import FAMILIES as _FAMILIES

cdef extern from "lsh_index.h" nogil:
    ctypedef struct lsh_index:
        size_t bands, rows
        uint64_t *keys
        uint8_t *alive
    void lsh_release(lsh_index *)
    int lsh_reserve(lsh_index *, size_t more)
    void lsh_append(lsh_index *, const uint64_t *keys, size_t n)
    void lsh_compact(lsh_index *)
    size_t lsh_query(const lsh_index *, const uint64_t *keys, uint32_t **found, size_t *room)
    size_t lsh_nbytes(const lsh_index *)

# threshold, num_perm, bands, rows, next id, family + 1 (0: unknown), seed, kind of ids, n
HEADER = struct.Struct("<dIIIQIQIQ")
cdef enum:
    IDS_NONE, IDS_INT, IDS_STR


@cython.final
cdef class MinHashLSH:
    """An index of MinHash signatures that finds the similar ones.

    Parameters
    ----------
    threshold : float, default 0.8
        In (0, 1]: the Jaccard similarity from which on sets are wanted.
    recall : float, default 0.99
        In (0, 1): the share of sets right at the threshold that `query` must find.
    num_perm : int, default 128
        Slots of the signatures.
    bands, rows : int, optional
        Both or neither: the bands to use instead of those that `ann.choose_bands` takes;
        ``recall`` then tells what they give.

    Notes
    -----
    A set of similarity J to the query is found with probability ``1 - (1 - J**rows)**bands``, for
    signatures of independent slots; those of ``fss32`` keep it as well or better. Sets below the
    threshold are found too, with the same formula: verify what matters. The empty set is found by
    nothing. A set costs ``bands * (8 + 4 + 4..8) + 1`` bytes beside its id, half as much again
    while the index grows.

    Signatures tell neither family nor seed; those of `MinHash` objects do, and the first added
    settles both for the index. Safe to share between threads: calls that change it or read more
    than a size take its lock.

    Examples
    --------
    >>> from ann import MinHashLSH
    >>> from sketches import minhash_matrix
    >>> index = MinHashLSH(threshold=0.5)
    >>> index.add(minhash_matrix([{"a", "b", "c"}, {"x", "y"}]), ids=["abc", "xy"])
    >>> index.query(minhash_matrix([{"a", "b", "c", "d"}])[0])
    ['abc']
    """
    cdef lsh_index index
    cdef readonly double threshold, recall
    cdef readonly object num_perm, bands, rows
    cdef list ids
    cdef dict row_of
    cdef object origin  # (family, seed) of the first MinHash added, or None
    cdef object next_id  # above every int id so far
    cdef size_t dead
    cdef object lock  # reentrant: making Python objects under it may run a finalizer that calls

    def __cinit__(self, threshold=0.8, recall=0.99, num_perm=128, *, bands=None, rows=None):
        memset(&self.index, 0, sizeof(self.index))
        num_perm = check_num_perm(num_perm)
        if (bands is None) != (rows is None):
            raise ValueError("give both bands and rows, or neither")
        if bands is None:
            bands, rows = choose_bands(threshold, recall, num_perm)
        check_share("threshold", threshold, 1.0)
        bands, rows = operator.index(bands), operator.index(rows)
        if bands < 1 or rows < 1 or bands * rows > num_perm:
            raise ValueError(f"{bands} bands of {rows} rows do not fit num_perm={num_perm}")
        self.index.bands = bands
        self.threshold, self.recall = threshold, float(s_curve(threshold, bands, rows))
        self.num_perm, self.bands, self.rows = num_perm, bands, rows
        self.ids, self.row_of, self.origin = [], {}, None
        self.dead, self.next_id = 0, 0
        self.lock = threading.RLock()

    def __dealloc__(self):
        lsh_release(&self.index)

    def add(self, signatures, ids=None):
        """Add one or many signatures.

        Parameters
        ----------
        signatures : MinHash, list of MinHash, uint32[num_perm] or uint32[n, num_perm]
        ids : int, str, or a list or array of n of them, optional
            All ints or all str. By default numbers: 0, 1, ... or from the largest int id on.

        Raises
        ------
        ValueError
            For an id that is there already or, as the next one, beyond 64 bits, or another
            num_perm, seed or family. Nothing is added.
        """
        matrix, _, origin = self._matrix(signatures)
        cdef const uint64_t[:, ::1] keys = band_keys(matrix, self.bands, self.rows)
        cdef size_t n = keys.shape[0]
        given = None if ids is None else list_of_ids(ids, n)
        with self.lock:
            if given is None and self.next_id + n > 2**63:
                raise ValueError(f"ids from {self.next_id} on are beyond 64 bits: give ids")
            new = list(range(self.next_id, self.next_id + n)) if given is None else given
            self._check_new(new, origin)
            if lsh_reserve(&self.index, n):
                raise MemoryError
            if n:
                with nogil:
                    lsh_append(&self.index, &keys[0, 0], n)
            self._name(new)
            self.origin = self.origin or origin

    def query(self, signatures):
        """The ids of the sets that share a band, in the order they were added.

        Returns
        -------
        list, or list of lists
            One list for a single signature, a list of lists for several.
        """
        matrix, single, origin = self._matrix(signatures)
        check_origin(self.origin, origin)
        found = self._query(band_keys(matrix, self.bands, self.rows), is_empty(matrix))
        return found[0] if single else found

    cdef list _query(self, const uint64_t[:, ::1] keys, const uint8_t[::1] empty):
        cdef uint32_t *rows = NULL
        cdef size_t room = 0, n = 0, i
        cdef Py_ssize_t q
        result = []
        try:
            with self.lock:
                for q in range(keys.shape[0]):
                    n = 0
                    if not empty[q]:
                        with nogil:
                            n = lsh_query(&self.index, &keys[q, 0], &rows, &room)
                        if n == SIZE_MAX:
                            raise MemoryError
                    result.append([self.ids[row] for row in sorted([rows[i] for i in range(n)])])
        finally:
            free(rows)
        return result

    def candidate_pairs(self):
        """All pairs that share a band, each once: two arrays of ids (int64, or object for str).

        The first of a pair was added before the second; pairs are ordered by when they were added.
        """
        with self.lock:
            self._compact()
            keys, ids = self._keys(), list(self.ids)
        nothing = np.full((1, self.num_perm), EMPTY, np.uint32)
        skip = (keys == band_keys(nothing, self.bands, self.rows)).all(axis=1)
        names = np.array(ids, np.int64 if not ids or isinstance(ids[0], int) else object)
        a, b = candidate_pairs(keys, skip)
        return names[a], names[b]

    def remove(self, ids):
        """Remove one id or several. Raises KeyError for one that is not there; nothing goes then.
        """
        gone = list_of_ids(ids)
        with self.lock:
            for name in gone:
                if name not in self.row_of:
                    raise KeyError(name)
            for name in gone:
                row = self.row_of.pop(name, None)
                if row is not None:
                    self.index.alive[<size_t>row] = 0
                    self.dead += 1
            if 2 * self.dead > self.index.rows:
                self._compact()

    def __len__(self):
        return len(self.row_of)

    def __contains__(self, name):
        return name in self.row_of

    @property
    def nbytes(self):
        """Bytes of the index itself; ids are Python objects beside it."""
        with self.lock:
            return lsh_nbytes(&self.index)

    def __repr__(self):
        return (
            f"MinHashLSH(threshold={self.threshold}, recall={self.recall:.4f},"
            f" num_perm={self.num_perm}, bands={self.bands}, rows={self.rows}) <{len(self)} sets>"
        )

    def to_bytes(self):
        """An image (docs/design/formats.md, kind ``MLSH``)."""
        with self.lock:
            self._compact()
            keys, ids, next_id, origin = self._keys(), list(self.ids), self.next_id, self.origin
        kind, names = pack_ids(ids)
        family, seed = (0, 0) if origin is None else (_FAMILIES.index(origin[0]) + 1, origin[1])
        header = HEADER.pack(self.threshold, self.num_perm, self.bands, self.rows, next_id, family,
                             seed, kind, len(ids))
        return pack(b"MLSH", 1, header, keys.astype("<u8", copy=False), names)

    @staticmethod
    def from_bytes(image):
        """The index an image holds. Raises `FormatError` for a bad one."""
        fields, payload = unpack(b"MLSH", 1, HEADER.format, image)
        threshold, num_perm, bands, rows, next_id, family, seed, kind, n = fields
        if n * bands * 8 > len(payload) or family > len(_FAMILIES) or next_id > 2**63:
            raise FormatError(f"MLSH image of {n} sets in {len(payload)} bytes, family {family},"
                              f" next id {next_id}")
        try:
            index = MinHashLSH(threshold, num_perm=num_perm, bands=bands, rows=rows)
        except ValueError as error:
            raise FormatError(f"MLSH image with bad parameters: {error}") from error
        keys = np.frombuffer(payload[: n * bands * 8], "<u8").reshape(n, bands)
        (<MinHashLSH>index)._restore(keys, unpack_ids(kind, n, payload[n * bands * 8 :]))
        (<MinHashLSH>index).next_id = max(next_id, (<MinHashLSH>index).next_id)
        (<MinHashLSH>index).origin = (_FAMILIES[family - 1], seed) if family else None
        return index

    def save(self, path):
        """Write the image to a file, all or nothing."""
        image = self.to_bytes()
        with replacing(path) as file:
            file.write(image)

    @staticmethod
    def load(path):
        """The index that `save` wrote. Raises `FormatError` for a damaged file."""
        with open(path, "rb") as file:
            return MinHashLSH.from_bytes(file.read())

    def __reduce__(self):
        return MinHashLSH.from_bytes, (self.to_bytes(),)

    # Below: called with the lock held, or by nobody else yet.

    cdef _restore(self, const uint64_t[:, ::1] keys, list ids):
        cdef size_t n = keys.shape[0]
        if lsh_reserve(&self.index, n):
            raise MemoryError
        if n:
            lsh_append(&self.index, &keys[0, 0], n)
        self._name(ids)
        if len(self.row_of) < n:
            raise FormatError("MLSH image with an id twice")

    cdef _name(self, list new):
        """Give the last rows their ids."""
        self.row_of.update(zip(new, range(len(self.ids), len(self.ids) + len(new))))
        self.ids.extend(new)
        if new and isinstance(new[0], int):
            self.next_id = max(self.next_id, max(new) + 1)

    cdef _compact(self):
        if not self.dead:
            return
        alive = [row for row in range(self.index.rows) if self.index.alive[<size_t>row]]
        lsh_compact(&self.index)
        self.ids = [self.ids[row] for row in alive]
        self.row_of = dict(zip(self.ids, range(len(self.ids))))
        self.dead = 0

    cdef _keys(self):
        """A copy of the keys: uint64[rows, bands]."""
        keys = np.empty((self.index.rows, self.bands), np.uint64)
        if self.index.rows:
            keys[:] = <uint64_t[:self.index.rows, :self.index.bands]>self.index.keys
        return keys

    cdef _check_new(self, list new, origin):
        check_origin(self.origin, origin)
        wanted = type(self.ids[0]) if self.ids else type(new[0]) if new else int
        seen = set()
        for i, name in enumerate(new):
            if type(name) is not wanted:
                raise TypeError(f"ids are all int or all str; id {i} is {type(name).__name__}")
            if name in self.row_of or name in seen:
                raise ValueError(f"id {name!r} is there already")
            seen.add(name)

    cdef tuple _matrix(self, signatures):
        """Signatures of any kind as uint32[n, num_perm]; whether it was a single one; the family
        and seed of MinHash objects, else None."""
        single, origin = isinstance(signatures, MinHash), None
        if single:
            signatures = [signatures]
        if isinstance(signatures, (list, tuple)) and all(
            isinstance(sketch, MinHash) for sketch in signatures
        ):
            for sketch in signatures:
                check_origin(origin, (sketch.family, sketch.seed))
                origin = sketch.family, sketch.seed
            rows = [sketch.signature for sketch in signatures]
            matrix = np.array(rows, np.uint32) if rows else np.empty((0, self.num_perm), np.uint32)
        else:
            matrix = np.asarray(signatures)
            if matrix.dtype != np.uint32:
                raise TypeError(f"signatures are MinHash or uint32 arrays, not {matrix.dtype}")
            single = matrix.ndim == 1
        matrix = np.ascontiguousarray(np.atleast_2d(matrix))
        if matrix.ndim != 2 or matrix.shape[1] != self.num_perm:
            raise ValueError(f"signatures of shape {matrix.shape}; num_perm is {self.num_perm}")
        return matrix, single, origin


cdef check_origin(known, given):
    """Refuse signatures of another family or seed, where both are known."""
    if known is not None and given is not None and known != given:
        raise ValueError(f"family and seed differ: {known} before, {given} now")


cdef list_of_ids(ids, n=None):
    """Ids as a list of plain int or str: nothing foreign is called under the index's lock."""
    if isinstance(ids, np.ndarray):
        ids = ids.reshape(-1).tolist()
    elif isinstance(ids, (int, str, np.integer)):
        ids = [ids]
    elif isinstance(ids, (bytes, bytearray, memoryview, dict)):
        raise TypeError(f"ids are all int or all str, not {type(ids).__name__}")
    result = []
    for i, name in enumerate(ids):
        if isinstance(name, (int, np.integer)) and not isinstance(name, bool):
            name = int(name)
            if not -2**63 <= name < 2**63:
                raise ValueError(f"id {name} is beyond 64 bits")
        elif isinstance(name, str):
            name = str.__str__(name)
        else:
            raise TypeError(f"ids are all int or all str; id {i} is {type(name).__name__}")
        result.append(name)
    if n is not None and len(result) != n:
        raise ValueError(f"{len(result)} ids for {n} signatures")
    return result


cdef is_empty(matrix):
    """Which signatures are those of the empty set: uint8[n]."""
    return (matrix == EMPTY).all(axis=1).view(np.uint8)


cdef pack_ids(ids):
    """The kind of ids, and their bytes: int64, or the lengths (u32) and then the UTF-8."""
    if not ids:
        return IDS_NONE, b""
    if isinstance(ids[0], int):
        return IDS_INT, np.array(ids, "<i8").tobytes()
    texts = [name.encode("utf-8", "surrogatepass") for name in ids]
    return IDS_STR, np.array([len(t) for t in texts], "<u4").tobytes() + b"".join(texts)


cdef unpack_ids(kind, n, payload):
    if kind == IDS_NONE and n == 0 and len(payload) == 0:
        return []
    if kind == IDS_INT and len(payload) == 8 * n:
        return np.frombuffer(payload, "<i8").tolist()
    if kind == IDS_STR and len(payload) >= 4 * n:
        ends = np.cumsum(np.frombuffer(payload[: 4 * n], "<u4"), dtype=np.int64)
        texts = bytes(payload[4 * n :])
        if n and ends[n - 1] == len(texts):
            starts = [0, *ends.tolist()]
            try:
                return [
                    texts[starts[i] : starts[i + 1]].decode("utf-8", "surrogatepass")
                    for i in range(n)
                ]
            except UnicodeDecodeError as error:
                raise FormatError(f"MLSH image with ids that are not UTF-8: {error}") from error
    raise FormatError(f"MLSH image with {len(payload)} bytes for {n} ids of kind {kind}")
