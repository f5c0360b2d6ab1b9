cdef class _Owned:
    cdef void *data
    cdef Py_ssize_t nbytes

cdef owned_array(void *data, Py_ssize_t nbytes, dtype)
cdef check_hashes(hashes, dtype)
