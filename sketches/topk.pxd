from libc.stdint cimport uint64_t

from sketches._sketch cimport Sketch
from sketches._topk cimport topk_state


cdef class TopK(Sketch):
    cdef readonly object k
    cdef readonly object seed
    cdef topk_state state

    cdef TopK snapshot(self)
    cdef tuple counters(self)
    cdef object item_at(self, size_t slot, bint raw=*)
    cdef bounds_of(self, items)
    cdef object failure(self, int status, int family)
    cdef object parts(self)
    cdef int fill(self, parts) except -1
    cdef int put(self, item, uint64_t count, uint64_t born) except -1
