from libc.stdint cimport int64_t, uint32_t, uint64_t

cdef extern from "minhash.h" nogil:
    ctypedef struct minhash_params:
        uint32_t k
        const uint32_t *a
        const uint32_t *b
    ctypedef struct minhash_kernels:
        void (*update)(const minhash_params *, uint32_t *signature, const uint64_t *x,
                       size_t n) noexcept nogil
        size_t (*equal)(const uint32_t *p, const uint32_t *q, size_t n) noexcept nogil
        void (*merge)(uint32_t *p, const uint32_t *q, size_t n) noexcept nogil
        void (*affine)(uint32_t *v, const uint32_t *a, const uint32_t *b, size_t k,
                       const uint32_t *x, size_t n) noexcept nogil
    const minhash_kernels *minhash_kernels_for(int level)
    void minhash_lane(uint32_t slot, uint32_t *a, uint32_t *b)

cdef extern from "rows.h" nogil:
    ctypedef struct signature_rows:
        uint32_t *slots
        size_t k, n, room
    signature_rows signature_rows_new(size_t k)
    uint32_t *signature_rows_add(signature_rows *rows)


cdef class Lanes:
    cdef uint32_t[::1] a, b
    cdef minhash_params params


cdef Lanes lanes_for(family, num_perm, seed=*)


cdef int64_t piece(const minhash_params *params) noexcept nogil
cdef rows_to_array(signature_rows *rows)
