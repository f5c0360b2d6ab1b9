"""Vectors and masks that come as Arrow columns, from whoever speaks the C data interface."""

import numpy as np

from libc.stdint cimport int32_t, int64_t, uint8_t
from libc.string cimport memcpy

from sketches cimport _arrow
from sketches._arrow cimport (
    COLUMN_BITS, COLUMN_FLOAT16, COLUMN_FLOAT32, COLUMN_FLOAT64, COLUMN_INT8, COLUMN_INT16,
    COLUMN_INT32, COLUMN_INT64, COLUMN_LIST32, COLUMN_LIST64, COLUMN_LIST_FIXED, COLUMN_UINT8,
    COLUMN_UINT16, COLUMN_UINT32, ArrowChunks, column, column_leaf,
)

NUMBERS = {
    COLUMN_INT8: "i1", COLUMN_INT16: "i2", COLUMN_INT32: "i4", COLUMN_INT64: "i8",
    COLUMN_UINT8: "u1", COLUMN_UINT16: "u2", COLUMN_UINT32: "u4", COLUMN_FLOAT16: "f2",
    COLUMN_FLOAT32: "f4", COLUMN_FLOAT64: "f8",
}


def is_arrow(items):
    """Whether it hands out Arrow memory."""
    return _arrow.is_arrow(items)


cdef inline bint is_valid(const column *c, int64_t at) noexcept nogil:
    at += c.offset
    return c.validity == NULL or c.validity[at >> 3] >> (at & 7) & 1


cdef int64_t offset_of(const column *c, int64_t at) noexcept nogil:
    cdef int64_t wide
    cdef int32_t narrow
    at += c.offset
    if c.kind == COLUMN_LIST64:
        memcpy(&wide, c.offsets + 8 * at, 8)
        return wide
    memcpy(&narrow, c.offsets + 4 * at, 4)
    return narrow


cdef rows_of(const column *c, int64_t dim, int64_t before, what):
    """The rows of one chunk, a copy."""
    cdef const column *child
    cdef int64_t i, width, first = 0
    cdef uint8_t[::1] to
    if c.kind != COLUMN_LIST32 and c.kind != COLUMN_LIST64 and c.kind != COLUMN_LIST_FIXED:
        raise TypeError(f"{what} in Arrow form are lists, or lists of fixed size, of numbers")
    child = c.children
    if child.kind not in NUMBERS or child.dictionary != NULL:
        raise TypeError(f"{what} in Arrow form are lists of numbers")
    dtype = np.dtype(NUMBERS[child.kind])
    width = dtype.itemsize
    if not c.length:
        return np.empty((0, dim), dtype)
    if c.kind == COLUMN_LIST_FIXED:
        if c.width != dim:
            raise ValueError(f"{what} of {c.width} numbers each; the index has dim={dim}")
        first = c.offset * dim
    else:
        first = offset_of(c, 0)
    for i in range(c.length):
        if not is_valid(c, i):
            raise ValueError(f"row {before + i} of {what} is null")
        if c.kind != COLUMN_LIST_FIXED and offset_of(c, i + 1) - offset_of(c, i) != dim:
            found = offset_of(c, i + 1) - offset_of(c, i)
            raise ValueError(f"row {before + i} of {what} has {found} numbers; the index has"
                             f" dim={dim}")
    if first < 0 or c.length > (child.length - first) // dim:
        raise ValueError(f"Arrow lists of {what} that reach beyond their values")
    if child.validity != NULL:
        for i in range(c.length * dim):
            if not is_valid(child, first + i):
                raise ValueError(f"row {before + i // dim} of {what} holds a null")
    result = np.empty((c.length, dim), dtype)
    to = result.reshape(-1).view(np.uint8)
    memcpy(&to[0], child.values + (child.offset + first) * width, c.length * dim * width)
    return result


def arrow_matrix(items, dim, what):
    """A column of lists, all of them of `dim` numbers: a matrix [n, dim] of its number type."""
    cdef ArrowChunks chunks = ArrowChunks(items)
    cdef column *c
    parts, before = [], 0
    while True:
        c = chunks.next()
        if c == NULL:
            break
        part = rows_of(column_leaf(c), dim, before, what)
        parts.append(part)
        before += len(part)
    if len(parts) == 1:
        return parts[0]
    return np.concatenate(parts) if parts else np.empty((0, dim), np.float32)


def arrow_mask(items):
    """A column of booleans, null for false: bool[n]; None where it holds other than booleans."""
    cdef ArrowChunks chunks = ArrowChunks(items)
    cdef column *c
    cdef const column *leaf
    cdef int64_t i, at
    cdef uint8_t[::1] to
    parts = []
    while True:
        c = chunks.next()
        if c == NULL:
            break
        leaf = column_leaf(c)
        if leaf.kind != COLUMN_BITS or leaf.dictionary != NULL:
            return None
        part = np.empty(leaf.length, np.bool_)
        to = part.view(np.uint8)
        for i in range(leaf.length):
            at = leaf.offset + i
            to[i] = is_valid(leaf, i) and leaf.values[at >> 3] >> (at & 7) & 1
        parts.append(part)
    return np.concatenate(parts) if parts else np.empty(0, np.bool_)
