"""What goes beside the rows of a batch: weights into a sink, answers out of one.

Weights are one integer for all, or one for each row, nulls included.
"""

from collections.abc import Mapping

import numpy as np

cimport numpy as cnp
from libc.string cimport memset

from sketches._items cimport compact, walk

cnp.import_array()


cdef const int64_t *next_weights(weighing *w, const uint8_t *valid, size_t n) noexcept nogil:
    cdef const int64_t *here
    cdef size_t i
    if w.each == NULL:
        w.at += n
        return w.block if w.alike else NULL
    if w.at + <Py_ssize_t>n > w.rows:
        w.ran_out = True
        return NULL
    here = w.each + w.at
    w.at += n
    if valid == NULL:
        return here
    for i in range(n):
        w.block[i] = here[i]
    compact(<uint64_t *>w.block, valid, n)
    return w.block


cdef class Weights:
    def __cinit__(self, weights, bint negative, str name):
        """None, an integer, or a row of integers; negative ones only where they are wanted."""
        cdef const int64_t[::1] each
        cdef int64_t alike
        cdef size_t i
        memset(&self.state, 0, sizeof(weighing))
        if weights is None:
            return
        if isinstance(weights, np.ma.MaskedArray):
            raise TypeError("masked weights: give those of the valid items, compressed()")
        array = np.asarray(weights)
        if not array.size and array.dtype == np.float64:  # what an empty list becomes
            array = array.astype(np.int64)
        if array.dtype.kind not in "iu" or array.ndim > 1:
            raise TypeError(f"weights are integers, one for each item or one for all, not "
                            f"{array.ndim}-dimensional {array.dtype}")
        if array.size and int(array.max()) > 2**63 - 1:
            raise OverflowError("a weight beyond 2**63 - 1")
        if array.size and not negative and int(array.min()) < 0:
            raise ValueError(f"a {name} takes no negative weights, of which the least is "
                             f"{array.min()}: CountSketch takes deletions")
        if array.ndim == 0:
            self.state.alike, alike = True, array
            for i in range(COLUMN_BLOCK):
                self.state.block[i] = alike
            return
        self.array = np.ascontiguousarray(array, np.int64)
        each = self.array
        self.state.rows = each.shape[0]
        self.state.each = &each[0] if each.shape[0] else self.state.block

    cdef Py_ssize_t feed(self, object items, column_block *b, column_sink sink,
                         void *ctx) except -1:
        cdef weighing *w = &self.state
        if w.each == NULL and isinstance(items, Mapping):
            raise TypeError(f"a {type(items).__name__} would lose its counts: update(list(counts), "
                            "weights=list(counts.values())) takes them, update(list(counts)) does "
                            "not")
        if w.each != NULL and rows_of(items, w.rows) != w.rows:  # before anything is taken
            raise ValueError(f"{w.rows} weights for {rows_of(items, w.rows)} items")
        try:
            walk(items, b, sink, ctx)
        except MemoryError:  # a sink that stops has no other word for it
            if w.ran_out:
                raise ValueError(f"{w.rows} weights for more items; the first {w.at} have been "
                                 "taken") from None
            raise
        if w.each != NULL and w.at != w.rows:
            raise ValueError(f"{w.rows} weights for {w.at} items, which have been taken")
        return b.nulls


cdef Py_ssize_t rows_of(items, Py_ssize_t unknown):
    if isinstance(items, (str, bytes, int, float, np.generic)) or getattr(items, "ndim", 1) == 0:
        return 1
    return len(items) if hasattr(items, "__len__") else unknown


cdef class Answers(Output):
    """An array that grows where the length of the batch is not known before."""

    def __cinit__(self, Py_ssize_t per=1):
        self.at.per = per
        self.array = np.empty((0, per), np.uint64)

    cdef int ahead(self, Py_ssize_t rows) except -1:
        if self.at.n + rows > self.room:
            self.room = max(self.at.n + rows, 2 * self.room if self.at.n else 0)
            grown = np.empty((self.room, self.at.per), np.uint64)
            grown[:self.at.n] = self.array[:self.at.n]
            self.array, self.at.out = grown, <uint64_t *>cnp.PyArray_DATA(grown)
        return 0

    cdef object taken(self):
        return self.array[:self.at.n]
