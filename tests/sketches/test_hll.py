"""HyperLogLog against twins: coupons by mmh3 in plain Python, and Apache DataSketches' package."""

import copy
import pickle
import threading
from itertools import permutations

import mmh3
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sketches import (
    CountMin,
    CountSketch,
    HyperLogLog,
    _cpu,
    group_distinct,
    hash64,
    hash128,
)

PS = [4, 5, 7, 8, 9, 12, 14]
SIZES = [0, 1, 2, 7, 8, 9, 24, 25, 26, 100, 385, 1537, 5000]


def coupon(item):
    """What csrc/hll.h says an item is, by way of the reference hash."""
    h1, h2 = mmh3.hash64(item.to_bytes(8, "little", signed=True), 9001, signed=False)
    return h1 & (1 << 26) - 1, min(64 - h2.bit_length(), 62) + 1


def twin(items, p):
    """The registers, coupon by coupon."""
    registers = np.zeros(1 << p, np.uint8)
    for address, value in map(coupon, items):
        at = address & (1 << p) - 1
        registers[at] = max(registers[at], value)
    return registers


def sketch_of(items, p=12, **options):
    sketch = HyperLogLog(p, **options)
    sketch.update(items)
    return sketch


def numbers(n, seed=0):
    return np.random.default_rng([n, seed]).integers(-(2**63), 2**63, n)


@pytest.mark.parametrize("p", PS)
def test_registers_are_the_definition_at_every_level(isa, p):
    for n in (0, 1, 7, 8, 30, 500, 3000):
        items = numbers(n, p)
        np.testing.assert_array_equal(sketch_of(items, p).registers, twin(items.tolist(), p))


@pytest.mark.parametrize("p", [4, 10, 12, 21])
def test_levels_and_batchings_agree_to_the_last_bit(isa, p):
    """HIP counts in the order of the stream, which no batching may change."""
    items = numbers(60_000, p)
    _cpu.set_isa("baseline")
    one = sketch_of(items, p)
    _cpu.set_isa(isa)
    for pieces in (1, 3, 997):
        split = HyperLogLog(p)
        for piece in np.array_split(items, pieces):
            split.update(piece)
            split.update(piece[:2])  # repetition changes nothing
        assert split == one
        assert split.estimate() == one.estimate()
        assert split.to_bytes("hll4") == one.to_bytes("hll4")


def test_items_are_hashed_as_everywhere():
    texts = ["a", "b", "", "ab", "é", None]
    want = HyperLogLog()
    want.update_hashes(*hash128(["a", "b", "", "ab", "é"]))
    assert want.update(texts) == 1
    assert want.estimate() == pytest.approx(5)
    for batch in (texts, pa.array(texts), pa.array(texts).dictionary_encode(), iter(texts)):
        sketch = HyperLogLog()
        assert sketch.update(batch) == 1
        assert sketch == want
    one_by_one = HyperLogLog()
    for text in texts[:-1]:
        one_by_one.update(text)
    assert one_by_one == want
    skipping = HyperLogLog()
    skipping.update(texts, skip_empty=True)
    assert skipping.estimate() == pytest.approx(4)
    assert sketch_of(np.arange(9, dtype="u1")) == sketch_of(list(range(9)))
    assert sketch_of(["a"], seed=1) != sketch_of(["a"])
    assert sketch_of(["a"], seed=1) == sketch_of([b"a"], seed=1)


def test_hashes_of_64_bits():
    hashes = hash64(np.arange(100_000))
    sketch = HyperLogLog(14)
    sketch.update_hashes(hashes)
    assert sketch.estimate() == pytest.approx(100_000, rel=0.03)
    address, value = hashes & np.uint64((1 << 14) - 1), [64 - int(h).bit_length() for h in hashes]
    want = np.zeros(1 << 14, np.uint8)
    np.maximum.at(want, address.astype(int), np.minimum(value, 62) + 1)
    np.testing.assert_array_equal(sketch.registers, want)
    with pytest.raises(TypeError, match="one-dimensional uint64"):
        sketch.update_hashes(np.arange(3))
    with pytest.raises(ValueError, match="2 hashes and 1 second halves"):
        sketch.update_hashes(hashes[:2], hashes[:1])


@pytest.mark.parametrize("h2", [0, 1, 2, 3, 4, 2**63, 2**64 - 1])
def test_the_rarest_hashes(isa, h2):
    """No register goes beyond 63, and none is asked for that no hash can reach."""
    halves = np.arange(20, dtype="u8"), np.full(20, h2, "u8")
    sketch = HyperLogLog(4)
    for _ in range(3):
        sketch.update_hashes(*halves)
    assert set(sketch.registers.tolist()) == {min(64 - int(h2).bit_length(), 62) + 1}
    back = HyperLogLog.from_bytes((sketch | sketch).to_bytes("hll4"))
    assert back == sketch


# ------------------------------------------------------------------------ merging


@pytest.mark.parametrize("p", [4, 7, 8, 12])
def test_merge_is_union(isa, p):
    for left, right in [(0, 5), (5, 0), (3, 3), (7, 30), (300, 10), (300, 300), (3000, 2000)]:
        a, b = numbers(left, 1), np.concatenate([numbers(right, 2), numbers(left, 1)[:2]])
        whole = sketch_of(np.concatenate([a, b]), p)
        one, other = sketch_of(a, p), sketch_of(b, p)
        united = one | other
        assert united == whole
        assert (other | one) == whole
        assert (other | one).estimate() == united.estimate()
        assert one == sketch_of(a, p)  # as it was
        one |= other
        assert one == whole
        dense = "dense" in repr(whole)
        assert united.is_merged == (dense and len(a) > 0 and len(b) > 0)


@pytest.mark.parametrize("sizes", [(3, 9, 400), (2, 5000, 60), (9000, 4000, 1), (20, 30, 40)])
def test_order_of_merging_does_not_show(sizes):
    parts = [sketch_of(numbers(n, n), 10) for n in sizes]
    unions = [HyperLogLog.union(order) for order in permutations(parts)]
    unions.append(parts[0] | (parts[1] | parts[2]))
    assert len({u.estimate() for u in unions}) == 1
    assert len({u.bounds() for u in unions}) == 1
    assert all(u == unions[0] for u in unions)


@pytest.mark.parametrize("p", [4, 6, 8, 11])
def test_merging_folds_to_the_smaller_p(isa, p):
    for n in (0, 5, 20, 200, 5000):
        a, b = numbers(n, 1), numbers(n, 2)
        want = sketch_of(np.concatenate([a, b]), p)
        for left, right in ((p, 12), (12, p)):
            merged = sketch_of(a, left) | sketch_of(b, right)
            assert merged.p == p
            assert merged == want
    folded = sketch_of(a, 14) | HyperLogLog(p)
    assert folded == sketch_of(a, p)


def test_an_empty_sketch_takes_no_history():
    a = sketch_of(numbers(9000))
    for united in (a | HyperLogLog(), HyperLogLog() | a, HyperLogLog.union([a])):
        assert not united.is_merged
        assert united.estimate() == a.estimate()
        assert united.error == a.error < (a | a).error


def test_a_merged_sketch_goes_on():
    a, b, c = (numbers(4000, i) for i in range(3))
    merged = sketch_of(a) | sketch_of(b)
    merged.estimate()
    merged.update(c)
    assert merged == sketch_of(np.concatenate([a, b, c]))
    assert merged.estimate() == (sketch_of(a) | sketch_of(b) | sketch_of(c)).estimate()


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.sampled_from("umcfr"), st.integers(0, 400), st.integers(0, 2))),
    st.sampled_from([(4, 4, 4), (8, 8, 8), (12, 9, 8), (7, 12, 8)]),
)
def test_any_sequence_of_steps_is_the_set(steps, ps):
    """Sketches beside sets of coupons: updates, merges, copies, round trips, folds."""
    sketches, sets, low = [HyperLogLog(p) for p in ps], [set(), set(), set()], list(ps)
    for step, n, i in steps:
        j = (i + 1) % 3
        if step == "u":
            items = range(n, 3 * n)
            sketches[i].update(items)
            sets[i] = sets[i] | set(map(coupon, items))
        elif step == "m":
            sketches[i].merge(sketches[j])
            sets[i], low[i] = sets[i] | sets[j], min(low[i], low[j])
        elif step == "c":
            sketches[i], sets[i], low[i] = copy.copy(sketches[j]), set(sets[j]), low[j]
        elif step == "f":
            kind = ("hll4", "hll6", "hll8")[n % 3]
            sketches[i] = HyperLogLog.from_bytes(sketches[i].to_bytes(kind, n % 2 == 0))
        else:
            sketches[i].clear()
            sets[i] = set()
        for sketch, coupons, p in zip(sketches, sets, low, strict=True):
            want = np.zeros(1 << p, np.uint8)
            for address, value in coupons:
                at = address & (1 << p) - 1
                want[at] = max(want[at], value)
            assert sketch.p == p
            np.testing.assert_array_equal(sketch.registers, want)
            assert sketch.is_empty == (not coupons)


# --------------------------------------------------------------------- the object


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("p", [4, 9, 12])
def test_copies_and_pickles_are_equal_and_apart(p, n):
    sketch = sketch_of(numbers(n), p)
    for merged in (sketch, sketch | sketch):
        twins = [copy.copy(merged), copy.deepcopy(merged), pickle.loads(pickle.dumps(merged))]
        for other in twins:
            assert other == merged
            assert (other.seed, other.is_merged) == (merged.seed, merged.is_merged)
            assert other.estimate() == merged.estimate()
            assert other.to_bytes() == merged.to_bytes()
            other.update(numbers(20_000, 1))
            assert other != merged
    assert pickle.loads(pickle.dumps(sketch_of([1], p, seed=5))).seed == 5
    sketch.clear()
    assert sketch == HyperLogLog(p)
    assert sketch.estimate() == 0


def test_small_counts_are_all_but_exact():
    for n in (0, 1):
        assert sketch_of(range(n)).estimate() == n
        assert sketch_of(range(n)).bounds(0.999) == (n, n)
    for n in (2, 7, 100, 384):
        sketch = sketch_of(numbers(n))
        assert sketch.estimate() == pytest.approx(n, abs=1e-3)
        assert sketch.bounds(0.999) == pytest.approx((n, n), abs=1e-3)
    low, high = sketch_of(numbers(190_000), 21).bounds(0.95)
    assert low <= 190_000 <= high <= 190_200


def test_bounds_widen_with_confidence():
    sketch = sketch_of(numbers(100_000))
    assert sketch.error == pytest.approx(0.8326 / 64, rel=1e-4)
    last = (sketch.estimate(), sketch.estimate())
    for confidence in (0.1, 0.5, 0.9, 0.99, 0.9999):
        low, high = sketch.bounds(confidence)
        assert low < last[0] <= last[1] < high
        last = low, high
    for confidence in (0, 1, -1, 2):
        with pytest.raises(ValueError, match="confidence must lie in"):
            sketch.bounds(confidence)


@pytest.mark.parametrize(
    ("error", "confidence", "p"), [(0.01, 0.95, 16), (0.05, 0.95, 11), (0.9, 0.5, 4)]
)
def test_for_error_is_the_smallest(error, confidence, p):
    sketch = HyperLogLog.for_error(error, confidence, seed=3)
    assert (sketch.p, sketch.seed) == (p, 3)


def test_wrong_arguments_are_named():
    for p in (3, 22, -1):
        with pytest.raises(ValueError, match=f"p must be 4 .. 21, not {p}"):
            HyperLogLog(p)
    for p in (12.0, "12", True, None):
        with pytest.raises(TypeError, match="p must be an integer"):
            HyperLogLog(p)
    with pytest.raises(ValueError, match="seed must be"):
        HyperLogLog(seed=-1)


@pytest.mark.parametrize(
    "make",
    [
        lambda seed: HyperLogLog(seed=seed),
        lambda seed: group_distinct([1], [2], seed=seed),
        lambda seed: CountMin(64, 2, seed),
        lambda seed: CountSketch(64, 2, seed),
    ],
)
def test_the_seed_that_numbers_are_as_long_as_is_warned_of(make):
    with pytest.warns(RuntimeWarning, match="with seed=8 counts of numbers are wrong"):
        make(8)
    make(7)
    make(9)


def test_what_the_warning_is_about():
    """A seed that is the length of a key leaves one word of the hash."""
    h1, h2 = hash128(numbers(1000), seed=8)
    assert (3 * h1 == 2 * h2).all()
    assert not (h1 & np.uint64(1)).any()
    h1, h2 = hash128(["abcde"[i % 5] * 5 for i in range(5)], seed=5)
    assert (3 * h1 == 2 * h2).all()
    with pytest.raises(ValueError, match="takes p = 29; 21 is the most"):
        HyperLogLog.for_error(1e-4)
    with pytest.raises(ValueError, match="relative_error must lie in"):
        HyperLogLog.for_error(0)
    with pytest.raises(ValueError, match="seed differs: 9001 here, 7 there"):
        HyperLogLog().merge(HyperLogLog(seed=7))
    with pytest.raises(TypeError, match="expected a HyperLogLog, not set"):
        HyperLogLog().merge(set())
    with pytest.raises(TypeError, match="expected a HyperLogLog, not int"):
        HyperLogLog.union([1])
    with pytest.raises(ValueError, match="a union of no sketches"):
        HyperLogLog.union([])
    with pytest.raises(TypeError):
        HyperLogLog() | {1}
    with pytest.raises(ValueError, match="kind must be one of"):
        HyperLogLog().to_bytes("hll5")


def test_an_item_that_cannot_be_hashed_leaves_what_came_before():
    sketch = HyperLogLog()
    with pytest.raises(TypeError, match="position 1000"):
        sketch.update([*range(1000), "x"])
    assert sketch.estimate() == pytest.approx(512, rel=0.05)


def test_repr_shows_parameters_and_state():
    assert repr(HyperLogLog(9, 3)) == "HyperLogLog(p=9, seed=3) <empty, about 0>"
    assert repr(sketch_of(range(5))) == "HyperLogLog(p=12, seed=9001) <list, about 5>"
    assert repr(sketch_of(range(50))) == "HyperLogLog(p=12, seed=9001) <set, about 50>"
    assert repr(sketch_of(range(9000))).endswith("<dense, about 8,915>")


def test_nbytes_follows_the_state():
    sizes = [sketch_of(range(n)).nbytes for n in (0, 3, 20, 300, 1000)]
    assert sizes[0] == sizes[1] < 100
    assert sizes == sorted(sizes)
    assert 4096 < sizes[-1] < 4600


def test_threads_may_share_a_sketch():
    items = np.array_split(numbers(200_000), 8)
    shared, start = HyperLogLog(), threading.Barrier(8)

    def work(piece):
        start.wait()
        for part in np.array_split(piece, 20):
            shared.update(part)
            shared.estimate()
            shared.merge(sketch_of(part[:3]))

    threads = [threading.Thread(target=work, args=(piece,)) for piece in items]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert shared == sketch_of(np.concatenate(items))
