"""What CountMin and CountSketch share: a table of counters, fed by hashes under its own lock.

csrc/counters.h defines the table to the bit. The lock is held inside a sink, a block of hashes at a
time, and over C code alone: foreign code never runs under it.
"""

import struct
import warnings

import numpy as np

cimport cython
cimport numpy as cnp
from libc.stdint cimport int64_t, uint8_t, uint64_t

from sketches._arrow cimport column_block, column_block_free
from sketches._batches cimport Answers, Weights, answers, next_weights, weighing
from sketches._cpu cimport level
from sketches._items cimport compact, hash_one, new_block, sketch_seed, walk

from sketches._frame import FormatError, pack, unpack

cnp.import_array()

HEADER = struct.Struct("<IIQQBBBB")  # bits, depth, seed, total, cell bytes, conservative, saturated
DEPTH_MAX = 64  # COUNTERS_DEPTH and COUNTERS_BITS of counters.h
BITS_MAX = 32
cdef tuple SATURATED = (0, COUNTERS_FULL, COUNTERS_FULL | COUNTERS_HALVED)


# As a struct: a sink that runs without the GIL cannot name an object.
cdef struct task:
    const counter_kernels *kernels
    counters *table
    cython.pymutex *lock
    weighing *weights
    answers *out


cdef int take_block(void *ctx, column_block *b, const uint8_t *valid, size_t n) noexcept nogil:
    cdef task *t = <task *>ctx
    cdef const int64_t *weights = next_weights(t.weights, valid, n)
    if t.weights.ran_out:
        return 1
    if valid != NULL:
        n = compact(b.h1, valid, n)
    with t.lock[0]:
        t.kernels.add(t.table, b.h1, weights, n)
    return 0


cdef int read_block(void *ctx, column_block *b, const uint8_t *valid, size_t n) noexcept nogil:
    cdef task *t = <task *>ctx
    cdef uint64_t *out = t.out.out + t.out.n
    cdef size_t i
    with t.lock[0]:
        read(t.kernels, t.table, b.h1, n, out)
    if valid != NULL:
        for i in range(n):
            if not valid[i]:
                out[i] = 0  # of a double, too
    t.out.n += n
    return 0


cdef void read(const counter_kernels *kernels, const counters *table, const uint64_t *x, size_t n,
               uint64_t *out) noexcept nogil:
    if table.is_signed:
        kernels.median(table, x, n, <double *>out)
    else:
        kernels.least(table, x, n, out)


cdef class Counters(Sketch):
    _alike = ("width", "depth", "seed", "dtype")

    cdef int shape(self, width, depth, seed, dtype, dict dtypes, bint conservative) except -1:
        """Checks the parameters of a new table and makes its cells."""
        for name, value in (("width", width), ("depth", depth)):
            if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
                raise TypeError(f"{name} must be an integer, not {type(value).__name__}")
        most = BITS_MAX - any(signed for signed, _ in dtypes.values())
        if not 2 <= width <= 2**most or width & (width - 1):
            raise ValueError(f"width must be a power of two from 2 to 2**{most}, not {width}")
        if not 1 <= depth <= DEPTH_MAX:
            raise ValueError(f"depth must be 1 .. {DEPTH_MAX}, not {depth}")
        try:
            self.dtype = np.dtype(dtype).name
        except TypeError:
            self.dtype = str(dtype)
        if self.dtype not in dtypes:
            raise ValueError(f"dtype must be one of {tuple(dtypes)}, not {dtype!r}")
        self.width, self.depth, self.seed = int(width), int(depth), sketch_seed(seed)
        self.cells = np.zeros((self.depth, self.width), self.dtype)
        self.table.depth, self.table.bits = self.depth, self.width.bit_length() - 1
        self.table.is_signed, self.table.is_wide = dtypes[self.dtype]
        self.table.conservative = conservative
        self.table.saturated, self.table.total = 0, 0
        self.table.cells = cnp.PyArray_DATA(self.cells)
        return 0

    def update(self, items, weights=None):
        cdef Weights given = Weights(weights, self.table.is_signed, type(self).__name__)
        cdef task t = task(counter_kernels_for(level()), &self.table, &self.lock, &given.state,
                           NULL)
        cdef uint64_t h1, h2
        cdef column_block *b
        if weights is None and hash_one(items, self.seed, &h1, &h2):
            with self.lock:
                t.kernels.add(&self.table, &h1, NULL, 1)
            return 0
        b = new_block(self.seed, False)
        b.second = NULL
        try:
            return given.feed(items, b, take_block, &t)
        finally:
            column_block_free(b)

    def update_hashes(self, hashes, weights=None):
        cdef Weights given = Weights(weights, self.table.is_signed, type(self).__name__)
        cdef const int64_t[::1] each = given.array
        x = check_hashes(hashes)
        if given.state.alike:
            each = np.full(len(x), given.state.block[0], np.int64)
        if each is not None and each.shape[0] != len(x):
            raise ValueError(f"{each.shape[0]} weights for {len(x)} hashes")
        if len(x):
            self.add_hashes(x, each)

    cdef int add_hashes(self, const uint64_t[::1] x, const int64_t[::1] weights) except -1:
        cdef const counter_kernels *kernels = counter_kernels_for(level())
        cdef const int64_t *each = NULL
        if weights is not None:
            each = &weights[0]
        with nogil:
            with self.lock:
                kernels.add(&self.table, &x[0], each, x.shape[0])
        return 0

    cdef object estimates(self, items):
        """The estimates of a batch: uint64[n], or float64[n] of a signed table."""
        cdef Answers out = Answers()
        cdef task t = task(counter_kernels_for(level()), &self.table, &self.lock, NULL, &out.at)
        cdef column_block *b = new_block(self.seed, False)
        b.second = NULL
        try:
            walk(items, b, read_block, &t, out)
        finally:
            column_block_free(b)
        found = out.taken().reshape(-1)
        return found.view(np.float64) if self.table.is_signed else found

    cdef object estimates_of(self, hashes):
        """The same, by hashes."""
        cdef const uint64_t[::1] x = check_hashes(hashes)
        cdef uint64_t[::1] out = np.empty(x.shape[0], np.uint64)
        cdef const counter_kernels *kernels = counter_kernels_for(level())
        if x.shape[0]:
            with nogil:
                with self.lock:
                    read(kernels, &self.table, &x[0], x.shape[0], &out[0])
        found = np.asarray(out)
        return found.view(np.float64) if self.table.is_signed else found

    cdef Counters snapshot(self):
        """An independent table with the state of one moment."""
        cdef Counters twin = type(self)(*self.__getnewargs__())
        with nogil:
            with self.lock:
                counters_merge(&twin.table, &self.table)
        return twin

    def merge(self, other):
        cdef Counters twin
        self._check_same(other)
        twin = (<Counters>other).snapshot()
        with nogil:
            with self.lock:
                counters_merge(&self.table, &twin.table)

    def halve(self):
        with nogil:
            with self.lock:
                counters_halve(&self.table)

    def clear(self):
        fresh = np.zeros((self.depth, self.width), self.dtype)  # touches no memory yet
        with self.lock:
            self.cells, fresh = fresh, self.cells
            self.table.cells = cnp.PyArray_DATA(self.cells)
            self.table.total, self.table.saturated = 0, 0

    @property
    def total(self):
        """The weights of all items, without their signs, as one sum: 2**64 - 1 at most, where it
        stays."""
        return self.table.total

    @property
    def saturated(self):
        """Whether a counter reached the largest value of its dtype and stayed there."""
        return bool(self.table.saturated)

    @property
    def is_empty(self):
        """Whether nothing has been counted."""
        return self.table.total == 0

    @property
    def nbytes(self):
        """Bytes of state."""
        return self.depth * self.width * np.dtype(self.dtype).itemsize  # clear() may swap cells

    def copy(self):
        """An independent sketch of the same state."""
        return self.snapshot()

    cdef bytes image(self, bytes kind):
        cdef Counters twin = self.snapshot()
        header = HEADER.pack(twin.table.bits, twin.table.depth, self.seed, twin.table.total,
                             twin.cells.itemsize, bool(twin.table.conservative),
                             twin.table.saturated, 0)
        cells = twin.cells.astype(twin.cells.dtype.newbyteorder("<"), copy=False)
        return pack(kind, 1, header, cells.reshape(-1))

    cdef int load(self, payload, uint64_t total, int saturated) except -1:
        """The state of an image; refuses what no stream leads to, above all what could wrap."""
        found = np.frombuffer(payload, self.cells.dtype.newbyteorder("<"))
        low, high = int(found.min()), int(found.max())
        if max(-low, high) > total or -low > np.iinfo(self.dtype).max:
            raise FormatError(f"image with counters from {low} to {high} and a total of {total}")
        self.cells.reshape(-1)[:] = found
        self.table.total, self.table.saturated = total, saturated
        return 0

    def __eq__(self, other):
        cdef Counters p, q
        if type(other) is not type(self):
            return NotImplemented
        if self.__getnewargs__() != other.__getnewargs__():
            return False
        p, q = self.snapshot(), (<Counters>other).snapshot()
        return (p.total, p.saturated) == (q.total, q.saturated) and np.array_equal(p.cells, q.cells)

    __hash__ = None


def check_hashes(hashes):
    """uint64 hashes in one contiguous row, or what is wrong with them."""
    array = np.asarray(hashes)
    if array.dtype != np.uint64 or array.ndim != 1:
        raise TypeError(f"hashes must be a one-dimensional uint64 array, not {array.ndim}-"
                        f"dimensional {array.dtype}")
    return np.ascontiguousarray(array)


cdef tuple unpack_image(bytes kind, image, dict dtypes):
    """Width, depth, seed and dtype; conservative, total, saturated; the cells as bytes."""
    fields, payload = unpack(kind, 1, HEADER.format, image)
    bits, depth, seed, total, size, conservative, saturated, zero = fields
    name = kind.decode()
    dtype = {np.dtype(known).itemsize: known for known in dtypes}.get(size)
    if dtype is None or not 1 <= bits <= BITS_MAX or not 1 <= depth <= DEPTH_MAX:
        raise FormatError(f"{name} image of {depth} rows of 2**{bits} counters of {size} bytes")
    if conservative > 1 or saturated not in SATURATED or zero:
        raise FormatError(f"{name} image with flags {conservative}, {saturated}, {zero}")
    if len(payload) != depth * size << bits:
        raise FormatError(f"{name} image with {len(payload)} bytes for {depth} rows of 2**{bits} "
                          f"counters of {size} bytes")
    return (1 << bits, depth, seed, dtype), bool(conservative), total, saturated, payload


cdef object row_dots(Counters a, Counters b):
    """The inner product of each row with its counterpart, as ints."""
    cdef Counters p = a.snapshot(), q = b.snapshot()
    cdef uint64_t sum[2]
    cdef int failed
    result = []
    if p.saturated or q.saturated:
        warnings.warn("counters are or were full: what they did not take is missing from this "
                      "inner product", RuntimeWarning)
    for row in range(a.depth):
        failed = counters_dot(&p.table, &q.table, row, sum)
        if failed:
            raise OverflowError("an inner product beyond 128 bits")
        value = sum[0] | <object>sum[1] << 64
        result.append(value - 2**128 if a.table.is_signed and sum[1] >> 63 else value)
    return result
