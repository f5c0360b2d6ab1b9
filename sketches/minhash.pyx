"""MinHash: the resemblance of sets from a few hundred bytes each.

A signature has `num_perm` 32-bit slots. The share of slots in which two signatures agree estimates
the Jaccard similarity of their sets. Two families:

``"fss32"`` (the default)
    Fast Similarity Sketching (Dahlgaard, Knudsen, Thorup, arXiv 1704.04370) of the items'
    MurmurHash3 hashes; csrc/minhash.h defines it to the bit, as version 1. The error is that of
    independent samples at most. Its variance was measured, at 128 slots, as 0.52 to 0.55 of theirs
    for sets of 50 to 100 items; it nears theirs for far smaller sets and for larger ones
    (docs/design/minhash.md).
``"affine32"``
    The signatures of ``datasketch`` 2.x: fmix32 of the first 4 bytes of SHA-1, then one odd affine
    map a slot (Broder 1997). For those who hold stored signatures.
"""

import struct

import numpy as np

cimport cython
from cpython.exc cimport PyErr_CheckSignals
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from sketches._arrays cimport check_hashes
from sketches._arrow cimport COLUMN_TURN, column_clock, is_arrow
from sketches._cpu cimport level
from sketches._items cimport check_seed, for_each_hash, hash_one, texts_as_bytes
from sketches._signatures cimport (
    lanes_for, minhash_kernels, minhash_kernels_for, minhash_params, piece,
)

from sketches._frame import FormatError, pack, unpack
from sketches._jaccard import interval, samples_for
from sketches._signatures import EMPTY, NUM_PERM_MAX, minhash_matrix

ALGORITHM = "tractable.minhash.fss32.v1"  # what a stored signature of the default family is
FAMILIES = ("fss32", "affine32")  # an image stores the position
HEADER = struct.Struct("<IIQ")  # of an image: family, num_perm, seed
cdef dict DEFAULT_SEED = {"fss32": 9001, "affine32": 1}


cdef struct one_sketch:
    const minhash_kernels *kernels
    const minhash_params *params
    uint32_t *slots


# Turns: as many hashes as fit into one, without the GIL; they return where to go on.

cdef Py_ssize_t take_turn(const minhash_kernels *kernels, const minhash_params *params,
                          uint32_t *slots, const uint64_t[::1] x, Py_ssize_t at) noexcept nogil:
    cdef int64_t began = column_clock(), n
    while at < x.shape[0] and column_clock() - began < COLUMN_TURN:
        n = min(piece(params), x.shape[0] - at)
        kernels.update(params, slots, &x[at], n)
        at += n
    return at


cdef Py_ssize_t take_affine_turn(const minhash_kernels *kernels, const minhash_params *params,
                                 uint32_t *slots, const uint32_t[::1] x,
                                 Py_ssize_t at) noexcept nogil:
    cdef int64_t began = column_clock(), n
    while at < x.shape[0] and column_clock() - began < COLUMN_TURN:
        n = min(piece(params), x.shape[0] - at)
        kernels.affine(slots, params.a, params.b, params.k, &x[at], n)
        at += n
    return at


cdef int take_hashes(void *ctx, const uint64_t *h1, const uint64_t *h2, size_t n) noexcept nogil:
    cdef one_sketch *s = <one_sketch *>ctx
    s.kernels.update(s.params, s.slots, h1, n)
    return 0


@cython.final
cdef class MinHash(Sketch):
    """A mergeable sketch of a set that keeps Jaccard similarity.

    Parameters
    ----------
    num_perm : int, default 128
        Slots K, 1 .. 65536. The standard error of `jaccard` is at most
        ``sqrt(J (1 - J) / K)``: 0.044 at K = 128 and J = 0.5.
    seed : int, optional
        0 .. 2**64 - 1; 9001 by default, 1 for ``affine32`` (0 .. 2**32 - 1 there), as in
        ``datasketch``. Sketches of different seeds do not compare.
    family : {"fss32", "affine32"}
        See the module. ``affine32`` takes items of str and bytes only.

    Notes
    -----
    The signature is a function of the set: neither order nor repetition nor the split into updates
    changes it, and the signature of a union is the slot-wise minimum. With K slots and any two
    non-empty sets, ``E[jaccard] = J`` and ``Var[jaccard] <= J (1 - J) / K`` (up to the chance that
    two hashes of 64 bits, or two ranks of 30 bits, are equal).

    References
    ----------
    Dahlgaard, Knudsen, Thorup, "Fast Similarity Sketching", FOCS 2017, arXiv 1704.04370.
    Broder, "On the resemblance and containment of documents", 1997.

    Examples
    --------
    >>> from sketches import MinHash
    >>> a, b = MinHash(), MinHash()
    >>> _ = a.update(range(1000)), b.update(range(500, 1500))
    >>> round(a.jaccard(b), 2)  # 1/3 in truth
    0.36
    """

    _alike = ("family", "num_perm", "seed")

    def __cinit__(self, num_perm=128, seed=None, family="fss32"):
        if family not in FAMILIES:
            raise ValueError(f"family must be one of {FAMILIES}, not {family!r}")
        self.family = family
        self.seed = check_seed(DEFAULT_SEED[family] if seed is None else seed)
        if family == "affine32" and self.seed >= 2**32:
            raise ValueError(f"seeds of affine32 are below 2**32, not {seed}")
        self.lanes = lanes_for(family, num_perm, self.seed)
        self.num_perm = self.lanes.params.k
        self.slots = np.full(self.num_perm, EMPTY, np.uint32)

    @classmethod
    def for_error(cls, error, confidence=0.95, **options):
        """The smallest sketch with ``P(|jaccard - J| <= error) >= confidence`` for every J.

        K = ln(2 / (1 - confidence)) / (2 error^2), rounded up (Hoeffding 1963).

        Raises
        ------
        ValueError
            If error or confidence lie outside (0, 1), or K beyond 65536.
        """
        return cls(samples_for(error, confidence), **options)

    @staticmethod
    def from_sets(sets, num_perm=128, seed=None, family="fss32"):
        """One MinHash per set.

        Parameters
        ----------
        sets
            As for `minhash_matrix`; for ``affine32`` an iterable of collections of str or bytes,
            of which None is an empty one.
        num_perm, seed, family
            As in `MinHash`.
        """
        if family == "fss32":
            seed = DEFAULT_SEED[family] if seed is None else seed
            matrix = minhash_matrix(sets, num_perm=num_perm, seed=seed)
            return [MinHash.from_signature(row, seed) for row in matrix]
        if is_arrow(sets) or isinstance(sets, (str, bytes)) or not hasattr(sets, "__iter__"):
            raise TypeError("affine32 takes an iterable of collections of str or bytes, not a "
                            f"{type(sets).__qualname__}: see its tolist() or to_pylist()")
        return [sketch_texts(items, num_perm, seed, family) for items in sets]

    @staticmethod
    def from_signature(signature, seed=None, family="fss32"):
        """The sketch whose `signature` was kept: a row of `minhash_matrix` or of
        `ann.TextSketcher.sketch`, or the ``hashvalues`` of ``datasketch`` (``affine32``).

        Raises
        ------
        TypeError, ValueError
            For anything but one row of integers below 2**32.
        """
        row = np.asarray(signature)
        if row.ndim != 1 or row.dtype.kind not in "iu":
            raise TypeError(
                f"a signature is one row of integers, not {row.ndim}-dimensional {row.dtype}"
            )
        if row.size and not 0 <= int(row.min()) <= int(row.max()) <= EMPTY:
            raise ValueError("a signature's slots are from 0 to 2**32 - 1")
        sketch = MinHash(row.size, seed, family)
        (<MinHash>sketch)._merge(row.astype(np.uint32))
        return sketch

    def update(self, items):
        """Take items into the set: a scalar or any batch that `sketches.hash64` accepts.

        Returns
        -------
        int
            How many nulls were passed over.

        Raises
        ------
        TypeError, OverflowError, ValueError
            As `sketches.hash64`; items before the bad one may have been taken.
        """
        cdef one_sketch state
        cdef uint32_t[::1] slots
        cdef uint64_t h1, h2
        if self.family == "affine32":
            return self._update_affine(items)
        state.kernels = minhash_kernels_for(level())
        state.params = &self.lanes.params
        if hash_one(items, self.seed, &h1, &h2):
            with self.lock:
                state.kernels.update(state.params, &self.slots[0], &h1, 1)
            return 0
        slots = np.full(self.num_perm, EMPTY, np.uint32)  # foreign code must not run in the lock
        state.slots = &slots[0]
        nulls = for_each_hash(items, self.seed, False, take_hashes, &state)
        self._merge(slots)
        return nulls

    def update_hashes(self, hashes):
        """Take items by their hashes: uint64, uniform over 64 bits (for ``affine32`` uint32, what
        ``datasketch`` calls the hashfunc's value)."""
        cdef uint32_t[::1] slots = np.full(self.num_perm, EMPTY, np.uint32)
        cdef const minhash_kernels *kernels = minhash_kernels_for(level())
        cdef const uint64_t[::1] x
        cdef Py_ssize_t start = 0
        if self.family == "affine32":
            self._take_affine(check_hashes(hashes, np.uint32))
            return
        x = check_hashes(hashes, np.uint64)
        while start < x.shape[0]:
            PyErr_CheckSignals()
            with nogil:
                start = take_turn(kernels, &self.lanes.params, &slots[0], x, start)
        self._merge(slots)

    def _update_affine(self, items):
        import hashlib  # OpenSSL's, which nothing else here needs

        texts = texts_as_bytes(items)
        known = [hashlib.sha1(text).digest()[:4] for text in texts if text is not None]
        self._take_affine(np.frombuffer(b"".join(known), "<u4"))
        return len(texts) - len(known)

    cdef _take_affine(self, hashes):
        cdef uint32_t[::1] x = fmix32(hashes)
        cdef uint32_t[::1] slots = np.full(self.num_perm, EMPTY, np.uint32)
        cdef const minhash_kernels *kernels = minhash_kernels_for(level())
        cdef Py_ssize_t start = 0
        while start < x.shape[0]:
            PyErr_CheckSignals()
            with nogil:
                start = take_affine_turn(kernels, &self.lanes.params, &slots[0], x, start)
        self._merge(slots)

    # The lock is held over C code alone: nothing in there allocates, collects or calls back.

    cdef _merge(self, const uint32_t[::1] other):
        cdef const minhash_kernels *kernels = minhash_kernels_for(level())
        with self.lock:
            kernels.merge(&self.slots[0], &other[0], self.lanes.params.k)

    cdef uint32_t[::1] _snapshot(self):
        """The slots at one moment."""
        cdef uint32_t[::1] copy = np.empty(self.num_perm, np.uint32)
        with self.lock:
            memcpy(&copy[0], &self.slots[0], copy.shape[0] * sizeof(uint32_t))
        return copy

    def merge(self, other):
        """Make this the sketch of the union. Raises ValueError for another family, num_perm or
        seed."""
        self._check_same(other)
        self._merge((<MinHash>other)._snapshot())

    def jaccard(self, other):
        """The estimated Jaccard similarity, the share of equal slots.

        An empty set resembles nothing, not even another empty one: 0.
        """
        self._check_same(other)
        cdef const uint32_t[::1] p = self._snapshot(), q = (<MinHash>other)._snapshot()
        if all_empty(p) or all_empty(q):
            return 0.0
        return minhash_kernels_for(level()).equal(&p[0], &q[0], p.shape[0]) / <double>p.shape[0]

    def bounds(self, other, confidence=0.95):
        """An interval that holds the true Jaccard similarity.

        Returns
        -------
        (float, float)
            Clopper-Pearson: ``P(low <= J <= high) >= confidence`` for independent slots; those of
            fss32 vary less. ``(0, 0)`` where a set is empty.
        """
        if self.is_empty or other.is_empty:
            self._check_same(other)
            return 0.0, 0.0
        return interval(self.jaccard(other), self.num_perm, confidence)

    @property
    def error(self):
        """The largest standard error of `jaccard`, at J = 1/2: ``1 / (2 sqrt(num_perm))``."""
        return 0.5 / self.num_perm ** 0.5

    @property
    def signature(self):
        """A copy of the slots: uint32[num_perm]."""
        return np.asarray(self._snapshot())

    @property
    def is_empty(self):
        """Whether nothing has been taken yet."""
        return all_empty(self._snapshot())

    @property
    def nbytes(self):
        """Bytes of state."""
        return 4 * self.num_perm

    def compact(self, bits=8):
        """The `BBitMinHash` with 8 or 16 bits a slot: smaller, comparable, no longer mergeable."""
        from sketches.bbit import BBitMinHash

        return BBitMinHash.of(self, bits)

    def clear(self):
        """Back to the empty set."""
        with self.lock:
            memset(&self.slots[0], 0xFF, self.lanes.params.k * sizeof(uint32_t))

    def copy(self):
        """An independent sketch of the same set."""
        return MinHash.from_signature(self._snapshot(), self.seed, self.family)

    def to_bytes(self):
        """An image (docs/design/formats.md, kind ``MINH``)."""
        header = HEADER.pack(FAMILIES.index(self.family), self.num_perm, self.seed)
        return pack(b"MINH", 1, header, np.asarray(self._snapshot()).astype("<u4").tobytes())

    @staticmethod
    def from_bytes(image):
        """The sketch an image holds. Raises `FormatError` for a bad one."""
        (family, num_perm, seed), payload = unpack(b"MINH", 1, HEADER.format, image)
        if family >= len(FAMILIES) or not 1 <= num_perm <= NUM_PERM_MAX:
            raise FormatError(f"MINH image with family {family} and num_perm {num_perm}")
        if len(payload) != 4 * num_perm or (FAMILIES[family] == "affine32" and seed >= 2**32):
            raise FormatError(f"MINH image with {len(payload)} bytes of slots and seed {seed}")
        return MinHash.from_signature(np.frombuffer(payload, "<u4"), seed, FAMILIES[family])

    def __eq__(self, other):
        if not isinstance(other, MinHash):
            return NotImplemented
        return (
            (self.family, self.num_perm, self.seed)
            == (other.family, other.num_perm, other.seed)
            and np.array_equal(self.signature, other.signature)
        )

    __hash__ = None

    def __repr__(self):
        state = "empty" if self.is_empty else "filled"
        return (
            f"MinHash(num_perm={self.num_perm}, seed={self.seed}, family={self.family!r})"
            f" <{state}>"
        )


cdef sketch_texts(items, num_perm, seed, family):
    """The sketch of one set of str or bytes."""
    if isinstance(items, (str, bytes)):
        raise TypeError(f"a collection of items wanted, not {type(items).__qualname__}")
    sketch = MinHash(num_perm, seed, family)
    if items is not None:
        sketch.update(items)
    return sketch


cdef bint all_empty(const uint32_t[::1] slots):
    cdef Py_ssize_t i
    for i in range(slots.shape[0]):
        if slots[i] != 0xFFFFFFFF:
            return False
    return True


cdef fmix32(hashes):
    h = np.array(hashes, np.uint32)
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35), (16, 1)):
        h ^= h >> np.uint32(shift)
        h *= np.uint32(factor)
    return h
