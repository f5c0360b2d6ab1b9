"""CountMin and CountSketch against twins written from their definition, and exact counts."""

import math
import pickle
import threading
from collections import Counter
from statistics import median

import mmh3
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sketches import CountMin, CountSketch, SparkCountMin, TopK, _cpu, hash64

MASK = 2**64 - 1
STEP = 0x9E3779B97F4A7C15
SHAPES = [(2, 1), (16, 4), (1024, 5), (65536, 4), (2**20, 7), (4, 64)]


def fmix64(k):
    k ^= k >> 33
    k = k * 0xFF51AFD7ED558CCD & MASK
    k ^= k >> 33
    k = k * 0xC4CEB9FE1A85EC53 & MASK
    return k ^ k >> 33


def fields(x, width, depth, signed):
    """The field of each row, by csrc/counters.h's definition."""
    bits = width.bit_length() - 1 + signed
    found = []
    for row in range(depth):
        word, place = divmod(row, 64 // bits)
        mixed = fmix64((x + word * STEP) & MASK) if word else x
        found.append(mixed >> place * bits & (1 << bits) - 1)
    return found


class Twin:
    """Either sketch as a dictionary a row, without limits."""

    def __init__(self, width, depth, signed=False, conservative=False):
        self.shape, self.signed, self.conservative = (width, depth), signed, conservative
        self.rows = [Counter() for _ in range(depth)]

    def places(self, x):
        for row, field in zip(self.rows, fields(x, *self.shape, self.signed), strict=True):
            yield row, field >> self.signed, -1 if self.signed and field & 1 else 1

    def add(self, x, weight=1):
        least = self.estimate(x) + weight
        for row, cell, sign in self.places(x):
            if self.conservative:
                row[cell] = max(row[cell], least)
            else:
                row[cell] += sign * weight

    def estimate(self, x):
        seen = [sign * row[cell] for row, cell, sign in self.places(x)]
        return median(seen) if self.signed else min(seen)


def hash_of(item, seed=9001):
    key = item.to_bytes(8, "little", signed=True) if isinstance(item, int) else item
    return mmh3.hash64(key, seed, signed=False)[0]


def zipf(n, seed=0, a=1.2):
    return np.random.default_rng(seed).zipf(a, n).astype(np.int64) % 5000


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("conservative", [False, True])
def test_count_min_is_the_definition_at_every_level(isa, shape, conservative):
    items = zipf(2000)
    sketch, twin = CountMin(*shape, conservative=conservative), Twin(*shape, False, conservative)
    for part in np.split(items, [1, 600, 601]):
        sketch.update(part)
    for item in items.tolist():
        twin.add(hash_of(item))
    asked = np.unique(items)
    assert sketch.estimate(asked).tolist() == [twin.estimate(hash_of(i)) for i in asked.tolist()]


@pytest.mark.parametrize("shape", SHAPES)
def test_count_sketch_is_the_definition_at_every_level(isa, shape):
    items = zipf(2000)
    weights = np.random.default_rng(1).integers(-5, 6, len(items))
    sketch, twin = CountSketch(*shape), Twin(*shape, True)
    for part, w in zip(np.split(items, [1, 600]), np.split(weights, [1, 600]), strict=True):
        sketch.update(part, w)
    for item, w in zip(items.tolist(), weights.tolist(), strict=True):
        twin.add(hash_of(item), w)
    asked = np.unique(items)
    assert sketch.estimate(asked).tolist() == [twin.estimate(hash_of(i)) for i in asked.tolist()]


@pytest.mark.parametrize("make", [CountMin, CountSketch])
@pytest.mark.parametrize("dtype", [0, 1])
def test_levels_agree(isa, make, dtype):
    dtype = {CountMin: ("uint32", "uint64"), CountSketch: ("int32", "int64")}[make][dtype]
    hashes = np.random.default_rng(2).integers(0, 2**64, 10_000, np.uint64)
    weights = np.random.default_rng(3).integers(0, 2**30, 10_000)  # 32 bits fill
    want, got = make(64, 5, dtype=dtype), make(64, 5, dtype=dtype)
    got.update_hashes(hashes, weights)
    _cpu.set_isa("baseline")
    want.update_hashes(hashes, weights)
    assert got == want
    assert got.saturated == (dtype in ("uint32", "int32"))


def test_known_answers():
    """Stored tables depend on these: a change is a new version of the image."""
    assert fields(hash64("tractable"), 65536, 5, False) == [22614, 40004, 15719, 47432, 29113]
    image = CountMin(4, 2)
    image.update(["tractable", "sketches", "tractable"])
    assert image.to_bytes().hex() == KNOWN_COUNT_MIN
    image = CountSketch(4, 2)
    image.update(["tractable", "sketches", "tractable"])
    assert image.to_bytes().hex() == KNOWN_COUNT_SKETCH


KNOWN_COUNT_MIN = (
    "54524354434d494e01001c0000000000200000000000000002000000020000002923000000000000"
    "03000000000000000400000000000000000000000200000001000000000000000200000000000000"
    "01000000c3e238e35661666f"
)
KNOWN_COUNT_SKETCH = (
    "5452435443534b5401001c0000000000200000000000000002000000020000002923000000000000"
    "03000000000000000400000000000000000000000000000001000000ffffffff0200000000000000"
    "0000000063db489649796fc3"
)

WORDS = ["tea", "milk", "tea", None, "", "café", "tea"]
WANT = {"tea": 3, "milk": 1, "": 1, "café": 1, "sugar": 0}


@pytest.mark.parametrize("make", [lambda: CountMin(1024, 4), lambda: CountSketch(1024, 5)])
@pytest.mark.parametrize(
    "batch",
    [
        WORDS,
        tuple(WORDS),
        np.array(WORDS, object),
        pa.array(WORDS),
        pa.array(WORDS).dictionary_encode(),
        pa.chunked_array([WORDS[:3], WORDS[3:]]),
        pa.table({"w": WORDS}),
    ],
    ids=lambda b: type(b).__name__,
)
def test_containers(make, batch):
    sketch = make()
    assert sketch.update(batch) == 1
    assert sketch.update(iter(batch) if isinstance(batch, list) else batch, 2) == 1
    assert sketch.estimate(list(WANT)).tolist() == [3 * n for n in WANT.values()]
    assert sketch.estimate(batch).tolist() == [0 if w is None else 3 * WANT[w] for w in WORDS]
    assert sketch.total == 18
    for word, n in WANT.items():
        assert sketch.estimate(word) == 3 * n
    assert sketch.estimate(iter(["tea", "sugar"])).tolist() == [9, 0]
    by_hash = make()
    by_hash.update_hashes(hash64(WORDS), 3)
    assert by_hash == sketch
    assert by_hash.estimate_hashes(hash64(["tea"])).tolist() == [9]


@pytest.mark.parametrize("items", [[1.5, 2.5, 1.5], [b"a", b"b", b"a"], [True, False, True]])
def test_types(items):
    for kind in (items, np.array(items)):
        sketch = CountMin(64, 4)
        sketch.update(kind)
        assert sketch.estimate(items).tolist() == [2, 1, 2]
        assert sketch.estimate(items[0]) == 2
    assert sketch.estimate(np.float64(7.5) if isinstance(items[0], float) else "x") == 0
    assert sketch.estimate([]).shape == (0,)
    assert sketch.update([]) == 0


def test_weights():
    sketch = CountMin(1024, 4)
    sketch.update(["a", None, "b"], [5, 99, 7])
    sketch.update("a", 10)
    sketch.update(["b"], pa.array([3]))
    sketch.update(pa.array(["a", "b"]), np.array([0, 1], np.uint8))
    assert sketch.estimate(["a", "b"]).tolist() == [15, 11]
    assert sketch.total == 26
    before = sketch.copy()
    for weights, error, message in (
        ([1, -3], ValueError, "CountSketch"),
        (-1, ValueError, "-1"),
        ([1.0, 2.0], TypeError, "float64"),
        ([[1, 2]], TypeError, "2-dim"),
        ([1], ValueError, "1 weights for 2 items"),
        ([1, 2, 3], ValueError, "3 weights for 2 items"),
        (["x", "y"], TypeError, "weights are integers"),
        (np.array([2**63, 1], np.uint64), OverflowError, "2\\*\\*63"),
        (np.ma.array([1, 2], mask=[False, True]), TypeError, "masked"),
    ):
        with pytest.raises(error, match=message):
            sketch.update(["a", "b"], weights)
        assert sketch == before
    for items in ([], np.array([], np.int64), pa.array([], pa.string())):
        assert sketch.update(items, []) == 0  # an empty list is of floats to numpy
    assert sketch == before
    number = CountMin(64, 3)
    number.update(np.array(5), [4])
    assert number.estimate(5) == 4
    for n in (1, 3):  # of an iterator the length is known afterwards
        with pytest.raises(ValueError, match=f"{n} weights for"):
            sketch.update(iter(["a", "b"]), [1] * n)
    with pytest.raises(ValueError, match="1 weights for 2 hashes"):
        sketch.update_hashes(hash64(["a", "b"]), [1])
    with pytest.raises(TypeError, match="uint64"):
        sketch.update_hashes([1, 2])


@pytest.mark.parametrize("conservative", [False, True])
@pytest.mark.parametrize("dtype", ["uint32", "uint64"])
def test_counters_saturate_and_say_so(isa, dtype, conservative):
    top = np.iinfo(dtype).max
    sketch = CountMin(64, 3, dtype=dtype, conservative=conservative)
    sketch.update(["a"] * 3, min(top, 2**63 - 1) // 2)
    if dtype == "uint64":
        sketch.update(["a"] * 3, 2**62)
    assert sketch.saturated
    assert "saturated" in repr(sketch)
    with pytest.warns(RuntimeWarning, match="lower bounds"):
        assert sketch.estimate("a") == top
    low, high = sketch.bounds(["a", "b"])
    assert high.tolist() == [min(sketch.total, MASK), 0]
    assert low[0] < top
    assert sketch.estimate("b") == 0  # nothing wrapped
    again = CountMin.from_bytes(sketch.to_bytes())
    assert again == sketch
    assert again.saturated
    again.merge(sketch)
    with pytest.warns(RuntimeWarning):
        assert again.estimate("a") == top
    sketch.clear()
    assert not sketch.saturated
    assert sketch.is_empty


def test_what_was_full_is_told_after_halving():
    sketch = CountMin(64, 3)
    sketch.update(["a"], 2**33)
    sketch.halve()
    for again in (
        sketch,
        sketch.copy(),
        sketch | CountMin(64, 3),
        pickle.loads(pickle.dumps(sketch)),
    ):
        with pytest.warns(RuntimeWarning, match="before they were halved"):
            assert again.estimate("a") == 2**31 - 1
        low, high = again.bounds("a")
        assert low <= 2**32 <= high  # the half of the truth
        again.update(["a"], 2**32)
        assert again.bounds("a")[1] >= 2**33
    sketch.clear()
    assert sketch.bounds("a") == (0, 0)
    assert not sketch.saturated


def test_a_large_table_is_cleared():
    sketch = CountMin(2**30, 1)  # 4 GiB, of which two pages are touched
    sketch.update(["a"])
    sketch.clear()
    assert sketch.estimate("a") == 0


def test_signed_counters_saturate(isa):
    sketch = CountSketch(64, 3)
    for _ in range(3):
        sketch.update(["a"], 2**31 - 1)
        sketch.update(["b"], -(2**31))
    assert sketch.saturated
    with pytest.warns(RuntimeWarning, match="are or were full"):
        assert sketch.estimate(["a", "b"]).tolist() == [2**31 - 1, -(2**31 - 1)]
    wide = CountSketch(64, 3, dtype="int64")
    for _ in range(3):
        wide.update(["a", "b"], [2**63 - 1, -(2**63)])
    assert wide.saturated
    with pytest.warns(RuntimeWarning, match="are or were full"):
        assert wide.estimate(["a", "b"]).tolist() == [2.0**63, -(2.0**63)]
    assert CountSketch.from_bytes(wide.to_bytes()) == wide
    with pytest.warns(RuntimeWarning, match="are or were full"):
        assert (wide | wide).estimate("b") == -(2.0**63)
    wide = CountSketch(64, 3, dtype="int64")
    for _ in range(3):
        wide.update(range(1000), 2**62)
    assert wide.bounds(7) == (-math.inf, math.inf)


@given(st.lists(st.integers(0, 30)), st.lists(st.integers(0, 30)))
def test_merging_is_adding(left, right):
    for make in (lambda: CountMin(8, 3), lambda: CountSketch(8, 3)):
        a, b, whole = make(), make(), make()
        a.update(left)
        b.update(right)
        whole.update(left + right)
        assert a | b == b | a == whole
        a |= b
        assert a == whole
        assert a.total == len(left) + len(right)


@given(st.lists(st.integers(0, 30)), st.lists(st.integers(0, 30)))
def test_conservative_sketches_merge_between_truth_and_plain(left, right):
    sketches = []
    for items in (left, right):
        sketches.append(CountMin(8, 3, conservative=True))
        sketches[-1].update(items)
    plain, exact = CountMin(8, 3), Counter(left + right)
    plain.update(left + right)
    merged = (sketches[0] | sketches[1]).estimate(range(31))
    assert all(exact[i] <= merged[i] <= plain.estimate(i) for i in range(31))


def test_what_cannot_be_combined_says_why():
    one = CountMin(64, 4)
    for other, name in (
        (CountMin(128, 4), "width differs: 64 here, 128 there"),
        (CountMin(64, 5), "depth"),
        (CountMin(64, 4, seed=1), "seed"),
        (CountMin(64, 4, dtype="uint64"), "dtype"),
        (CountMin(64, 4, conservative=True), "conservative differs"),
    ):
        with pytest.raises(ValueError, match=name):
            one.merge(other)
        assert one != other
    with pytest.raises(TypeError, match="CountSketch"):
        one.merge(CountSketch(64, 4))
    with pytest.raises(TypeError):
        one |= CountSketch(64, 4)
    assert one != CountSketch(64, 4)
    conservative = CountMin(64, 4, conservative=True)
    with pytest.raises(ValueError, match="inner product"):
        conservative.inner_product(conservative)


@pytest.mark.parametrize("make", [CountMin, CountSketch])
@pytest.mark.parametrize(
    ("args", "error"),
    [
        ((0, 4), ValueError),
        ((1, 4), ValueError),
        ((1000, 4), ValueError),
        ((2**33, 4), ValueError),
        ((64, 0), ValueError),
        ((64, 65), ValueError),
        ((64.0, 4), TypeError),
        ((64, True), TypeError),
        ((64, 4, -1), ValueError),
        ((64, 4, 1, "float64"), ValueError),
        ((64, 4, 1, "no dtype"), ValueError),
    ],
)
def test_bad_parameters(make, args, error):
    with pytest.raises(error):
        make(*args)


def test_a_sign_takes_a_bit_of_the_field():
    with pytest.raises(ValueError, match=r"2 to 2\*\*31"):
        CountSketch(2**32, 1)


def test_for_error_passes_options_on():
    assert repr(CountMin.for_error(0.001, 0.001)).startswith("CountMin(width=4096, depth=5,")
    assert CountMin.for_error(0.01, 0.01, dtype="uint64", conservative=True).conservative
    assert CountSketch.for_error(0.1, 0.1, seed=3).seed == 3


def test_halving():
    sketch, signed = CountMin(1024, 4), CountSketch(1024, 5)
    for s in (sketch, signed):
        s.update(["a"], 9)
        s.update(["b"], 4)
        s.halve()
        s.update(["b"], 1)
        assert s.estimate(["a", "b"]).tolist() == [4, 3]
        assert s.total == 7
    signed.update("c", -9)
    signed.halve()
    assert signed.estimate("c") == -4


def test_inner_product():
    a, b = zipf(3000, 1), zipf(3000, 2)
    p, q = Counter(a.tolist()), Counter(b.tolist())
    truth = sum(n * q[i] for i, n in p.items())
    for make in (CountMin, CountSketch):
        s, t = make(4096, 5), make(4096, 5)
        s.update(a)
        t.update(b)
        found = s.inner_product(t)
        assert abs(found - truth) <= np.e / 4096 * 3000**2
        assert found == t.inner_product(s)
    assert p.total() == 3000
    moment = sum(n * n for n in q.values())
    assert abs(t.second_moment - moment) < 5 * (2 / 4096) ** 0.5 * moment
    full = CountMin(2, 1, dtype="uint64")
    for _ in range(2):
        full.update(range(10), 2**62)
    with pytest.warns(RuntimeWarning), pytest.raises(OverflowError):
        full.inner_product(full)


def test_a_full_count_sketch_says_so():
    sketch, hashes = CountSketch(16, 3), hash64(["a", "b"])
    sketch.update("a", 2**34)
    with pytest.warns(RuntimeWarning, match="are or were full"):
        assert sketch.estimate("a") == 2**31 - 1
    with pytest.warns(RuntimeWarning, match="are or were full"):
        sketch.estimate_hashes(hashes)
    assert sketch.bounds("a") == (-(2**34), 2**34)
    low, high = sketch.bounds(["a", "b"])
    assert (-low).tolist() == high.tolist() == [2**34] * 2


def test_warnings_name_the_line_that_asked():
    full, other, hashes = CountMin(16, 3), CountMin(16, 3), hash64([1])
    full.update(1, 2**33)
    other.update(1, 2)
    for ask, message in (
        (lambda: full.inner_product(other), "inner product"),
        (lambda: other.inner_product(full), "inner product"),
        (lambda: full.estimate(1), "lower bounds"),
        (lambda: full.estimate_hashes(hashes), "lower bounds"),
        (lambda: CountMin(16, 3, seed=8), "seed=8"),
    ):
        with pytest.warns(RuntimeWarning, match=message) as told:
            ask()
        assert (told[0].filename, told[0].lineno) == (__file__, ask.__code__.co_firstlineno)


def test_threads_share_a_sketch():
    sketch, one = CountMin(1024, 4), CountMin(1024, 4)
    parts = [np.random.default_rng(seed).integers(0, 50, 20_000) for seed in range(4)]

    def work(items):
        for piece in np.array_split(items, 20):
            sketch.update(piece)
            sketch.update(piece.tolist())
            sketch.estimate(piece[:10])

    threads = [threading.Thread(target=work, args=(part,)) for part in parts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for part in parts:
        one.update(part, 2)
    assert sketch == one


def test_threads_clear_while_others_count():
    """The cells are exchanged then; nobody may look at those that have gone."""
    sketch, stop = CountMin(1024, 4), threading.Event()

    def work():
        while not stop.is_set():
            sketch.update(range(100))
            assert sketch.nbytes == 4 * 1024 * 4
            twin = sketch.copy()  # of one moment
            assert twin.estimate(range(100)).max() <= twin.total

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for _ in range(20_000):
        sketch.clear()
    stop.set()
    for thread in threads:
        thread.join()
    sketch.clear()
    assert sketch.is_empty
    assert sketch == CountMin(1024, 4)


@pytest.mark.parametrize(
    ("make", "needs"),
    [
        (CountMin, "width and depth; CountMin.for_error"),
        (CountSketch, "width and depth; CountSketch.for_error"),
        (TopK, "needs k, .* TopK.for_error"),
        (SparkCountMin, "width, depth and seed; SparkCountMin.for_error"),
    ],
)
def test_what_a_sketch_needs_is_said(make, needs):
    with pytest.raises(TypeError, match=needs):
        make()
    with pytest.raises(TypeError, match=f"no parameter 'eps': .*{needs}"):
        make(eps=0.1)
    if make is not TopK:
        with pytest.raises(TypeError, match=needs):
            make(8)


@pytest.mark.parametrize(
    "make", [CountMin.for_error, CountSketch.for_error, TopK.for_error, None], ids=str
)
def test_counts_in_a_mapping_are_not_lost(make):
    sketch = make(0.1) if make else SparkCountMin(64, 4, 1)
    counts = Counter(a=3, b=1)
    for mapping in (counts, dict(counts)):
        with pytest.raises(TypeError, match=r"weights=list\(counts.values\(\)\)"):
            sketch.update(mapping)
        with pytest.raises(TypeError, match="would lose its counts"):
            sketch.update(mapping, weights=2)
    assert sketch.total == 0
    sketch.update(list(counts), weights=list(counts.values()))
    assert (sketch.total, sketch.estimate("a")) == (4, 3)
