"""The table of a TopK, and the sinks that put batches into it and look them up.

The lock is held inside a sink, a block at a time, and over C code alone.
"""

from libc.string cimport memset

from sketches._batches cimport next_weights
from sketches._objects cimport ANYTHING, BYTES, STRS


cdef topk_batch batch_of(const column_block *b, const uint8_t *valid, size_t n) noexcept nogil:
    cdef topk_batch batch
    batch.keys, batch.h1 = b.key, <const uint64_t *>b.h1
    batch.h2 = <const uint64_t *>b.h2
    batch.ptr, batch.len = <const uint8_t *const *>b.ptr, <const size_t *>b.len
    batch.valid, batch.n = valid, n
    return batch


cdef int admit(topk_state *s, int family, bint is_unsigned) noexcept nogil:
    cdef int status = TOPK_OK
    if s.family == ANYTHING:
        if family > BYTES:
            return MIXED
        status = topk_start(&s.table, s.slots_max, s.seed, family >= STRS)
        if status == TOPK_OK:
            s.family = family
    if status == TOPK_OK and s.family != family:
        return MIXED
    s.is_unsigned |= is_unsigned
    return status


cdef int take(void *ctx, column_block *b, const uint8_t *valid, size_t n) noexcept nogil:
    cdef task *t = <task *>ctx
    cdef const int64_t *weights = next_weights(t.weights, NULL, n)
    cdef topk_batch batch = batch_of(b, valid, n)
    if t.weights.ran_out:
        return 1
    if b.family == ANYTHING:  # nothing but nulls
        return 0
    with t.lock[0]:
        t.status = admit(t.of, b.family, b.is_unsigned)
        if t.status == TOPK_OK:
            t.of.table.kernels = b.kernels
            t.status = topk_add(&t.of.table, &batch, weights)
    return t.status != TOPK_OK


cdef int look(void *ctx, column_block *b, const uint8_t *valid, size_t n) noexcept nogil:
    cdef task *t = <task *>ctx
    cdef uint64_t *out = t.out.out + 2 * t.out.n
    cdef topk_batch batch = batch_of(b, valid, n)
    t.out.n += n
    with t.lock[0]:
        if b.family == ANYTHING or t.of.family == ANYTHING:
            memset(out, 0, 2 * n * sizeof(uint64_t))
        elif b.family != t.of.family:
            t.status = MIXED
        else:
            topk_find(&t.of.table, &batch, out)
    return t.status != TOPK_OK
