"""For the tests alone: what the sinks of _items and _sets are given, as Python objects.

It is installed like any module, because the tests run against installed wheels, too (`make dist`).

The sinks copy into C memory, since they may run without the GIL, and note whether they do.
"""

from libc.stdint cimport uint8_t, uint64_t
from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memcpy

from sketches._items cimport check_seed, for_each_hash, for_each_span
from sketches._sets cimport for_each_set

cdef extern from "Python.h":
    int PyGILState_Check() nogil

cdef struct tape:
    uint64_t *cells
    size_t n, room
    size_t calls, held  # held: calls that came with the GIL
    size_t stop_at      # refuse this call


cdef int write(tape *t, uint64_t cell) noexcept nogil:
    cdef uint64_t *more
    if t.n == t.room:
        t.room = 2 * t.room + 64
        more = <uint64_t *>realloc(t.cells, t.room * sizeof(uint64_t))
        if more == NULL:
            return 1
        t.cells = more
    t.cells[t.n] = cell
    t.n += 1
    return 0


cdef int enter(tape *t) noexcept nogil:
    t.calls += 1
    t.held += PyGILState_Check()
    return t.calls == t.stop_at


cdef int on_hashes(void *ctx, const uint64_t *h1, const uint64_t *h2, size_t n) noexcept nogil:
    cdef tape *t = <tape *>ctx
    cdef size_t i
    for i in range(n):
        if write(t, h1[i]) or write(t, h2[i]):
            return 1
    return enter(t)


cdef int on_set(void *ctx, const uint64_t *h1, size_t n, bint last) noexcept nogil:
    cdef tape *t = <tape *>ctx
    cdef size_t i
    if write(t, n) or write(t, last):
        return 1
    for i in range(n):
        if write(t, h1[i]):
            return 1
    return enter(t)


cdef int on_spans(void *ctx, const uint8_t *const *ptr, const size_t *len, size_t n) noexcept nogil:
    cdef tape *t = <tape *>ctx
    cdef uint8_t *copy
    cdef size_t i
    for i in range(n):
        copy = NULL
        if ptr[i] != NULL:
            copy = <uint8_t *>malloc(len[i] + 1)
            if copy == NULL:
                return 1
            memcpy(copy, ptr[i], len[i])
        if write(t, <uint64_t>copy) or write(t, len[i]):
            free(copy)
            return 1
    return enter(t)


def hashes(items, seed=9001, *, skip_empty=False, stop_at=0):
    """The pairs (h1, h2), the nulls skipped, the calls, and those that held the GIL."""
    cdef tape t = tape(NULL, 0, 0, 0, 0, stop_at)
    try:
        nulls = for_each_hash(items, check_seed(seed), skip_empty, on_hashes, &t)
        return [(t.cells[i], t.cells[i + 1]) for i in range(0, t.n, 2)], nulls, t.calls, t.held
    finally:
        free(t.cells)


def spans(texts, *, stop_at=0):
    """The texts as bytes or None, the count returned, the calls, and those that held the GIL."""
    cdef tape t = tape(NULL, 0, 0, 0, 0, stop_at)
    cdef size_t i
    try:
        rows = for_each_span(texts, on_spans, &t)
        return [None if t.cells[i] == 0 else (<const char *>t.cells[i])[:t.cells[i + 1]]
                for i in range(0, t.n, 2)], rows, t.calls, t.held
    finally:
        for i in range(0, t.n, 2):
            free(<void *>t.cells[i])
        free(t.cells)


def sets(values, seed=9001, *, stop_at=0):
    """The hashes of each set, the count returned, the calls, and those that held the GIL."""
    cdef tape t = tape(NULL, 0, 0, 0, 0, stop_at)
    cdef size_t i = 0
    out, current = [], []
    try:
        rows = for_each_set(values, check_seed(seed), on_set, &t)
        while i < t.n:
            n, last = t.cells[i], t.cells[i + 1]
            current += [t.cells[j] for j in range(i + 2, i + 2 + n)]
            i += 2 + n
            if last:
                out.append(current)
                current = []
        return out + ([current] if current else []), rows, t.calls, t.held
    finally:
        free(t.cells)


cdef int xor_hashes(void *ctx, const uint64_t *h1, const uint64_t *h2, size_t n) noexcept nogil:
    cdef uint64_t all_of_them = 0
    cdef size_t i
    for i in range(n):
        all_of_them ^= h1[i]
    (<uint64_t *>ctx)[0] ^= all_of_them
    return 0


cdef int xor_set(void *ctx, const uint64_t *h1, size_t n, bint last) noexcept nogil:
    return xor_hashes(ctx, h1, h1, n)


def drain(items, seed=9001):
    """The xor of all h1: what a sketch that costs nothing would take (for benchmarks)."""
    cdef uint64_t total = 0
    for_each_hash(items, check_seed(seed), False, xor_hashes, &total)
    return total


def drain_sets(sets, seed=9001):
    """The same for a batch of sets."""
    cdef uint64_t total = 0
    for_each_set(sets, check_seed(seed), xor_set, &total)
    return total
