"""Count-Sketch: how often each item came, unbiased, for streams that also take back.

``depth`` rows of ``width`` signed counters. An item's hash names one counter in each row, and a
sign; the weight is added with it, and read back with it. What other items left there has a random
sign, so it cancels out on average, whichever signs the weights have; the median over the rows sets
outliers aside. (Charikar, Chen, Farach-Colton, "Finding frequent items in data streams", ICALP
2002.) csrc/counters.h defines the table to the bit.
"""

import math
import warnings

import numpy as np

cimport cython

from sketches._counters cimport Counters, row_dots, unpack_image
from sketches._items cimport check_call, is_scalar

from sketches._frame import FormatError

ALGORITHM = "tractable.countsketch.v1"  # where an item's counters are, and its signs
cdef dict DTYPES = {"int32": (True, False), "int64": (True, True)}  # signed, wide


@cython.final
cdef class CountSketch(Counters):
    """Counts of items in bounded memory: right on average, for additions and deletions.

    Parameters
    ----------
    width : int
        Counters a row: a power of two, 2 .. 2**31.
    depth : int
        Rows, 1 .. 64; odd numbers are the better ones, as an even one's median is a mean of two.
    seed : int, default 9001
        0 .. 2**64 - 1. Sketches of different seeds do not merge.
    dtype : {"int32", "int64"}
        Of the counters. A counter that would exceed it stays at its largest value, and `saturated`
        says so.

    Notes
    -----
    With F2 the sum of the squares of all true weights (`second_moment` estimates it), for each item
    of true weight f, of either sign, and any t::

        E[estimate] = f                                     (odd depth)
        P(|estimate - f| > t) <= P(B >= depth / 2)

    for B binomial of depth and min(1, F2 / (width t^2)),
    by Chebyshev's inequality for a row. Beside the total N, which `CountMin` goes by, sqrt(F2) is
    small where many items share the stream, and near it where a few make up most.

    References
    ----------
    Charikar, Chen, Farach-Colton, "Finding frequent items in data streams", ICALP 2002.

    Examples
    --------
    >>> from sketches import CountSketch
    >>> sketch = CountSketch(1024, 5)
    >>> sketch.update(["tea", "milk", "tea"])
    0
    >>> sketch.update(["tea"], weights=-1)
    0
    >>> sketch.estimate(["tea", "milk", "sugar"])
    array([1., 1., 0.])
    """

    def __cinit__(self, width=None, depth=None, seed=9001, dtype="int32", **unknown):
        check_call("CountSketch needs width and depth; CountSketch.for_error(eps, delta) chooses "
                   "them", (width, depth), unknown)
        self.shape(width, depth, seed, dtype, DTYPES, False)

    def __getnewargs__(self):
        return self.width, self.depth, self.seed, self.dtype

    @classmethod
    def for_error(cls, eps, delta=0.01, **options):
        """The smallest sketch with ``P(|estimate - f| > eps sqrt(F2)) <= delta`` for every item.

        Raises
        ------
        ValueError
            If eps or delta lie outside (0, 1), or no width to 2**31 with 63 rows is enough.
        """
        for name, value in (("eps", eps), ("delta", delta)):
            if not 0 < value < 1:
                raise ValueError(f"{name} must lie between 0 and 1, not {value}")
        shapes = []
        for depth in range(1, 64, 2):
            least = 1 / (eps * eps * row_failure(depth, delta))
            bits = max(1, math.ceil(math.log2(least) - 1e-9))
            if bits <= 31:
                shapes.append((depth << bits, depth, 1 << bits))
        if not shapes:
            raise ValueError(f"no table of 63 rows of 2**31 keeps eps={eps}, delta={delta}")
        _, depth, width = min(shapes)
        return cls(width, depth, **options)

    def update(self, items, weights=None):
        """Count items: a scalar or any batch that `sketches.hash64` accepts.

        Parameters
        ----------
        items
            Several columns count as one item a row.
        weights : int, or a row of them, optional
            How much each item counts for, 1 by default; negative to take back. One a row of
            `items`, those of nulls without effect.

        Returns
        -------
        int
            How many nulls were passed over.

        Raises
        ------
        TypeError, OverflowError, ValueError
            As `sketches.hash64`; for weights that are no integers, or not as many as the items.
            Items before the bad one may have been counted.
        """
        return Counters.update(self, items, weights)

    def update_hashes(self, hashes, weights=None):
        """Count items by their hashes: uint64, uniform over 64 bits. Those of `sketches.hash64`
        with this seed count as the items themselves do."""
        Counters.update_hashes(self, hashes, weights)

    def estimate(self, items):
        """The estimated weight of each item: float64[n], or a float for a scalar; 0 for a null.

        Warns
        -----
        RuntimeWarning
            If it is `saturated`: what full counters did not take is missing from the estimates.
        """
        found = self.warned(self.estimates(items))
        return float(found[0]) if is_scalar(items) and len(found) else found

    def estimate_hashes(self, hashes):
        """The same, by hashes as `update_hashes` takes them: float64[n]."""
        return self.warned(self.estimates_of(hashes))

    cdef object warned(self, found):
        if self.saturated and len(found):
            warnings.warn(f"counters of {self.dtype} are or were full: what they did not take is "
                          "missing from the estimates", RuntimeWarning)
        return found

    def bounds(self, items, confidence=0.95):
        """An interval for each item's weight.

        Returns
        -------
        (low, high)
            float64[n] each, or floats for a scalar: ``P(low <= f <= high) >= confidence``, as the
            Notes say, with `second_moment` for F2, which is itself an estimate. Once `saturated`,
            from -total to `total`, or without end where that has reached its own largest value.
        """
        if not 0 < confidence < 1:
            raise ValueError(f"confidence must lie between 0 and 1, not {confidence}")
        found = self.estimates(items)
        if self.saturated:
            high = np.full_like(found, self.total if self.total < 2**64 - 1 else math.inf)
            low = -high
        else:
            share = 1 / (self.width * row_failure(self.depth, 1 - confidence))
            slack = math.sqrt(self.second_moment * share)
            low, high = found - slack, found + slack
        return (float(low[0]), float(high[0])) if is_scalar(items) and len(low) else (low, high)

    @property
    def error(self):
        """How far an estimate is off at most, as a share of sqrt(F2), with probability
        ``1 - exp(-depth)``."""
        return 1 / math.sqrt(self.width * row_failure(self.depth, math.exp(-self.depth)))

    @property
    def second_moment(self):
        """The estimated sum of the squares of all items' weights, F2: the median over the rows of
        the sum of their squares (Alon, Matias, Szegedy, STOC 1996). A row's standard error is
        ``sqrt(2 / width)`` of it. Infinite beyond 128 bits, where counters of 64 are full."""
        try:
            return max(0.0, self.inner_product(self))
        except OverflowError:
            return math.inf

    def inner_product(self, other):
        """The estimated sum over all items of the product of their weights here and in `other`, as
        a float: the median over the rows, each unbiased.

        Raises
        ------
        ValueError
            For another shape or seed.
        OverflowError
            Beyond 128 bits.
        """
        self._check_same(other)
        dots = sorted(row_dots(self, other))
        return (dots[(self.depth - 1) // 2] + dots[self.depth // 2]) / 2

    def merge(self, other):
        """Make this the sketch of both streams. Raises ValueError for another width, depth, seed
        or dtype."""
        Counters.merge(self, other)

    def halve(self):
        """Halve every counter, towards zero, and the total: what is counted from now on weighs
        twice as much as what came before."""
        Counters.halve(self)

    def clear(self):
        """Back to nothing counted."""
        Counters.clear(self)

    def to_bytes(self):
        """An image (docs/design/formats.md, kind ``CSKT``)."""
        return self.image(b"CSKT")

    @staticmethod
    def from_bytes(image):
        """The sketch an image holds. Raises `FormatError` for a bad one."""
        args, conservative, total, saturated, payload = unpack_image(b"CSKT", image, DTYPES)
        if conservative:
            raise FormatError("CSKT image that calls itself conservative")
        sketch = CountSketch(*args)
        (<CountSketch>sketch).load(payload, total, saturated)
        return sketch

    def __repr__(self):
        state = " saturated" if self.saturated else ""
        return (f"CountSketch(width={self.width}, depth={self.depth}, seed={self.seed}, "
                f"dtype={self.dtype!r}) <total {self.total}{state}>")


def row_failure(depth, delta):
    """The largest probability p with which a row may fail, so that half of `depth` independent
    rows fail together with probability `delta` at most."""
    half = (depth + 1) // 2
    low, high = 0.0, 1.0
    for _ in range(60):
        p = (low + high) / 2
        tail = sum(math.comb(depth, k) * p**k * (1 - p) ** (depth - k)
                   for k in range(half, depth + 1))
        low, high = (p, high) if tail <= delta else (low, p)
    return low
