"""What came most often: the heavy hitters of a stream, with bounds that always hold.

A table of counters, each with its item. An item without a counter gets one; when none is free, the
lower half is dropped, and how often an item may have come unseen is remembered. csrc/topk.h has the
algorithm, its references, and why the bounds hold.
"""

import struct
from typing import NamedTuple

import numpy as np

cimport cython
from libc.stdint cimport int64_t, uint8_t
from libc.string cimport memset

from sketches._arrow cimport column_block, column_block_free, hash_kernels_for
from sketches._batches cimport Answers, Weights
from sketches._cpu cimport level
from sketches._items cimport check_call, check_seed, hash_one, is_scalar, new_block, walk
from sketches._objects cimport ANYTHING, BYTES, FLOATS, STRS
from sketches._topk cimport (
    MIXED, TOPK_MOST, TOPK_OK, TOPK_TOO_MUCH, TOPK_TWICE, admit, look, take, task,
    topk_batch, topk_bytes, topk_copy, topk_merge, topk_put, topk_release, topk_table,
)

from sketches import _topk_images as images
from sketches._frame import FormatError

K_MAX = 1 << 24
SLOTS = 8  # of the table for each of k; three quarters of them hold a counter
FAMILIES = (None, "int", "float", "str", "bytes")  # in the order of sketches._objects


class Heavy(NamedTuple):
    """An item with its estimated weight, ``lower <= true weight <= upper``."""

    item: object
    estimate: int
    lower: int
    upper: int


@cython.final
cdef class TopK(Sketch):
    """The items of most weight, with bounds of it that always hold.

    Parameters
    ----------
    k : int
        How many items you want to know, 1 .. 2**24. Up to ``6 k`` are kept, k rounded up to a
        power of two, in 24 bytes for each of ``8 k`` slots (texts: 40 and their own bytes).
    seed : int, default 9001
        Of the hash, 0 .. 2**64 - 1.

    Notes
    -----
    Items of one type: int, float, str or bytes; of columns of dates and times, the stored integer.
    With N the `total` of all weights, always (there is no chance involved)::

        lower <= true weight <= upper             for an item of `top`
        true weight <= offset <= N / (3 k)        for any other

    so every item of more than N / (3 k) is found. On skewed streams `offset` stays far below that
    bound. Order matters: the same items in another order, or in parts that are merged, may give
    other counters, of the same promises. Integers from 2**63 on are told as such only where a batch
    came as unsigned or as Python's int; -1 and 2**64 - 1 are one item.

    References
    ----------
    Misra, Gries, "Finding repeated elements", Science of Computer Programming 2, 1982.
    Anderson, Bevin, Lang, Liberty, Rhodes, Thaler, "A high-performance algorithm for identifying
    frequent items in data streams", IMC 2017, arXiv 1705.07001.

    Examples
    --------
    >>> from sketches import TopK
    >>> words = TopK(10)
    >>> words.update("to be or not to be".split())
    0
    >>> words.top(2)
    [Heavy(item='to', estimate=2, lower=2, upper=2), Heavy(item='be', estimate=2, lower=2, upper=2)]
    """

    _alike = ("k", "seed")

    def __cinit__(self, k=None, seed=9001, **unknown):
        check_call("TopK needs k, how many items you want to know; TopK.for_error(eps) chooses it",
                   (k,), unknown)
        memset(&self.state, 0, sizeof(topk_state))
        if isinstance(k, bool) or not isinstance(k, (int, np.integer)):
            raise TypeError(f"k must be an integer, not {type(k).__name__}")
        if not 1 <= k <= K_MAX:
            raise ValueError(f"k must be 1 .. 2**24, not {k}")
        self.k, self.seed = int(k), check_seed(seed)
        self.state.slots_max = SLOTS << (self.k - 1).bit_length()
        self.state.seed = self.seed

    def __dealloc__(self):
        topk_release(&self.state.table)

    @classmethod
    def for_error(cls, eps, **options):
        """The smallest sketch that finds every item of more than a share `eps` of the total: k is
        1 / (3 eps), rounded up to a power of two.

        Raises
        ------
        ValueError
            If eps lies outside (0, 1), or below 1 / (3 * 2**24).
        """
        if not 0 < eps < 1:
            raise ValueError(f"eps must lie between 0 and 1, not {eps}")
        k = 1
        while 1 / (3 * k) > eps:
            k *= 2
        return cls(k, **options)

    def update(self, items, weights=None):
        """Take items: a scalar, or any batch of one column that `sketches.hash64` accepts.

        Parameters
        ----------
        items
            All of the type of those taken before.
        weights : int, or a row of them, optional
            How much each item counts for, 1 by default; one a row of `items`, those of nulls
            without effect.

        Returns
        -------
        int
            How many nulls were passed over.

        Raises
        ------
        TypeError, OverflowError, ValueError
            As `sketches.hash64`; for items of another type, rows of several columns, weights that
            are no integers, negative, or not as many as the items; for a total beyond 2**63 - 1.
            Items before the bad one may have been taken.
        """
        cdef Weights given = Weights(weights, False, "TopK")
        cdef task t = task(&self.state, &self.lock, &given.state, NULL, TOPK_OK)
        cdef column_block *b = new_block(self.seed, False)
        b.keep_items = True
        try:
            return given.feed(items, b, take, &t)
        except MemoryError:
            raise self.failure(t.status, b.family) from None
        finally:
            column_block_free(b)

    cdef object failure(self, int status, int family):
        """The exception for what stopped a sink."""
        if status == TOPK_TOO_MUCH:
            return OverflowError("a total weight beyond 2**63 - 1")
        if status != MIXED:
            return MemoryError()
        if family > BYTES:
            return TypeError("rows of several columns: a TopK keeps items of one column; select it")
        return TypeError(f"{FAMILIES[family]} items for a TopK of {FAMILIES[self.state.family]}")

    cdef bounds_of(self, items):
        """Upper and lower bound of each item: uint64[n, 2]."""
        cdef Answers out = Answers(2)
        cdef task t = task(&self.state, &self.lock, NULL, &out.at, TOPK_OK)
        cdef column_block *b = new_block(self.seed, False)
        b.keep_items = True
        try:
            walk(items, b, look, &t, out)
        except MemoryError:
            raise self.failure(t.status, b.family) from None
        finally:
            column_block_free(b)
        return out.taken()

    def estimate(self, items):
        """The estimated weight of each item: uint64[n], or an int for a scalar. The upper bound of
        an item that has a counter, which for items of much weight is close; 0 for any other."""
        bounds = self.bounds_of(items)
        found = np.where(bounds[:, 1] > 0, bounds[:, 0], np.uint64(0))
        return int(found[0]) if is_scalar(items) and len(found) else found

    def bounds(self, items):
        """The interval that each item's weight lies in, without exception.

        Returns
        -------
        (low, high)
            uint64[n] each, or ints for a scalar; (0, 0) for a null.
        """
        bounds = self.bounds_of(items)
        low, high = bounds[:, 1].copy(), bounds[:, 0].copy()
        return (int(low[0]), int(high[0])) if is_scalar(items) and len(low) else (low, high)

    cdef tuple counters(self):
        """Of a snapshot: the slots in use by falling estimate, with both bounds."""
        cdef topk_table *t = &self.state.table
        cdef size_t i
        cdef Py_ssize_t n = 0
        cdef uint64_t[:, ::1] rows = np.empty((t.n, 4), np.uint64)
        for i in range(t.slots):
            if t.slot[i].count:
                rows[n, 0], rows[n, 1] = i, t.slot[i].count
                rows[n, 2], rows[n, 3] = t.slot[i].count - t.born[i], t.slot[i].tag
                n += 1
        slot, upper, lower, tag = np.asarray(rows).T
        order = np.lexsort((tag, ~lower, ~upper))
        return slot[order], upper[order], lower[order]

    cdef object item_at(self, size_t slot, bint raw=False):
        """Of a snapshot: the item itself; `raw`: a str as its bytes, which may be no UTF-8 where
        they came from Arrow."""
        cdef topk_table *t = &self.state.table
        cdef uint64_t length, tag = t.slot[slot].tag
        cdef const uint8_t *text
        cdef uint8_t own[16]
        if t.texts:
            text = topk_bytes(t, slot, own, &length)
            item = (<const char *>text)[:length]
            return item if raw or self.state.family != STRS else item.decode("utf-8", "replace")
        if self.state.family == FLOATS:
            return struct.unpack("<d", struct.pack("<Q", tag))[0]
        return tag if self.state.is_unsigned else <int64_t>tag

    def top(self, n=None):
        """The items of most weight.

        Parameters
        ----------
        n : int, optional
            How many at most; k by default. Beyond k they are less and less reliable.

        Returns
        -------
        list of Heavy
            (item, estimate, lower, upper), by falling estimate. The estimate is the upper bound.
        """
        cdef TopK twin = self.snapshot()
        n = self.k if n is None else n
        if n < 0:
            raise ValueError(f"n must not be negative: {n}")
        slots, upper, lower = (column[:n].tolist() for column in twin.counters())
        return [Heavy(twin.item_at(i), u, w, u)
                for i, w, u in zip(slots, lower, upper, strict=True)]

    def frequent(self, share, answer="no_false_negatives"):
        """The items whose weight is more than a share of the total.

        Parameters
        ----------
        share : float
            In (0, 1).
        answer : {"no_false_negatives", "no_false_positives"}
            Every item that may weigh so much, hence all that do, and some a little below; or only
            those that certainly do.

        Returns
        -------
        list of Heavy
            By falling estimate.

        Raises
        ------
        ValueError
            If an item without a counter may weigh so much, so that no answer is without false
            negatives: make the sketch with a larger k.
        """
        cdef TopK twin = self.snapshot()
        if not 0 < share < 1:
            raise ValueError(f"share must lie between 0 and 1, not {share}")
        if answer not in ("no_false_negatives", "no_false_positives"):
            raise ValueError(f"answer must be 'no_false_negatives' or 'no_false_positives', not "
                             f"{answer!r}")
        least = share * twin.total
        certain = answer == "no_false_positives"
        if not certain and twin.offset > least:
            raise ValueError(f"an item without a counter may weigh {twin.offset}, more than a "
                             f"share of {share} of {twin.total}: use a larger k than {self.k}, or "
                             "ask for 'no_false_positives'")
        return [heavy for heavy in twin.top(len(twin))
                if (heavy.lower if certain else heavy.upper) > least]

    def __len__(self):
        return self.state.table.n

    @property
    def item_type(self):
        """What the items are: "int", "float", "str", "bytes", or None while there are none."""
        return FAMILIES[self.state.family]

    @property
    def total(self):
        """The weights of all items, as one sum."""
        return self.state.table.total

    @property
    def offset(self):
        """What an item that has no counter may weigh at most."""
        return self.state.table.offset

    @property
    def error(self):
        """What `offset` is at most, as a share of `total`: 1 / (3 k), k rounded up to a power of
        two."""
        return 2.0 / TOPK_MOST(self.state.slots_max)

    @property
    def is_empty(self):
        """Whether nothing has been counted."""
        return self.total == 0

    @property
    def nbytes(self):
        """Bytes of state, which grow with the stream up to a limit, but for long texts."""
        cdef topk_table *t = &self.state.table
        return t.slots * (40 if t.texts else 24) + t.room

    # The lock is held over C code alone: nothing in there calls back.

    cdef TopK snapshot(self):
        """An independent table with the state of one moment."""
        cdef TopK twin = TopK(self.k, self.seed)
        cdef int status = TOPK_OK
        with nogil:
            with self.lock:
                if self.state.family != ANYTHING:
                    status = topk_copy(&twin.state.table, &self.state.table)
                    if status == TOPK_OK:
                        twin.state.family = self.state.family
                        twin.state.is_unsigned = self.state.is_unsigned
        if status != TOPK_OK:
            raise MemoryError()
        return twin

    def merge(self, other):
        """Make this a sketch of both streams: bounds and promises hold for the sum. Raises
        ValueError for another k or seed, TypeError for items of another type."""
        cdef TopK twin
        cdef int status = TOPK_OK
        self._check_same(other)
        twin = (<TopK>other).snapshot()
        if twin.state.family == ANYTHING:
            return
        with nogil:
            with self.lock:
                status = admit(&self.state, twin.state.family, twin.state.is_unsigned)
                if status == TOPK_OK:
                    status = topk_merge(&self.state.table, &twin.state.table)
        if status != TOPK_OK:
            raise self.failure(status, twin.state.family)

    def clear(self):
        """Back to nothing counted; items of any type may come then."""
        with nogil:
            with self.lock:
                topk_release(&self.state.table)
                self.state.family, self.state.is_unsigned = ANYTHING, False

    def copy(self):
        """An independent sketch of the same state."""
        return self.snapshot()

    cdef int put(self, item, uint64_t count, uint64_t born) except -1:
        """An item of an image; nobody else knows this sketch yet."""
        cdef uint64_t h1, h2, key = 0
        cdef const uint8_t *text = NULL
        cdef size_t length = 0
        if self.state.table.texts:
            text, length = <const uint8_t *><const char *>item, len(item)
        else:
            key = item
        hash_one(item, self.seed, &h1, &h2)
        cdef topk_batch one = topk_batch(&key, &h1, &h2, &text, &length, NULL, 1)
        status = topk_put(&self.state.table, &one, count, born)
        if status == TOPK_TWICE:
            raise FormatError("image with an item twice")
        if status != TOPK_OK:
            raise MemoryError()
        return 0

    cdef object parts(self):
        """What an image holds, as `sketches._topk_images` lays it out."""
        cdef TopK twin = self.snapshot()
        slots, upper, lower = twin.counters()
        items = [twin.item_at(i, True) for i in slots.tolist()]
        return images.State(twin.state.family, bool(twin.state.is_unsigned), twin.offset,
                            twin.total, items, upper, upper - lower)

    cdef int fill(self, parts) except -1:
        """Fills an empty sketch; the parts have been checked, except for items that are twice."""
        cdef int family = parts.family
        if family == ANYTHING:
            return 0
        if admit(&self.state, family, parts.is_unsigned) != TOPK_OK:
            raise MemoryError()
        self.state.table.kernels = hash_kernels_for(level())
        for item, count, born in zip(parts.items, parts.counts.tolist(), parts.born.tolist(),
                                     strict=True):
            self.put(item, count, born)
        self.state.table.offset, self.state.table.total = parts.offset, parts.total
        return 0

    def to_bytes(self):
        """An image (docs/design/formats.md, kind ``TOPK``)."""
        return images.pack_own(self.k, self.seed, self.parts())

    @staticmethod
    def from_bytes(image):
        """The sketch an image holds. Raises `FormatError` for a bad one."""
        k, seed, parts = images.unpack_own(image)
        return filled(k, seed, parts)

    def to_datasketches(self):
        """The image of a frequent-items sketch of Apache DataSketches: of longs for int items, of
        strings for str. It keeps estimates and upper bounds; lower ones become as weak as there.

        Raises
        ------
        TypeError
            For items of other types, and integers beyond 2**63 - 1.
        ValueError
            For a str that is not UTF-8, as Arrow's may be.
        """
        return images.pack_datasketches(self.state.slots_max, self.parts())

    @staticmethod
    def from_datasketches(image, items, seed=9001):
        """The sketch in an image of Apache DataSketches' frequent items, which does not say what
        the items are.

        Parameters
        ----------
        image : bytes
        items : {"int", "str"}
            Longs (8 bytes each), or strings (a length of 4 bytes, then UTF-8).
        seed : int, default 9001

        Raises
        ------
        FormatError
            For a bad image.
        """
        k, parts = images.unpack_datasketches(image, items)
        return filled(k, seed, parts)

    def __repr__(self):
        what = f"{len(self)} {self.item_type}" if self.item_type else "no"
        return f"TopK(k={self.k}, seed={self.seed}) <{what} items, total {self.total}>"


cdef TopK filled(k, seed, parts):
    """The sketch that an image's parts make."""
    cdef TopK sketch = TopK(k, seed)
    sketch.fill(parts)
    return sketch
