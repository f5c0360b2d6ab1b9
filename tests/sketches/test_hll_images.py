"""DataSketches images: byte by byte beside the package, Java's files, and what is hostile."""

import os
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sketches import FormatError, HyperLogLog

datasketches = pytest.importorskip("datasketches")

DATA = Path(os.environ.get("TRACTABLE_DATA", Path(__file__).parents[2] / "../shared/data"))
JAVA = sorted((DATA / "datasketches_java").glob("hll*_java.sk"))
TARGETS = {
    "hll4": datasketches.HLL_4,
    "hll6": datasketches.HLL_6,
    "hll8": datasketches.HLL_8,
}


def sketch_of(items, p=12):
    sketch = HyperLogLog(p)
    sketch.update(items, skip_empty=True)
    return sketch


def theirs_of(items, p, kind):
    sketch = datasketches.hll_sketch(p, TARGETS[kind])
    for item in items:
        sketch.update(item)
    return sketch


def serialized(theirs, compact):
    return theirs.serialize_compact() if compact else theirs.serialize_updatable()


def canonical(image):
    """An image with the exceptions of HLL_4, which have no order, sorted."""
    k = 1 << image[3]
    if image[7] != 2 or image[0] != 10:  # HLL_4 in its dense state alone
        return image
    head, rest = image[: 40 + k // 2], image[40 + k // 2 :]
    return head + b"".join(sorted(rest[i : i + 4] for i in range(0, len(rest), 4)))


def assert_the_same(items, p, kind):
    """Ours and the package's, in both directions."""
    ours, theirs = sketch_of(items, p), theirs_of(items, p, kind)
    assert ours.estimate() == theirs.get_estimate()
    for compact in (True, False):
        image, foreign = ours.to_bytes(kind, compact), serialized(theirs, compact)
        assert canonical(image) == canonical(foreign)
        back = HyperLogLog.from_bytes(foreign)
        assert back == ours
        assert back.estimate() == ours.estimate()
        there = datasketches.hll_sketch.deserialize(image)
        assert there.get_estimate() == theirs.get_estimate()


def patched(image, at, *values):
    changed = bytearray(image)
    changed[at : at + len(values)] = bytes(values)
    return bytes(changed)


EMPTY, LIST, SET, DENSE = (sketch_of(range(n)).to_bytes() for n in (0, 3, 100, 5000))
SIX, FOUR = (sketch_of(range(500_000)).to_bytes(kind) for kind in ("hll6", "hll4"))
TABLE = sketch_of(range(100)).to_bytes(compact=False)
IMAGES = [EMPTY, LIST, SET, DENSE, SIX, FOUR, TABLE, sketch_of(range(40), 4).to_bytes("hll4")]


@pytest.mark.parametrize("kind", TARGETS)
@pytest.mark.parametrize("p", range(4, 22))
def test_every_state_of_every_p(p, kind):
    rng = np.random.default_rng(p)
    full = 3 * 2 ** max(p - 3, 0) // 4  # coupons of the largest set
    for n in {0, 1, 6, 7, 8, 24, 25, 26, min(full, 800), min(full + 2, 900), 2000}:
        assert_the_same(rng.integers(-(2**63), 2**63, n).tolist(), p, kind)


def test_thousands_of_random_states():
    rng = np.random.default_rng(4)
    for kind in np.repeat(list(TARGETS), 700):
        p, n = int(rng.integers(4, 13)), int(np.exp(rng.uniform(0, 7)))
        assert_the_same(rng.integers(0, 2**62, n).tolist(), p, kind)


@pytest.mark.parametrize("kind", TARGETS)
def test_large_states(kind):
    items = np.random.default_rng(5).integers(0, 2**62, 200_000).tolist()
    for p in (4, 11, 16):
        assert_the_same(items, p, kind)


def test_strings_and_floats_hash_alike():
    for items in (["a", "é", "", "x" * 100], [1.5, -0.0, 0.0, float("nan")]):
        assert_the_same(items * 3 + [item * 2 for item in items], 8, "hll8")


@pytest.mark.parametrize("kind", TARGETS)
def test_the_package_merges_and_goes_on_with_ours(kind):
    rng = np.random.default_rng(6)
    for sizes in [(3, 4), (100, 200), (5000, 40), (5000, 6000)]:
        parts = [rng.integers(0, 2**62, n) for n in sizes]
        union = datasketches.hll_union(12)
        for part in parts:
            union.update(datasketches.hll_sketch.deserialize(sketch_of(part).to_bytes(kind)))
        merged = HyperLogLog.union(map(sketch_of, parts))
        result = union.get_result(TARGETS[kind])
        assert HyperLogLog.from_bytes(result.serialize_compact()) == merged
        ours = datasketches.hll_sketch.deserialize(merged.to_bytes(kind))
        assert ours.get_estimate() == pytest.approx(merged.estimate(), rel=0.03)
        more = rng.integers(0, 2**62, 300)
        for item in more.tolist():
            ours.update(item)
        merged.update(more)
        assert HyperLogLog.from_bytes(ours.serialize_updatable()) == merged


@pytest.mark.skipif(not JAVA, reason="no ../shared/data/datasketches_java here")
@pytest.mark.parametrize("path", JAVA, ids=lambda path: path.stem)
def test_what_java_wrote(path):
    image, n = path.read_bytes(), int(path.stem.split("_")[1][1:])
    sketch, ours = HyperLogLog.from_bytes(image), sketch_of(np.arange(n))
    np.testing.assert_array_equal(sketch.registers, ours.registers)
    assert sketch == ours
    assert sketch.estimate() == ours.estimate()
    compact = bool(image[5] & 8)
    assert canonical(ours.to_bytes(path.stem[:4], compact)) == canonical(image)


def test_stale_fields_are_recomputed():
    """curMin's count and KxQ, which versions of the writers have got wrong."""
    sketch = sketch_of(range(5000))
    image = bytearray(sketch.to_bytes("hll8"))
    struct.pack_into("<ddI", image, 16, 1e9, -3.0, 77)
    image[5] |= 32  # the two languages disagree on what it means
    back = HyperLogLog.from_bytes(image)
    assert back.to_bytes("hll8") == sketch.to_bytes("hll8")
    back.update(range(5000, 6000))
    sketch.update(range(5000, 6000))
    assert back.estimate() == sketch.estimate()


def test_old_images_leave_the_size_of_a_table_to_the_reader():
    sketch = sketch_of(range(100))
    image = bytearray(sketch.to_bytes())
    image[4] = 0
    assert HyperLogLog.from_bytes(image) == sketch
    assert FOUR[4] > 0  # it has exceptions
    assert HyperLogLog.from_bytes(patched(FOUR, 4, 0)) == sketch_of(range(500_000))


def test_a_table_of_another_order_is_read():
    """Coupons in cells where our probes would not look for them."""
    sketch = sketch_of(range(100))
    image = sketch.to_bytes(compact=False)
    cells = [image[i : i + 4] for i in range(12, len(image), 4)]
    assert HyperLogLog.from_bytes(image[:12] + b"".join(reversed(cells))) == sketch


# ------------------------------------------------------------------------- hostile


HOSTILE = {
    "no bytes": (b"", "too short for a header"),
    "a druid killer": (b"\x02\x01\x07", "too short for a header of 8 bytes"),
    "another family": (patched(DENSE, 2, 3), "not an image of the HLL family"),
    "another version": (patched(DENSE, 1, 2), "serial version"),
    "p 3": (patched(DENSE, 3, 3), r"p \(lgK\) outside"),
    "p 255": (patched(DENSE, 3, 255), r"p \(lgK\) outside"),
    "mode 3": (patched(DENSE, 7, 11), "a mode or a target that does not exist"),
    "target 3": (patched(DENSE, 7, 14), "a mode or a target that does not exist"),
    "a preamble of a set": (patched(DENSE, 0, 3), "a preamble that is not its mode's"),
    "a list of 8": (patched(LIST, 6, 8) + bytes(20), "a list of 8 coupons or more"),
    "a list of 255": (patched(LIST, 6, 255), "a list of 8 coupons or more"),
    "a list of 2": (patched(LIST, 6, 2), "its length is not what its header says"),
    "a list with one twice": (patched(LIST, 12, *LIST[8:12]), "not as many as it says"),
    "a coupon of 0": (patched(LIST, 8, 0, 0, 0, 0), "not as many as it says"),
    "a coupon without a value": (patched(LIST, 8, 1, 0, 0, 0), "has no value"),
    "8 coupons in a list of none": (
        patched(LIST[:8], 3, 4, 3, 0, 0) + b"".join(bytes([i, 0, 0, 4]) for i in range(1, 9)),
        "not as many as it says",
    ),
    "an empty list of 3": (patched(LIST, 5, LIST[5] | 4), "a flag that says there are none"),
    "a set where p is 7": (patched(SET, 3, 7), "a set of coupons where p is below 8"),
    "a set of 4 billion": (patched(SET, 8, 255, 255, 255, 255), "more coupons than a set"),
    "a set of 101": (patched(SET, 8, 101), "its length is not what its header says"),
    "a table of 2^200": (patched(TABLE, 4, 200), "a table of a size"),
    "a table of 2^9": (patched(TABLE, 4, 9), "its length is not what its header says"),
    "a table too small": (patched(TABLE, 4, 5), "a table of a size"),
    "a table that lacks one": (patched(TABLE, 8, 99), "not as many as it says"),
    "a register of 64": (patched(DENSE, 60, 64), "a register above 63"),
    "a smallest register of 60": (patched(FOUR, 6, 60), "a register above 63"),
    "a smallest register of 64": (patched(FOUR, 6, 64), "a smallest register above 63"),
    "a billion exceptions": (patched(FOUR, 36, 255, 255, 255, 64), "more exceptions than"),
    "an exception for none": (patched(FOUR, len(FOUR) - 4, 255, 255, 255, 255), "belongs to no"),
    "an infinite count": (patched(DENSE, 14, 240, 127), "does not go with its registers"),
    "a count that is no number": (patched(DENSE, 14, 248, 127), "does not go with"),
    "a count below zero": (patched(DENSE, 15, 192), "does not go with its registers"),
    "p 13": (patched(DENSE, 3, 13), "its length is not what its header says"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_images_are_refused(name):
    image, message = HOSTILE[name]
    with pytest.raises(FormatError, match=rf"HLL image of {len(image)} bytes: .*{message}"):
        HyperLogLog.from_bytes(image)


def test_what_is_not_bytes_is_refused():
    for thing in ("text", 7, None, [1]):
        with pytest.raises(TypeError, match="an image is bytes"):
            HyperLogLog.from_bytes(thing)
    assert HyperLogLog.from_bytes(memoryview(LIST)) == HyperLogLog.from_bytes(bytearray(LIST))


@pytest.mark.parametrize("image", IMAGES, ids=len)
def test_every_truncation_and_extension_is_refused(image):
    lengths = {*range(min(len(image), 80)), *range(0, len(image), 37), len(image) - 1}
    for length in lengths - {len(image)}:
        with pytest.raises(FormatError):
            HyperLogLog.from_bytes(image[:length])
    for more in (b"\0", b"\0" * 4, image):
        with pytest.raises(FormatError):
            HyperLogLog.from_bytes(image + more)


def check_survives(image):
    """Refused, or a sketch like any other: there is no checksum that would tell all damage."""
    try:
        sketch = HyperLogLog.from_bytes(image)
    except FormatError:
        return
    low, high = sketch.bounds()
    assert 0 <= low <= sketch.estimate() <= high < float("inf")
    sketch.update(range(50))
    again = HyperLogLog.from_bytes(sketch.to_bytes("hll4", compact=False))
    assert again == sketch
    assert (again | sketch) == sketch


@pytest.mark.parametrize("image", IMAGES, ids=len)
def test_every_flipped_bit_of_a_header_and_many_behind_it(image):
    bits = {*range(8 * min(len(image), 60)), *range(0, 8 * len(image), 97)}
    for bit in bits:
        changed = bytearray(image)
        changed[bit // 8] ^= 1 << bit % 8
        check_survives(bytes(changed))


@settings(max_examples=300)
@given(
    st.sampled_from(IMAGES),
    st.lists(st.tuples(st.integers(0, 1 << 30), st.integers(0, 255)), max_size=12),
    st.integers(-40, 40),
)
@example(b"", [], 0)
def test_any_damage_is_survived(image, changes, longer):
    damaged = bytearray(image)
    for at, value in changes:
        if damaged:
            damaged[at % min(len(damaged), 64 if at % 3 else len(damaged))] = value
    damaged = damaged[:longer] if longer < 0 else damaged + bytes(longer)
    check_survives(bytes(damaged))


@settings(max_examples=300)
@given(st.binary(max_size=300))
def test_any_bytes_are_survived(data):
    check_survives(data)
    check_survives(b"\x0a\x01\x07\x04\x00\x08" + data)


def test_registers_that_are_all_full_have_an_estimate():
    """No stream leads there, but an image may."""
    sketch = HyperLogLog(4)
    sketch.update(range(1000))
    image = bytearray((sketch | sketch).to_bytes("hll8"))
    image[40:] = bytes([63]) * 16
    full = HyperLogLog.from_bytes(image)
    image[-1] = 62
    nearly = HyperLogLog.from_bytes(image).estimate()
    assert nearly < full.estimate() < 1e300
    assert full.bounds()[1] < 1e300
