"""Bytes of Python's own containers: to what CPython lets them grow, one item at a time."""

import sys
from collections.abc import Sequence
from typing import Any

SOME = 1_000  # items, whose size stands for that of all


def set_bytes(count: float) -> float:
    """Bytes of a set that grew to `count` entries one by one (setobject.c)."""
    mask = 7
    while count * 5 >= mask * 3:
        used = (mask * 3 + 4) // 5  # at which it grows
        wanted = used * 2 if used > 50_000 else used * 4
        table = 8
        while table <= wanted:
            table <<= 1
        mask = table - 1
    return float(sys.getsizeof(set()) + (16 * (mask + 1) if mask > 7 else 0))


def dict_bytes(count: float, entry: int = 24) -> float:
    """Bytes of a dict that grew to `count` keys one by one (dictobject.c)."""
    bits = 3
    while (2 << bits) // 3 < count:
        bits = max(bits + 1, ((2 << bits) // 3 * 3 - 1).bit_length())
    index = 1 if bits < 8 else 2 if bits < 16 else 4 if bits < 32 else 8
    return float(sys.getsizeof({}) + 32 + index * (1 << bits) + entry * ((2 << bits) // 3))


def object_bytes(items: Sequence[Any]) -> float:
    some = items[:SOME]
    return sum(map(sys.getsizeof, some)) / len(some)
