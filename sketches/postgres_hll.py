"""The `hll` type of PostgreSQL (postgresql-hll, storage specification 1.0.0), read and written.

A HyperLogLog of its own kind: the hash is the low half of MurmurHash3 x64 128, seed 0; its low
`log2m` bits name a register, and the rest, h, has the value ctz(h) + 1, at most 2^width - 1 (0 if
h is 0). Up to a threshold the hashes themselves are kept. Registers of the two kinds of HyperLogLog
in this package cannot be translated, so that they never merge.

    byte 0    schema version 1 in the high half; 1 empty, 2 explicit, 3 sparse, 4 full in the low
    byte 1    width - 1 in the high 3 bits, log2m in the low 5
    byte 2    bit 6: sparse allowed; low 6 bits c: no explicit hashes (0), up to 2^(c-1) (1 .. 31),
              as many as take no more bytes than all registers (63)
    then      explicit: the hashes, signed, in rising order, big-endian
              sparse: (register, value) in log2m and width bits each, full: values in width bits;
              from the highest bit on, the last byte filled with zeros
"""

from __future__ import annotations

import math
import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sketches._export import Batch, Column
from sketches._frame import FormatError
from sketches._intervals import spread
from sketches._sketch import Sketch
from sketches.hashing import hash64
from sketches.topk import TopK

EMPTY, EXPLICIT, SPARSE, FULL = 1, 2, 3, 4
VERSION = 1
AUTO = 63
LOG2M = range(4, 22)  # the format goes to 31, where a few bytes would claim 2 GB
BLOCK = 1 << 13  # hashes taken at once: what is made of them stays in the L2 cache
INTEGERS = {"smallint": "i2", "integer": "i4"}  # hashed by as many bytes; others by eight
OTHERS = {"bigint": ("int",), "text": ("str", "bytes"), "bytea": ("str", "bytes")}
BY_DTYPE = {"int16": "smallint", "int32": "integer"}
MERGED_ERROR = 1.0389617614136892  # sqrt(3 ln 2 - 1), as of every HyperLogLog

Registers = NDArray[np.uint8]
Hashes = NDArray[np.uint64]


class PostgresHLL(Sketch):
    """A distinct counter that PostgreSQL's `hll` columns hold.

    Parameters
    ----------
    log2m : int, default 11
        log2 of the number of registers m, 4 .. 21.
    width : int, default 5
        Bits a register, 1 .. 8: counts to about m 2^(2^width - 1).
    expthresh : int, default -1
        How many hashes are kept as they are: a power of two, 0 for none, -1 for as many as take no
        more bytes than the registers (160 by default).
    sparse : bool, default True
        Whether an image may list the registers in use alone.

    Notes
    -----
    The count is exact while hashes are kept, but for the chance of two that are equal; then its
    standard error is ``1.04 / sqrt(m)``, 2.3 % at log2m = 11, by Ertl's estimator (arXiv
    1702.01284), which `hll_cardinality` differs from by less than that.

    Examples
    --------
    >>> from sketches import PostgresHLL
    >>> users = PostgresHLL()
    >>> users.update([1], type="integer")  # as hll_add(hll_empty(), hll_hash_integer(1))
    0
    >>> users.to_bytes().hex()
    '128b7f8895a3f5af28cafe'
    """

    _alike = ("log2m", "width", "expthresh", "sparse")

    def __init__(
        self, log2m: int = 11, width: int = 5, expthresh: int = -1, sparse: bool = True
    ) -> None:
        for name, value, allowed in (("log2m", log2m, LOG2M), ("width", width, range(1, 9))):
            if isinstance(value, bool) or not isinstance(value, int):
                raise TypeError(f"{name} must be an integer, not {type(value).__name__}")
            if value not in allowed:
                raise ValueError(f"{name} must be {allowed[0]} .. {allowed[-1]}, not {value}")
        if expthresh not in (-1, 0, *(1 << c for c in range(31))):
            raise ValueError(f"expthresh must be -1, 0 or a power of two, not {expthresh!r}")
        self.log2m, self.width, self.expthresh, self.sparse = log2m, width, expthresh, bool(sparse)
        self._lock = threading.Lock()
        self._hashes: Hashes = np.empty(0, np.uint64)  # sorted, and empty once there are registers
        self._registers: Registers | None = None

    @property
    def explicit_limit(self) -> int:
        """How many hashes are kept as they are."""
        return self.width << self.log2m >> 6 if self.expthresh == -1 else self.expthresh

    # ---------------------------------------------------------------------- counting

    def update(self, items: Any, type: str | None = None) -> int:
        """Count items: a scalar or any batch that `sketches.hash64` accepts.

        Parameters
        ----------
        type : {"smallint", "integer", "bigint", "text", "bytea"}, optional
            As which type PostgreSQL has hashed them. By default that of the batch: numpy's or
            Arrow's int16 is a smallint, int32 an integer, any other integer a bigint.

        Returns
        -------
        int
            How many nulls were passed over.

        Raises
        ------
        TypeError, OverflowError, ValueError
            As `sketches.hash64`; for items that are not of the type, or do not fit it.
        """
        if type not in (None, "smallint", "integer", "bigint", "text", "bytea"):
            raise ValueError(f"no type {type!r}: smallint, integer, bigint, text or bytea")
        if type in OTHERS:
            items = items if hasattr(items, "__len__") or np.isscalar(items) else list(items)
            _check_type(type, items)
        found = str(getattr(items, "dtype", getattr(items, "type", ""))).lower()
        found = found.removeprefix("dictionary<values=").partition(",")[0]
        width = INTEGERS.get(type or BY_DTYPE.get(found, ""))
        if width is not None:
            values, nulls = _integers(items, width)
            column = Column("", f"w:{values.itemsize}", [None, values])
            hashes = hash64(Batch([column], len(values)), seed=0)
        else:
            hashes, valid = hash64(
                np.atleast_1d(items) if np.isscalar(items) else items, seed=0, return_valid=True
            )
            nulls = len(valid) - len(hashes)
        self.update_hashes(hashes)
        return nulls

    def update_hashes(self, hashes: Hashes) -> None:
        """Count items by the hashes that PostgreSQL's `hll_hash_...` gives: uint64[n]."""
        hashes = np.asarray(hashes)
        if hashes.dtype != np.uint64 or hashes.ndim != 1:
            raise TypeError(f"hashes must be uint64[n], not {hashes.dtype} of {hashes.ndim}")
        with self._lock:
            for at in range(0, len(hashes), BLOCK):
                self._take(hashes[at : at + BLOCK])

    def _take(self, hashes: Hashes) -> None:
        if self._registers is None:
            both = np.union1d(self._hashes, hashes)
            if len(both) <= self.explicit_limit:
                self._hashes = both
                return
            hashes, self._hashes = both, both[:0]
            self._registers = np.zeros(1 << self.log2m, np.uint8)
        self._raise(self._registers, hashes)

    def _raise(self, registers: Registers, hashes: Hashes) -> None:
        rest = hashes >> np.uint64(self.log2m)
        lowest = rest & (~rest + np.uint64(1))
        values = np.bitwise_count(lowest - np.uint64(1)) + np.uint8(1)
        values = np.minimum(values, (1 << self.width) - 1)
        values[rest == 0] = 0
        at = (hashes & np.uint64((1 << self.log2m) - 1)).astype(np.int64)
        np.maximum.at(registers, at, values.astype(np.uint8))

    def merge(self, other: PostgresHLL) -> None:
        """Make this the counter of both streams. Raises ValueError for other parameters."""
        self._check_same(other)
        hashes, registers = other._state()
        with self._lock:
            if registers is None:
                self._take(hashes)
                return
            if self._registers is None:
                self._raise(registers, self._hashes)
                self._hashes, self._registers = hashes, registers
            else:
                np.maximum(self._registers, registers, out=self._registers)

    # ----------------------------------------------------------------------- answers

    @property
    def is_empty(self) -> bool:
        """Whether nothing has been counted yet."""
        return not len(self._hashes) and self._registers is None

    @property
    def is_exact(self) -> bool:
        """Whether the hashes themselves are kept."""
        return self._registers is None

    @property
    def error(self) -> float:
        """The standard error once there are registers: 1.04 / sqrt(m)."""
        return MERGED_ERROR / 2 ** (self.log2m / 2)

    def estimate(self) -> float:
        """How many different items."""
        hashes, registers = self._state()
        if registers is None:
            return float(len(hashes))
        return _ertl(np.bincount(registers, minlength=1 << self.width))

    def bounds(self, confidence: float = 0.95) -> tuple[float, float]:
        """An interval that holds the true number; see `HyperLogLog.bounds`."""
        hashes, registers = self._state()
        count = self.estimate() if registers is not None else float(len(hashes))
        low, high = spread(count, self.error, confidence)
        return (count, count) if registers is None else (low, high)

    @property
    def nbytes(self) -> int:
        """Bytes of state."""
        return int(self._hashes.nbytes + (0 if self._registers is None else self._registers.nbytes))

    @property
    def registers(self) -> Registers:
        """The registers, uint8[2^log2m], also where they are not in use yet."""
        hashes, registers = self._state()
        if registers is None:
            registers = np.zeros(1 << self.log2m, np.uint8)
            self._raise(registers, hashes)
        return registers

    def _state(self) -> tuple[Hashes, Registers | None]:
        """Both at one moment, the registers as a copy; hashes are never changed in place."""
        with self._lock:
            return self._hashes, None if self._registers is None else self._registers.copy()

    def clear(self) -> None:
        """Back to the empty counter."""
        with self._lock:
            self._hashes, self._registers = np.empty(0, np.uint64), None

    def copy(self) -> PostgresHLL:
        """An independent counter of the same state."""
        other = PostgresHLL(self.log2m, self.width, self.expthresh, self.sparse)
        other._hashes, other._registers = self._state()
        return other

    # ------------------------------------------------------------------------ images

    def to_bytes(self) -> bytes:
        r"""An image; in SQL, ``E'\\x' || image.hex()``."""
        hashes, registers = self._state()
        c = {-1: AUTO, 0: 0}.get(self.expthresh, self.expthresh.bit_length())
        rest = bytes([self.width - 1 << 5 | self.log2m, self.sparse << 6 | c])
        if registers is None:
            kind = EXPLICIT if len(hashes) else EMPTY
            body = np.sort(hashes.view(np.int64)).astype(">i8").tobytes()
        else:
            used = np.flatnonzero(registers)
            kind = FULL
            if self.sparse and len(used) * (self.log2m + self.width) < self.width << self.log2m:
                kind = SPARSE
            if not len(used) and kind == SPARSE:
                kind = EMPTY
            pairs = (used.astype(np.uint32) << self.width) | registers[used]
            body = (
                _packed(registers, self.width)
                if kind == FULL
                else _packed(pairs, self.log2m + self.width)
            )
        return bytes([VERSION << 4 | kind]) + rest + body

    @staticmethod
    def from_bytes(image: bytes | bytearray | memoryview) -> PostgresHLL:
        """The counter an image holds. Raises `FormatError` for a bad one."""
        try:
            data = bytes(memoryview(image))
        except TypeError as error:
            raise TypeError(f"an image is bytes, not {type(image).__name__}") from error
        if len(data) < 3:
            raise FormatError(f"{len(data)} bytes are too few for a PostgreSQL hll image")
        version, kind, c = data[0] >> 4, data[0] & 15, data[2] & 63
        if version != VERSION or kind not in (EMPTY, EXPLICIT, SPARSE, FULL) or data[2] >> 7:
            raise FormatError(f"PostgreSQL hll image of version {version} and type {kind}")
        log2m, width = data[1] & 31, (data[1] >> 5) + 1
        if log2m not in LOG2M or (c > 31 and c != AUTO):
            raise FormatError(f"PostgreSQL hll image with log2m {log2m} and threshold {c}")
        expthresh = -1 if c == AUTO else 1 << c >> 1
        counter = PostgresHLL(log2m, width, expthresh, bool(data[2] >> 6 & 1))
        counter._read(kind, data[3:])
        return counter

    def _read(self, kind: int, body: bytes) -> None:
        if kind == EXPLICIT:
            hashes = np.frombuffer(body[: len(body) & ~7], ">i8").astype(np.int64)
            if len(body) % 8 or not len(hashes) or (np.diff(hashes) <= 0).any():
                raise FormatError("PostgreSQL hll image whose hashes are not a rising row")
            if len(hashes) > self.explicit_limit:
                raise FormatError(f"PostgreSQL hll image of {len(hashes)} hashes: too many")
            self._take(hashes.view(np.uint64))
        elif kind == EMPTY and body:
            raise FormatError(f"PostgreSQL hll image that is empty, and {len(body)} bytes more")
        elif kind == FULL:
            self._registers = _unpacked(body, self.width, 1 << self.log2m).astype(np.uint8)
        elif kind == SPARSE:
            pair = self.log2m + self.width
            pairs = _unpacked(body, pair, 8 * len(body) // pair)
            if len(pairs) > 1 and not pairs[-1]:  # what fills the last byte, where pairs are short
                pairs = pairs[:-1]
            at, values = pairs >> self.width, pairs & (1 << self.width) - 1
            if (np.diff(at) <= 0).any() or not values.all():
                raise FormatError("PostgreSQL hll image whose registers are not a rising row")
            self._registers = np.zeros(1 << self.log2m, np.uint8)
            self._registers[at] = values

    def __repr__(self) -> str:
        state = "explicit" if self.is_exact else "registers"
        parameters = f"log2m={self.log2m}, width={self.width}, expthresh={self.expthresh}"
        return (
            f"PostgresHLL({parameters}, sparse={self.sparse})"
            f" <{state}, about {self.estimate():,.0f}>"
        )


def _check_type(type: str, items: Any) -> None:
    """Refuse items that PostgreSQL has hashed in another way."""
    sample = TopK(1)  # which tells what a batch of any kind holds
    sample.update(items)
    if sample.item_type not in (None, *OTHERS[type]):
        raise TypeError(f"{type} items are {OTHERS[type][0]}, not {sample.item_type}")


def _integers(items: Any, width: str) -> tuple[NDArray[Any], int]:
    """Integers of fewer bytes than eight, and how many nulls were passed over."""
    if isinstance(items, np.ma.MaskedArray):
        raise TypeError("a masked array: count its compressed() values instead")
    total = len(items) if hasattr(items, "__len__") else None
    for name in ("drop_null", "drop_nulls", "dropna"):  # pyarrow, polars, pandas
        if hasattr(items, name):
            items = getattr(items, name)()
            break
    else:
        if not isinstance(items, np.ndarray):
            items = np.atleast_1d(items) if np.isscalar(items) else list(items)
            total = len(items)
            items = [item for item in items if item is not None]
    found = np.asarray(items).reshape(-1)
    if len(found) == 0:
        found = found.astype(width)
    if found.dtype.kind not in "iu":
        raise TypeError(f"integers wanted, not {found.dtype}")
    values = found.astype(width)
    if (values != found).any():
        raise OverflowError(f"an integer that {8 * values.itemsize} bits do not hold")
    return np.ascontiguousarray(values), (len(values) if total is None else total) - len(values)


def _packed(values: NDArray[Any], width: int) -> bytes:
    """Values in `width` bits each, from the highest bit on."""
    shifts = np.arange(width - 1, -1, -1)
    bits = (values.astype(np.uint32)[:, None] >> shifts & 1).astype(np.uint8)
    return np.packbits(bits.ravel()).tobytes()


def _unpacked(body: bytes, width: int, n: int) -> NDArray[np.int64]:
    """n values of `width` bits each; refuses another length, and bits behind that are not 0."""
    if len(body) != (n * width + 7) // 8:
        raise FormatError(f"PostgreSQL hll image with {len(body)} bytes of {width}-bit values")
    bits = np.unpackbits(np.frombuffer(body, np.uint8))
    if bits[n * width :].any():
        raise FormatError("PostgreSQL hll image that does not end in zeros")
    weights = 1 << np.arange(width - 1, -1, -1, dtype=np.int64)
    return bits[: n * width].reshape(n, width) @ weights


def _ertl(counts: NDArray[np.int64]) -> float:
    """Ertl's improved estimator for registers of 0 .. q + 1, by how many have each value."""
    m, q = int(counts.sum()), len(counts) - 2
    if counts[0] == m:
        return 0.0
    z = m * _tau(1 - counts[q + 1] / m)
    for value in range(q, 0, -1):
        z = (z + counts[value]) / 2
    z += m * _sigma(counts[0] / m)
    return float(m * m / (2 * math.log(2) * z)) if z else math.inf


def _sigma(x: float) -> float:
    y, z, before = 1.0, x, -1.0
    while z != before:
        x, before = x * x, z
        z, y = z + x * y, 2 * y
    return z


def _tau(x: float) -> float:
    if x in (0, 1):
        return 0.0
    y, z, before = 1.0, 1 - x, -1.0
    while z != before:
        x, before, y = math.sqrt(x), z, y / 2
        z -= (1 - x) ** 2 * y
    return z / 3
