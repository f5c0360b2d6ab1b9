"""Images of CountMin and CountSketch, copies and pickles; what is damaged or forged is refused."""

import copy
import pickle
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sketches import CountMin, CountSketch, FormatError, _frame
from sketches._counters import HEADER

MASK = 2**64 - 1


@pytest.mark.parametrize(
    "sketch",
    [
        CountMin(64, 4),
        CountMin(64, 3, 7, "uint64", True),
        CountSketch(64, 5),
        CountSketch(2, 1, 7, "int64"),
    ],
)
def test_images_copies_and_pickles(sketch):
    for _ in range(2):
        for twin in (
            sketch.copy(),
            copy.copy(sketch),
            copy.deepcopy(sketch),
            pickle.loads(pickle.dumps(sketch)),
            type(sketch).from_bytes(memoryview(bytearray(sketch.to_bytes()))),
        ):
            assert twin == sketch
            assert repr(twin) == repr(sketch)
            twin.update("only here")
            assert twin != sketch
        assert sketch.nbytes == sketch.width * sketch.depth * int(sketch.dtype[-2:]) // 8
        sketch.update(range(50))
    with pytest.raises(TypeError):
        hash(sketch)


def test_bad_images_are_refused():
    sketch = CountMin(16, 2)
    sketch.update(range(10))
    image = sketch.to_bytes()
    for end in range(len(image)):
        with pytest.raises(FormatError):
            CountMin.from_bytes(image[:end])
    for at in range(len(image)):
        with pytest.raises(FormatError):
            CountMin.from_bytes(image[:at] + bytes([image[at] ^ 1]) + image[at + 1 :])
    with pytest.raises(FormatError, match="CSKT"):
        CountSketch.from_bytes(image)
    with pytest.raises(TypeError):
        CountMin.from_bytes("image")


def forged(kind, fields, cells):
    return _frame.pack(kind, 1, HEADER.pack(*fields), cells)


@pytest.mark.parametrize(
    ("kind", "header", "cells"),
    [
        (b"CMIN", (0, 2, 1, 0, 4, 0, 0, 0), bytes(8)),
        (b"CMIN", (33, 2, 1, 0, 4, 0, 0, 0), bytes(8)),
        (b"CMIN", (1, 0, 1, 0, 4, 0, 0, 0), b""),
        (b"CMIN", (1, 65, 1, 0, 4, 0, 0, 0), bytes(520)),
        (b"CMIN", (1, 1, 1, 0, 5, 0, 0, 0), bytes(10)),
        (b"CMIN", (1, 1, 1, 0, 4, 2, 0, 0), bytes(8)),
        (b"CMIN", (1, 1, 1, 0, 4, 0, 2, 0), bytes(8)),
        (b"CMIN", (1, 1, 1, 0, 4, 0, 0, 1), bytes(8)),
        (b"CMIN", (1, 1, 1, 0, 4, 0, 0, 0), bytes(12)),
        (b"CMIN", (32, 64, 1, 0, 8, 0, 0, 0), bytes(8)),
        (b"CMIN", (1, 1, 1, 4, 4, 0, 0, 0), struct.pack("<2I", 5, 0)),  # counts beyond the total
        (b"CSKT", (1, 1, 1, 4, 4, 1, 0, 0), bytes(8)),
        (b"CSKT", (1, 1, 1, 4, 4, 0, 0, 0), struct.pack("<2i", -5, 0)),
        (b"CSKT", (1, 1, 1, 2**40, 4, 0, 1, 0), struct.pack("<2i", -(2**31), 0)),
        (b"CSKT", (1, 1, 1, MASK, 8, 0, 1, 0), struct.pack("<2q", -(2**63), 0)),
    ],
)
def test_forged_images_are_refused(kind, header, cells):
    with pytest.raises(FormatError):
        {b"CMIN": CountMin, b"CSKT": CountSketch}[kind].from_bytes(forged(kind, header, cells))


@given(st.binary(max_size=80), st.sampled_from([b"CMIN", b"CSKT"]))
def test_random_images_are_refused_or_good(header, kind):
    """Whatever passes the checksum is judged by its fields, and usable if accepted."""
    header, cells = header[: HEADER.size].ljust(HEADER.size, b"\0"), header[HEADER.size :]
    make = {b"CMIN": CountMin, b"CSKT": CountSketch}[kind]
    try:
        sketch = make.from_bytes(_frame.pack(kind, 1, header, cells))
    except FormatError:
        return
    sketch.update(range(100))
    assert make.from_bytes(sketch.to_bytes()) == sketch
