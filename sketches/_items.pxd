"""What every other module cimports: any accepted batch, as blocks of spans or of hashes.

(Batches of sets: _sets.pxd.)

Sinks are called in order, without the GIL or with it, never twice at once, and return 0 to go on;
anything else stops the walk with MemoryError. What they are given is valid during the call only.
While a walk goes over Python objects, foreign code may run between two calls (an iterator's): a
lock that is not reentrant must not be held over a walk, only inside a sink.
"""

from libc.stdint cimport uint8_t, uint64_t

from sketches._arrow cimport ArrowChunks, column, column_block, column_sink
from sketches._objects cimport gathering, hash_one

# Up to n texts: a null has ptr NULL, an empty text has not.
ctypedef int (*span_sink)(void *ctx, const uint8_t *const *ptr, const size_t *len,
                          size_t n) noexcept nogil
ctypedef int (*hash_sink)(void *ctx, const uint64_t *h1, const uint64_t *h2,
                          size_t n) noexcept nogil

# Items walked (nulls included).
cdef Py_ssize_t for_each_span(object texts, span_sink sink, void *ctx) except -1
# All texts as bytes, None for a null: for what only Python does.
cdef list texts_as_bytes(object texts)
# Nulls skipped.
cdef Py_ssize_t for_each_hash(object items, uint64_t seed, bint skip_empty, hash_sink sink,
                              void *ctx) except -1
cpdef uint64_t check_seed(object seed) except? 0
cdef uint64_t sketch_seed(object seed) except? 0
cdef bint is_scalar(object items)
# TypeError with advice where a sketch is called without what it needs, or with what it has not.
cdef int check_call(str needs, tuple given, dict unknown) except -1

# For the modules of the hashing core itself: rows with their nulls, before they are dropped.
cdef column_block *new_block(uint64_t seed, bint skip_empty) except NULL
cdef class Output:
    """Where a sink stores rows: told how many come before they do, while the GIL is held."""
    cdef int ahead(self, Py_ssize_t rows) except -1

cdef Py_ssize_t walk(object items, column_block *b, column_sink sink, void *ctx,
                     Output out=*) except -1
cdef Py_ssize_t walk_arrow(ArrowChunks chunks, column_block *b, column_sink sink, void *ctx,
                           Output out=*) except -1
cdef int walk_column(column *c, column_block *b, column_sink sink, void *ctx,
                     Py_ssize_t position) except -1
cdef int hash_objects(object block, column_block *b, gathering *g, column_sink sink,
                      void *ctx) except -1
cdef size_t compact(uint64_t *h, const uint8_t *valid, size_t n) noexcept nogil
cdef int check_status(int status, const column_block *b, Py_ssize_t position) except -1
cdef int check_hashable(const column *c) except -1
cdef object tamed(object items)
