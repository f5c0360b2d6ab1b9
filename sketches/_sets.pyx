"""Batches of sets: an Arrow column of lists, or any iterable of collections.

The values of a column of lists are hashed as one long column, across the ends of the sets, and the
stream of hashes is cut where a set ends; so short sets fill the kernels as well as long ones do.
"""

from cpython.exc cimport PyErr_CheckSignals
from libc.stdint cimport int64_t, uint8_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

import numpy as np

from sketches._arrow cimport (
    COLUMN_BLOCK, COLUMN_LIST32, COLUMN_LIST64, COLUMN_STRUCT, ArrowChunks, column,
    column_block, column_block_free, column_leaf, is_arrow,
)
from sketches._items cimport (
    check_hashable, compact, hash_objects, is_scalar, new_block, tamed, walk, walk_column,
)
from sketches._objects cimport ANYTHING, Objects, fast_items, gathering, hash_ascii, owned


cdef extern from *:
    """
    #ifdef Py_GIL_DISABLED
    #define FREE_THREADS 1
    #else
    #define FREE_THREADS 0
    #endif
    """
    bint FREE_THREADS

# Cuts a stream of hashes at the ends of its sets.
cdef struct set_cutter:
    set_sink sink
    void *ctx
    const int64_t *offsets   # rows + 1 of them, rising
    const uint8_t *validity  # of the sets, from bit `bit` on; NULL: all valid
    int64_t bit
    int64_t rows, row, position


cdef int cut_block(void *ctx, column_block *b, const uint8_t *valid, size_t n) noexcept nogil:
    cdef set_cutter *k = <set_cutter *>ctx
    cdef int64_t i = 0, end, bit
    cdef size_t m
    cdef bint last
    if k.row < k.rows:
        i = min(<int64_t>n, max(0, k.offsets[k.row] - k.position))
    while k.row < k.rows:
        last = k.offsets[k.row + 1] - k.position <= <int64_t>n
        end = k.offsets[k.row + 1] - k.position if last else <int64_t>n
        m = end - i
        bit = k.bit + k.row
        if k.validity != NULL and not k.validity[bit >> 3] >> (bit & 7) & 1:
            m = 0  # a null set may have values in its slot
        elif valid != NULL:
            m = compact(b.h1 + i, valid + i, m)
        if (m or last) and k.sink(k.ctx, b.h1 + i, m, last):
            return 1
        if not last:
            break
        k.row += 1
        i = end
    k.position += n
    return 0


cdef Py_ssize_t for_each_set(object sets, uint64_t seed, set_sink sink, void *ctx) except -1:
    cdef column_block *b = new_block(seed, False)
    b.second = NULL
    try:
        sets = tamed(sets)
        if is_arrow(sets):
            return arrow_sets(ArrowChunks(sets), b, sink, ctx)
        if isinstance(sets, np.ma.MaskedArray):
            raise TypeError("a masked array: minhash the sets of its valid values instead")
        if is_scalar(sets) or is_buffer(sets) or not hasattr(sets, "__iter__"):
            raise TypeError(f"a collection of sets wanted, not {type(sets).__qualname__}")
        return object_sets(sets, b, sink, ctx)
    finally:
        column_block_free(b)


cdef Py_ssize_t arrow_sets(ArrowChunks chunks, column_block *b, set_sink sink,
                           void *ctx) except -1:
    cdef column *c
    cdef const column *lists
    cdef Py_ssize_t position = 0
    if column_leaf(chunks.root).kind < COLUMN_LIST32:
        raise TypeError("sets wanted: an Arrow column of lists")
    check_hashable(column_leaf(chunks.root).children)
    while True:
        c = chunks.next()
        if c == NULL:
            return position
        if c.kind == COLUMN_STRUCT and c.validity != NULL:
            raise ValueError("lists inside a struct with nulls: take the struct's field instead")
        lists = column_leaf(c)
        position += chunk_sets(lists, c.length, c.offset if lists != c else 0, b, sink, ctx)


cdef Py_ssize_t chunk_sets(const column *lists, int64_t rows, int64_t start, column_block *b,
                           set_sink sink, void *ctx) except -1:
    """The sets of one chunk: rows start .. start + rows - 1 of a list column."""
    cdef set_cutter k
    cdef column values = lists.children[0]
    cdef int64_t *offsets
    cdef int stopped
    offsets = list_offsets(lists, rows, lists.offset + start)
    try:
        k = set_cutter(sink, ctx, offsets, lists.validity, lists.offset + start, rows, 0,
                       offsets[0])
        values.offset += offsets[0]
        values.length = offsets[rows] - offsets[0]
        walk_column(&values, b, cut_block, &k, offsets[0])
        with nogil:
            stopped = cut_block(&k, b, NULL, 0)
        if stopped:
            raise MemoryError()
        return rows
    finally:
        free(offsets)
        free(values.dictionary_h1)


cdef int64_t *list_offsets(const column *lists, int64_t rows, int64_t first) except NULL:
    """The offsets of a list column, checked, as int64."""
    cdef int64_t i, low = 0
    cdef int narrow
    cdef bint bad = False
    cdef int64_t *out = <int64_t *>malloc((rows + 1) * sizeof(int64_t))
    if out == NULL:
        raise MemoryError()
    out[0] = 0
    for i in range(rows + 1 if rows else 0):
        if lists.kind == COLUMN_LIST32:
            memcpy(&narrow, lists.offsets + 4 * (first + i), 4)
            out[i] = narrow
        elif lists.kind == COLUMN_LIST64:
            memcpy(&out[i], lists.offsets + 8 * (first + i), 8)
        else:
            out[i] = (first + i) * lists.width
        bad |= out[i] < low
        low = out[i]
    if bad or low > lists.children[0].length:
        free(out)
        raise ValueError("the offsets of an Arrow list array are negative, fall, or pass its "
                         "values")
    return out


cdef Py_ssize_t object_sets(object sets, column_block *b, set_sink sink, void *ctx) except -1:
    cdef Objects rows = Objects(sets)
    cdef Py_ssize_t row = 0
    while True:
        block = rows.next()
        if not block:
            return row
        for items in block:
            try:
                one_set(items, b, sink, ctx)
            except Exception as error:
                error.add_note(f"in set {row}")
                raise
            row += 1


cdef bint is_buffer(object items):
    """Whether it would be a collection of its bytes."""
    return isinstance(items, (bytearray, memoryview))


cdef bint is_foreign(object items) except -1:
    """True where columns are read, False for Python objects (and None)."""
    if isinstance(items, (str, bytes, int, float)) or is_buffer(items):
        raise TypeError(f"a collection of items wanted, not {type(items).__qualname__}")
    return hasattr(items, "__array__") or is_arrow(items)


cdef struct set_target:
    set_sink sink
    void *ctx


cdef int set_block(void *ctx, column_block *b, const uint8_t *valid, size_t n) noexcept nogil:
    cdef set_target *target = <set_target *>ctx
    if valid != NULL:
        n = compact(b.h1, valid, n)
    return target.sink(target.ctx, b.h1, n, False) if n else 0


cdef int one_set(object items, column_block *b, set_sink sink, void *ctx) except -1:
    cdef set_target target = set_target(sink=sink, ctx=ctx)
    cdef gathering g = gathering(ANYTHING, 0, 0, 0, 0, False)
    if type(items) is list and not FREE_THREADS:
        if ascii_set(items, b, &g, sink, ctx):
            return 0
        hash_objects(items[g.position:], b, &g, set_block, &target)
    elif type(items) not in (tuple, set) and is_foreign(items):
        walk(items, b, set_block, &target)
    elif items is not None:
        hash_objects(owned(items), b, &g, set_block, &target)
    if sink(ctx, b.h1, 0, True):
        raise MemoryError()
    return 0


cdef int ascii_set(list items, column_block *b, gathering *g, set_sink sink, void *ctx) except -1:
    """Hashes a list of ASCII str as far as it goes; 1 if that is the whole set.

    In place, since a copy would write to the reference count of every item, hence to all of their
    memory. Foreign code may run between blocks only.
    """
    cdef Py_ssize_t n
    cdef bint last
    while g.position < len(items):
        n = min(COLUMN_BLOCK, len(items) - g.position)
        n = hash_ascii(fast_items(items) + g.position, n, b, g)
        if n == 0:
            return 0
        g.position += n
        last = g.position == len(items)
        if sink(ctx, b.h1, n, last):
            raise MemoryError()
        if last:
            return 1
        PyErr_CheckSignals()
    return 0
