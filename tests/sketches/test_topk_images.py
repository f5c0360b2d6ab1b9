"""Images of a TopK, copies and pickles; what is damaged or forged is refused."""

import copy
import pickle
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sketches import FormatError, TopK, _frame
from sketches._topk_images import _HEADER


@pytest.mark.parametrize("n", [0, 3, 2000])
@pytest.mark.parametrize("kind", [int, float, str, str.encode])
def test_images_copies_and_pickles(n, kind):
    sketch = TopK(20, seed=5)
    base = (np.random.default_rng(0).zipf(1.1, n) % 5000).tolist()
    sketch.update([kind(str(i)) if kind is str.encode else kind(i) for i in base])
    for again in (
        sketch.copy(),
        copy.copy(sketch),
        copy.deepcopy(sketch),
        pickle.loads(pickle.dumps(sketch)),
        TopK.from_bytes(memoryview(bytearray(sketch.to_bytes()))),
    ):
        assert again == sketch
        assert repr(again) == repr(sketch)
        assert again.top() == sketch.top()
        again.update([h.item for h in sketch.top()])
        assert (again != sketch) == (n > 0)
    with pytest.raises(TypeError):
        hash(sketch)
    assert sketch.nbytes < 80_000


def test_bad_images_are_refused():
    sketch = TopK(2)
    sketch.update(["a", "bc", "a"])
    image = sketch.to_bytes()
    for end in range(len(image)):
        with pytest.raises(FormatError):
            TopK.from_bytes(image[:end])
    for at in range(len(image)):
        with pytest.raises(FormatError):
            TopK.from_bytes(image[:at] + bytes([image[at] ^ 1]) + image[at + 1 :])


def forged(k, family, unsigned, offset, total, counts, born, rest):
    header = _HEADER.pack(k, family, unsigned, 0, 1, offset, total, len(counts))
    columns = struct.pack(f"<{2 * len(counts)}Q", *counts, *born)
    return _frame.pack(b"TOPK", 1, header, columns + rest)


@pytest.mark.parametrize(
    "parts",
    [
        (0, 1, 0, 0, 0, [], [], b""),
        (2**25, 1, 0, 0, 0, [], [], b""),
        (1, 5, 0, 0, 0, [], [], b""),
        (1, 1, 2, 0, 0, [], [], b""),
        (1, 0, 0, 0, 1, [], [], b""),
        (1, 0, 0, 0, 1, [1], [0], bytes(8)),
        (1, 1, 0, 2, 1, [], [], b""),
        (1, 1, 0, 0, 2**63, [], [], b""),
        (1, 1, 0, 0, 7, [1] * 7, [0] * 7, struct.pack("<7Q", *range(7))),
        (1, 1, 0, 0, 5, [1], [1], bytes(8)),
        (1, 1, 0, 1, 5, [3], [2], bytes(8)),
        (1, 1, 0, 3, 5, [3], [0], bytes(8)),
        (1, 1, 0, 0, 5, [6], [0], bytes(8)),
        (1, 1, 0, 0, 5, [2, 2], [0, 0], bytes(16)),  # an item twice
        (1, 1, 0, 0, 5, [2], [0], bytes(9)),
        (1, 1, 0, 0, 5, [2], [0], bytes(7)),
        (1, 2, 0, 0, 5, [2], [0], struct.pack("<d", -0.0)),
        (1, 3, 0, 0, 5, [2], [0], struct.pack("<Q", 2) + b"a"),
        (1, 3, 0, 0, 5, [2], [0], struct.pack("<Q", 2**64 - 1) + b"a"),
        (1, 3, 0, 0, 5, [2, 1], [0, 0], struct.pack("<2Q", 1, 1) + b"aa"),
    ],
)
def test_forged_images_are_refused(parts):
    with pytest.raises(FormatError):
        TopK.from_bytes(forged(*parts))


@given(st.binary(max_size=120))
def test_random_images_are_refused_or_good(data):
    header, rest = data[: _HEADER.size].ljust(_HEADER.size, b"\0"), data[_HEADER.size :]
    try:
        sketch = TopK.from_bytes(_frame.pack(b"TOPK", 1, header, rest))
    except FormatError:
        return
    assert TopK.from_bytes(sketch.to_bytes()) == sketch
