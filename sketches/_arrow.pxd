from libc.stdint cimport int64_t, uint8_t, uint64_t

cdef extern from "hash.h" nogil:
    ctypedef struct hash_kernels:
        void (*u64)(const uint64_t *keys, size_t n, uint64_t seed, uint64_t *h1,
                    uint64_t *h2) noexcept nogil
        void (*spans)(const uint8_t *const *ptr, const size_t *len, size_t n, uint64_t seed,
                      uint64_t *h1, uint64_t *h2) noexcept nogil
    const hash_kernels *hash_kernels_for(int level)

cdef extern from "column.h" nogil:
    enum: COLUMN_BLOCK
    ctypedef enum column_kind:
        COLUMN_INT8, COLUMN_INT16, COLUMN_INT32, COLUMN_INT64, COLUMN_UINT8, COLUMN_UINT16
        COLUMN_UINT32, COLUMN_FLOAT16, COLUMN_FLOAT32, COLUMN_FLOAT64, COLUMN_BITS
        COLUMN_BYTES32, COLUMN_BYTES64, COLUMN_VIEWS, COLUMN_FIXED, COLUMN_STRIPPED, COLUMN_UCS4
        COLUMN_NULLS, COLUMN_STRUCT, COLUMN_LIST32, COLUMN_LIST64, COLUMN_LIST_FIXED
    ctypedef enum column_status:
        COLUMN_OK, COLUMN_STOPPED, COLUMN_NO_MEMORY
        COLUMN_BAD_OFFSETS, COLUMN_BAD_VIEW, COLUMN_BAD_INDEX, COLUMN_BAD_TEXT
    ctypedef struct column:
        column_kind kind
        int64_t offset, length, width
        const uint8_t *validity
        const uint8_t *values
        const uint8_t *offsets
        const uint8_t *const *buffers
        const uint8_t *buffer_lengths
        int64_t n_buffers
        column *children
        int64_t n_children
        column *dictionary
        uint64_t *dictionary_h1
    ctypedef struct column_block:
        const hash_kernels *kernels
        uint64_t seed
        bint skip_empty
        bint keep_items
        int family
        bint is_unsigned
        size_t rows
        uint8_t *scratch
        size_t scratch_size
        int64_t nulls
        int64_t bad
        const uint64_t *key
        uint64_t keys[COLUMN_BLOCK]
        const uint8_t *ptr[COLUMN_BLOCK]
        size_t len[COLUMN_BLOCK]
        uint64_t h1[COLUMN_BLOCK]
        uint64_t h2[COLUMN_BLOCK]
        uint64_t *second
        uint8_t valid[COLUMN_BLOCK]
    ctypedef int (*column_sink)(void *ctx, column_block *block, const uint8_t *valid,
                                size_t n) noexcept nogil
    bint column_is_bytes(column_kind kind)
    const column *column_leaf(const column *c)
    column_block *column_block_new(const hash_kernels *kernels, uint64_t seed, bint skip_empty)
    void column_block_free(column_block *b)
    int column_scratch(column_block *b, size_t size)
    int column_fit(column_block *b, const column *c)
    int column_prepare(column *c, column_block *b)
    int64_t column_clock()
    int64_t COLUMN_TURN
    int column_walk(const column *c, int64_t *start, column_block *b, column_sink sink, void *ctx)
    int column_rows(const column *c, int64_t start, size_t n, column_block *b, size_t *nulls)
    size_t column_drop_empty(column_block *b, size_t n, size_t nulls)
    uint64_t key_of_double(double d)
    void column_forget_hashes(column *c)

# The Arrow C data interface (https://arrow.apache.org/docs/format/CDataInterface.html)
cdef struct ArrowSchema:
    const char *format
    const char *name
    const char *metadata
    int64_t flags
    int64_t n_children
    ArrowSchema **children
    ArrowSchema *dictionary
    void (*release)(ArrowSchema *) noexcept nogil
    void *private_data

cdef struct ArrowArray:
    int64_t length
    int64_t null_count
    int64_t offset
    int64_t n_buffers
    int64_t n_children
    const void **buffers
    ArrowArray **children
    ArrowArray *dictionary
    void (*release)(ArrowArray *) noexcept nogil
    void *private_data

cdef struct ArrowArrayStream:
    int (*get_schema)(ArrowArrayStream *, ArrowSchema *) noexcept nogil
    int (*get_next)(ArrowArrayStream *, ArrowArray *) noexcept nogil
    const char *(*get_last_error)(ArrowArrayStream *) noexcept nogil
    void (*release)(ArrowArrayStream *) noexcept nogil
    void *private_data


cdef bint is_arrow(object items)


cdef class ArrowChunks:
    """The chunks of an Arrow object, one after another, each as a checked column."""
    cdef ArrowSchema schema
    cdef ArrowArray array
    cdef ArrowArrayStream stream
    cdef column *root   # the tree of columns that the schema describes, bound to one chunk
    cdef bint single    # no stream: the one array is there from the start
    cdef bint ended

    cdef int take_array(self, object pair) except -1
    cdef int take_stream(self, object capsule) except -1
    cdef object stream_error(self, int code)
    cdef object leaf_format(self)
    cdef column *next(self) except? NULL
    cdef void release_array(self) noexcept
