"""TopK against exact counts, a twin in Python, and Apache DataSketches' images."""

import itertools
import math
import pickle
import threading
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from sketches import CountMin, FormatError, TopK
from sketches._topk_images import _canonical
from sketches.topk import Heavy


def zipf(n, seed=0, a=1.1):
    return np.random.default_rng(seed).zipf(a, n).astype(np.int64)


def twin(items, k):
    """What csrc/topk.h says, of numbers that weigh one each: counters, and the ground."""
    slots = 8 << (k - 1).bit_length()
    most, ground = slots // 4 * 3, 0
    counts, born = {}, {}
    for item in items:
        if item not in counts:
            if len(counts) == most:
                lowest = sorted(counts.values())
                ground = lowest[(most + 1) // 2 - 1]
                counts = {i: c for i, c in counts.items() if c > ground}
            counts[item] = born[item] = ground
        counts[item] += 1
    return {i: (c, c - born[i]) for i, c in counts.items()}, ground


def held(sketch):
    return {h.item: (h.upper, h.lower) for h in sketch.top(len(sketch))}


def assert_sound(sketch, exact):
    """Every bound holds, and every promise of the docstring."""
    assert sketch.total == exact.total()
    assert sketch.offset <= sketch.error * sketch.total
    found = held(sketch)
    for item, weight in exact.items():
        upper, lower = found.get(item, (sketch.offset, 0))
        assert lower <= weight <= upper
    assert len(found) == len(sketch) <= 6 * sketch.k * 2
    assert all(exact[item] >= lower > 0 for item, (_, lower) in found.items())


@pytest.mark.parametrize("k", [1, 3, 16, 100])
@pytest.mark.parametrize("a", [1.05, 1.5, 3.0])
def test_it_is_the_definition_at_every_level(isa, k, a):
    items = zipf(5000, k, a)
    sketch = TopK(k)
    for part in np.split(items, [1, 700, 1300]):
        sketch.update(part)
    assert (held(sketch), sketch.offset) == twin(items.tolist(), k)
    assert_sound(sketch, Counter(items.tolist()))


@pytest.mark.parametrize(
    "order", [sorted, lambda x: sorted(x, reverse=True), list, lambda x: sorted(x, key=hash)]
)
@pytest.mark.parametrize("weight", [1, 1000])
def test_bounds_hold_in_any_order(order, weight):
    items = order(zipf(20_000, 3, 1.2).tolist())
    weights = [1 + (i * weight) % 997 if weight > 1 else 1 for i in range(len(items))]
    sketch, exact = TopK(10), Counter()
    sketch.update(items, weights)
    for item, w in zip(items, weights, strict=True):
        exact[item] += w
    assert_sound(sketch, exact)
    share = 2 * sketch.error
    certain = {h.item for h in sketch.frequent(share, "no_false_positives")}
    possible = {h.item for h in sketch.frequent(share)}
    heavy = {i for i, w in exact.items() if w > share * exact.total()}
    assert certain <= heavy <= possible


def test_the_worst_stream_keeps_the_promise():
    """All items distinct, and all as often: nothing may be said of any, but the bound holds."""
    for stream in (range(100_000), list(range(500)) * 200):
        sketch = TopK(8)
        sketch.update(stream)
        assert_sound(sketch, Counter(stream))


WORDS = ["tea", "milk", "tea", None, "", "café", "tea", "\U0001f375 x" * 20]
EXACT = Counter(w for w in WORDS if w is not None)


@pytest.mark.parametrize(
    "batch",
    [
        WORDS,
        tuple(WORDS),
        np.array(WORDS, object),
        np.array(WORDS, np.dtypes.StringDType(na_object=None)),
        pa.array(WORDS),
        pa.array(WORDS, pa.large_string()),
        pa.array(WORDS, pa.string_view()),
        pa.array(WORDS).dictionary_encode(),
        pa.chunked_array([WORDS[:3], WORDS[3:]]),
        pa.table({"w": WORDS}),
        pa.table({"w": pa.array(WORDS).dictionary_encode()}),
    ],
    ids=lambda b: type(b).__name__,
)
def test_texts_of_every_container(batch):
    sketch = TopK(5)
    assert sketch.update(batch) == 1
    assert {h.item: h.estimate for h in sketch.top()} == EXACT
    assert sketch.top(1) == [Heavy("tea", 3, 3, 3)]
    assert sketch.item_type == "str"
    assert sketch.estimate(batch).tolist() == [EXACT[w] if w is not None else 0 for w in WORDS]
    low, high = sketch.bounds(batch)
    assert low.tolist() == high.tolist()
    assert sketch.estimate("tea") == 3
    assert sketch.bounds("sugar") == (0, 0)


@pytest.mark.parametrize("seed", [0, 9001, 2**64 - 1])
def test_texts_of_every_length(seed):
    """Below 16 bytes they live in their hash, and come out of it again."""
    texts = [bytes(range(255, 255 - n, -1)) for n in range(40)]
    texts += [b"\0" * n for n in range(1, 40)] + [b"x" * 65_534, b"x" * 65_535, b"x" * 70_000]
    sketch = TopK(100, seed)
    for _ in range(2):
        sketch.update(texts)
    assert held(sketch) == dict.fromkeys(texts, (2, 2))
    again = TopK.from_bytes(sketch.to_bytes())
    again.merge(sketch)
    assert held(again) == dict.fromkeys(texts, (4, 4))
    assert sketch.bounds(b"x" * 65_536) == (0, 0)


def test_many_ascii_texts_in_a_list():
    texts = [f"word {i % 700}" for i in range(5000)]
    sketch = TopK(200)
    sketch.update(texts)
    sketch.update(iter(texts))
    assert held(sketch) == {t: (2 * n, 2 * n) for t, n in Counter(texts).items()}


@pytest.mark.parametrize(
    ("items", "kind"),
    [
        ([b"a", b"\0b", b"a", b""], "bytes"),
        (np.array([b"a", b"bc", b"a"]), "bytes"),
        (np.array(["a", "bç", "a"]), "str"),
        (pa.array([b"a", b"b"]), "bytes"),
        (pa.array([b"aa", b"bb"], pa.binary(2)), "bytes"),
        ([1.5, -2.5, 1.5, math.inf], "float"),
        (np.array([1.5, -2.5], np.float32), "float"),
        (pa.array([0.5, None]), "float"),
        ([True, False, True], "int"),
        (np.array([-3, 5, -3], np.int8), "int"),
        (np.array([2**64 - 1, 5], np.uint64), "int"),
        ([2**64 - 1, 2**63, 5], "int"),
        ([np.uint64(2**63 + 1), 5], "int"),
        (pa.array([2**64 - 1, 5], pa.uint64()), "int"),
        (pa.array([-1, None, 2**63 - 1]), "int"),
        (np.array(["2026-01-01"], "M8[D]"), "int"),
    ],
)
def test_items_come_back_as_they_went_in(items, kind):
    sketch = TopK(4)
    sketch.update(items)
    plain = items.to_pylist() if isinstance(items, pa.Array) else list(items)
    if isinstance(items, np.ndarray) and items.dtype.kind == "M":
        plain = items.astype(np.int64).tolist()
    exact = Counter(i for i in plain if i is not None)
    assert {h.item: h.lower for h in sketch.top()} == exact
    assert {type(h.item).__name__ for h in sketch.top()} == {kind}
    assert sketch.item_type == kind
    assert TopK.from_bytes(sketch.to_bytes()) == sketch
    assert TopK.from_bytes(sketch.to_bytes()).top() == sketch.top()


def test_floats_have_one_zero_and_one_nan():
    sketch = TopK(4)
    sketch.update([0.0, -0.0, math.nan, -math.nan, 1.0])
    found = held(sketch)
    assert found[0.0] == (2, 2)
    assert [n for i, n in found.items() if math.isnan(i)] == [(2, 2)]
    assert TopK.from_bytes(sketch.to_bytes()) == sketch
    assert not _canonical(np.array([1 << 63], np.uint64))
    assert not _canonical(np.array([0x7FF8000000000001], np.uint64))


def test_types_do_not_mix():
    sketch = TopK(4)
    assert sketch.item_type is None
    assert sketch.top() == []
    assert sketch.estimate(["x", None]).tolist() == [0, 0]
    assert sketch.update([None, None]) == 2
    sketch.update(["a"])
    for other in ([1], [1.0], [b"a"], pa.array([1]), np.array([b"a"])):
        with pytest.raises(TypeError, match=r"items for a TopK of str"):
            sketch.update(other)
        with pytest.raises(TypeError, match=r"items for a TopK of str"):
            sketch.estimate(other)
    with pytest.raises(TypeError, match="several columns"):
        sketch.update(pa.table({"a": ["x"], "b": ["y"]}))
    with pytest.raises(TypeError, match="several columns"):
        TopK(4).update(pa.table({"a": ["x"], "b": ["y"]}))
    numbers = TopK(4)
    numbers.update([1])
    with pytest.raises(TypeError, match="int items for a TopK of str"):
        sketch.merge(numbers)
    assert held(sketch) == {"a": (1, 1)}
    sketch.clear()
    sketch.update([1.5])
    assert sketch.item_type == "float"


def test_weights():
    sketch = TopK(4)
    sketch.update(["a", None, "b"], [5, 99, 7])
    sketch.update("a", 10)
    sketch.update(["c", "d"], 0)
    assert held(sketch) == {"a": (15, 15), "b": (7, 7)}
    before = sketch.copy()
    for weights, error, message in (
        ([1, -3], ValueError, "CountSketch"),
        ([1.0, 2.0], TypeError, "float64"),
        ([1], ValueError, "1 weights for 2 items"),
        (2**63 - 1, OverflowError, "2\\*\\*63"),
    ):
        with pytest.raises(error, match=message):
            sketch.update(["a", "b"], weights)
        assert sketch == before
    sketch.update(["a"], 2**63 - 1 - sketch.total)
    with pytest.raises(OverflowError):
        sketch.update("a")
    with pytest.raises(OverflowError):
        sketch.merge(before)
    with pytest.raises(ValueError, match="3 weights for"):
        before.update(iter(["a"]), [1, 2, 3])


def test_bad_parameters():
    for k, error in ((0, ValueError), (2**24 + 1, ValueError), (1.0, TypeError), (True, TypeError)):
        with pytest.raises(error):
            TopK(k)
    with pytest.raises(ValueError, match="seed"):
        TopK(1, seed=-1)
    with pytest.raises(ValueError, match="negative"):
        TopK(1).top(-1)
    sketch = TopK(1)
    sketch.update(range(1000))
    with pytest.raises(ValueError, match="larger k"):
        sketch.frequent(0.001)
    with pytest.raises(ValueError, match="answer"):
        sketch.frequent(0.5, "yes")
    with pytest.raises(ValueError, match="share"):
        sketch.frequent(5)
    for eps in (0, 1, 1e-9):
        with pytest.raises(ValueError, match=r"eps|k must"):
            TopK.for_error(eps)
    assert TopK.for_error(0.01).error <= 0.01
    assert TopK(TopK.for_error(0.01).k // 2).error > 0.01


@given(st.lists(st.integers(0, 40)), st.lists(st.integers(0, 40)), st.sampled_from([1, 2]))
def test_merged_bounds_hold(left, right, k):
    a, b = TopK(k), TopK(k)
    a.update(left)
    b.update(right)
    both = a | b
    assert_sound(both, Counter(left + right))
    a |= b
    assert a == both


def test_merging_large_parts():
    parts = [zipf(30_000, seed) for seed in range(5)]
    sketches = []
    for part in parts:
        sketches.append(TopK(50))
        sketches[-1].update([f"{i}" for i in part.tolist()])
    whole = TopK(50)
    for sketch in sketches:
        whole.merge(sketch)
    assert_sound(whole, Counter(f"{i}" for part in parts for i in part.tolist()))
    assert len(whole) <= 384
    whole.merge(whole)
    assert whole.total == 300_000
    for other, name in ((TopK(51), "k differs"), (TopK(50, seed=1), "seed")):
        with pytest.raises(ValueError, match=name):
            whole.merge(other)
    with pytest.raises(TypeError, match="CountMin"):
        whole.merge(CountMin(2, 1))
    with pytest.raises(TypeError):
        whole |= CountMin(2, 1)


def test_memory_is_bounded():
    sketch = TopK(10)
    rng = np.random.default_rng(0)
    for _ in range(20):
        sketch.update([rng.bytes(20) for _ in range(5000)])
    assert sketch.nbytes < 32 * 128 + 96 * 28 * 4 + 1024
    assert len(sketch) <= 96


# ------------------------------------------------------------------ DataSketches


def test_known_images_of_datasketches():
    """Written by Apache DataSketches' C++ 5.2.0: frequent_strings_sketch(4) of four updates, an
    empty one, and a frequent_items_sketch(4) of two longs."""
    empty = TopK.from_datasketches(bytes.fromhex(DS_EMPTY), "str")
    assert (empty.k, empty.is_empty) == (2, True)
    assert empty.to_datasketches() == bytes.fromhex(DS_EMPTY)
    words = TopK.from_datasketches(bytes.fromhex(DS_WORDS), "str")
    assert held(words) == {"a": (5, 5), "bc": (2, 2), "": (1, 1)}
    longs = TopK.from_datasketches(bytes.fromhex(DS_LONGS), "int")
    assert held(longs) == {7: (3, 3), -1: (2, 2)}


DS_EMPTY = "01010a0403050000"
DS_WORDS = (
    "04010a04030000000300000000000000080000000000000000000000000000000100000000000000"
    "05000000000000000200000000000000000000000100000061020000006263"
)
DS_LONGS = (
    "04010a04030000000200000000000000050000000000000000000000000000000200000000000000"
    "0300000000000000ffffffffffffffff0700000000000000"
)


@pytest.mark.parametrize("kind", ["int", "str"])
def test_datasketches_reads_ours_and_we_read_theirs(kind):
    theirs = pytest.importorskip("datasketches")
    serde = theirs.PyLongsSerDe() if kind == "int" else theirs.PyStringsSerDe()
    make = int if kind == "int" else str
    for n, k in ((0, 4), (10, 4), (5000, 4), (5000, 64)):
        items = [make(i) for i in zipf(n, n).tolist()]
        exact = Counter(items)
        ours, other = TopK(k), theirs.frequent_items_sketch(k.bit_length() + 2)
        ours.update(items)
        for item in items:
            other.update(item)
        back = TopK.from_datasketches(other.serialize(serde), kind)
        assert (back.k, back.total) == (k, n)
        for item in exact:
            assert back.bounds([item])[0][0] == other.get_lower_bound(item)
            assert back.bounds([item])[1][0] == other.get_upper_bound(item)
            assert back.estimate([item])[0] == other.get_estimate(item)
        read = theirs.frequent_items_sketch.deserialize(ours.to_datasketches(), serde)
        assert read.total_weight == n
        for item, weight in exact.items():
            assert read.get_upper_bound(item) == ours.bounds([item])[1][0]
            assert read.get_lower_bound(item) <= weight <= read.get_upper_bound(item)
        again = TopK.from_datasketches(ours.to_datasketches(), kind)
        assert (again.total, again.offset) == (ours.total, ours.offset)
        assert {i: u for i, (u, _) in held(again).items()} == {
            i: u for i, (u, _) in held(ours).items()
        }
        again.merge(back)
        assert_sound(again, Counter(items * 2))


def test_arrow_strings_that_are_no_utf8_are_kept():
    offsets, data = np.array([0, 1, 2, 20], np.int32), b"\xff\xfe" + b"long enough \xff text"[:18]
    batch = pa.Array.from_buffers(pa.string(), 3, [None, *map(pa.py_buffer, (offsets, data))])
    sketch = TopK(4)
    sketch.update(batch, [3, 2, 1])
    again = pickle.loads(pickle.dumps(sketch))
    assert again == sketch
    assert again.estimate(batch).tolist() == [3, 2, 1]
    assert [heavy.item for heavy in again.top(2)] == ["\ufffd", "\ufffd"]
    with pytest.raises(ValueError, match="UTF-8"):
        sketch.to_datasketches()


def test_bad_images_of_datasketches_are_refused():
    sketch = TopK(1)
    sketch.update(["a", "bc", "a"])
    image = sketch.to_datasketches()
    for end in range(len(image)):
        with pytest.raises(FormatError):
            TopK.from_datasketches(image[:end], "str")
    with pytest.raises(FormatError):
        TopK.from_datasketches(image + b"x", "str")
    for at, value in itertools.product(range(len(image)), (0, 1, 0x7F, 0x80, 0xFF)):
        changed = image[:at] + bytes([value]) + image[at + 1 :]
        try:
            again = TopK.from_datasketches(changed, "str")
        except FormatError:
            continue
        assert TopK.from_bytes(again.to_bytes()) == again
    with pytest.raises(ValueError, match="items must be"):
        TopK.from_datasketches(image, "float")
    with pytest.raises(TypeError):
        TopK.from_datasketches("image", "str")
    for items in ([1.5], [b"a"], [2**63]):
        other = TopK(1)
        other.update(items)
        with pytest.raises(TypeError, match="DataSketches"):
            other.to_datasketches()


# ---------------------------------------------------------------------- together


def test_threads_share_a_sketch():
    sketch = TopK(100)
    parts = [zipf(20_000, seed, 1.3) for seed in range(4)]

    def work(items):
        for piece in np.array_split(items, 20):
            sketch.update(piece)
            sketch.top(3)
            sketch.estimate(piece[:10].tolist())

    threads = [threading.Thread(target=work, args=(part,)) for part in parts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert_sound(sketch, Counter(np.concatenate(parts).tolist()))


class Counts(RuleBasedStateMachine):
    """A small sketch beside exact counters, under any sequence of operations."""

    words = st.lists(st.text("abc", max_size=3), max_size=40)

    @initialize(k=st.integers(1, 3))
    def begin(self, k):
        self.sketch, self.spare = TopK(k), TopK(k)
        self.exact, self.exact_spare = Counter(), Counter()

    @rule(words=words, weight=st.integers(1, 100))
    def add(self, words, weight):
        self.sketch.update(words, weight)
        for word in words:
            self.exact[word] += weight

    @rule(words=words)
    def add_to_spare(self, words):
        self.spare.update(pa.array(words, pa.string()))
        self.exact_spare.update(words)

    @rule()
    def merge(self):
        self.sketch.merge(self.spare)
        self.exact.update(self.exact_spare)

    @rule()
    def store(self):
        self.sketch = pickle.loads(pickle.dumps(self.sketch))
        self.spare = self.spare.copy()

    @rule()
    def pass_through_datasketches(self):
        k = self.sketch.k
        if k & (k - 1) == 0:
            self.sketch = TopK.from_datasketches(self.sketch.to_datasketches(), "str")

    @rule()
    def clear_spare(self):
        self.spare.clear()
        self.exact_spare.clear()

    @invariant()
    def bounds_hold(self):
        if hasattr(self, "exact"):
            assert_sound(self.sketch, self.exact)


Counts.TestCase.settings = settings(max_examples=30, stateful_step_count=25, deadline=None)
TestCounts = Counts.TestCase
