from sketches._counters cimport Counters


cdef class CountMin(Counters):
    cdef object warned(self, found)
