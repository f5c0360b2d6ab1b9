"""Windowed against a list of all events."""

import copy
import pickle
import struct
import threading
from collections import Counter
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

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
    _frame,
)
from sketches.windows import _HEADER

PROTOTYPES = [
    CountMin(256, 3),
    CountMin(64, 2, 7, "uint64", True),
    CountSketch(256, 3),
    HyperLogLog(10),
    HyperLogLog(4, seed=5),
    MinHash(16),
    MinHash(16, family="affine32"),
    PostgresHLL(8),
    SparkCountMin(50, 3, 1),
    TopK(20, seed=3),
]


def ids(value):
    return repr(value)


def counts(window, last=None):
    return {h.item: h.estimate for h in window.merged(last).top()}


@pytest.mark.parametrize("prototype", PROTOTYPES, ids=ids)
def test_the_window_is_the_sketch_of_its_events(prototype):
    """One batch in order, so that sketches with a history are the same, too."""
    window = Windowed(prototype, size=60, slots=6)
    times = np.sort(np.random.default_rng(0).integers(0, 200, 500))
    items = [f"item {t % 37}" for t in times.tolist()]
    window.update(items, times)
    newest = times[-1] // 10
    for last, steps in ((None, 6), (60, 6), (10, 1), (25, 3)):
        whole = prototype.copy()
        for step in range(newest - steps + 1, newest + 1):
            part = prototype.copy()
            part.update([i for i, t in zip(items, times, strict=True) if t // 10 == step])
            whole.merge(part)
        assert window.merged(last) == whole
    assert [start for start, _ in window.steps] == [10 * s for s in range(newest - 5, newest + 1)]
    assert Windowed.from_bytes(window.to_bytes()) == window
    assert pickle.loads(pickle.dumps(window)).merged() == window.merged()
    assert prototype.is_empty


@given(
    st.lists(
        st.lists(st.tuples(st.integers(0, 5), st.integers(-100, 100)), max_size=10), max_size=8
    ),
    st.integers(1, 5),
    st.sampled_from(["refuse", "drop", "fold"]),
)
def test_against_a_list_of_events(batches, slots, late):
    window = Windowed(TopK(8), size=10 * slots, slots=slots, late=late)
    kept, newest, dropped = [], -(10**6), 0
    for batch in batches:
        added, latest, refused = [], newest, False
        for item, time in batch:
            step, latest = time // 10, max(latest, time // 10)
            is_late = step < latest - slots + 1
            refused |= is_late and late == "refuse"
            dropped += is_late and late == "drop"
            if not (is_late and late == "drop"):
                added.append((item, max(step, latest - slots + 1)))
        items, times = [i for i, _ in batch], [t for _, t in batch]
        if refused:
            with pytest.raises(ValueError, match="older than the window"):
                window.update(items, times)
            continue
        window.update(items, times)
        kept += added
        newest = latest
    want = Counter(i for i, step in kept if step > newest - slots)
    assert counts(window) == want
    assert window.dropped == dropped
    assert Windowed.from_bytes(window.to_bytes()) == window


TIMES = np.array([5, 95, 15, 5, 25])
ITEMS = ["a", "b", "c", "a", "a"]


@pytest.mark.parametrize(
    "items",
    [
        ITEMS,
        tuple(ITEMS),
        iter(ITEMS),
        np.array(ITEMS),
        np.array(ITEMS, object),
        pa.array(ITEMS),
        pa.chunked_array([ITEMS[:2], ITEMS[2:]]),
        pa.table({"x": ITEMS}),
        pa.record_batch({"x": ITEMS}),
        pd.Series(ITEMS, index=[9, 8, 7, 6, 5]),
        pd.DataFrame({"x": ITEMS}, index=[9, 8, 7, 6, 5]),
    ],
    ids=lambda b: f"{type(b).__module__}.{type(b).__name__}",
)
def test_containers_and_times_in_any_order(items):
    window = Windowed(TopK(4), size=100, slots=10)
    assert window.update(items, TIMES, weights=[1, 2, 3, 4, 5]) == 0
    assert {start: held.top() for start, held in window.steps} == {
        0: [("a", 5, 5, 5)],
        10: [("c", 3, 3, 3)],
        20: [("a", 5, 5, 5)],
        90: [("b", 2, 2, 2)],
    }


@pytest.mark.parametrize(
    "times",
    [
        TIMES.tolist(),
        TIMES.astype(float),
        TIMES.astype(np.uint8),
        pa.array(TIMES),
        pd.Series(TIMES),
    ],
    ids=lambda b: type(b).__name__,
)
def test_kinds_of_times(times):
    window = Windowed(TopK(4), size=100, slots=10)
    window.update(ITEMS, times)
    assert [start for start, _ in window.steps] == [0, 10, 20, 90]
    window.update("late", 3)
    window.update(["x", None, "y"], 99.5, weights=2)
    assert counts(window, 10) == {"b": 1, "x": 2, "y": 2}


BASE = datetime(2026, 3, 1, 12)
MOMENTS = [BASE + timedelta(seconds=s) for s in TIMES.tolist()]


@pytest.mark.parametrize(
    "times",
    [
        MOMENTS,
        np.array(MOMENTS, "M8[s]"),
        np.array(MOMENTS, "M8[ns]"),
        pa.array(MOMENTS),
        pd.Series(MOMENTS),
    ],
    ids=lambda b: f"{type(b).__module__}.{type(b).__name__}",
)
def test_datetimes(times):
    window = Windowed(TopK(4), timedelta(seconds=100), 10)
    window.update(ITEMS, times)
    starts = [start for start, _ in window.steps]
    assert starts == [np.datetime64(BASE, "us") + np.timedelta64(s, "s") for s in (0, 10, 20, 90)]
    window.update("z", BASE + timedelta(seconds=99))
    assert counts(window, timedelta(seconds=10)) == {"b": 1, "z": 1}
    assert counts(window, np.timedelta64(10, "s")) == {"b": 1, "z": 1}
    assert Windowed.from_bytes(window.to_bytes()) == window
    assert "size=datetime.timedelta(seconds=100)" in repr(window)


def test_times_of_a_zone_are_told_in_utc(recwarn):
    window = Windowed(CountMin(64, 2), timedelta(hours=6), 6)
    east = timezone(timedelta(hours=2))
    window.update(["a", "a"], [datetime(2026, 3, 1, 14, tzinfo=east), datetime(2026, 3, 1, 12)])
    window.update("a", datetime(2026, 3, 1, 12, tzinfo=UTC))
    assert [(str(start), sketch.total) for start, sketch in window.steps] == [
        ("2026-03-01T12:00:00.000000", 3)
    ]
    assert not recwarn.list


@pytest.mark.parametrize("late", ["refuse", "drop", "fold"])
def test_what_is_refused_makes_nothing_leave(late):
    window = Windowed(TopK(4), 60, 6, late=late)
    window.update(["a", "b"], [5, 45])
    before = window.copy()
    with pytest.raises(TypeError, match="int items for a TopK of str"):
        window.update([1, 2], [45, 61])
    with pytest.raises(TypeError, match="int items for a window of str"):
        window.update([1], 61)
    with pytest.raises(ValueError, match="negative"):
        window.update(["a"], 1e6, -1)
    assert window == before
    window.update([1, 2], [45, 1e6])  # when the texts have left
    assert window.merged().estimate([1, 2]).tolist() == [0, 1]


class Sequence:
    """Items of a class of someone's own, whose methods ask the window in another thread."""

    def __init__(self, items, window):
        self.items, self.window = items, window

    def __len__(self):
        return len(self.items)

    def __getitem__(self, at):
        asking = threading.Thread(target=self.window.merged, daemon=True)
        asking.start()
        asking.join(5)
        assert not asking.is_alive()
        return self.items[at]


def test_nobody_elses_code_runs_under_the_lock():
    window = Windowed(CountMin(64, 2), 60, 6)
    window.update(Sequence(["a", "b", "a"], window), [12, 35, 1])
    assert window.merged().estimate(["a", "b"]).tolist() == [2, 1]


def test_single_items_of_numpy():
    window = Windowed(CountMin(64, 2), 60, 6)
    for item in (np.array(5), np.int64(5), 5):
        window.update(item, 1)
    window.update(np.datetime64(5, "s"), 1)
    assert window.merged().estimate(5) == 4


def test_large_integer_times_are_exact():
    step, start = 10**9, 1_772_366_400 * 10**9  # nanoseconds: doubles would round to 256
    window = Windowed(TopK(4), 60 * step, 60)
    window.update(["before", "at"], [start - 1, start])
    assert [held.top(1)[0].item for _, held in window.steps] == ["before", "at"]


def test_time_passes_without_events():
    window = Windowed(TopK(4), 60, 6)
    window.update("a", 5)
    window.advance(64)
    assert counts(window) == {}
    assert window.is_empty
    window.advance(0)  # never back
    with pytest.raises(ValueError, match="older than the window"):
        window.update("a", 5)
    window.clear()
    window.update("a", 5)
    assert counts(window) == {"a": 1}


def test_windows_merge_step_by_step():
    left, right = (Windowed(TopK(4), 60, 6, late="drop") for _ in range(2))
    left.update(["a", "b"], [5, 45])
    right.update(["a", "c", "x"], [45, 65, 0])
    left.merge(right)
    assert counts(left) == {"a": 1, "b": 1, "c": 1}
    assert left.dropped == 1
    assert counts(right) == {"a": 1, "c": 1}
    right.merge(Windowed(TopK(4), 60, 6))
    assert counts(right) == {"a": 1, "c": 1}
    for other, name in (
        (Windowed(TopK(4), 50, 6), "size differs"),
        (Windowed(TopK(4), 60, 5), "slots"),
        (Windowed(TopK(5), 60, 6), "prototype"),
        (Windowed(HyperLogLog(), 60, 6), "prototype"),
        (Windowed(TopK(4), timedelta(microseconds=60), 6), "dated"),
    ):
        with pytest.raises(ValueError, match=name):
            left.merge(other)
    with pytest.raises(TypeError, match="expected a Windowed"):
        left.merge(TopK(4))


@pytest.mark.parametrize(
    ("items", "times", "weights", "error"),
    [
        ([7, 8], [5, 15], 1, TypeError),  # no step of the two has events of both
        (["c", "d"], [25, 45], 2**62, OverflowError),  # in the second step only
    ],
)
def test_a_merge_that_is_refused_changes_nothing(items, times, weights, error):
    window, other = (Windowed(TopK(4), 60, 6) for _ in range(2))
    window.update(["a", "b"], [25, 45], [1, 2**62])
    other.update(items, times, weights)
    before = window.to_bytes()
    with pytest.raises(error):
        window.merge(other)
    assert window.to_bytes() == before


def test_bad_arguments():
    full = TopK(4)
    full.update("a")
    for args, error, message in (
        ((full, 60, 6), ValueError, "empty"),
        (("text", 60, 6), TypeError, "no sketch that merges"),
        ((MinHash(8).compact(), 60, 6), TypeError, "BBitMinHash"),
        ((TopK(4), 0, 6), ValueError, "positive"),
        ((TopK(4), float("nan"), 6), ValueError, "positive"),
        ((TopK(4), float("inf"), 6), ValueError, "positive"),
        ((TopK(4), 5e-324, 6), ValueError, "too small"),
        ((TopK(4), 60, 0), ValueError, "slots"),
        ((TopK(4), 60, 6.0), TypeError, "slots"),
        ((TopK(4), 60, 6, "later"), ValueError, "late"),
    ):
        with pytest.raises(error, match=message):
            Windowed(*args)
    window = Windowed(TopK(4), 60, 6)
    for times, error, message in (
        ([1, 2], ValueError, "2 times for 1 items"),
        ([float("nan")], ValueError, "not finite"),
        ([1e300], ValueError, "beyond"),
        ([2**64 - 1], ValueError, "beyond"),
        ([[1]], TypeError, "2-dim"),
        (["1"], TypeError, "numbers"),
        (BASE, TypeError, "numbers"),
        ([None], TypeError, "numbers"),
    ):
        with pytest.raises(error, match=message):
            window.update(["a"], times)
    assert window.is_empty
    with pytest.raises(ValueError, match="2 weights for 1"):
        window.update(["a"], 1, [1, 2])
    with pytest.raises(TypeError):
        Windowed(HyperLogLog(), 60, 6).update(["a"], 1, 2)
    with pytest.raises(TypeError, match="masked"):
        window.update(["a"], [1], np.ma.array([1], mask=True))
    assert window.update([], []) == 0
    for last, error in (
        (0, ValueError),
        (61, ValueError),
        (float("inf"), ValueError),
        (float("nan"), ValueError),
        (timedelta(1), TypeError),
    ):
        with pytest.raises(error, match=r"last must be|a length of time"):
            window.merged(last)
    dated = Windowed(TopK(4), timedelta(1), 6)
    masked = np.ma.array(["2020-01-01"], "M8[s]", mask=True)
    for times in ([1], [np.datetime64("NaT", "s")], [None], masked):
        with pytest.raises((TypeError, ValueError), match=r"datetimes|missing"):
            dated.update(["a"], times)
    with pytest.raises(ValueError, match="64 bits of microseconds"):
        dated.update(["a"], np.array(["9999999-01-01"], "M8[Y]"))
    assert dated.is_empty
    with pytest.raises(TypeError, match="a timedelta"):
        dated.merged(5)


def test_images_copies_and_pickles():
    window = Windowed(TopK(4), 60, 6, late="drop")
    for _ in range(2):
        for twin in (
            window.copy(),
            copy.copy(window),
            copy.deepcopy(window),
            pickle.loads(pickle.dumps(window)),
        ):
            assert twin == window
            assert repr(twin) == repr(window)
            twin.update("x", 100)
            assert twin != window
        window.update(["a", "b", "old"], [5, 45, -100])
    assert window.dropped == 2
    assert window.nbytes > 0
    with pytest.raises(TypeError):
        hash(window)


@pytest.mark.parametrize("size", [0, -1, float("inf"), float("nan"), 5e-324, timedelta.max])
def test_sizes_that_are_none(size):
    with pytest.raises((ValueError, OverflowError), match=r"size|Overflow|too|convert"):
        Windowed(TopK(1), size, 6)


def test_bad_images_are_refused():
    window = Windowed(TopK(1), 60, 6)
    window.update(["a", "b"], [5, 15])
    image = window.to_bytes()
    for end in range(len(image)):
        with pytest.raises(FormatError):
            Windowed.from_bytes(image[:end])
    head, payload = image[24 : 24 + _HEADER.size], image[24 + _HEADER.size : -8]
    for at in range(_HEADER.size):
        for value in (0, 1, 0x7F, 0xFF):
            changed = head[:at] + bytes([value]) + head[at + 1 :]
            try:
                again = Windowed.from_bytes(_frame.pack(b"WIND", 1, changed, payload))
            except FormatError:
                continue
            assert Windowed.from_bytes(again.to_bytes()) == again
    for at in range(len(payload)):
        changed = payload[:at] + bytes([payload[at] ^ 0x41]) + payload[at + 1 :]
        try:
            Windowed.from_bytes(_frame.pack(b"WIND", 1, head, changed))
        except FormatError:
            continue
    other = TopK(2)
    other.update("c")
    foreign = other.to_bytes()
    fields = list(_HEADER.unpack(head))
    fields[7] = 1
    start = struct.unpack_from("<Q", payload)[0] + 8
    mixed = payload[:start] + struct.pack("<qQ", 1, len(foreign)) + foreign
    with pytest.raises(FormatError, match="several kinds"):
        Windowed.from_bytes(_frame.pack(b"WIND", 1, _HEADER.pack(*fields), mixed))
    window = Windowed(TopK(1), 60, 6)
    window.update(["a", "b"], [5, 15])
    number = TopK(1)
    number.update(1)
    window._ring[1] = number
    with pytest.raises(FormatError, match="several kinds"):
        Windowed.from_bytes(window.to_bytes())


def test_more_than_one_sketch_holds_is_stored():
    window = Windowed(TopK(1), 60, 6)
    window.update(["a", "a"], [5, 15], 2**62)
    with pytest.raises(OverflowError):
        window.merged()
    again = Windowed.from_bytes(window.to_bytes())
    assert again == window
    assert again.merged(last=10).total == 2**62


def test_threads_share_a_window():
    window = Windowed(CountMin(64, 2), 100, 10)

    def work(seed):
        for i in range(50):
            window.update([seed, i], [i % 100, i])
            window.merged(10)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert window.merged().total == 400


def test_lengths_and_items_that_are_none():
    with pytest.raises(TypeError, match="a number or a timedelta, not '1h'"):
        Windowed(CountMin(64, 2), size="1h", slots=4)
    window = Windowed(TopK(4), size=60, slots=4)
    with pytest.raises(TypeError, match=r"Counter would lose its values: give list"):
        window.update(Counter("aab"), times=1)
    with pytest.raises(TypeError, match="not '1h'"):
        window.merged(last="1h")
    assert window.is_empty
