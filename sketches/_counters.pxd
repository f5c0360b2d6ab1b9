"""What CountMin and CountSketch share: a table of counters, fed by hashes under its own lock."""

from libc.stdint cimport int64_t, uint32_t, uint64_t

from sketches._sketch cimport Sketch

cdef extern from "counters.h" nogil:
    enum: COUNTERS_FULL, COUNTERS_HALVED
    ctypedef struct counters:
        uint32_t depth, bits
        bint is_signed, is_wide, conservative
        int saturated
        uint64_t total
        void *cells
    ctypedef struct counter_kernels:
        void (*add)(counters *c, const uint64_t *x, const int64_t *weights,
                    size_t n) noexcept nogil
        void (*least)(const counters *c, const uint64_t *x, size_t n, uint64_t *out) noexcept nogil
        void (*median)(const counters *c, const uint64_t *x, size_t n, double *out) noexcept nogil
    const counter_kernels *counter_kernels_for(int level)
    void counters_merge(counters *c, const counters *other)
    int counters_dot(const counters *a, const counters *b, uint32_t row, uint64_t sum[2])
    void counters_halve(counters *c)


cdef class Counters(Sketch):
    cdef readonly object width
    cdef readonly object depth
    cdef readonly object seed
    cdef readonly str dtype
    cdef counters table
    cdef object cells  # the array that table.cells points into

    cdef int shape(self, width, depth, seed, dtype, dict dtypes, bint conservative) except -1
    cdef int add_hashes(self, const uint64_t[::1] x, const int64_t[::1] weights) except -1
    cdef object estimates(self, items)
    cdef object estimates_of(self, hashes)
    cdef Counters snapshot(self)
    cdef bytes image(self, bytes kind)
    cdef int load(self, payload, uint64_t total, int saturated) except -1

cdef tuple unpack_image(bytes kind, image, dict dtypes)
cdef object row_dots(Counters a, Counters b)
