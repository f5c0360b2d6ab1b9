"""The Count-Min of Apache Spark: its tables read, continued, merged, queried and written.

``df.stat.countMinSketch`` and SQL's ``count_min_sketch`` hand out an image that holds everything
its queries need (the multipliers of the rows), so any program can answer them just as Spark does.
Its hashes are not those of this library: for counts of your own take `CountMin`, which is faster.
csrc/spark.h defines the cells; the image (Spark's version 1) is big-endian:

    i32 1, i64 total, i32 depth, i32 width, i64 x depth multipliers, i64 x depth x width cells
"""

import math
import struct

import numpy as np

cimport cython
cimport numpy as cnp
from libc.stdint cimport INT64_MAX, int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from sketches._arrow cimport column_block, column_block_free
from sketches._batches cimport Answers, Weights, answers, next_weights, weighing
from sketches._items cimport check_call, is_scalar, new_block, walk
from sketches._objects cimport ANYTHING, BYTES, FLOATS, INTS
from sketches._sketch cimport Sketch

from sketches._frame import FormatError

cnp.import_array()

cdef extern from "spark.h" nogil:
    ctypedef struct spark_table:
        uint32_t depth, width
        const int64_t *a
        int64_t *cells
        int64_t total
    int spark_add(spark_table *t, const uint64_t *keys, const uint8_t *const *ptr,
                  const size_t *len, const uint8_t *valid, const int64_t *weights,
                  size_t n)
    void spark_estimate(const spark_table *t, const uint64_t *keys, const uint8_t *const *ptr,
                        const size_t *len, const uint8_t *valid, size_t n, uint64_t *out)

HEADER = struct.Struct(">iqii")  # version, total, depth, width
INT_MAX = 2**31 - 1
cdef enum:
    REFUSED = -2  # beside spark_add's status: items of a type that Spark does not count
    UNSIGNED = -3


cdef struct task:
    spark_table *table
    cython.pymutex *lock
    weighing *weights
    answers *out
    int status


cdef int check_block(const column_block *b, const uint8_t *valid, size_t n) noexcept nogil:
    cdef size_t i
    if b.family > BYTES or b.family == FLOATS:
        return REFUSED
    if b.family == INTS and b.is_unsigned:
        for i in range(n):
            if b.key[i] >> 63 and (valid == NULL or valid[i]):
                return UNSIGNED
    return 0


cdef const uint8_t *const *texts_of(const column_block *b) noexcept nogil:
    if b.family == INTS or b.family == ANYTHING:
        return NULL
    return &b.ptr[0]


cdef int take(void *ctx, column_block *b, const uint8_t *valid, size_t n) noexcept nogil:
    cdef task *t = <task *>ctx
    cdef const int64_t *weights = next_weights(t.weights, NULL, n)
    if t.weights.ran_out:
        return 1
    t.status = check_block(b, valid, n)
    if t.status == 0 and b.family != ANYTHING:
        with t.lock[0]:
            t.status = spark_add(t.table, b.key, texts_of(b),
                                 <const size_t *>b.len, valid, weights, n)
    return t.status != 0


cdef int look(void *ctx, column_block *b, const uint8_t *valid, size_t n) noexcept nogil:
    cdef task *t = <task *>ctx
    cdef uint64_t *out = t.out.out + t.out.n
    t.out.n += n
    t.status = check_block(b, valid, n)
    if t.status == 0:
        with t.lock[0]:
            spark_estimate(t.table, b.key, texts_of(b),
                           <const size_t *>b.len, valid, n, out)
    return t.status != 0


cdef object failure(int status):
    if status == REFUSED:
        return TypeError("Spark's Count-Min counts integers, str and bytes, of one column")
    if status == UNSIGNED:
        return OverflowError("Spark has no integers beyond 2**63 - 1")
    return OverflowError("a total beyond 2**63 - 1") if status else MemoryError()


@cython.final
cdef class SparkCountMin(Sketch):
    """A Count-Min sketch as Apache Spark makes them: the same counters, estimates and image.

    Parameters
    ----------
    width, depth : int
        Counters a row, 1 .. 2**31 - 1, and rows. Spark's own order is depth, width.
    seed : int
        Of Java's `Random` that draws the multipliers of the rows: any of 64 bits, signed.

    Notes
    -----
    For integers, with N the total: ``f <= estimate <= f + 2 N / width``, the second with
    probability ``1 - 2**-depth``; Spark promises as much of strings.

    Examples
    --------
    >>> from sketches import SparkCountMin
    >>> sketch = SparkCountMin.for_error(0.01, confidence=0.95, seed=42)
    >>> sketch.update([1, 2, 1])
    0
    >>> SparkCountMin.from_spark_bytes(sketch.to_spark_bytes()).estimate([1, 2, 3])
    array([2, 1, 0], dtype=uint64)
    """

    cdef readonly object width
    cdef readonly object depth
    cdef spark_table table
    cdef object multipliers, cells  # the arrays that the table points into

    _alike = ("width", "depth")

    def __cinit__(self, width=None, depth=None, seed=None, **unknown):
        check_call("SparkCountMin needs width, depth and seed; "
                   "SparkCountMin.for_error(eps, confidence, seed) chooses the first two",
                   (width, depth, seed), unknown)
        for name, value in (("width", width), ("depth", depth)):
            if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
                raise TypeError(f"{name} must be an integer, not {type(value).__name__}")
            if not 1 <= value <= INT_MAX:
                raise ValueError(f"{name} must be 1 .. 2**31 - 1, not {value}")
        self.shape(java_random(seed, depth), np.zeros((depth, width), np.int64), 0)

    cdef int shape(self, multipliers, cells, int64_t total) except -1:
        self.depth, self.width = map(int, cells.shape)
        self.multipliers, self.cells = multipliers, cells
        self.table = spark_table(self.depth, self.width,
                                 <const int64_t *>cnp.PyArray_DATA(multipliers),
                                 <int64_t *>cnp.PyArray_DATA(cells), total)
        return 0

    @classmethod
    def for_error(cls, eps, confidence, seed):
        """What Spark's ``countMinSketch(column, eps, confidence, seed)`` makes: width
        ``ceil(2 / eps)``, depth ``ceil(-log2(1 - confidence))``."""
        for name, value in (("eps", eps), ("confidence", confidence)):
            if not 0 < value < 1:
                raise ValueError(f"{name} must lie between 0 and 1, not {value}")
        return cls(math.ceil(2 / eps), math.ceil(-math.log(1 - confidence) / math.log(2)), seed)

    def update(self, items, weights=None):
        """Count items: a scalar, or any batch of integers, str or bytes that `sketches.hash64`
        accepts; of dates and times, the stored integer.

        Parameters
        ----------
        weights : int, or a row of them, optional
            How much each item counts for, 1 by default, not negative; one a row of `items`.

        Returns
        -------
        int
            How many nulls were passed over.

        Raises
        ------
        TypeError, OverflowError, ValueError
            As `CountMin.update`; for floats, integers beyond 2**63 - 1, and a total beyond that.
        """
        cdef Weights given = Weights(weights, False, "SparkCountMin")
        cdef task t = task(&self.table, &self.lock, &given.state, NULL, 0)
        cdef column_block *b = new_block(0, False)
        b.second, b.keep_items = NULL, True
        try:
            return given.feed(items, b, take, &t)
        except MemoryError:
            raise failure(t.status) from None
        finally:
            column_block_free(b)

    def estimate(self, items):
        """The count of each item that Spark would tell: uint64[n], or an int for a scalar; 0 for a
        null."""
        cdef Answers out = Answers()
        cdef task t = task(&self.table, &self.lock, NULL, &out.at, 0)
        cdef column_block *b = new_block(0, False)
        b.second, b.keep_items = NULL, True
        try:
            walk(items, b, look, &t, out)
        except MemoryError:
            raise failure(t.status) from None
        finally:
            column_block_free(b)
        found = out.taken().reshape(-1)
        return int(found[0]) if is_scalar(items) and len(found) else found

    @property
    def total(self):
        """The weights of all items, as one sum."""
        return self.table.total

    @property
    def error(self):
        """What an estimate is too high by at most, as a share of `total`, with probability
        `confidence`: 2 / width."""
        return 2 / <double>self.width

    @property
    def confidence(self):
        """``1 - 2**-depth``."""
        return 1 - 2.0 ** -self.depth

    @property
    def is_empty(self):
        """Whether nothing has been counted."""
        return self.table.total == 0

    @property
    def nbytes(self):
        """Bytes of state."""
        return self.cells.nbytes

    def copy(self):
        """An independent sketch of the same state."""
        cdef SparkCountMin twin = SparkCountMin.__new__(SparkCountMin, 1, 1, 0)
        twin.shape(self.multipliers, np.empty_like(self.cells), 0)
        with nogil:
            with self.lock:
                memcpy(twin.table.cells, self.table.cells, self.size() * sizeof(int64_t))
                twin.table.total = self.table.total
        return twin

    cdef size_t size(self) noexcept nogil:
        return <size_t>self.table.depth * self.table.width

    def merge(self, other):
        """Make this the sketch of both streams. Raises ValueError for another shape or other
        multipliers, OverflowError for a total beyond 2**63 - 1."""
        cdef SparkCountMin twin
        cdef bint fits
        cdef size_t i
        self._check_same(other)
        twin = other.copy()
        if not np.array_equal(self.multipliers, twin.multipliers):
            raise ValueError(f"multipliers differ: {self.multipliers.tolist()} here, "
                             f"{twin.multipliers.tolist()} there, of other seeds")
        with nogil:
            with self.lock:
                fits = twin.table.total <= INT64_MAX - self.table.total
                if fits:
                    for i in range(self.size()):
                        self.table.cells[i] += twin.table.cells[i]
                    self.table.total += twin.table.total
        if not fits:
            raise OverflowError("a total beyond 2**63 - 1")

    def clear(self):
        """Back to nothing counted."""
        with nogil:
            with self.lock:
                memset(self.table.cells, 0, self.size() * sizeof(int64_t))
                self.table.total = 0

    def to_spark_bytes(self):
        """Spark's image, as ``CountMinSketch.writeTo`` makes it."""
        cdef SparkCountMin twin = self.copy()
        return b"".join([HEADER.pack(1, twin.total, twin.depth, twin.width),
                         twin.multipliers.astype(">i8").tobytes(),
                         twin.cells.astype(">i8").tobytes()])

    to_bytes = to_spark_bytes

    @staticmethod
    def from_spark_bytes(image):
        """The sketch in Spark's image. Raises `FormatError` for a bad one."""
        cdef SparkCountMin sketch
        try:
            view = memoryview(image).cast("B")
        except TypeError as error:
            raise TypeError(f"an image is bytes, not {type(image).__name__}") from error
        if len(view) < HEADER.size:
            raise FormatError(f"{len(view)} bytes are too few for an image of Spark's Count-Min")
        version, total, depth, width = HEADER.unpack_from(view)
        if version != 1 or min(depth, width) < 1 or total < 0:
            raise FormatError(f"image of version {version}, {depth} rows of {width}, total {total}")
        if len(view) != HEADER.size + 8 * depth * (1 + width):
            raise FormatError(f"image of {len(view)} bytes for {depth} rows of {width} counters")
        numbers = np.frombuffer(view, ">i8", offset=HEADER.size).astype(np.int64)
        cells = numbers[depth:].reshape(depth, width).copy()
        if int(cells.min()) < 0 or int(cells.max()) > total:
            raise FormatError(f"image with counters from {cells.min()} to {cells.max()} and a "
                              f"total of {total}")
        sketch = SparkCountMin.__new__(SparkCountMin, 1, 1, 0)
        sketch.shape(numbers[:depth].copy(), cells, total)
        return sketch

    from_bytes = from_spark_bytes

    def __repr__(self):
        return f"SparkCountMin(width={self.width}, depth={self.depth}) <total {self.total}>"


def java_random(seed, n):
    """n times ``nextInt(2**31 - 1)`` of Java's ``Random(seed)``: a generator of 48 bits, and
    another try where the last, incomplete round of the range would favour small numbers."""
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)):
        raise TypeError(f"seed must be an integer, not {type(seed).__name__}")
    if not -2**63 <= seed < 2**63:
        raise ValueError(f"seed must be -2**63 .. 2**63 - 1, not {seed}")
    state = (int(seed) ^ 0x5DEECE66D) & (2**48 - 1)
    drawn = []
    while len(drawn) < n:
        state = (state * 0x5DEECE66D + 0xB) & (2**48 - 1)
        if state >> 17 < INT_MAX:  # 31 bits; of 2^31 - 1 values only the last is one too many
            drawn.append(state >> 17)
    return np.array(drawn, np.int64)
