"""Count-Min: how often each item came, from a table of fixed size that never undercounts.

``depth`` rows of ``width`` counters. An item's hash names one counter in each row; all are raised
by its weight, and the least of them is the estimate: what others added to it is the error, which is
never negative. (Cormode, Muthukrishnan, "An improved data stream summary: the count-min sketch and
its applications", Journal of Algorithms 55, 2005.) csrc/counters.h defines the table to the bit.
"""

import math
import warnings

import numpy as np

cimport cython

from sketches._counters cimport COUNTERS_HALVED, Counters, row_dots, unpack_image
from sketches._items cimport check_call, is_scalar

ALGORITHM = "tractable.countmin.v1"  # where an item's counters are
cdef dict DTYPES = {"uint32": (False, False), "uint64": (False, True)}  # signed, wide


@cython.final
cdef class CountMin(Counters):
    """Counts of items in bounded memory: never too low, and too high by little.

    Parameters
    ----------
    width : int
        Counters a row: a power of two, 2 .. 2**32.
    depth : int
        Rows, 1 .. 64.
    seed : int, default 9001
        0 .. 2**64 - 1. Sketches of different seeds do not merge.
    dtype : {"uint32", "uint64"}
        Of the counters. A counter that would exceed it stays at its largest value, and `saturated`
        says so.
    conservative : bool, default False
        Raise only the counters that are lower than the new estimate (Estan, Varghese, SIGCOMM
        2002): estimates are never higher than without, and much closer on skewed streams; updates
        take about twice as long, and inner products are not to be had.

    Notes
    -----
    With N the `total` of all weights, for each item of true weight f and any delta in (0, 1)::

        f <= estimate                                               always
        estimate <= f + N delta**(-1 / depth) / width               with probability 1 - delta

    which is e N / width with probability ``1 - exp(-depth)``: the `error`. The probability is over
    seeds, for items chosen without looking at the hash.

    Conservative sketches merge counter by counter. The result is no longer what one conservative
    sketch of both streams would hold, but never below the truth nor above the plain sketch, so
    that both lines hold for it.

    References
    ----------
    Cormode, Muthukrishnan, "An improved data stream summary: the count-min sketch and its
    applications", Journal of Algorithms 55 (2005).

    Examples
    --------
    >>> from sketches import CountMin
    >>> sketch = CountMin(1024, 4)
    >>> sketch.update(["tea", "milk", "tea"])
    0
    >>> sketch.estimate("tea")
    2
    >>> sketch.estimate(["milk", "sugar"])
    array([1, 0], dtype=uint64)
    """

    _alike = (*Counters._alike, "conservative")

    def __cinit__(self, width=None, depth=None, seed=9001, dtype="uint32", conservative=False,
                  **unknown):
        check_call("CountMin needs width and depth; CountMin.for_error(eps, delta) chooses them",
                   (width, depth), unknown)
        self.shape(width, depth, seed, dtype, DTYPES, bool(conservative))

    def __getnewargs__(self):
        return self.width, self.depth, self.seed, self.dtype, self.conservative

    @classmethod
    def for_error(cls, eps, delta=0.01, **options):
        """The smallest sketch with ``P(estimate - f > eps N) <= delta`` for every item.

        Of the powers of two w from 2 / eps on, the one for which w rows of
        ``ln(1 / delta) / ln(w eps)``, rounded up, take the fewest counters; of equals the one with
        fewer rows.

        Raises
        ------
        ValueError
            If eps or delta lie outside (0, 1), or no width to 2**32 with 64 rows is enough.
        """
        for name, value in (("eps", eps), ("delta", delta)):
            if not 0 < value < 1:
                raise ValueError(f"{name} must lie between 0 and 1, not {value}")
        shapes = []
        for bits in range(1, 33):
            gain = math.log(2**bits * eps)
            depth = math.ceil(math.log(1 / delta) / gain - 1e-9) if gain > 0 else 65
            if depth <= 64:
                shapes.append((max(depth, 1) << bits, max(depth, 1), 1 << bits))
        if not shapes:
            raise ValueError(f"no table of 64 rows of 2**32 keeps eps={eps}, delta={delta}")
        _, depth, width = min(shapes)
        return cls(width, depth, **options)

    def update(self, items, weights=None):
        """Count items: a scalar or any batch that `sketches.hash64` accepts.

        Parameters
        ----------
        items
            Several columns count as one item a row.
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
            As `sketches.hash64`; for weights that are no integers, negative, or not as many as the
            items. Items before the bad one may have been counted.
        """
        return Counters.update(self, items, weights)

    def update_hashes(self, hashes, weights=None):
        """Count items by their hashes: uint64, uniform over 64 bits. Those of `sketches.hash64`
        with this seed count as the items themselves do."""
        Counters.update_hashes(self, hashes, weights)

    def estimate(self, items):
        """The estimated count of each item: never below the truth.

        Returns
        -------
        uint64[n], or an int for a scalar
            0 for a null.

        Warns
        -----
        RuntimeWarning
            Where every counter of an item is full, or any may have been before a halving: its
            estimate is then too low, if anything.
        """
        found = self.warned(self.estimates(items))
        return int(found[0]) if is_scalar(items) and len(found) else found

    def estimate_hashes(self, hashes):
        """The same, by hashes as `update_hashes` takes them: uint64[n]."""
        return self.warned(self.estimates_of(hashes))

    cdef object warned(self, found):
        highest = np.iinfo(self.dtype).max
        if self.table.saturated & COUNTERS_HALVED and len(found):
            warnings.warn(f"counters of {self.dtype} were full before they were halved: estimates "
                          "may be lower bounds of what they should say", RuntimeWarning)
        elif self.saturated and (found == highest).any():
            warnings.warn(f"counters of {self.dtype} are full: estimates of {highest} are lower "
                          "bounds of what they should say", RuntimeWarning)
        return found

    def bounds(self, items, confidence=0.95):
        """An interval for each item's count.

        Returns
        -------
        (low, high)
            uint64[n] each, or ints for a scalar: ``f <= high`` always, and ``low <= f`` with
            probability `confidence` at least, ``low = high - N (1 - confidence)**(-1 / depth) /
            width``. Where all counters of an item are full, or any were
            before a halving, high is the `total`.
        """
        if not 0 < confidence < 1:
            raise ValueError(f"confidence must lie between 0 and 1, not {confidence}")
        high = self.estimates(items)
        share = (1 - confidence) ** (-1 / self.depth) / self.width
        slack = np.uint64(min(math.floor(self.total * share), 2**64 - 1))
        low = high - np.minimum(high, slack)
        if self.table.saturated & COUNTERS_HALVED:
            high = np.full_like(high, self.total)
        elif self.saturated:
            high = np.where(high == np.iinfo(self.dtype).max, np.uint64(self.total), high)
        return (int(low[0]), int(high[0])) if is_scalar(items) else (low, high)

    @property
    def error(self):
        """What an estimate is too high by at most, as a share of `total`, with probability
        ``1 - exp(-depth)``: e / width."""
        return math.e / self.width

    @property
    def conservative(self):
        """Whether updates are conservative."""
        return bool(self.table.conservative)

    def inner_product(self, other):
        """The estimated sum over all items of the product of their counts here and in `other`: the
        size of a join.

        Returns
        -------
        int
            Never below the truth; above it by e / width of the product of both totals at most, with
            probability ``1 - exp(-depth)``.

        Warns
        -----
        RuntimeWarning
            Where either is `saturated`: what its full counters did not take is missing.

        Raises
        ------
        ValueError
            For another shape or seed, or conservative sketches, whose counters are no sums.
        OverflowError
            Beyond 128 bits.
        """
        self._check_same(other)
        if self.conservative:
            raise ValueError("conservative sketches have no inner product: their counters are not "
                             "sums of counts")
        return min(row_dots(self, other))

    def merge(self, other):
        """Make this the sketch of both streams. Raises ValueError for another width, depth, seed,
        dtype or conservative."""
        Counters.merge(self, other)

    def halve(self):
        """Halve every counter, rounding down, and the total: what is counted from now on weighs
        twice as much as what came before."""
        Counters.halve(self)

    def clear(self):
        """Back to nothing counted."""
        Counters.clear(self)

    def to_bytes(self):
        """An image (docs/design/formats.md, kind ``CMIN``)."""
        return self.image(b"CMIN")

    @staticmethod
    def from_bytes(image):
        """The sketch an image holds. Raises `FormatError` for a bad one."""
        args, conservative, total, saturated, payload = unpack_image(b"CMIN", image, DTYPES)
        sketch = CountMin(*args, conservative)
        (<CountMin>sketch).load(payload, total, saturated)
        return sketch

    def __repr__(self):
        options = ", conservative=True" if self.conservative else ""
        state = " saturated" if self.saturated else ""
        return (f"CountMin(width={self.width}, depth={self.depth}, seed={self.seed}, "
                f"dtype={self.dtype!r}{options}) <total {self.total}{state}>")
