cimport cython
from libc.stdint cimport uint8_t, uint32_t, uint64_t

from sketches._sketch cimport Sketch

cdef extern from "hll.h" nogil:
    enum: HLL_P_MIN, HLL_P_MAX, HLL_AS_LIST, HLL_AS_SET, HLL_AS_DENSE
    ctypedef enum hll_kind:
        HLL_4, HLL_6, HLL_8
    ctypedef struct hll:
        uint8_t p, state
        uint32_t n
    ctypedef struct hll_kernels:
        pass
    const hll_kernels *hll_kernels_for(int level)
    void hll_init(hll *s, uint32_t p)
    void hll_free(hll *s)
    int hll_copy(hll *to, const hll *source)
    int hll_update(const hll_kernels *kernels, hll *s, const uint64_t *h1, const uint64_t *h2,
                   size_t n)
    int hll_merge(const hll_kernels *kernels, hll *s, const hll *other)
    bint hll_is_merged(const hll *s)
    double hll_estimate(hll *s)
    void hll_registers(const hll *s, uint8_t *out)
    bint hll_same(const hll *a, const hll *b)
    size_t hll_used(hll *s)
    size_t hll_nbytes(const hll *s)
    size_t hll_image_size(hll *s, hll_kind kind, bint compact)
    void hll_image_write(hll *s, hll_kind kind, bint compact, uint8_t *out)
    const char *hll_no_memory
    const char *hll_image_read(hll *s, const uint8_t *image, size_t size)


cdef struct taking:  # where a sink finds the sketch it fills
    const hll_kernels *kernels
    hll *state
    double *counted
    cython.pymutex *lock


cdef class HyperLogLog(Sketch):
    cdef readonly object seed
    cdef hll state
    cdef double counted  # the estimate, or less than 0: not known

    cdef taking _taking(self)
    cdef int _copy_state(self, hll *to) except -1
    cdef int _take(self, HyperLogLog other) except -1
    cdef size_t _used(self)
