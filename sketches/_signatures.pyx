"""Signatures of MinHash by rows: the lanes they are made with, and those of many sets at once.

A row is uint32[num_perm], as csrc/minhash.h defines it; the structure over one is `MinHash`.
"""

import functools

import numpy as np

from cpython.exc cimport PyErr_CheckSignals
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport free

from sketches._arrays cimport check_hashes, owned_array
from sketches._arrow cimport COLUMN_TURN, column_clock
from sketches._cpu cimport level
from sketches._items cimport check_seed
from sketches._sets cimport for_each_set

EMPTY = 0xFFFFFFFF  # every slot of the empty set
NUM_PERM_MAX = 1 << 16
cdef enum:
    PIECE = 4096  # hashes between two looks at the clock (20 ns): microseconds


cdef class Lanes:
    """The multipliers and offsets of a family's affine maps; shared, never changed."""

    def __init__(self, family, Py_ssize_t num_perm, seed):
        cdef Py_ssize_t k
        if family == "affine32":  # exactly how datasketch draws them
            random = np.random.RandomState(seed)
            a = random.randint(0, 1 << 31, num_perm, np.uint32) * np.uint32(2) + np.uint32(1)
            self.a, self.b = a, random.randint(0, 1 << 32, num_perm, np.uint32)
        else:
            self.a, self.b = np.empty(num_perm, np.uint32), np.empty(num_perm, np.uint32)
            for k in range(num_perm):
                minhash_lane(k, &self.a[k], &self.b[k])
        self.params.k = num_perm
        self.params.a = &self.a[0]
        self.params.b = &self.b[0]


@functools.lru_cache(maxsize=64)
def _cached_lanes(family, num_perm, seed):
    return Lanes(family, num_perm, seed)


cdef Lanes lanes_for(family, num_perm, seed=0):
    return _cached_lanes(family, check_num_perm(num_perm), seed if family == "affine32" else 0)


def check_num_perm(num_perm):
    """The number of slots as an int, or what is wrong with it."""
    if isinstance(num_perm, bool) or not isinstance(num_perm, (int, np.integer)):
        raise TypeError(f"num_perm must be an integer, not {type(num_perm).__name__}")
    if not 1 <= num_perm <= NUM_PERM_MAX:
        raise ValueError(f"num_perm must be 1 .. {NUM_PERM_MAX}, not {num_perm}")
    return int(num_perm)


cdef int64_t piece(const minhash_params *params) noexcept nogil:
    """Hashes to take at once: as the slots are gone through for each piece, no fewer than those."""
    return max(PIECE, <int64_t>params.k)


cdef struct many_sketches:
    const minhash_kernels *kernels
    const minhash_params *params
    signature_rows rows
    uint32_t *row  # of the set under way, or NULL


cdef int take_set(void *ctx, const uint64_t *h1, size_t n, bint last) noexcept nogil:
    cdef many_sketches *s = <many_sketches *>ctx
    if s.row == NULL:
        s.row = signature_rows_add(&s.rows)
        if s.row == NULL:
            return -1
    s.kernels.update(s.params, s.row, h1, n)
    if last:
        s.row = NULL
    return 0


def minhash_matrix(sets, offsets=None, *, num_perm=128, seed=9001):
    """The fss32 signatures of many sets at once.

    Parameters
    ----------
    sets
        A list of sets (or lists, arrays, ...) of items, or an Arrow list column. With `offsets`:
        uint64[m], the hashes of all sets on end, taken as they are.
    offsets : int64[n + 1], optional
        Set i is ``sets[offsets[i]:offsets[i + 1]]``.
    num_perm, seed
        As in `MinHash`.

    Returns
    -------
    uint32[n, num_perm]
        The row of an empty (or null) set holds `EMPTY` throughout.

    Raises
    ------
    TypeError, ValueError
        For items that `sketches.hash64` refuses, and offsets that fall or leave the hashes.
    """
    cdef Lanes lanes = lanes_for("fss32", num_perm)
    cdef many_sketches state
    state.kernels = minhash_kernels_for(level())
    state.params = &lanes.params
    state.rows = signature_rows_new(lanes.params.k)
    state.row = NULL
    try:
        if offsets is None:
            for_each_set(sets, check_seed(seed), take_set, &state)
        else:
            walk_hashes(sets, offsets, &state)
        return rows_to_array(&state.rows)
    finally:
        free(state.rows.slots)


cdef int walk_hashes(values, offsets, many_sketches *state) except -1:
    """The sets of a CSR matrix whose values are hashes already."""
    cdef const uint64_t[::1] x = check_hashes(values, np.uint64)
    given = np.array(offsets)  # a copy: nobody changes it while the GIL is released
    if given.dtype.kind not in "iu" or given.ndim != 1:
        raise TypeError("offsets must be a one-dimensional integer array")
    if given.size == 0 or int(given.min()) < 0 or int(given.max()) > x.shape[0]:
        raise ValueError(f"offsets must lie within 0 .. {x.shape[0]}, the number of hashes")
    cdef const int64_t[::1] at = given.astype(np.int64)
    cdef Py_ssize_t i, n = at.shape[0] - 1, row = 0
    cdef int64_t position = at[0]
    cdef const uint64_t *start = &x[0] if x.shape[0] else NULL
    for i in range(n):
        if at[i] > at[i + 1]:
            raise ValueError(f"offsets fall at set {i}")
    cdef int failed = 0
    while row < n:
        PyErr_CheckSignals()
        with nogil:
            failed = take_sets(state, start, &at[0], n, &row, &position)
        if failed:
            raise MemoryError
    return 0


cdef int take_sets(many_sketches *s, const uint64_t *x, const int64_t *at, Py_ssize_t n,
                   Py_ssize_t *row, int64_t *position) noexcept nogil:
    """One turn: sets row .. n - 1 from the hash at `position` on, or as far as it goes."""
    cdef int64_t began = column_clock(), spent = 0, m
    cdef bint last
    while row[0] < n:
        m = min(piece(s.params), at[row[0] + 1] - position[0])
        last = position[0] + m == at[row[0] + 1]
        if take_set(s, x + position[0], m, last):
            return -1
        position[0] += m
        row[0] += last
        spent += m + s.params.k  # a set costs its slots besides
        if spent >= PIECE:
            spent = 0
            if column_clock() - began > COLUMN_TURN:
                break
    return 0


cdef rows_to_array(signature_rows *rows):
    """The rows as uint32[n, k]; they are the array's from now on."""
    cdef void *slots = rows.slots
    rows.slots = NULL
    return owned_array(slots, rows.n * rows.k * sizeof(uint32_t), np.uint32).reshape(
        rows.n, rows.k
    )
