"""The hashing core: MurmurHash3 x64 128 of whatever users have.

Every structure of the library starts from these hashes, so two of them can be compared or merged
whenever their seeds agree, whichever container the items came in. What is hashed:

    integers, bool                  the value as 8 bytes, little-endian, two's complement;
                                    from 2**63 on unsigned
    floats                          the value as a float64; -0.0 as 0.0; one NaN
    str                             its UTF-8 bytes
    bytes                           as they are
    dates, times, durations (numpy  the stored number as an int64, whatever its unit
      datetime64, timedelta64; Arrow)
    rows of several columns         the 16 bytes (h1, h2) of each column, side by side, a null
                                    among them as 16 bytes 0xff

For seeds below 2**32 the results equal those of the reference implementation (and PyPI's mmh3).
"""

from cpython.bytes cimport PyBytes_AS_STRING
from libc.stdint cimport uint8_t, uint64_t
from libc.string cimport memcpy, memset

import numpy as np

cimport numpy as cnp

from sketches._arrow cimport column_block, column_block_free
from sketches._items cimport (
    Output, check_seed, compact, hash_one, is_scalar, new_block, walk,
)

cnp.import_array()

cdef extern from "murmur3.h" nogil:
    void murmur3_x64_128(const uint8_t *key, size_t n, uint64_t seed, uint64_t *h1, uint64_t *h2)


# Where the arrays of `_Collector` may be written to without the GIL.
cdef struct target:
    uint64_t *h1
    uint64_t *h2     # NULL: not wanted
    uint8_t *valid   # likewise
    size_t n, rows   # hashes kept so far, rows seen so far


cdef class _Collector(Output):
    """The arrays to be returned; they grow by doubling where the length is not known before."""
    cdef target at
    cdef size_t room
    cdef list arrays  # of h1, h2, valid; None where not wanted

    def __cinit__(self, size_t room, bint both, bint mask):
        self.room = room
        self.arrays = [np.empty(room, dtype) if wanted else None for dtype, wanted in
                       ((np.uint64, True), (np.uint64, both), (np.bool_, mask))]
        self.aim()

    cdef void aim(self):
        h1, h2, valid = self.arrays
        self.at.h1 = <uint64_t *>cnp.PyArray_DATA(h1)
        self.at.h2 = NULL if h2 is None else <uint64_t *>cnp.PyArray_DATA(h2)
        self.at.valid = NULL if valid is None else <uint8_t *>cnp.PyArray_DATA(valid)

    cdef int ahead(self, Py_ssize_t rows) except -1:
        if self.at.rows + rows <= self.room:
            return 0
        self.room = max(self.at.rows + rows, 2 * self.room if self.at.rows else 0)
        self.resize(self.room, self.room)
        self.aim()
        return 0

    cdef int resize(self, size_t n, size_t rows) except -1:
        for array, length in zip(self.arrays, (n, n, rows)):
            if array is not None and len(array) != length:
                array.resize(length, refcheck=False)
        return 0


cdef int store(void *ctx, column_block *b, const uint8_t *valid, size_t n) noexcept nogil:
    cdef target *at = <target *>ctx
    cdef size_t kept = n
    if valid != NULL:
        kept = compact(b.h1, valid, n)
        if at.h2 != NULL:
            compact(b.h2, valid, n)
    memcpy(at.h1 + at.n, b.h1, kept * sizeof(uint64_t))
    if at.h2 != NULL:
        memcpy(at.h2 + at.n, b.h2, kept * sizeof(uint64_t))
    if at.valid != NULL and valid != NULL:
        memcpy(at.valid + at.rows, valid, n)
    elif at.valid != NULL:
        memset(at.valid + at.rows, 1, n)
    at.n += kept
    at.rows += n
    return 0


cdef list hash_all(object items, object seed, bint skip_empty, bint both, bint mask):
    """[h1, h2, valid] of a batch."""
    cdef uint64_t checked = check_seed(seed)
    known = len(items) if isinstance(items, (list, tuple)) else 0
    cdef _Collector out = _Collector(known, both, mask)
    cdef column_block *b = new_block(checked, skip_empty)
    if not both:
        b.second = NULL
    try:
        walk(items, b, store, &out.at, out)
        out.resize(out.at.n, out.at.rows)
        return out.arrays
    finally:
        column_block_free(b)


def hash64(items, seed=9001, *, skip_empty=False, return_valid=False):
    """Hash a batch of items to 64 bits each: h1 of MurmurHash3 x64 128.

    Parameters
    ----------
    items : batch or scalar
        A str, bytes, int or float; a list, tuple or other iterable of one of these; a numpy array
        of integers, floats, bools, datetime64, timedelta64, strings or objects; anything that
        offers the Arrow C data interface (pyarrow, polars, pandas, DuckDB). Several columns hash
        as one row.
    seed : int, default 9001
        From 0 to 2**64 - 1. The default is that of Apache DataSketches.
    skip_empty : bool, default False
        Leave out empty strings, as Apache DataSketches does. Has no meaning for rows of several
        columns.
    return_valid : bool, default False
        Also return which items were hashed.

    Returns
    -------
    hashes : numpy.ndarray of uint64, or int
        One hash per item that is not null, in order; an int for a scalar (None for an empty one
        that is skipped).
    valid : numpy.ndarray of bool, or bool
        Only with `return_valid`: one flag per item, False where it was null or skipped, so that
        ``out[valid] = hashes`` puts the hashes back beside their items.

    Raises
    ------
    TypeError
        For a type that cannot be hashed, or types mixed in one batch; names the position.
    OverflowError
        For an integer without a 64-bit value.
    ValueError
        For a bad seed, a str without UTF-8 form, or malformed Arrow data.

    Notes
    -----
    Without the GIL for numpy and Arrow memory, which is read in place.

    Examples
    --------
    >>> from sketches.hashing import hash64
    >>> hash64("tractable")
    13350988610552485974
    >>> hash64([1, None, 2], return_valid=True)[1]
    array([ True, False,  True])
    """
    cdef uint64_t first, second
    cdef bint plain = not (return_valid or skip_empty)
    if plain and hash_one(items, check_seed(seed), &first, &second):
        return first
    h1, _, valid = hash_all(items, seed, skip_empty, False, return_valid)
    if is_scalar(items):
        h1 = int(h1[0]) if len(h1) else None
        valid = valid is not None and bool(valid[0])
    return (h1, valid) if return_valid else h1


def hash128(items, seed=9001, *, skip_empty=False, return_valid=False):
    """Hash a batch of items to 128 bits each: both words of MurmurHash3 x64 128.

    Parameters
    ----------
    items, seed, skip_empty, return_valid
        As for `hash64`.

    Returns
    -------
    h1, h2 : numpy.ndarray of uint64, or int
        The two words; ints for a scalar.
    valid : numpy.ndarray of bool, or bool
        Only with `return_valid`.

    Examples
    --------
    >>> from sketches.hashing import hash128
    >>> hash128(5)
    (2997465015522846075, 8313593791005240587)
    """
    cdef uint64_t first, second
    cdef bint plain = not (return_valid or skip_empty)
    if plain and hash_one(items, check_seed(seed), &first, &second):
        return first, second
    h1, h2, valid = hash_all(items, seed, skip_empty, True, return_valid)
    if is_scalar(items):
        h1, h2 = (int(h1[0]), int(h2[0])) if len(h1) else (None, None)
        valid = valid is not None and bool(valid[0])
    return (h1, h2, valid) if return_valid else (h1, h2)


# ------------------------------------------- images (_frame.py), which may be large

def _checksum(const uint8_t[::1] data not None):
    """h1 of a buffer's bytes, seed 0."""
    cdef uint64_t h1, h2
    with nogil:
        murmur3_x64_128(&data[0] if data.shape[0] else NULL, data.shape[0], 0, &h1, &h2)
    return h1


def _seal(bytes image not None):
    """The same object, which nobody else holds yet, with `_checksum` of it in its last 8 bytes."""
    cdef Py_ssize_t i, end = len(image) - 8
    cdef uint64_t h1 = _checksum(memoryview(image)[:end])
    for i in range(8):
        PyBytes_AS_STRING(image)[end + i] = <char>(h1 >> 8 * i)
    return image
