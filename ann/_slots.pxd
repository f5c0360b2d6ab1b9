from libc.stdint cimport int64_t, uint32_t
cimport cython

cdef extern from "slots.h" nogil:
    const uint32_t SLOTS_NONE, SLOTS_MAX
    const size_t SIZE_MAX
    ctypedef struct slots:
        int64_t *id
        size_t room, n, mask
        uint32_t *table
        int64_t base
    uint32_t slots_find(const slots *, int64_t id)
    int slots_rehash(slots *, size_t n)
    void slots_free(slots *)
    int slots_reserve(slots *, size_t room)
    void slots_remove(slots *, int64_t id)
    size_t slots_add(slots *, const int64_t *id, const uint32_t *slot, size_t n)


cdef class Slots:
    cdef slots map
    cdef int64_t last  # the next id is above it
    cdef cython.pymutex lock
