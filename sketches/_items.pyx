"""The one way in: any accepted batch, walked as blocks of spans or of hashes.

    batch                               becomes                   walked
    str, bytes, int, float              one hash                  here
    numpy array of numbers, S, U        a column                  without the GIL, in place
    __arrow_c_array__ / _stream__       a column per chunk        without the GIL, in place
    other iterable, object array        blocks of its objects     with the GIL

A column's rows become hashes in csrc/column.h, Python objects become keys or spans in _objects;
both end in the same column_block and the same sinks.
"""

from libc.string cimport memset
from cpython.exc cimport PyErr_CheckSignals
from cpython.object cimport PyObject
from libc.stdint cimport int64_t, uint8_t

import sys
import warnings

import numpy as np

cimport numpy as cnp

from sketches._arrow cimport (
    COLUMN_BAD_OFFSETS, COLUMN_BAD_TEXT, COLUMN_BAD_VIEW, COLUMN_BLOCK, COLUMN_FLOAT16,
    COLUMN_FLOAT32, COLUMN_FLOAT64, COLUMN_INT8, COLUMN_INT16, COLUMN_INT32, COLUMN_INT64,
    COLUMN_LIST32, COLUMN_NO_MEMORY, COLUMN_NULLS, COLUMN_OK, COLUMN_STOPPED, COLUMN_STRIPPED,
    COLUMN_STRUCT, COLUMN_TURN, COLUMN_UCS4, COLUMN_UINT8, COLUMN_UINT16, COLUMN_UINT32,
    ArrowChunks, column, column_block, column_block_free, column_block_new, column_clock,
    column_drop_empty, column_fit, column_is_bytes, column_leaf, column_prepare, column_rows,
    column_sink, column_walk, hash_kernels_for, is_arrow,
)
from sketches._cpu cimport level
from sketches._objects cimport (
    ANYTHING, BYTES, FLOATS, INTS, ROWS, STRS, Objects, fast_items, gather, gathering,
    hash_ascii, hash_one,
)

cnp.import_array()

cdef size_t RELEASE_GIL_FROM = 32 << 10  # bytes of text in a block: some 60 us of sketching


cpdef uint64_t check_seed(object seed) except? 0:
    """The seed as 64 bits."""
    if type(seed) is int or isinstance(seed, (int, np.integer)):
        try:
            return <uint64_t>seed
        except OverflowError:
            pass
    raise ValueError(f"seed must be an integer from 0 to 2**64 - 1, not {seed!r}")


cdef uint64_t sketch_seed(object seed) except? 0:
    """The seed of a sketch that spreads items by both halves of their hashes, or by low bits."""
    cdef uint64_t checked = check_seed(seed)
    if checked == 8:
        warnings.warn("with seed=8 counts of numbers are wrong, by far: a number is 8 bytes to the "
                      "hash, whose two halves depend on each other where the seed is the length of "
                      "a key (docs/design/hashing.md); take another seed", RuntimeWarning)
    return checked


cdef int check_call(str needs, tuple given, dict unknown) except -1:
    for name in unknown:
        raise TypeError(f"there is no parameter {name!r}: {needs}")
    if any([value is None for value in given]):
        raise TypeError(needs)
    return 0


cdef bint is_scalar(object items):
    return (isinstance(items, (str, bytes, int, float, np.generic))
            or (isinstance(items, np.ndarray) and items.ndim == 0))


# ------------------------------------------------------------------ numpy arrays

cdef dict KINDS = {
    "b1": COLUMN_UINT8, "i1": COLUMN_INT8, "i2": COLUMN_INT16, "i4": COLUMN_INT32,
    "i8": COLUMN_INT64, "u1": COLUMN_UINT8, "u2": COLUMN_UINT16, "u4": COLUMN_UINT32,
    "u8": COLUMN_INT64, "f2": COLUMN_FLOAT16, "f4": COLUMN_FLOAT32, "f8": COLUMN_FLOAT64,
    "M8": COLUMN_INT64, "m8": COLUMN_INT64,
}


# What the items of a column are: by numpy's kind, by Arrow's format (other ones: integers).
cdef dict FAMILIES = {"b": INTS, "i": INTS, "u": INTS, "f": FLOATS, "M": INTS, "m": INTS,
                      "S": BYTES, "U": STRS}
cdef dict FORMATS = {"e": FLOATS, "f": FLOATS, "g": FLOATS, "u": STRS, "U": STRS, "vu": STRS,
                     "z": BYTES, "Z": BYTES, "vz": BYTES, "w": BYTES, "+s": ROWS, "n": ANYTHING}


cdef object as_array(object items):
    """A numpy batch as a one-dimensional, contiguous array of native byte order; else None."""
    if isinstance(items, np.generic):
        items = np.asarray(items)
    if not isinstance(items, np.ndarray):
        return None
    if isinstance(items, np.ma.MaskedArray):
        raise TypeError("a masked array: hash its compressed() values instead")
    if items.ndim > 1:
        raise ValueError(f"an array of {items.ndim} dimensions: hash its ravel() instead")
    if items.dtype.kind in "OT":
        return items.reshape(-1)
    return np.ascontiguousarray(items, dtype=items.dtype.newbyteorder("=")).reshape(-1)


cdef int array_column(cnp.ndarray array, column *c) except -1:
    dtype = array.dtype
    kind = KINDS.get(f"{dtype.kind}{dtype.itemsize}")
    if dtype.kind == "S":
        c.kind, c.width = COLUMN_STRIPPED, dtype.itemsize
    elif dtype.kind == "U":
        c.kind, c.width = COLUMN_UCS4, dtype.itemsize // 4
    elif kind is None:
        raise TypeError(f"cannot hash a numpy array of dtype {dtype}")
    else:
        c.kind = kind
    c.values = <const uint8_t *>cnp.PyArray_DATA(array)
    c.length = cnp.PyArray_SIZE(array)
    return 0


# ------------------------------------------------------------------------ errors

cdef int check_status(int status, const column_block *b, Py_ssize_t position) except -1:
    if status == COLUMN_OK:
        return 0
    if status == COLUMN_STOPPED or status == COLUMN_NO_MEMORY:
        raise MemoryError()
    if status == COLUMN_BAD_OFFSETS:
        raise ValueError("the offsets of an Arrow array are negative or fall, or its data buffer "
                         "is missing")
    row = position + b.bad
    if status == COLUMN_BAD_TEXT:
        raise ValueError(f"position {row}: a string with a surrogate or a number beyond U+10FFFF "
                         "has no UTF-8 form")
    if status == COLUMN_BAD_VIEW:
        raise ValueError(f"position {row}: a view outside its buffers in an Arrow array")
    raise ValueError(f"position {row}: an index outside its dictionary in an Arrow array")


cdef int check_hashable(const column *c) except -1:
    cdef int64_t k
    if c.kind >= COLUMN_LIST32:
        raise TypeError("a column of lists holds sets, not items: hash its values, or sketch the "
                        "sets")
    for k in range(c.n_children):
        check_hashable(&c.children[k])
    return 0


cdef int check_texts(const column *c, object type_name) except -1:
    if c.kind == COLUMN_STRUCT:
        raise TypeError(f"texts wanted, got a table of {c.n_children} columns: select one")
    kind = c.dictionary.kind if c.dictionary else c.kind
    if kind != COLUMN_NULLS and not column_is_bytes(kind):
        raise TypeError(f"texts wanted, got a column of {type_name}")
    return 0


cdef int check_text_objects(object block, Py_ssize_t start, const gathering *g) except -1:
    """Refuses numbers: a batch of them shows in the first block that is not all nulls."""
    if g.family != INTS and g.family != FLOATS:
        return 0
    for i in range(start, len(block)):
        if block[i] is not None:
            raise TypeError(f"position {g.position + i - start}: texts wanted, not "
                            f"{type(block[i]).__qualname__}")
    return 0


cdef object tamed(object items):
    """pandas and polars objects as something that hands out their values and nothing else."""
    pandas, polars = sys.modules.get("pandas"), sys.modules.get("polars")
    if hasattr(pandas, "api"):  # not while it is being imported
        if isinstance(items, pandas.DataFrame):  # would hand out its index as a column
            return items.reset_index(drop=True)
        if isinstance(items, pandas.Index):
            return items.to_frame(index=False)
        if isinstance(items, pandas.api.extensions.ExtensionArray):  # floats and NaN to numpy
            items = pandas.Series(items)
        if isinstance(items, pandas.Series):  # before pandas 3 only frames are Arrow streams
            return items.to_frame().reset_index(drop=True)
    if hasattr(polars, "Object") and isinstance(items, (polars.Series, polars.DataFrame)):
        types = items.dtypes if isinstance(items, polars.DataFrame) else (items.dtype,)
        if polars.Object in types:  # would hand out addresses
            raise TypeError("a polars column of type Object cannot be hashed")
    return items


# ------------------------------------------------------------------------ hashes

cdef class Output:
    cdef int ahead(self, Py_ssize_t rows) except -1:
        return 0


cdef Py_ssize_t walk(object items, column_block *b, column_sink sink, void *ctx,
                     Output out=None) except -1:
    """Every row's hash into a sink, nulls marked; returns the rows."""
    if isinstance(items, (str, bytes, int, float)):  # numpy's, too: an array would lose their NULs
        return walk_objects((items,), b, sink, ctx, out)
    array = as_array(items)
    if array is not None and array.dtype.kind not in "OT":
        return walk_array(array, b, sink, ctx, out)
    if array is not None:
        return walk_objects(array, b, sink, ctx, out)
    items = tamed(items)
    if is_arrow(items):
        return walk_arrow(ArrowChunks(items), b, sink, ctx, out)
    if isinstance(items, (bytearray, memoryview)) or not hasattr(items, "__iter__"):
        raise TypeError(f"cannot hash a value of type {type(items).__qualname__}")
    if hasattr(items, "__array__"):  # an array of another library
        return walk(np.asarray(items), b, sink, ctx, out)
    return walk_objects(items, b, sink, ctx, out)


cdef Py_ssize_t walk_array(cnp.ndarray array, column_block *b, column_sink sink, void *ctx,
                           Output out) except -1:
    cdef column c
    memset(&c, 0, sizeof(column))
    array_column(array, &c)
    b.family, b.is_unsigned = FAMILIES[array.dtype.kind], array.dtype == np.uint64
    if out is not None:
        out.ahead(c.length)
    walk_column(&c, b, sink, ctx, 0)
    return c.length


cdef int walk_column(column *c, column_block *b, column_sink sink, void *ctx,
                     Py_ssize_t position) except -1:
    """The rows of one chunk, without the GIL but for looks at the signals."""
    cdef int64_t start = 0
    cdef int status
    with nogil:
        status = column_fit(b, c)
        if not status:
            status = column_prepare(c, b)
    while not status and start < c.length:
        PyErr_CheckSignals()
        with nogil:
            status = column_walk(c, &start, b, sink, ctx)
    check_status(status, b, position)
    return 0


cdef Py_ssize_t walk_arrow(ArrowChunks chunks, column_block *b, column_sink sink, void *ctx,
                           Output out=None) except -1:
    cdef column *c
    cdef Py_ssize_t position = 0
    check_hashable(chunks.root)
    form = chunks.leaf_format()
    b.family, b.is_unsigned = FORMATS.get(form.split(":")[0], INTS), form == "L"
    while True:
        c = chunks.next()
        if c == NULL:
            return position
        if out is not None:
            out.ahead(c.length)
        walk_column(c, b, sink, ctx, position)
        position += c.length


cdef Py_ssize_t walk_objects(object items, column_block *b, column_sink sink, void *ctx,
                             Output out) except -1:
    cdef gathering g = gathering(ANYTHING, 0, 0, 0, 0, False)
    cdef Objects objects = Objects(items)
    while True:
        block = objects.next()
        if not block:
            return g.position
        if out is not None:
            out.ahead(len(block))
        hash_objects(block, b, &g, sink, ctx)


cdef int hash_objects(object block, column_block *b, gathering *g, column_sink sink,
                      void *ctx) except -1:
    """Hashes a list or tuple that nobody else changes."""
    cdef Py_ssize_t done = 0, n, plain, total = len(block)
    cdef PyObject **items
    cdef size_t unwanted
    while done < total:
        if done:  # Objects.next() looks at them before each block
            PyErr_CheckSignals()
        items, n = fast_items(block) + done, min(total - done, COLUMN_BLOCK)
        if not b.skip_empty:
            plain = hash_ascii(items, n, b, g)
            if plain:
                b.family = g.family
                if sink(ctx, b, NULL, plain):
                    raise MemoryError()
                done += plain
                g.position += plain
                continue
        n = gather(items, n, b, g)
        unwanted = g.nulls
        b.nulls += g.nulls
        b.family, b.is_unsigned = g.family, g.is_unsigned
        if g.family >= STRS:
            b.kernels.spans(b.ptr, b.len, n, b.seed, b.h1, b.second)
            if b.skip_empty:
                unwanted = column_drop_empty(b, n, unwanted)
        elif g.family != ANYTHING:
            b.kernels.u64(b.keys, n, b.seed, b.h1, b.second)
        if sink(ctx, b, b.valid if unwanted else NULL, n):
            raise MemoryError()
        done += n
        g.position += n
    return 0


# Where a caller's hash_sink is reached from a column_sink.
cdef struct hash_target:
    hash_sink sink
    void *ctx


cdef size_t compact(uint64_t *h, const uint8_t *valid, size_t n) noexcept nogil:
    cdef size_t i, kept = 0
    for i in range(n):
        h[kept] = h[i]
        kept += valid[i]
    return kept


cdef int hash_block(void *ctx, column_block *b, const uint8_t *valid, size_t n) noexcept nogil:
    cdef hash_target *target = <hash_target *>ctx
    if valid != NULL:
        compact(b.h1, valid, n)
        n = compact(b.h2, valid, n)
    return target.sink(target.ctx, b.h1, b.h2, n) if n else 0


cdef Py_ssize_t for_each_hash(object items, uint64_t seed, bint skip_empty, hash_sink sink,
                              void *ctx) except -1:
    cdef hash_target target = hash_target(sink=sink, ctx=ctx)
    cdef uint64_t h1, h2
    cdef column_block *b
    if hash_one(items, seed, &h1, &h2):
        if not (skip_empty and isinstance(items, (str, bytes)) and not items):
            if sink(ctx, &h1, &h2, 1):
                raise MemoryError()
        return 0
    b = new_block(seed, skip_empty)
    try:
        walk(items, b, hash_block, &target)
        return b.nulls
    finally:
        column_block_free(b)


cdef column_block *new_block(uint64_t seed, bint skip_empty) except NULL:
    cdef column_block *b = column_block_new(hash_kernels_for(level()), seed, skip_empty)
    if b == NULL:
        raise MemoryError()
    return b


# ------------------------------------------------------------------------- spans

cdef int walk_spans(const column *c, int64_t *start, column_block *b, span_sink sink,
                    void *ctx) noexcept nogil:
    """As column_walk."""
    cdef int64_t began = column_clock()
    cdef size_t n, nulls
    cdef int status
    while start[0] < c.length and column_clock() - began < COLUMN_TURN:
        n = <size_t>min(<int64_t>b.rows, c.length - start[0])
        status = column_rows(c, start[0], n, b, &nulls)
        if status:
            return status
        if sink(ctx, b.ptr, b.len, n):
            return COLUMN_STOPPED
        start[0] += n
    return COLUMN_OK


cdef int text_column(const column *c, column_block *b, span_sink sink, void *ctx,
                     Py_ssize_t position) except -1:
    cdef int64_t start = 0
    cdef int status = column_fit(b, c)
    while not status and start < c.length:
        PyErr_CheckSignals()
        with nogil:
            status = walk_spans(c, &start, b, sink, ctx)
    check_status(status, b, position)
    return 0


cdef Py_ssize_t for_each_span(object texts, span_sink sink, void *ctx) except -1:
    cdef column_block *b = new_block(0, False)
    try:
        if isinstance(texts, (str, bytes)):
            return object_spans((texts,), b, sink, ctx)
        array = as_array(texts)
        if array is not None and array.dtype.kind not in "OT":
            return array_spans(array, b, sink, ctx)
        if array is not None:
            return object_spans(array, b, sink, ctx)
        texts = tamed(texts)
        if is_arrow(texts):
            return arrow_spans(ArrowChunks(texts), b, sink, ctx)
        if isinstance(texts, (bytearray, memoryview, dict)) or not hasattr(texts, "__iter__"):
            raise TypeError(f"texts wanted, not a value of type {type(texts).__qualname__}")
        return object_spans(np.asarray(texts) if hasattr(texts, "__array__") else texts, b, sink,
                            ctx)
    finally:
        column_block_free(b)


cdef int collect_bytes(void *ctx, const uint8_t *const *ptr, const size_t *length,
                       size_t n) noexcept with gil:
    cdef size_t i
    try:
        for i in range(n):
            (<list><object>ctx).append(None if ptr[i] == NULL else ptr[i][:length[i]])
    except MemoryError:
        return -1
    return 0


cdef list texts_as_bytes(object texts):
    collected = []
    for_each_span(texts, collect_bytes, <void *>collected)
    return collected


cdef Py_ssize_t array_spans(cnp.ndarray array, column_block *b, span_sink sink,
                            void *ctx) except -1:
    cdef column c
    memset(&c, 0, sizeof(column))
    array_column(array, &c)
    check_texts(&c, array.dtype)
    text_column(&c, b, sink, ctx, 0)
    return c.length


cdef Py_ssize_t arrow_spans(ArrowChunks chunks, column_block *b, span_sink sink,
                            void *ctx) except -1:
    cdef column *c
    cdef Py_ssize_t position = 0
    check_texts(column_leaf(chunks.root), f"Arrow format {chunks.leaf_format()!r}")
    while True:
        c = chunks.next()
        if c == NULL:
            return position
        text_column(c, b, sink, ctx, position)
        position += c.length


cdef Py_ssize_t object_spans(object texts, column_block *b, span_sink sink,
                             void *ctx) except -1:
    cdef gathering g = gathering(ANYTHING, 0, 0, 0, 0, False)
    cdef Objects objects = Objects(texts)
    cdef Py_ssize_t done, n
    cdef int stopped
    while True:
        block = objects.next()
        if not block:
            return g.position
        done = 0
        while done < len(block):
            n = gather(fast_items(block) + done, len(block) - done, b, &g)
            check_text_objects(block, done, &g)
            if g.bytes >= RELEASE_GIL_FROM:
                with nogil:
                    stopped = sink(ctx, b.ptr, b.len, n)
            else:
                stopped = sink(ctx, b.ptr, b.len, n)
            if stopped:
                raise MemoryError()
            done += n
            g.position += n
