"""b-bit MinHash: signatures cut to 8 or 16 bits a slot, for storing and comparing.

Slots that differ still agree in b bits with probability 2^-b, so the share E of equal slots is
corrected: ``J = (E - 2^-b) / (1 - 2^-b)`` (Li, Konig, "b-Bit Minwise Hashing", WWW 2010,
arXiv 0910.3349). The bits are those of a mix of the whole slot, as the low bits of a minimum over
very many ranks are not uniform.
"""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sketches._frame import FormatError, pack, unpack
from sketches._jaccard import interval
from sketches.minhash import FAMILIES, MinHash

_HEADER = struct.Struct("<IIQBB")  # family, num_perm, seed, bits, whether the set is empty
_DTYPES: dict[int, np.dtype[Any]] = {8: np.dtype("<u1"), 16: np.dtype("<u2")}


class BBitMinHash:
    """A `MinHash` cut to `bits` a slot: made by `MinHash.compact`, never updated or merged.

    Attributes
    ----------
    slots : uint8[num_perm] or uint16[num_perm]
    bits, num_perm, seed, family
        `bits` is 8 or 16; the others are those of the MinHash.
    is_empty : bool
        Whether the set was empty.
    """

    def __init__(
        self, slots: NDArray[np.unsignedinteger[Any]], seed: int, family: str, is_empty: bool
    ) -> None:
        self.slots, self.seed, self.family, self.is_empty = slots, seed, family, is_empty
        self.bits = 8 * slots.itemsize
        self.num_perm = len(slots)

    @classmethod
    def of(cls, sketch: MinHash, bits: int) -> BBitMinHash:
        """What `MinHash.compact` returns."""
        if bits not in _DTYPES:
            raise ValueError(f"bits must be 8 or 16, not {bits!r}")
        mixed = sketch.signature * np.uint32(0x9E3779B1)  # 2^32 / golden ratio, made prime
        slots = (mixed >> np.uint32(32 - bits)).astype(_DTYPES[bits])
        return cls(slots, sketch.seed, sketch.family, sketch.is_empty)

    def jaccard(self, other: BBitMinHash) -> float:
        """The estimated Jaccard similarity, cut to [0, 1]; 0 for an empty set.

        Unbiased but for the cut; ``Var = (1 - E) E / (num_perm (1 - 2^-b)^2)`` with
        ``E = J + (1 - J) 2^-b``.
        """
        if self.is_empty or other.is_empty:
            self._check_same(other)
            return 0.0
        return self._corrected(self._equal(other))

    def bounds(self, other: BBitMinHash, confidence: float = 0.95) -> tuple[float, float]:
        """As `MinHash.bounds`, corrected; ``(0, 0)`` where a set is empty."""
        if self.is_empty or other.is_empty:
            self._check_same(other)
            return 0.0, 0.0
        low, high = interval(self._equal(other), self.num_perm, confidence)
        return self._corrected(low), self._corrected(high)

    def _equal(self, other: BBitMinHash) -> float:
        self._check_same(other)
        return float(np.mean(self.slots == other.slots))

    def _corrected(self, equal: float) -> float:
        chance = 2.0**-self.bits
        return min(1.0, max(0.0, (equal - chance) / (1 - chance)))

    def _check_same(self, other: BBitMinHash) -> None:
        if not isinstance(other, BBitMinHash):
            raise TypeError(f"expected a BBitMinHash, not {type(other).__name__}")
        for name in ("family", "num_perm", "seed", "bits"):
            mine, theirs = getattr(self, name), getattr(other, name)
            if mine != theirs:
                raise ValueError(f"{name} differs: {mine!r} here, {theirs!r} there")

    @property
    def nbytes(self) -> int:
        """Bytes of state."""
        return self.slots.nbytes

    def to_bytes(self) -> bytes:
        """An image (docs/design/formats.md, kind ``MINB``)."""
        family = FAMILIES.index(self.family)
        header = _HEADER.pack(family, self.num_perm, self.seed, self.bits, self.is_empty)
        return pack(b"MINB", 1, header, self.slots.tobytes())

    @classmethod
    def from_bytes(cls, image: bytes | bytearray | memoryview) -> BBitMinHash:
        """The sketch an image holds. Raises `FormatError` for a bad one."""
        (family, num_perm, seed, bits, empty), payload = unpack(b"MINB", 1, _HEADER.format, image)
        if family >= len(FAMILIES) or bits not in _DTYPES or empty > 1 or not num_perm:
            raise FormatError(f"MINB image with family {family}, {bits} bits, empty {empty}")
        if len(payload) != num_perm * bits // 8:
            raise FormatError(f"MINB image with {len(payload)} bytes for {num_perm} slots")
        slots = np.frombuffer(payload, _DTYPES[bits]).copy()
        return cls(slots, seed, FAMILIES[family], bool(empty))

    def __reduce__(self) -> tuple[object, tuple[bytes]]:
        return BBitMinHash.from_bytes, (self.to_bytes(),)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, BBitMinHash):
            return NotImplemented
        return self.to_bytes() == other.to_bytes()

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return (
            f"BBitMinHash(num_perm={self.num_perm}, bits={self.bits}, seed={self.seed},"
            f" family={self.family!r})"
        )
