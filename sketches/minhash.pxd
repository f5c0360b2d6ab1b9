from libc.stdint cimport uint32_t

from sketches._signatures cimport Lanes
from sketches._sketch cimport Sketch


cdef class MinHash(Sketch):
    cdef readonly str family
    cdef readonly object seed
    cdef readonly object num_perm
    cdef Lanes lanes
    cdef uint32_t[::1] slots

    cdef _take_affine(self, hashes)
    cdef _merge(self, const uint32_t[::1] other)
    cdef uint32_t[::1] _snapshot(self)
