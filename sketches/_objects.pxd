from cpython.object cimport PyObject
from libc.stdint cimport uint64_t

from sketches._arrow cimport column_block


cdef struct gathering:
    int family            # of the items so far: one of the constants below
    Py_ssize_t position   # of the first item of this block in the whole batch
    size_t nulls          # in this block: if any, block.valid holds
    size_t used           # of the scratch
    size_t bytes          # of the texts in this block
    bint is_unsigned      # some integer was beyond 2**63 - 1

cdef enum:
    ANYTHING, INTS, FLOATS, STRS, BYTES
    ROWS  # of several columns; no object is one

cdef class Objects:
    """Any container of Python objects as blocks: lists or tuples that hold their items."""
    cdef object items, iterator, absent
    cdef Py_ssize_t at
    cdef object next(self)

cdef Py_ssize_t hash_ascii(PyObject **items, Py_ssize_t n, column_block *b,
                           gathering *g) except -1
cdef Py_ssize_t gather(PyObject **items, Py_ssize_t n, column_block *b, gathering *g) except -1
cdef object owned(object items)
cdef PyObject **fast_items(object block)
cdef int hash_one(object item, uint64_t seed, uint64_t *h1, uint64_t *h2) except -1
