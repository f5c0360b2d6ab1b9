"""Arrow memory of other libraries as columns, through the Arrow C data interface.

Whatever offers ``__arrow_c_array__`` or ``__arrow_c_stream__`` (pyarrow, polars, pandas, DuckDB,
nanoarrow ...) hands over three plain C structs: a schema, arrays, a stream of arrays. Nothing is
copied and no Arrow library is imported.

The structs come from a stranger, so they are taken over (the giver's copy is marked released, and
ours is released exactly once, on errors too) and checked before use: a released struct, a format
that is not known, counts of buffers and children that do not belong to the format, negative
lengths, children shorter than their parent, a missing buffer. Offsets, views and dictionary
indices are checked while rows are read (csrc/column.h). The interface does not tell how large a
buffer is, except those of views; that much has to be believed.

One `column` tree is built from the schema and bound anew to each chunk.
"""

from cpython.pycapsule cimport PyCapsule_GetPointer
from libc.stdlib cimport calloc, free
from libc.string cimport memset, strlen
from libc.stdint cimport INT64_MAX, int64_t, uint8_t

cdef dict NUMBERS = {
    "c": COLUMN_INT8, "s": COLUMN_INT16, "i": COLUMN_INT32, "l": COLUMN_INT64,
    "C": COLUMN_UINT8, "S": COLUMN_UINT16, "I": COLUMN_UINT32, "L": COLUMN_INT64,
    "e": COLUMN_FLOAT16, "f": COLUMN_FLOAT32, "g": COLUMN_FLOAT64, "b": COLUMN_BITS,
    "tdD": COLUMN_INT32, "tdm": COLUMN_INT64,
    "tts": COLUMN_INT32, "ttm": COLUMN_INT32, "ttu": COLUMN_INT64, "ttn": COLUMN_INT64,
    "tDs": COLUMN_INT64, "tDm": COLUMN_INT64, "tDu": COLUMN_INT64, "tDn": COLUMN_INT64,
}
cdef dict STRINGS = {
    "z": COLUMN_BYTES32, "u": COLUMN_BYTES32, "Z": COLUMN_BYTES64, "U": COLUMN_BYTES64,
    "vz": COLUMN_VIEWS, "vu": COLUMN_VIEWS,
}
cdef dict LISTS = {"+l": COLUMN_LIST32, "+L": COLUMN_LIST64}
cdef dict REFUSED = {
    "d": "decimal", "tiM": "month interval", "tiD": "day-time interval",
    "tin": "month-day-nano interval", "+m": "map", "+r": "run-end encoded",
    "+vl": "list view", "+vL": "large list view", "+ud": "dense union", "+us": "sparse union",
    "+s": "nested struct", "+l": "nested list", "+L": "nested list", "+w": "nested list",
}


cdef bint is_arrow(object items):
    return hasattr(items, "__arrow_c_array__") or hasattr(items, "__arrow_c_stream__")


# ------------------------------------------------------------- the tree of a schema

cdef int describe(const ArrowSchema *schema, column *c, int depth) except -1:
    """What a schema says, into a zeroed column: kinds, widths, children."""
    if schema.release == NULL:
        raise ValueError("this Arrow schema has already been released")
    if schema.format == NULL or not 0 < strlen(schema.format) <= 4096:
        raise ValueError("this Arrow schema has no usable format string")
    if schema.n_children < 0 or (schema.n_children and schema.children == NULL):
        raise ValueError(f"this Arrow schema has {schema.n_children} children, or none where it "
                         "says so")
    form = schema.format.decode("utf-8", "replace")
    if not form.isascii():
        raise ValueError(f"an Arrow format string that is not ASCII: {form!r}")
    if form in NUMBERS or form[:4] in ("tss:", "tsm:", "tsu:", "tsn:"):
        c.kind = NUMBERS.get(form, COLUMN_INT64)
    elif form in STRINGS:
        c.kind = STRINGS[form]
    elif form == "n":
        c.kind = COLUMN_NULLS
    elif form.startswith("w:"):
        c.kind = COLUMN_FIXED
        c.width = width_of(form)
    elif depth == 0 and form == "+s":
        c.kind = COLUMN_STRUCT
    elif depth <= 1 and form in LISTS:
        c.kind = LISTS[form]
    elif depth <= 1 and form.startswith("+w:"):
        c.kind = COLUMN_LIST_FIXED
        c.width = width_of(form)
    else:
        name = REFUSED.get(form.split(":")[0])
        if name is None:
            raise TypeError(f"values of Arrow format {form!r} cannot be hashed")
        raise TypeError(f"values of Arrow type {name} ({form!r}) cannot be hashed")
    describe_children(schema, c, depth)
    return 0


cdef int64_t width_of(str form) except -1:
    digits = form.split(":")[1]
    if not (digits.isascii() and digits.isdigit() and len(digits) < 10):
        raise ValueError(f"Arrow format string {form!r} has no valid width")
    return int(digits)


cdef int describe_children(const ArrowSchema *schema, column *c, int depth) except -1:
    cdef int64_t k
    wanted = 1 if c.kind >= COLUMN_LIST32 else schema.n_children if c.kind == COLUMN_STRUCT else 0
    if schema.n_children != wanted:
        raise ValueError(f"Arrow format {schema.format.decode()!r} wants {wanted} children, "
                         f"not {schema.n_children}")
    if c.kind == COLUMN_STRUCT and not wanted:
        raise ValueError("a table without columns has nothing to hash")
    if wanted:
        c.children = <column *>calloc(wanted, sizeof(column))
        if c.children == NULL:
            raise MemoryError()
        c.n_children = wanted
    for k in range(c.n_children):
        if schema.children[k] == NULL:
            raise ValueError(f"child {k} of this Arrow schema is missing")
        describe(schema.children[k], &c.children[k], 1 if c.kind == COLUMN_STRUCT else 2)
    if schema.dictionary != NULL:
        describe_dictionary(schema, c)
    return 0


cdef int describe_dictionary(const ArrowSchema *schema, column *c) except -1:
    if c.kind > COLUMN_UINT32:
        raise ValueError(f"Arrow dictionary indices of format {schema.format.decode()!r}")
    c.dictionary = <column *>calloc(1, sizeof(column))
    if c.dictionary == NULL:
        raise MemoryError()
    describe(schema.dictionary, c.dictionary, 3)
    if c.dictionary.dictionary != NULL or c.dictionary.kind == COLUMN_NULLS:
        raise TypeError("an Arrow dictionary of dictionaries or of nulls cannot be hashed")
    return 0


cdef void free_columns(column *c) noexcept:
    cdef int64_t k
    for k in range(c.n_children):
        free_columns(&c.children[k])
    free(c.children)
    free(c.dictionary)  # has no children: describe() refuses nested ones
    free(c.dictionary_h1)


# ------------------------------------------------------- a chunk, bound to the tree

cdef int bind(const ArrowArray *array, column *c) except -1:
    """Checks an array against its column and lets the column point into it."""
    if array == NULL or array.release == NULL:
        raise ValueError("this Arrow array is missing or has already been released")
    if array.length < 0 or array.offset < 0 or array.length > INT64_MAX // 32 - array.offset:
        raise ValueError(f"Arrow array of length {array.length}, offset {array.offset}")
    if array.null_count < -1 or array.null_count > array.length:
        raise ValueError(f"Arrow array of length {array.length} with {array.null_count} nulls")
    check_buffers(array, c)
    c.offset, c.length = array.offset, array.length
    if c.kind != COLUMN_NULLS:
        c.validity = <const uint8_t *>array.buffers[0]
        if c.validity == NULL and array.null_count > 0 and array.length:
            raise ValueError(f"Arrow array with {array.null_count} nulls and no validity bitmap")
        if array.null_count == 0:
            c.validity = NULL
    if c.kind < COLUMN_NULLS and array.length:
        bind_buffers(array, c)
    if c.kind == COLUMN_LIST32 or c.kind == COLUMN_LIST64:
        c.offsets = <const uint8_t *>array.buffers[1]
        if c.offsets == NULL and array.length:
            raise ValueError("Arrow list array without an offsets buffer")
    bind_children(array, c)
    return 0


cdef int check_buffers(const ArrowArray *array, column *c) except -1:
    cdef int64_t wanted = 2
    if c.kind == COLUMN_NULLS:
        wanted = 0
    elif c.kind == COLUMN_STRUCT or c.kind == COLUMN_LIST_FIXED:
        wanted = 1
    elif c.kind == COLUMN_BYTES32 or c.kind == COLUMN_BYTES64 or c.kind == COLUMN_VIEWS:
        wanted = 3
    if c.kind == COLUMN_NULLS and array.n_buffers == 1:  # polars hands over an absent bitmap
        return 0
    if array.n_buffers != wanted and not (c.kind == COLUMN_VIEWS and array.n_buffers > wanted):
        raise ValueError(f"Arrow array with {array.n_buffers} buffers where its format has "
                         f"{wanted}")
    if wanted and array.buffers == NULL:
        raise ValueError("Arrow array without its table of buffers")
    return 0


cdef int bind_buffers(const ArrowArray *array, column *c) except -1:
    cdef const void **buffers = array.buffers
    c.values = <const uint8_t *>buffers[1]
    if c.kind == COLUMN_BYTES32 or c.kind == COLUMN_BYTES64:
        c.offsets, c.values = c.values, <const uint8_t *>buffers[2]
        if c.offsets == NULL:
            raise ValueError("Arrow string array without an offsets buffer")
        return 0  # absent data is fine while all strings are empty, which their offsets tell
    elif c.kind == COLUMN_VIEWS:
        c.buffers = <const uint8_t *const *>(buffers + 2)
        c.n_buffers = array.n_buffers - 3
        c.buffer_lengths = <const uint8_t *>buffers[array.n_buffers - 1]
        if c.n_buffers and c.buffer_lengths == NULL:
            raise ValueError("Arrow view array without the lengths of its buffers")
    if c.values == NULL and not (c.kind == COLUMN_FIXED and c.width == 0):
        raise ValueError("Arrow array without its data buffer")
    return 0


cdef int bind_children(const ArrowArray *array, column *c) except -1:
    cdef int64_t k, reach = 0
    if array.n_children != c.n_children or (c.n_children and array.children == NULL):
        raise ValueError(f"Arrow array with {array.n_children} children where its schema has "
                         f"{c.n_children}")
    for k in range(c.n_children):
        bind(array.children[k], &c.children[k])
    if c.kind == COLUMN_STRUCT or c.kind == COLUMN_LIST_FIXED:
        reach = c.offset + c.length
        if c.kind == COLUMN_LIST_FIXED and c.width:
            reach = reach * c.width if reach <= INT64_MAX // c.width else INT64_MAX
        for k in range(c.n_children):
            if c.length and c.children[k].length < reach and (c.kind == COLUMN_STRUCT or c.width):
                raise ValueError(f"child {k} of an Arrow array has {c.children[k].length} rows "
                                 f"where its parent needs {reach}")
    if c.dictionary != NULL:
        if array.dictionary == NULL:
            raise ValueError("Arrow dictionary array without its dictionary")
        bind(array.dictionary, c.dictionary)
    return 0


# --------------------------------------------------------------------- ownership

cdef class ArrowChunks:
    def __cinit__(self, object items):
        if hasattr(items, "__arrow_c_array__"):
            self.take_array(items.__arrow_c_array__())
        else:
            self.take_stream(items.__arrow_c_stream__())
        self.root = <column *>calloc(1, sizeof(column))
        if self.root == NULL:
            raise MemoryError()
        describe(&self.schema, self.root, 0)

    cdef int take_array(self, object pair) except -1:
        cdef ArrowSchema *schema
        cdef ArrowArray *array
        if not (isinstance(pair, tuple) and len(pair) == 2):
            raise TypeError("__arrow_c_array__ gave no pair of capsules")
        schema = <ArrowSchema *>PyCapsule_GetPointer(pair[0], "arrow_schema")
        array = <ArrowArray *>PyCapsule_GetPointer(pair[1], "arrow_array")
        self.schema, schema.release = schema[0], NULL
        self.array, array.release = array[0], NULL
        self.single = True
        return 0

    cdef int take_stream(self, object capsule) except -1:
        cdef ArrowArrayStream *stream
        cdef int failed
        stream = <ArrowArrayStream *>PyCapsule_GetPointer(capsule, "arrow_array_stream")
        if stream.release == NULL:
            raise ValueError("this Arrow stream has already been released")
        self.stream, stream.release = stream[0], NULL
        with nogil:
            failed = self.stream.get_schema(&self.stream, &self.schema)
        if failed:
            self.schema.release = NULL
            raise self.stream_error(failed)
        return 0

    cdef object stream_error(self, int code):
        cdef const char *text = self.stream.get_last_error(&self.stream)
        detail = text.decode("utf-8", "replace") if text != NULL else "no reason given"
        return ValueError(f"the Arrow stream failed with code {code}: {detail}")

    cdef object leaf_format(self):
        """The format behind tables of one column and dictionaries, for messages."""
        cdef const ArrowSchema *schema = &self.schema
        while schema.dictionary != NULL or schema.n_children == 1:
            schema = schema.dictionary if schema.dictionary != NULL else schema.children[0]
        return schema.format.decode()

    cdef column *next(self) except? NULL:
        """The next chunk, valid until the following call; NULL at the end."""
        cdef int failed
        if self.single and not self.ended:
            self.ended = True
        elif self.single:
            return NULL
        else:
            self.release_array()
            with nogil:  # a stream may run a query on threads that need the GIL
                failed = self.stream.get_next(&self.stream, &self.array)
            if failed:
                self.array.release = NULL
                raise self.stream_error(failed)
            if self.array.release == NULL:
                return NULL
        bind(&self.array, self.root)
        return self.root

    cdef void release_array(self) noexcept:
        if self.root != NULL:
            column_forget_hashes(self.root)
        if self.array.release != NULL:
            self.array.release(&self.array)
        memset(&self.array, 0, sizeof(ArrowArray))

    def __dealloc__(self):
        self.release_array()
        if self.schema.release != NULL:
            self.schema.release(&self.schema)
        if self.stream.release != NULL:
            self.stream.release(&self.stream)
        if self.root != NULL:
            free_columns(self.root)
            free(self.root)
