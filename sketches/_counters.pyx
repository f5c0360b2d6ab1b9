"""What CountMin and CountSketch share: a table of counters, fed by hashes under its own lock.

csrc/counters.h defines the table to the bit. The lock is held inside a sink, a block of hashes at a
time, and over C code alone: foreign code never runs under it.
"""

import struct

import numpy as np

cimport cython
cimport numpy as cnp
from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.string cimport memset

from sketches._arrow cimport COLUMN_BLOCK, column_block, column_block_free
from sketches._cpu cimport level
from sketches._items cimport Output, check_seed, compact, hash_one, new_block, walk

from sketches._frame import FormatError, pack, unpack

cnp.import_array()

HEADER = struct.Struct("<IIQQBBBB")  # bits, depth, seed, total, cell bytes, conservative, saturated
DEPTH_MAX = 64  # COUNTERS_DEPTH and COUNTERS_BITS of counters.h
BITS_MAX = 32


cdef struct feed:
    const counter_kernels *kernels
    counters *table
    cython.pymutex *lock
    const int64_t *weights  # one a row, `rows` of them; NULL: `same` for each
    Py_ssize_t rows, at
    const int64_t *same     # COUNTERS_BLOCK times the same weight; NULL: one each
    bint ran_out


cdef int take_block(void *ctx, column_block *b, const uint8_t *valid, size_t n) noexcept nogil:
    cdef feed *f = <feed *>ctx
    cdef int64_t own[COLUMN_BLOCK]
    cdef const int64_t *weights = f.same
    cdef size_t i, kept = n
    if f.weights != NULL:
        if f.at + <Py_ssize_t>n > f.rows:
            f.ran_out = True
            return 1
        weights = f.weights + f.at
    f.at += n
    if valid != NULL:
        if f.weights != NULL:
            for i in range(n):
                own[i] = weights[i]
            compact(<uint64_t *>own, valid, n)
            weights = own
        kept = compact(b.h1, valid, n)
    with f.lock[0]:
        f.kernels.add(f.table, b.h1, weights, kept)
    return 0


cdef class _Estimates(Output):
    """An estimate a row, in an array that grows where the length is not known before."""
    cdef object array
    cdef uint64_t *out
    cdef Py_ssize_t at, room

    cdef int ahead(self, Py_ssize_t rows) except -1:
        if self.at + rows > self.room:
            self.room = max(self.at + rows, 2 * self.room if self.at else 0)
            grown = np.empty(self.room, np.uint64)  # resize() would write zeros everywhere
            grown[:self.at] = self.array[:self.at]
            self.array, self.out = grown, <uint64_t *>cnp.PyArray_DATA(grown)
        return 0


# As a struct: a sink that runs without the GIL cannot name an object.
cdef struct question:
    const counter_kernels *kernels
    counters *table
    cython.pymutex *lock
    uint64_t **out
    Py_ssize_t *at


cdef int read_block(void *ctx, column_block *b, const uint8_t *valid, size_t n) noexcept nogil:
    cdef question *q = <question *>ctx
    cdef uint64_t *out = q.out[0] + q.at[0]
    cdef size_t i
    with q.lock[0]:
        read(q.kernels, q.table, b.h1, n, out)
    if valid != NULL:
        for i in range(n):
            if not valid[i]:
                out[i] = 0  # of a double, too
    q.at[0] += n
    return 0


cdef void read(const counter_kernels *kernels, const counters *table, const uint64_t *x, size_t n,
               uint64_t *out) noexcept nogil:
    if table.is_signed:
        kernels.median(table, x, n, <double *>out)
    else:
        kernels.least(table, x, n, out)


cdef object check_weights(weights, bint is_signed, str name):
    """One weight as an int, or an int64 array of them; None stays."""
    if weights is None:
        return None
    array = np.asarray(weights)
    if array.dtype.kind not in "iu" or array.ndim > 1:
        raise TypeError(f"weights are integers, one for each item or one for all, not "
                        f"{array.ndim}-dimensional {array.dtype}")
    if array.size and int(array.max()) > 2**63 - 1:
        raise OverflowError("a weight beyond 2**63 - 1")
    if array.size and not is_signed and int(array.min()) < 0:
        raise ValueError(f"a {name} takes no negative weights, of which the least is "
                         f"{array.min()}: CountSketch takes deletions")
    return int(array) if array.ndim == 0 else np.ascontiguousarray(array, np.int64)


cdef class Counters:
    cdef int shape(self, width, depth, seed, dtype, dict dtypes, bint conservative) except -1:
        """Checks the parameters of a new table and makes its cells."""
        for name, value in (("width", width), ("depth", depth)):
            if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
                raise TypeError(f"{name} must be an integer, not {type(value).__name__}")
        if not 2 <= width <= 2**BITS_MAX or width & (width - 1):
            raise ValueError(f"width must be a power of two from 2 to 2**{BITS_MAX}, not {width}")
        if not 1 <= depth <= DEPTH_MAX:
            raise ValueError(f"depth must be 1 .. {DEPTH_MAX}, not {depth}")
        try:
            self.dtype = np.dtype(dtype).name
        except TypeError:
            self.dtype = str(dtype)
        if self.dtype not in dtypes:
            raise ValueError(f"dtype must be one of {tuple(dtypes)}, not {dtype!r}")
        self.width, self.depth, self.seed = int(width), int(depth), check_seed(seed)
        self.cells = np.zeros((self.depth, self.width), self.dtype)
        self.table.depth, self.table.bits = self.depth, self.width.bit_length() - 1
        self.table.is_signed, self.table.is_wide = dtypes[self.dtype]
        self.table.conservative = conservative
        self.table.saturated, self.table.total = False, 0
        self.table.cells = cnp.PyArray_DATA(self.cells)
        return 0

    def update(self, items, weights=None):
        cdef feed f
        cdef const int64_t[::1] each
        cdef int64_t same[COLUMN_BLOCK]
        cdef uint64_t h1, h2
        cdef column_block *b
        cdef size_t i
        memset(&f, 0, sizeof(feed))
        f.kernels, f.table, f.lock = counter_kernels_for(level()), &self.table, &self.lock
        given = check_weights(weights, self.table.is_signed, type(self).__name__)
        if isinstance(given, int):
            for i in range(COLUMN_BLOCK):
                same[i] = given
            f.same = same
        elif given is not None:
            each, f.rows = given, len(given)
            f.weights = &each[0] if f.rows else same
            check_lengths(items, f.rows)
        elif hash_one(items, self.seed, &h1, &h2):
            with self.lock:
                f.kernels.add(&self.table, &h1, NULL, 1)
            return 0
        b = new_block(self.seed, False)
        b.second = NULL
        try:
            walk(items, b, take_block, &f)
            if f.weights != NULL and f.at != f.rows:
                raise ValueError(f"{f.rows} weights for {f.at} items, which have been taken")
            return b.nulls
        except MemoryError:
            if f.ran_out:
                raise ValueError(f"{f.rows} weights for more items than that; the first {f.at} "
                                 "have been taken") from None
            raise
        finally:
            column_block_free(b)

    def update_hashes(self, hashes, weights=None):
        x = check_hashes(hashes)
        given = check_weights(weights, self.table.is_signed, type(self).__name__)
        if isinstance(given, int):
            given = np.full(len(x), given, np.int64)
        elif given is not None and len(given) != len(x):
            raise ValueError(f"{len(given)} weights for {len(x)} hashes")
        if len(x):
            self.add_hashes(x, given)

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
        cdef _Estimates out = _Estimates()
        cdef column_block *b
        out.array = np.empty(0, np.uint64)
        cdef question q = question(counter_kernels_for(level()), &self.table, &self.lock, &out.out,
                                   &out.at)
        b = new_block(self.seed, False)
        b.second = NULL
        try:
            walk(items, b, read_block, &q, out)
        finally:
            column_block_free(b)
        found = out.array[:out.at]
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

    cdef check_same(self, other):
        name = type(self).__name__
        if type(other) is not type(self):
            raise TypeError(f"expected a {name}, not {type(other).__name__}")
        for field in ("width", "depth", "seed", "dtype"):
            mine, theirs = getattr(self, field), getattr(other, field)
            if mine != theirs:
                raise ValueError(f"{field} differs: {mine!r} here, {theirs!r} there")
        if self.table.conservative != (<Counters>other).table.conservative:
            raise ValueError(f"conservative differs: {bool(self.table.conservative)} here, "
                             f"{not self.table.conservative} there")

    cdef Counters snapshot(self):
        """An independent table with the state of one moment."""
        cdef Counters twin = type(self)(*self.__getnewargs__())
        with nogil:
            with self.lock:
                counters_merge(&twin.table, &self.table)
        return twin

    def merge(self, other):
        cdef Counters twin
        self.check_same(other)
        twin = (<Counters>other).snapshot()
        with nogil:
            with self.lock:
                counters_merge(&self.table, &twin.table)

    def __ior__(self, other):
        if type(other) is not type(self):
            return NotImplemented
        self.merge(other)
        return self

    def __or__(self, other):
        cdef Counters union
        if type(other) is not type(self):
            return NotImplemented
        union = (<Counters>self).snapshot()
        union.merge(other)
        return union

    def halve(self):
        with nogil:
            with self.lock:
                counters_halve(&self.table)

    def clear(self):
        with nogil:
            with self.lock:
                memset(self.table.cells, 0, self.table.depth << self.table.bits
                       << (3 if self.table.is_wide else 2))
                self.table.total, self.table.saturated = 0, False

    @property
    def total(self):
        """The weights of all items, without their signs, as one sum."""
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
        return self.cells.nbytes

    def copy(self):
        """An independent sketch of the same state."""
        return self.snapshot()

    __copy__ = copy

    def __deepcopy__(self, memo):
        return self.copy()

    cdef bytes image(self, bytes kind):
        cdef Counters twin = self.snapshot()
        header = HEADER.pack(twin.table.bits, twin.table.depth, self.seed, twin.table.total,
                             twin.cells.itemsize, bool(twin.table.conservative),
                             bool(twin.table.saturated), 0)
        cells = twin.cells.astype(twin.cells.dtype.newbyteorder("<"), copy=False)
        return pack(kind, 1, header, cells.reshape(-1))

    cdef int load(self, payload, uint64_t total, bint saturated) except -1:
        """The state of an image; refuses what no stream leads to, above all what could wrap."""
        found = np.frombuffer(payload, self.cells.dtype.newbyteorder("<"))
        low, high = int(found.min()), int(found.max())
        if max(-low, high) > total or -low > np.iinfo(self.dtype).max:
            raise FormatError(f"image with counters from {low} to {high} and a total of {total}")
        self.cells.reshape(-1)[:] = found
        self.table.total, self.table.saturated = total, saturated
        return 0

    def __reduce__(self):
        return type(self).from_bytes, (self.to_bytes(),)

    def __eq__(self, other):
        cdef Counters p, q
        if type(other) is not type(self):
            return NotImplemented
        if self.__getnewargs__() != other.__getnewargs__():
            return False
        p, q = self.snapshot(), (<Counters>other).snapshot()
        return (p.total, p.saturated) == (q.total, q.saturated) and np.array_equal(p.cells, q.cells)

    __hash__ = None


cdef int check_lengths(items, Py_ssize_t rows) except -1:
    """Weights that cannot be one an item, before anything is taken."""
    if isinstance(items, (str, bytes)) or not hasattr(items, "__len__"):
        n = 1 if isinstance(items, (str, bytes, int, float, np.generic)) else rows
    else:
        n = len(items)
    if n != rows:
        raise ValueError(f"{rows} weights for {n} items")
    return 0


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
    if conservative > 1 or saturated > 1 or zero:
        raise FormatError(f"{name} image with flags {conservative}, {saturated}, {zero}")
    if len(payload) != depth * size << bits:
        raise FormatError(f"{name} image with {len(payload)} bytes for {depth} rows of 2**{bits} "
                          f"counters of {size} bytes")
    return (1 << bits, depth, seed, dtype), bool(conservative), total, bool(saturated), payload


cdef object row_dots(Counters a, Counters b):
    """The inner product of each row with its counterpart, as ints."""
    cdef Counters p = a.snapshot(), q = b.snapshot()
    cdef uint64_t sum[2]
    cdef int failed
    result = []
    for row in range(a.depth):
        failed = counters_dot(&p.table, &q.table, row, sum)
        if failed:
            raise OverflowError("an inner product beyond 128 bits")
        value = sum[0] | <object>sum[1] << 64
        result.append(value - 2**128 if a.table.is_signed and sum[1] >> 63 else value)
    return result
