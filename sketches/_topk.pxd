"""The table of a TopK, and the sinks that put batches into it and look them up."""

cimport cython
from libc.stdint cimport int64_t, uint8_t, uint64_t

from sketches._arrow cimport column_block, hash_kernels
from sketches._batches cimport answers, weighing

cdef extern from "topk.h" nogil:
    ctypedef enum topk_status:
        TOPK_OK, TOPK_NO_MEMORY, TOPK_TOO_MUCH, TOPK_TWICE
    ctypedef struct topk_slot:
        uint64_t tag, count
    ctypedef struct topk_table "topk":
        size_t slots, slots_max, n
        uint64_t offset, total, seed
        bint texts
        const hash_kernels *kernels
        topk_slot *slot
        uint64_t *born
        size_t used, room
    ctypedef struct topk_batch:
        const uint64_t *keys
        const uint64_t *h1
        const uint64_t *h2
        const uint8_t *const *ptr
        const size_t *len
        const uint8_t *valid
        size_t n
    size_t TOPK_MOST(size_t slots)
    int topk_start(topk_table *t, size_t slots_max, uint64_t seed, bint texts)
    void topk_release(topk_table *t)
    int topk_copy(topk_table *to, const topk_table *table)
    int topk_add(topk_table *t, const topk_batch *items, const int64_t *weights)
    void topk_find(const topk_table *t, const topk_batch *items, uint64_t *bounds)
    int topk_put(topk_table *t, const topk_batch *item, uint64_t count, uint64_t born)
    int topk_merge(topk_table *t, const topk_table *other)
    const uint8_t *topk_bytes(const topk_table *t, size_t i, uint8_t *own, uint64_t *len)


# The table is made when the first items tell what they are.
cdef struct topk_state:
    topk_table table
    size_t slots_max
    uint64_t seed
    int family        # of the items, as sketches._objects has it; ANYTHING: none yet
    bint is_unsigned  # some came as unsigned integers


cdef enum:
    MIXED = -10  # beside topk_status: items of another type

cdef struct task:
    topk_state *of
    cython.pymutex *lock
    weighing *weights
    answers *out  # of `look`: upper and lower bound, two words a row
    int status

# Makes the table for items of this family, or checks that they are of the table's.
cdef int admit(topk_state *s, int family, bint is_unsigned) noexcept nogil
# Sinks for sketches._items.walk, of a block that keeps its items; ctx is a task.
cdef int take(void *ctx, column_block *b, const uint8_t *valid, size_t n) noexcept nogil
cdef int look(void *ctx, column_block *b, const uint8_t *valid, size_t n) noexcept nogil
