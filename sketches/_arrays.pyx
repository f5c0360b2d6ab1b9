"""Arrays at the edge of C: those that it takes as they are, and those that show its memory."""

import numpy as np

cimport cython
from cpython.buffer cimport PyBuffer_FillInfo
from libc.stdlib cimport free, realloc


cdef check_hashes(hashes, dtype):
    array = np.asarray(hashes)
    if array.dtype != dtype or array.ndim != 1:
        raise TypeError(
            f"hashes must be a one-dimensional {np.dtype(dtype)} array,"
            f" not {array.ndim}-dimensional {array.dtype}"
        )
    return np.ascontiguousarray(array)


@cython.final
cdef class _Owned:
    """Owns memory that C allocated, so that an array can show it where it lies."""

    def __getbuffer__(self, Py_buffer *view, int flags):
        PyBuffer_FillInfo(view, self, self.data, self.nbytes, False, flags)

    def __dealloc__(self):
        free(self.data)


cdef owned_array(void *data, Py_ssize_t nbytes, dtype):
    """An array over memory that is the array's from now on; the room it did not need goes back."""
    cdef _Owned owner = _Owned()
    cdef void *fitted = realloc(data, max(nbytes, 1))
    if fitted != NULL:
        data = fitted
    owner.data, owner.nbytes = data, nbytes
    return np.frombuffer(owner, dtype)
