"""Blocks of JSON Lines as texts, ids and the places of the rows: see csrc/jsonl.h.

A line that the scanner leaves is shown to a `judge`, which says what it holds or passes over it, so
that the rows are the same as if every line had been decoded by Python.
"""

import numpy as np

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.pycapsule cimport PyCapsule_GetPointer, PyCapsule_New
from cpython.ref cimport Py_DECREF, Py_INCREF
from cpython.unicode cimport PyUnicode_AsUTF8AndSize, PyUnicode_DecodeUTF8
from libc.stdint cimport int64_t, uint8_t
from libc.stdlib cimport calloc, free
from libc.string cimport memchr, memset

from sketches._arrow cimport ArrowArray, ArrowSchema
from sketches._arrays cimport owned_array

cdef extern from "jsonl.h" nogil:
    enum: JSONL_ID_NUMBER
    ctypedef struct jsonl_fields:
        const uint8_t *text
        const uint8_t *id
        size_t text_length, id_length
    ctypedef struct jsonl_row:
        int64_t start, end, text_end, id
        int kind
    ctypedef struct jsonl_rows:
        uint8_t *texts
        uint8_t *ids
        size_t texts_used
        jsonl_row *rows
        size_t n, lines
    ctypedef enum jsonl_status:
        JSONL_DONE, JSONL_UNSURE, JSONL_NO_MEMORY
    jsonl_status jsonl_scan(const jsonl_fields *, const uint8_t *block, size_t length, size_t *at,
                            jsonl_rows *)
    int jsonl_add(jsonl_rows *, size_t start, size_t end, const uint8_t *text, size_t length)
    void jsonl_free(jsonl_rows *)


cdef class Texts:
    """UTF-8 texts on end, which Arrow's C interface hands over as one ``large_string`` array.

    Parameters
    ----------
    offsets : int64[n + 1]
        Where each text starts, and the last one ends; not checked.
    data : uint8 array
    """
    cdef readonly object offsets, data
    # Here and not in the capsule: whoever moves the array away drops the capsule, and its block.
    cdef const void *buffers[3]

    def __cinit__(self, const int64_t[::1] offsets not None, const uint8_t[::1] data not None):
        self.offsets, self.data = np.asarray(offsets), np.asarray(data)
        self.buffers[1] = &offsets[0]
        self.buffers[2] = &data[0] if data.shape[0] else <const void *>&offsets[0]

    def __len__(self):
        return len(self.offsets) - 1

    def __getitem__(self, Py_ssize_t row):
        """A text as str."""
        if not 0 <= row < len(self):
            raise IndexError(f"there is no text {row} of {len(self)}")
        return self.data[self.offsets[row]:self.offsets[row + 1]].tobytes().decode()

    def slice(self, Py_ssize_t start, Py_ssize_t length):
        """So many texts from one on, as of an Arrow array: nothing is copied."""
        if not 0 <= start <= start + length <= len(self):
            raise IndexError(f"texts {start} to {start + length} of {len(self)}")
        return Texts(self.offsets[start:start + length + 1], self.data)

    def __arrow_c_array__(self, requested_schema=None):
        """The schema and the array as capsules; this object lives as long as the array does."""
        cdef ArrowSchema *schema = <ArrowSchema *>calloc(1, sizeof(ArrowSchema))
        cdef ArrowArray *array = <ArrowArray *>calloc(1, sizeof(ArrowArray))
        if schema == NULL or array == NULL:
            free(schema)
            free(array)
            raise MemoryError
        schema.format, schema.name = b"U", b""
        schema.release = release_schema
        array.length = len(self)
        array.n_buffers = 3
        array.buffers = self.buffers
        array.release = release_array
        array.private_data = <void *>self
        Py_INCREF(self)
        capsule = PyCapsule_New(array, b"arrow_array", free_array)
        return PyCapsule_New(schema, b"arrow_schema", free_schema), capsule


cdef void release_schema(ArrowSchema *schema) noexcept nogil:
    schema.release = NULL


cdef void release_array(ArrowArray *array) noexcept with gil:
    Py_DECREF(<object>array.private_data)
    array.release = NULL


cdef void free_schema(object capsule) noexcept:
    free(PyCapsule_GetPointer(capsule, b"arrow_schema"))


cdef void free_array(object capsule) noexcept:
    cdef ArrowArray *array = <ArrowArray *>PyCapsule_GetPointer(capsule, b"arrow_array")
    if array.release != NULL:  # nobody has taken it over
        array.release(array)
    free(array)


cdef class JsonLines:
    """The wanted fields of rows, block by block.

    Parameters
    ----------
    text : str
        The field of the text, a string or null.
    id : str, optional
        The field of the id, a string or a whole number; may be the text's, which then is no null.
    """
    cdef bytes text, id
    cdef jsonl_fields fields

    def __cinit__(self, str text not None, id=None):
        self.text = text.encode("utf-8", "surrogatepass")
        self.fields.text = <const uint8_t *>PyBytes_AS_STRING(self.text)
        self.fields.text_length = PyBytes_GET_SIZE(self.text)
        if id is not None:
            self.id = id.encode("utf-8", "surrogatepass")
            self.fields.id = <const uint8_t *>PyBytes_AS_STRING(self.id)
            self.fields.id_length = PyBytes_GET_SIZE(self.id)

    def take(self, bytes block not None, judge):
        """The rows of a block of whole lines.

        Parameters
        ----------
        block : bytes
        judge : callable
            Called as ``judge(line, number)`` with a line that is not plainly a row, and its number
            in the block from 0 on; returns ``(text, id)``, both as they should be read, or None for
            a line to pass over.

        Returns
        -------
        texts : Texts
        places : int64[2, n]
            Where each row's line starts and ends in the block.
        ids : list of int or str
            Empty where no id is wanted.
        lines : int
            How many there are, those that are no rows included.
        """
        cdef const uint8_t *data = <const uint8_t *>PyBytes_AS_STRING(block)
        cdef size_t length = PyBytes_GET_SIZE(block), at = 0
        cdef jsonl_rows rows
        cdef jsonl_status status
        cdef dict judged = {}  # row -> its id
        memset(&rows, 0, sizeof(rows))
        try:
            while True:
                with nogil:
                    status = jsonl_scan(&self.fields, data, length, &at, &rows)
                if status == JSONL_DONE:
                    return self.results(&rows, judged)
                if status == JSONL_NO_MEMORY:
                    raise MemoryError
                at = self.ask(judge, block, at, &rows, judged)
        finally:
            jsonl_free(&rows)

    cdef size_t ask(self, judge, bytes block, size_t at, jsonl_rows *rows,
                    dict judged) except? 0:
        """Let a line be judged; where the next one starts."""
        cdef const char *data = PyBytes_AS_STRING(block)
        cdef size_t length = PyBytes_GET_SIZE(block), end
        cdef const char *newline = <const char *>memchr(data + at, b"\n", length - at)
        cdef Py_ssize_t size
        cdef const char *utf8
        end = length if newline == NULL else newline - data + 1
        verdict = judge(block[at:end], rows.lines)
        rows.lines += 1
        if verdict is not None:
            text, judged[rows.n] = verdict
            utf8 = PyUnicode_AsUTF8AndSize(text, &size)
            if jsonl_add(rows, at, end, <const uint8_t *>utf8, size):
                raise MemoryError
        return end

    cdef results(self, jsonl_rows *rows, dict judged):
        cdef size_t i, n = rows.n
        cdef int64_t start = 0
        cdef jsonl_row *row
        offsets, places = np.zeros(n + 1, np.int64), np.empty((2, n), np.int64)
        cdef int64_t[::1] ends = offsets
        cdef int64_t[:, ::1] spans = places
        cdef list ids = []
        for i in range(n):
            row = &rows.rows[i]
            ends[i + 1] = row.text_end
            spans[0, i], spans[1, i] = row.start, row.end
            if self.id is None:
                continue
            if i in judged:
                ids.append(judged[i])
            elif row.kind == JSONL_ID_NUMBER:
                ids.append(row.id)
            else:
                ids.append(PyUnicode_DecodeUTF8(<const char *>rows.ids + start, row.id - start,
                                                NULL))
                start = row.id
        cdef void *texts = rows.texts
        rows.texts = NULL
        data = owned_array(texts, rows.texts_used, np.uint8)
        return Texts(offsets, data), places, ids, rows.lines
