"""SparkCountMin against Spark itself: images written by its 4.3.0, and a twin in plain Python.

The images are those of org.apache.spark.util.sketch.CountMinSketch.create(3, 8, 42), fed as the
tests say, and of create(eps, confidence, seed).
"""

import copy
import math
import pickle
import struct
import threading

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sketches import CountMin, FormatError, SparkCountMin

LONGS = [0, 1, -1, 5, 2**63 - 1, -(2**63), 123456789012345]
LONGS_ESTIMATES = [2, 1, 2, 4, 2, 2, 1]  # with 5 added three times more
TEXTS = ["", "a", "ab", "abc", "abcd", "abcde", "café", "Spark's own Count-Min", "\U0001f375 tea"]
TEXTS_ESTIMATES = [1, 7, 3, 5, 7, 11, 12, 8, 9]  # of weights 1, 2, ...
BINARY, BINARY_ESTIMATE = b"\xff\0\x80", 11  # of weight 10
LONGS_IMAGE = (
    "00000001000000000000000a0000000300000008000000005d20ce9a0000000006ff457b00000000"
    "5773ddf0000000000000000200000000000000000000000000000001000000000000000400000000"
    "00000001000000000000000200000000000000000000000000000000000000000000000200000000"
    "00000000000000000000000000000000000000020000000000000002000000000000000000000000"
    "00000000000000000000000400000000000000030000000000000004000000000000000000000000"
    "000000000000000000000000000000000000000100000000000000000000000000000002"
)
TEXTS_IMAGE = (
    "0000000100000000000000370000000300000008000000005d20ce9a0000000006ff457b00000000"
    "5773ddf00000000000000005000000000000000d000000000000000c000000000000000000000000"
    "00000019000000000000000000000000000000000000000000000000000000000000000100000000"
    "000000000000000000000007000000000000000d0000000000000009000000000000000800000000"
    "000000110000000000000000000000000000000b0000000000000000000000000000000b00000000"
    "0000000a0000000000000014000000000000000300000000000000000000000000000000"
)
MULTIPLIERS_7 = [0x5D878BCC, 0x51BB9A0C, 0x5FE4CA2D, 0x013B859C, 0x2C956984]
MULTIPLIERS_MINUS_3 = [
    0x2266D76C, 0x7D22DD01, 0x2CF95300, 0x133A88A2, 0x66BE323A, 0x070FA65C, 0x7D915AFB,
]  # fmt: skip


def texts():
    sketch = SparkCountMin(8, 3, 42)
    sketch.update(TEXTS, range(1, 10))
    sketch.update(BINARY, 10)
    return sketch


def test_longs_as_spark_counts_them():
    sketch = SparkCountMin(8, 3, 42)
    sketch.update(LONGS)
    sketch.update(5, 3)
    assert sketch.to_spark_bytes().hex() == LONGS_IMAGE
    again = SparkCountMin.from_spark_bytes(bytes.fromhex(LONGS_IMAGE))
    assert again == sketch
    assert again.estimate(LONGS).tolist() == LONGS_ESTIMATES
    assert again.estimate(np.array([5, 0], np.int8)).tolist() == [4, 2]
    assert (again.width, again.depth, again.total) == (8, 3, 10)


def test_texts_as_spark_counts_them():
    sketch = texts()
    assert sketch.to_spark_bytes().hex() == TEXTS_IMAGE
    again = SparkCountMin.from_bytes(bytes.fromhex(TEXTS_IMAGE))
    assert again.estimate(TEXTS).tolist() == TEXTS_ESTIMATES
    assert again.estimate(pa.array([BINARY, None])).tolist() == [BINARY_ESTIMATE, 0]
    assert again.estimate("a") == 7


def test_shapes_and_multipliers_are_sparks():
    for eps, confidence, seed, depth, width, multipliers in (
        (0.01, 0.95, 7, 5, 200, MULTIPLIERS_7),
        (0.001, 0.99, -3, 7, 2000, MULTIPLIERS_MINUS_3),
    ):
        sketch = SparkCountMin.for_error(eps, confidence, seed)
        assert (sketch.depth, sketch.width) == (depth, width)
        assert sketch.error == eps
        assert sketch.confidence >= confidence
        found = struct.unpack_from(f">{depth}q", sketch.to_bytes(), 20)
        assert list(found) == multipliers


# ------------------------------------------------------------------- the twin


def signed(x, bits):
    x &= 2**bits - 1
    return x - 2**bits if x >> bits - 1 else x


def murmur(data, seed):
    """Murmur3 x86 32, each byte of the tail a block of its own, widened with its sign."""
    end = len(data) // 4 * 4
    blocks = [int.from_bytes(data[i : i + 4], "little") for i in range(0, end, 4)]
    blocks += [signed(byte, 8) & 0xFFFFFFFF for byte in data[end:]]
    rotate = lambda x, r: (x << r | x >> 32 - r) & 0xFFFFFFFF  # noqa: E731
    h = seed
    for block in blocks:
        h ^= rotate(block * 0xCC9E2D51 & 0xFFFFFFFF, 15) * 0x1B873593 & 0xFFFFFFFF
        h = (rotate(h, 13) * 5 + 0xE6546B64) & 0xFFFFFFFF
    h ^= len(data)
    h = (h ^ h >> 16) * 0x85EBCA6B & 0xFFFFFFFF
    h = (h ^ h >> 13) * 0xC2B2AE35 & 0xFFFFFFFF
    return h ^ h >> 16


def cells(item, multipliers, width):
    if isinstance(item, int):
        for a in multipliers:
            h = signed(a * item, 64)
            yield (signed(h + (h >> 32), 64) & 2**31 - 1) % width
    else:
        data = item.encode() if isinstance(item, str) else item
        h1 = murmur(data, 0)
        h2 = murmur(data, h1)
        for i in range(len(multipliers)):
            yield abs(int(math.fmod(signed(h1 + i * h2, 32), width)))


@given(
    st.lists(st.integers(-(2**63), 2**63 - 1)),
    st.lists(st.text()),
    st.lists(st.binary()),
    st.integers(1, 300),
    st.integers(1, 6),
    st.integers(-(2**63), 2**63 - 1),
)
def test_every_item_lands_where_spark_puts_it(longs, words, blobs, width, depth, seed):
    sketch = SparkCountMin(width, depth, seed)
    for batch in (longs, words, blobs):
        sketch.update(batch)
    image = sketch.to_bytes()
    multipliers = struct.unpack_from(f">{depth}q", image, 20)
    table = [[0] * width for _ in range(depth)]
    for item in longs + words + blobs:
        for row, cell in zip(table, cells(item, multipliers, width), strict=True):
            row[cell] += 1
    counts = struct.unpack_from(f">{depth * width}q", image, 20 + 8 * depth)
    assert list(counts) == [n for row in table for n in row]


# --------------------------------------------------------------- as any sketch


def test_merging_copies_and_pickles():
    left, right, whole = (SparkCountMin(50, 4, 1) for _ in range(3))
    left.update(range(100))
    right.update(["x", "y"], 5)
    whole.update(range(100))
    whole.update(["x", "y"], 5)
    assert left | right == whole
    for twin in (whole.copy(), copy.copy(whole), copy.deepcopy(whole)):
        assert twin == pickle.loads(pickle.dumps(whole))
        assert repr(twin) == repr(whole) == "SparkCountMin(width=50, depth=4) <total 110>"
        twin.update(1)
        assert twin != whole
    whole.clear()
    assert whole.is_empty
    assert whole == SparkCountMin(50, 4, 1)
    for other, name in (
        (SparkCountMin(51, 4, 1), "width differs"),
        (SparkCountMin(50, 5, 1), "depth"),
        (SparkCountMin(50, 4, 2), "multipliers"),
    ):
        with pytest.raises(ValueError, match=name):
            left.merge(other)
    with pytest.raises(TypeError, match="CountMin"):
        left.merge(CountMin(64, 4))
    assert whole.nbytes == 50 * 4 * 8


def test_what_spark_does_not_count():
    sketch = SparkCountMin(10, 2, 0)
    for items in ([1.5], np.array([1.5]), pa.table({"a": [1], "b": [2]})):
        with pytest.raises(TypeError, match="integers, str and bytes"):
            sketch.update(items)
        with pytest.raises(TypeError, match="integers, str and bytes"):
            sketch.estimate(items)
    for items in ([2**63], np.array([2**64 - 1], np.uint64)):
        with pytest.raises(OverflowError, match="integers beyond"):
            sketch.update(items)
    sketch.update(np.array([5], np.uint64), 2**63 - 2)
    for items in ([5, 5], "text"):
        with pytest.raises(OverflowError, match="total"):
            sketch.update(items, 2)
    with pytest.raises(ValueError, match="negative"):
        sketch.update([1], -1)
    with pytest.raises(ValueError, match="2 weights for"):
        sketch.update([1], [1, 1])
    assert sketch.update([None, 5]) == 1
    assert sketch.total == 2**63 - 1
    with pytest.raises(OverflowError, match="total"):
        sketch.merge(sketch)
    for args, error in (
        ((0, 1, 0), ValueError),
        ((1, 2**31, 0), ValueError),
        ((1.0, 1, 0), TypeError),
        ((1, 1, 2**63), ValueError),
        ((1, 1, "7"), TypeError),
    ):
        with pytest.raises(error):
            SparkCountMin(*args)
    with pytest.raises(ValueError, match="eps"):
        SparkCountMin.for_error(0, 0.5, 1)


def test_bad_images_are_refused():
    image = texts().to_bytes()
    for end in range(len(image)):
        with pytest.raises(FormatError):
            SparkCountMin.from_bytes(image[:end])
    with pytest.raises(FormatError):
        SparkCountMin.from_bytes(image + b"\0")
    for at in range(len(image)):
        for value in (0, 1, 0x7F, 0x80, 0xFF):
            changed = image[:at] + bytes([value]) + image[at + 1 :]
            try:
                sketch = SparkCountMin.from_bytes(changed)
            except FormatError:
                continue
            assert sketch.to_bytes() == changed
            sketch.estimate(TEXTS)
    with pytest.raises(FormatError):
        SparkCountMin.from_bytes(struct.pack(">iqii", 1, 0, 2**31 - 1, 2**31 - 1))
    with pytest.raises(TypeError):
        SparkCountMin.from_bytes("image")


def test_threads_share_a_sketch():
    sketch, one = SparkCountMin(100, 4, 3), SparkCountMin(100, 4, 3)

    def work(items):
        for piece in np.array_split(items, 20):
            sketch.update(piece)
            sketch.update(piece.tolist())
            sketch.copy()

    parts = [np.random.default_rng(seed).integers(0, 50, 5000) for seed in range(4)]
    threads = [threading.Thread(target=work, args=(part,)) for part in parts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for part in parts:
        one.update(part, 2)
    assert sketch == one
