"""Columns of ours for others, through the Arrow C data interface, without an Arrow library.

A `Batch` owns the buffers of a few columns. The stream that it hands out, and each struct that a
consumer takes out of that, holds a reference to it until released, which may happen in any thread.
"""

from cpython.pycapsule cimport PyCapsule_GetPointer, PyCapsule_New
from cpython.ref cimport Py_DECREF, Py_INCREF
from libc.errno cimport ENOMEM
from libc.stdint cimport int64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

cimport numpy as cnp

from sketches._arrow cimport ArrowArray, ArrowArrayStream, ArrowSchema

cnp.import_array()

cdef enum:
    NULLABLE = 2  # a flag of a schema


cdef class Column:
    """One column: its name, Arrow format, buffers (arrays, or None where there is none)."""

    def __init__(self, str name, str form, list buffers, int64_t nulls=0):
        self.name, self.form = name.encode(), form.encode()
        self.buffers, self.nulls = buffers, nulls


cdef class Batch:
    """Columns of n rows, as a stream of one batch."""

    def __init__(self, list columns, int64_t n):
        self.columns, self.n = columns, n

    def __arrow_c_stream__(self, requested_schema=None):
        cdef ArrowArrayStream *stream = <ArrowArrayStream *>calloc(1, sizeof(ArrowArrayStream))
        if stream == NULL:
            raise MemoryError()
        capsule = PyCapsule_New(stream, "arrow_array_stream", free_stream)
        stream.get_schema = stream_schema
        stream.get_next = stream_next
        stream.get_last_error = stream_error
        stream.release = release_stream
        state = State(self)
        Py_INCREF(state)
        stream.private_data = <void *>state
        return capsule


cdef class State:
    """How far a stream has been read."""
    cdef Batch batch
    cdef bint read

    def __init__(self, Batch batch):
        self.batch = batch


# ------------------------------------------------------------------- schema

cdef int export_schema(Batch batch, ArrowSchema *out) noexcept:
    """The struct of all columns, into a zeroed schema; -1 where memory ran out, nothing held."""
    cdef int64_t i, n = len(batch.columns)
    cdef ArrowSchema *child
    cdef Column column
    memset(out, 0, sizeof(ArrowSchema))
    out.children = <ArrowSchema **>calloc(n, sizeof(void *))
    if out.children == NULL:
        return -1
    for i in range(n):
        child = <ArrowSchema *>calloc(1, sizeof(ArrowSchema))
        if child == NULL:
            free_children_of_schema(out)
            return -1
        column = batch.columns[i]
        child.format, child.name = column.form, column.name
        child.flags = NULLABLE
        hold_schema(child, batch)
        out.children[i] = child
        out.n_children = i + 1
    out.format, out.name = "+s", ""
    hold_schema(out, batch)
    return 0


cdef void hold_schema(ArrowSchema *schema, Batch batch) noexcept:
    Py_INCREF(batch)
    schema.private_data = <void *>batch
    schema.release = release_schema


cdef void free_children_of_schema(ArrowSchema *schema) noexcept nogil:
    cdef int64_t i
    for i in range(schema.n_children):
        if schema.children[i].release != NULL:  # or the consumer has moved it
            schema.children[i].release(schema.children[i])
        free(schema.children[i])
    free(schema.children)


cdef void release_schema(ArrowSchema *schema) noexcept nogil:
    free_children_of_schema(schema)
    schema.release = NULL
    let_go(schema.private_data)


cdef void let_go(void *owner) noexcept with gil:
    Py_DECREF(<object>owner)


# -------------------------------------------------------------------- array

cdef int export_array(Batch batch, ArrowArray *out) noexcept:
    cdef int64_t i, n = len(batch.columns)
    cdef ArrowArray *child
    memset(out, 0, sizeof(ArrowArray))
    out.children = <ArrowArray **>calloc(n, sizeof(void *))
    out.buffers = <const void **>calloc(1, sizeof(void *))
    if out.children == NULL or out.buffers == NULL:
        free_parts_of_array(out)
        return -1
    for i in range(n):
        child = <ArrowArray *>calloc(1, sizeof(ArrowArray))
        if child == NULL or fill_array(child, batch, i):
            free(child)
            free_parts_of_array(out)
            return -1
        out.children[i] = child
        out.n_children = i + 1
    out.length, out.n_buffers = batch.n, 1
    hold_array(out, batch)
    return 0


cdef int fill_array(ArrowArray *child, Batch batch, int64_t i) noexcept:
    cdef Column column = batch.columns[i]
    cdef int64_t k, n = len(column.buffers)
    child.buffers = <const void **>calloc(n, sizeof(void *))
    if child.buffers == NULL:
        return -1
    for k in range(n):
        if column.buffers[k] is not None:
            child.buffers[k] = cnp.PyArray_DATA(<cnp.ndarray>column.buffers[k])
    child.length, child.null_count, child.n_buffers = batch.n, column.nulls, n
    hold_array(child, batch)
    return 0


cdef void hold_array(ArrowArray *array, Batch batch) noexcept:
    Py_INCREF(batch)
    array.private_data = <void *>batch
    array.release = release_array


cdef void free_parts_of_array(ArrowArray *array) noexcept nogil:
    cdef int64_t i
    for i in range(array.n_children):
        if array.children[i].release != NULL:
            array.children[i].release(array.children[i])
        free(array.children[i])
    free(array.children)
    free(array.buffers)


cdef void release_array(ArrowArray *array) noexcept nogil:
    free_parts_of_array(array)
    array.release = NULL
    let_go(array.private_data)


# ------------------------------------------------------------------- stream

cdef int stream_schema(ArrowArrayStream *stream, ArrowSchema *out) noexcept with gil:
    return ENOMEM if export_schema((<State>stream.private_data).batch, out) else 0


cdef int stream_next(ArrowArrayStream *stream, ArrowArray *out) noexcept with gil:
    cdef State state = <State>stream.private_data
    if state.read:
        memset(out, 0, sizeof(ArrowArray))  # released: the end
        return 0
    if export_array(state.batch, out):
        return ENOMEM
    state.read = True
    return 0


cdef const char *stream_error(ArrowArrayStream *stream) noexcept nogil:
    return NULL


cdef void release_stream(ArrowArrayStream *stream) noexcept nogil:
    stream.release = NULL
    let_go(stream.private_data)


cdef void free_stream(object capsule) noexcept:
    cdef ArrowArrayStream *stream
    stream = <ArrowArrayStream *>PyCapsule_GetPointer(capsule, "arrow_array_stream")
    if stream.release != NULL:
        stream.release(stream)
    free(stream)
