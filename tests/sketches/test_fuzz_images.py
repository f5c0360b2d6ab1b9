"""Images that are damaged on purpose: read and put to use, or refused with `FormatError`.

    python tests/sketches/test_fuzz_images.py [seconds] [seed]

takes all of them by turns, and repeats itself by its seed; the tests run a little of it, under the
sanitizers, too. Of images with a checksum most are sealed anew, to reach what is behind it.
(tests/kernels/fuzz_hll.c does the same for the reader that is written in C; make fuzz runs both.)
"""

import functools
import random
import struct
import sys
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import pytest

from sketches import (
    CountMin,
    CountSketch,
    FormatError,
    HyperLogLog,
    MinHash,
    PostgresHLL,
    SparkCountMin,
    TopK,
    Windowed,
)
from sketches._frame import _PREFIX
from sketches.hashing import _checksum

LIMITS = (TypeError, ValueError, OverflowError)  # what a sound sketch may refuse to do
EDGES = [0, 1, 2, 7, 255, 2**15, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**63, 2**64 - 1]


class Target(NamedTuple):
    images: list[bytes]
    read: Callable[[bytes], Any]
    use: Callable[[Any], Any]


def _filled(sketch: Any, items: Any, *more: Any) -> Any:
    sketch.update(items, *more)
    return sketch


def _use_counts(sketch: Any) -> None:
    sketch.estimate([1, 2, 3])
    sketch.bounds([1], 0.9)
    sketch.halve()


def _use_top(sketch: TopK) -> None:
    sketch.top(3)
    sketch.frequent(0.01, "no_false_positives")
    with suppress(*LIMITS):
        sketch.to_datasketches()


def _use_distinct(sketch: Any) -> None:
    estimate = sketch.estimate()
    low, high = sketch.bounds(0.9)
    assert 0 <= low <= estimate <= high


def _use_sets(sketch: Any) -> None:
    assert 0 <= sketch.jaccard(sketch) <= 1


def _use_window(window: Windowed) -> None:
    with suppress(OverflowError):  # of sums over the window
        window.merged()


def _windows() -> list[Windowed]:
    return [
        _filled(Windowed(HyperLogLog(4), size=10, slots=5), range(100), range(100)),
        _filled(Windowed(CountMin(4, 2), size=10, slots=5, late="drop"), ["a"] * 9, range(9)),
        _filled(Windowed(TopK(2), size=timedelta(hours=1), slots=2), [1], [datetime(2026, 1, 2)]),
    ]


@functools.cache
def targets() -> dict[str, Target]:
    top = [_filled(TopK(2), items) for items in (range(40), ["a", "b" * 20], [b"x"], [0.5, 1.5])]
    distinct = [_filled(HyperLogLog(p), range(n)) for p in (4, 8) for n in (0, 3, 20, 500)]
    frequent = {
        kind: [top[i].to_datasketches(), TopK(2).to_datasketches()]
        for kind, i in (("int", 0), ("str", 1))
    }
    found = {
        "CountMin": ([_filled(CountMin(4, 2), [1, 2]), CountMin(2, 1, 7, "uint64")], _use_counts),
        "CountSketch": ([_filled(CountSketch(4, 3), [1, 2]), CountSketch(2, 1)], _use_counts),
        "TopK": ([*top, TopK(1)], _use_top),
        "MinHash": ([_filled(MinHash(4), [1]), MinHash(2, family="affine32")], _use_sets),
        "BBitMinHash": ([_filled(MinHash(4), [1]).compact(b) for b in (8, 16)], _use_sets),
        "PostgresHLL": ([_filled(PostgresHLL(5), range(n)) for n in (0, 3, 900)], _use_distinct),
        "SparkCountMin": ([_filled(SparkCountMin(3, 2, 1), [1, 2])], lambda s: s.estimate([1])),
        "Windowed": (_windows(), _use_window),
    }
    known = {
        name: Target([s.to_bytes() for s in sketches], type(sketches[0]).from_bytes, use)
        for name, (sketches, use) in found.items()
    }
    images = [s.to_bytes(k, c) for s in distinct for k in ("hll4", "hll6", "hll8") for c in (0, 1)]
    known["HyperLogLog"] = Target(images, HyperLogLog.from_bytes, _use_distinct)
    for kind, images in frequent.items():
        read = functools.partial(TopK.from_datasketches, items=kind)
        known[f"TopK of DataSketches' {kind}"] = Target(images, read, _use_top)
    return known


def one_input(target: Target, data: bytes) -> bool:
    """Whether it was read; whatever was, is a sketch like any other."""
    try:
        sketch = target.read(data)
    except FormatError:
        return False
    repr(sketch)
    again = type(sketch).from_bytes(sketch.to_bytes())
    assert again == sketch
    twin = sketch.copy() if hasattr(sketch, "copy") else sketch
    target.use(twin)
    if hasattr(sketch, "merge"):
        with suppress(*LIMITS):
            sketch.merge(again)
        with suppress(*LIMITS):
            sketch.update([1, 2, 3], *([[0, 1, 2]] if isinstance(sketch, Windowed) else []))
        target.use(sketch)
    return True


def sealed(data: bytes) -> bytes:
    """The length and the checksum of an image of ours as they should be."""
    if len(data) < _PREFIX.size + 8 or data[:4] != b"TRCT":
        return data
    header = int.from_bytes(data[10:12], "little")
    length = max(0, len(data) - _PREFIX.size - header - 8)
    data = data[:16] + struct.pack("<Q", length) + data[24:-8]
    return data + struct.pack("<Q", _checksum(data))


def damaged(rng: random.Random, images: list[bytes]) -> bytes:
    data = bytearray(rng.choice(images))
    for _ in range(rng.randrange(1, 4)):
        at = rng.randrange(min(len(data), rng.choice([16, 64, 1 << 20])) + 1)
        change = rng.randrange(6)
        if change == 0:
            data[at : at + 1] = bytes([rng.randrange(256)])
        elif change == 1:
            width = rng.choice([2, 4, 8])
            edge = (rng.choice(EDGES) + rng.randrange(-1, 2)) % 2 ** (8 * width)
            data[at : at + width] = edge.to_bytes(width, rng.choice(["little", "big"]))
        elif change == 2:
            del data[at : at + rng.choice([1, 4, 8, 1 << 20])]
        elif change == 3:
            data[at:at] = data[at : at + rng.choice([1, 4, 8, 32])]
        elif change == 4:
            data[at:] = rng.choice(images)[at:]
        else:
            data[at : at + 1] = bytes([data[at] ^ 1 << rng.randrange(8)]) if at < len(data) else b""
    return sealed(bytes(data)) if rng.randrange(8) else bytes(data)


def fuzz(name: str, rng: random.Random, rounds: int) -> int:
    """How many of so many damaged images were read; the one that breaks something is told."""
    target, read = targets()[name], 0
    for _ in range(rounds):
        data = damaged(rng, target.images)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", RuntimeWarning)  # of counters that are full, say
                read += one_input(target, data)
        except Exception as error:
            error.add_note(f"{name}, image {data.hex()}")
            raise
    return read


@pytest.mark.parametrize("name", targets())
def test_damaged_images_are_refused_or_sound(name):
    assert 0 < fuzz(name, random.Random(20260301), 300) < 300


def main(seconds: int = 60, seed: int = 0) -> None:
    rng, end, rounds = random.Random(seed), time.monotonic() + seconds, 0
    read = dict.fromkeys(targets(), 0)
    while time.monotonic() < end:
        for name in read:
            read[name] += fuzz(name, rng, 500)
        rounds += 500
    for name, n in read.items():
        print(f"{name:30}{rounds:>10,} images, {n:,} of them sound")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
