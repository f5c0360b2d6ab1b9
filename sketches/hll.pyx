"""HyperLogLog: how many different items a stream holds, in 2^p bytes.

csrc/hll.h has the idea, the layout and the sources. The images are those of Apache DataSketches
(docs/design/formats.md), so that what is counted here goes on in Java, C++, Go or Spark, and back.
"""

import math

import numpy as np

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdint cimport uint8_t, uint64_t

from sketches._cpu cimport level
from sketches._items cimport for_each_hash, sketch_seed
from sketches._arrays cimport check_hashes

from sketches._frame import FormatError
from sketches._intervals import check_confidence, poisson_quantile, spread, two_sided

HIP_ERROR = 0.8325546111576978  # sqrt(ln 2): what HIP's standard error times sqrt(m) tends to
MERGED_ERROR = 1.0389617614136892  # sqrt(3 ln 2 - 1): Ertl's estimator, and any of HyperLogLog's
COLLISION = 1.0 / (3 << 26)  # two items have one coupon: 2^-26, and one value in 3
KINDS = {"hll4": HLL_4, "hll6": HLL_6, "hll8": HLL_8}
STATES = {HLL_AS_LIST: "list", HLL_AS_SET: "set", HLL_AS_DENSE: "dense"}


cdef int take(void *ctx, const uint64_t *h1, const uint64_t *h2, size_t n) noexcept nogil:
    cdef taking *t = <taking *>ctx
    with t.lock[0]:
        t.counted[0] = -1
        return hll_update(t.kernels, t.state, h1, h2, n)


def check_p(p):
    """log2 of the number of registers as an int, or what is wrong with it."""
    if isinstance(p, bool) or not isinstance(p, (int, np.integer)):
        raise TypeError(f"p must be an integer, not {type(p).__name__}")
    if not HLL_P_MIN <= p <= HLL_P_MAX:
        raise ValueError(f"p must be {HLL_P_MIN} .. {HLL_P_MAX}, not {p}")
    return int(p)


cdef object check_kind(kind):
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {tuple(KINDS)}, not {kind!r}")
    return kind


@cython.final
cdef class HyperLogLog(Sketch):
    """A mergeable counter of different items.

    Parameters
    ----------
    p : int, default 12
        log2 of the number of registers m, 4 .. 21: 2^p bytes once there are many items. The
        standard error of `estimate`, relative to the truth, is ``0.833 / sqrt(m)`` for one stream
        and ``1.04 / sqrt(m)`` after a merge: 1.3 % and 1.6 % at p = 12.
    seed : int, default 9001
        0 .. 2**64 - 1, of the hash. Sketches of different seeds do not merge; DataSketches' images
        are of 9001, and none tells its seed. Not 8, which warns: where the seed is the length of a
        key of at most 8 bytes, as numbers have, the two halves of its MurmurHash3 depend on each
        other, and the count is too low by two thirds; likewise of texts of n bytes with seed n.

    Notes
    -----
    Up to 7 items, and up to 3/4 of 2^(p-3) where p >= 8, coupons of 32 bits are kept instead of
    registers: the estimate is then off by the chance that two items share one, n^2 / 4e8 items in
    the mean. 0 and 1 are exact.

    The registers are a function of the set of items: neither order nor repetition nor the split
    into updates changes them, and those of a union are the maxima. Sketches of different p merge to
    the smaller one. While a sketch has seen one stream, `estimate` is HIP's, which follows from the
    history of the registers; after a merge it is Ertl's, from the registers alone. A merge that an
    empty sketch takes part in, or that leaves no more than coupons, loses no history.

    References
    ----------
    Flajolet, Fusy, Gandouet, Meunier, "HyperLogLog", AofA 2007.
    Cohen, "All-distances sketches, revisited: HIP estimators", PODS 2014, arXiv 1306.3284.
    Ertl, "New cardinality estimation algorithms for HyperLogLog sketches", 2017, arXiv 1702.01284.

    Examples
    --------
    >>> from sketches import HyperLogLog
    >>> sketch = HyperLogLog()
    >>> _ = sketch.update(range(1_000_000))
    >>> low, high = sketch.bounds(0.99)
    >>> low < 1_000_000 < high
    True
    """

    _alike = ("seed",)

    def __cinit__(self, p=12, seed=9001):
        hll_init(&self.state, check_p(p))
        self.seed = sketch_seed(seed)
        self.counted = -1

    def __dealloc__(self):
        hll_free(&self.state)

    @classmethod
    def for_error(cls, relative_error, confidence=0.95, **options):
        """The smallest sketch with ``P(|estimate - n| <= relative_error n) >= confidence``, merged
        or not: ``m >= (1.04 z / relative_error)^2``, z the two-sided normal quantile.

        Raises
        ------
        ValueError
            If an argument lies outside (0, 1), or p would exceed 21.
        """
        if not 0 < relative_error < 1:
            raise ValueError(f"relative_error must lie in (0, 1), not {relative_error}")
        m = (MERGED_ERROR * two_sided(confidence) / relative_error) ** 2
        p = max(HLL_P_MIN, math.ceil(math.log2(m)))
        if p > HLL_P_MAX:
            raise ValueError(
                f"a relative error of {relative_error} with confidence {confidence} takes p = {p};"
                f" {HLL_P_MAX} is the most"
            )
        return cls(p, **options)

    @staticmethod
    def union(sketches):
        """The sketch of all streams together, of the smallest p among them.

        Raises ValueError where there are none, or seeds differ.
        """
        cdef HyperLogLog result = None
        for sketch in sketches:
            if result is None:
                result = check_sketch(sketch).copy()
            else:
                result._take(check_sketch(sketch))
        if result is None:
            raise ValueError("a union of no sketches: it would have no p")
        return result

    def update(self, items, *, skip_empty=False):
        """Count items: a scalar or any batch that `sketches.hash64` accepts.

        Parameters
        ----------
        skip_empty : bool, default False
            Pass over empty strings, as DataSketches does.

        Returns
        -------
        int
            How many nulls were passed over.

        Raises
        ------
        TypeError, OverflowError, ValueError
            As `sketches.hash64`; items before the bad one may have been counted.
        """
        cdef taking t = self._taking()
        return for_each_hash(items, self.seed, skip_empty, take, &t)

    def update_hashes(self, h1, h2=None):
        """Count items by their hashes, uint64[n], uniform over 64 bits.

        With both halves of a 128-bit hash, ``update_hashes(*hash128(items, seed))`` is
        ``update(items)``. Of a hash of 64 bits the low 26 choose the register and the leading
        zeros are its value: a stream of its own, not to be mixed with the former.
        """
        cdef const uint64_t[::1] first = check_hashes(h1, np.uint64)
        cdef const uint64_t[::1] second = first if h2 is None else check_hashes(h2, np.uint64)
        cdef taking t = self._taking()
        cdef int failed = 0
        if first.shape[0] != second.shape[0]:
            raise ValueError(f"{first.shape[0]} hashes and {second.shape[0]} second halves")
        if first.shape[0]:
            with nogil:
                failed = take(&t, &first[0], &second[0], first.shape[0])
        if failed:
            raise MemoryError()

    # The lock is held over C code alone: nothing in there collects or calls back.

    cdef taking _taking(self):
        return taking(hll_kernels_for(level()), &self.state, &self.counted, &self.lock)

    cdef int _copy_state(self, hll *to) except -1:
        """What it holds at one moment; to be freed."""
        cdef int failed
        with self.lock:
            failed = hll_copy(to, &self.state)
        if failed:
            raise MemoryError()
        return 0

    cdef int _take(self, HyperLogLog other) except -1:
        """As `merge`, without a copy, of a sketch that nobody else knows yet."""
        cdef const hll_kernels *kernels = hll_kernels_for(level())
        cdef int failed
        self._check_same(other)
        with other.lock:
            failed = hll_merge(kernels, &self.state, &other.state)
        if failed:
            raise MemoryError()
        self.counted = -1
        return 0

    def merge(self, other):
        """Make this the sketch of both streams, of the smaller p. Raises ValueError for another
        seed."""
        cdef const hll_kernels *kernels = hll_kernels_for(level())
        cdef hll theirs
        cdef int failed
        self._check_same(other)
        (<HyperLogLog>other)._copy_state(&theirs)
        with self.lock:
            self.counted = -1
            failed = hll_merge(kernels, &self.state, &theirs)
        hll_free(&theirs)
        if failed:
            raise MemoryError()

    def estimate(self):
        """How many different items: computed once, until something changes."""
        cdef double counted
        with self.lock:
            if self.counted < 0:
                self.counted = hll_estimate(&self.state)
            counted = self.counted
        return counted

    def bounds(self, confidence=0.95):
        """An interval that holds the true number.

        Returns
        -------
        (float, float)
            ``estimate * exp(-z error) .. estimate * exp(z error)``, z the two-sided normal
            quantile, and never less than the registers in use. While there are only coupons, from
            their number to that and the Poisson quantile of those shared: ``(n, n)`` for small n.
        """
        estimate, used = self.estimate(), self._used()
        if self.state.state != HLL_AS_DENSE:
            mean = used * (used - 1) / 2 * COLLISION
            shared = poisson_quantile(mean, (1 + check_confidence(confidence)) / 2)
            return float(used), max(estimate, float(used + shared))
        low, high = spread(estimate, self.error, confidence)
        return min(max(low, float(used)), estimate), high

    cdef size_t _used(self):
        """Coupons, or registers above 0: at least so many items there were."""
        cdef size_t used
        with self.lock:
            used = hll_used(&self.state)
        return used

    @property
    def error(self):
        """The standard error of `estimate`, relative to the truth, as things are: 0.833 / sqrt(m),
        after a merge 1.04 / sqrt(m)."""
        return (MERGED_ERROR if self.is_merged else HIP_ERROR) / 2 ** (self.p / 2)

    @property
    def is_merged(self):
        """Whether a merge has taken the history that HIP counts by."""
        with self.lock:
            merged = hll_is_merged(&self.state)
        return merged

    @property
    def is_empty(self):
        """Whether nothing has been counted yet."""
        return self._used() == 0

    @property
    def p(self):
        """log2 of the number of registers; a merge may lower it."""
        return self.state.p

    @property
    def registers(self):
        """A copy of the registers: uint8[2^p], 0 .. 63."""
        cdef hll copy
        self._copy_state(&copy)
        cdef uint8_t[::1] out = np.empty(1 << copy.p, np.uint8)
        hll_registers(&copy, &out[0])
        hll_free(&copy)
        return np.asarray(out)

    @property
    def nbytes(self):
        """Bytes of state."""
        with self.lock:
            size = hll_nbytes(&self.state)
        return size

    def clear(self):
        """Back to the empty sketch."""
        with self.lock:
            hll_free(&self.state)
            self.counted = -1

    def copy(self):
        """An independent sketch of the same state."""
        cdef HyperLogLog other = HyperLogLog(HLL_P_MIN, self.seed)
        self._copy_state(&other.state)
        return other

    def to_bytes(self, kind="hll8", compact=True):
        """A DataSketches image (docs/design/formats.md).

        Parameters
        ----------
        kind : {"hll8", "hll6", "hll4"}
            Bits a register: 40 bytes and 2^p, 0.75 2^p or about 0.5 2^p.
        compact : bool, default True
            False for the form that Spark and other writers go on updating.
        """
        cdef hll copy
        cdef hll_kind bits = KINDS[check_kind(kind)]
        self._copy_state(&copy)
        try:
            image = PyBytes_FromStringAndSize(NULL, hll_image_size(&copy, bits, compact))
            hll_image_write(&copy, bits, compact, <uint8_t *>PyBytes_AS_STRING(image))
            return image
        finally:
            hll_free(&copy)

    @staticmethod
    def from_bytes(image, seed=9001):
        """The sketch a DataSketches image of any kind holds, whoever wrote it.

        Parameters
        ----------
        seed : int, default 9001
            Of the hash: the image does not tell.

        Raises
        ------
        FormatError
            For anything that is not such an image.
        """
        cdef HyperLogLog sketch = HyperLogLog(HLL_P_MIN, seed)
        cdef const uint8_t[::1] view
        cdef const char *wrong
        try:
            view = memoryview(image).cast("B")
        except TypeError as error:
            raise TypeError(f"an image is bytes, not {type(image).__name__}") from error
        cdef size_t size = view.shape[0]
        wrong = hll_image_read(&sketch.state, &view[0] if size else NULL, size)
        if wrong == hll_no_memory:
            raise MemoryError()
        if wrong != NULL:
            raise FormatError(f"HLL image of {size} bytes: {wrong.decode()}")
        return sketch

    def __reduce__(self):
        return HyperLogLog.from_bytes, (self.to_bytes(compact=False), self.seed)

    def __eq__(self, other):
        """Whether both have seen the same items, as far as they can tell."""
        if not isinstance(other, HyperLogLog):
            return NotImplemented
        cdef hll mine, theirs
        if self.seed != other.seed:
            return False
        self._copy_state(&mine)
        try:
            (<HyperLogLog>other)._copy_state(&theirs)
            same = hll_same(&mine, &theirs)
            hll_free(&theirs)
            return same
        finally:
            hll_free(&mine)

    __hash__ = None

    def __repr__(self):
        state = "empty" if self.is_empty else STATES[self.state.state]
        return (
            f"HyperLogLog(p={self.p}, seed={self.seed}) <{state}, about {self.estimate():,.0f}>"
        )


cdef HyperLogLog check_sketch(sketch):
    if not isinstance(sketch, HyperLogLog):
        raise TypeError(f"expected a HyperLogLog, not {type(sketch).__name__}")
    return sketch
