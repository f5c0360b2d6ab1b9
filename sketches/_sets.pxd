"""Batches of sets as hashes; what _items.pxd says of sinks holds here."""

from libc.stdint cimport uint64_t

# The next n hashes of the present set; last: the set ends with them (n may be 0).
ctypedef int (*set_sink)(void *ctx, const uint64_t *h1, size_t n, bint last) noexcept nogil

# Sets walked. A null set is an empty one; nulls inside a set are skipped.
cdef Py_ssize_t for_each_set(object sets, uint64_t seed, set_sink sink, void *ctx) except -1
