from libc.stdint cimport int8_t, int32_t, uint8_t, uint16_t, uint32_t, uint64_t

cdef extern from "distance.h" nogil:
    enum: DISTANCE_DIM_MAX, DISTANCE_L2, DISTANCE_IP
    ctypedef struct distance_floats:
        float (*one)(const float *q, const void *x, size_t dim) noexcept nogil
        void (*four)(const float *q, const void *const *x, size_t dim, float *out) noexcept nogil
        void (*block)(const float *q, const void *x, size_t n, size_t stride, size_t dim,
                      float *out) noexcept nogil
    ctypedef struct distance_bytes:
        int32_t (*one)(const void *q, const void *x, size_t dim) noexcept nogil
        void (*four)(const void *q, const void *const *x, size_t dim, int32_t *out) noexcept nogil
        void (*block)(const void *q, const void *x, size_t n, size_t stride, size_t dim,
                      int32_t *out) noexcept nogil
    ctypedef struct distance_kernels:
        pass
    const distance_kernels *distance_kernels_for(int level)
    const distance_floats *distance_floats_for(int level, bint half, int metric)
    const distance_bytes *distance_bytes_for(int level, bint sign, int metric)

cdef extern from "codes.h" nogil:
    enum: NIBBLES_GROUP, BITS_PLANES_MAX, FASTSCAN_ROWS
    ctypedef struct code_kernels:
        void (*nibbles_four)(const int8_t *q, const uint8_t *const *x, size_t groups,
                             int32_t *out) noexcept nogil
        void (*nibbles_block)(const int8_t *q, const uint8_t *x, size_t n, size_t stride,
                              size_t groups, int32_t *out) noexcept nogil
        void (*bits_four)(const uint64_t *q, unsigned planes, const uint64_t *const *x,
                          size_t words, uint32_t *out) noexcept nogil
        void (*bits_block)(const uint64_t *q, unsigned planes, const uint64_t *x, size_t n,
                           size_t words, uint32_t *out) noexcept nogil
        void (*fastscan)(const uint8_t *tables, const uint8_t *codes, size_t blocks, size_t m,
                         uint16_t *out) noexcept nogil
    const code_kernels *code_kernels_for(int level)
