from libc.stdint cimport int64_t


cdef class Column:
    cdef bytes name, form
    cdef list buffers
    cdef int64_t nulls


cdef class Batch:
    cdef list columns
    cdef int64_t n
