"""Distinct counts by key against one HyperLogLog a key, and the Arrow stream they come in."""

import gc
import threading

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sketches import GroupedCounts, HyperLogLog, group_distinct

pl = pytest.importorskip("polars")


def assert_grouped(counts, keys, items):
    """Beside a sketch for each key, key by key to the last bit."""
    want = {}
    for key, item in zip(keys, items, strict=True):
        want.setdefault(key, HyperLogLog(counts.p, counts.seed)).update([item])
    found = counts.keys if isinstance(counts.keys, list) else counts.keys.tolist()
    assert found == list(want)
    assert counts.estimates.tolist() == [sketch.estimate() for sketch in want.values()]
    table = pa.table(counts)
    assert table["key"].to_pylist() == list(want)
    assert table["estimate"].to_pylist() == counts.estimates.tolist()
    assert table["image"].to_pylist() == [sketch.to_bytes() for sketch in want.values()]
    for row, sketch in enumerate(want.values()):
        assert counts.sketch(row) == sketch


@pytest.mark.parametrize("p", [4, 8, 12])
def test_groups_of_every_state(isa, p):
    rng = np.random.default_rng(p)
    keys = np.minimum(rng.geometric(0.3, 20_000), 12) * 7
    items = rng.integers(0, 2**62, keys.size)
    counts = group_distinct(keys, items, p, seed=5)
    assert_grouped(counts, keys.tolist(), items.tolist())


@pytest.mark.parametrize("p", [4, 12])
def test_groups_of_several_ranges(p):
    rng = np.random.default_rng(p)
    keys = np.minimum(rng.zipf(1.2, 30_000), 3000)
    items = [
        None if item % 10 == 0 else item for item in rng.integers(0, 2**62, keys.size).tolist()
    ]
    counts = group_distinct(keys, items, p)
    assert len(counts) > 1024  # the groups of a range
    assert_grouped(counts, keys.tolist(), items)


@given(
    st.lists(
        st.tuples(st.none() | st.text("abé\0", max_size=3), st.none() | st.text("xyz", max_size=2))
    ),
    st.integers(1, 3),
)
def test_texts_and_nulls_in_batches(rows, pieces):
    keys, items = [row[0] for row in rows], [row[1] for row in rows]
    for wrap in (list, lambda x: pa.array(x, "string"), lambda x: pl.Series(x, dtype=pl.String)):
        counts, step = GroupedCounts(), -(-len(rows) // pieces) or 1
        for at in range(0, len(rows), step):
            counts.update(wrap(keys[at : at + step]), wrap(items[at : at + step]))
        assert_grouped(counts, keys, items)


KEYS = {
    "dictionary": pa.array(["b", "a", None, "b"]).dictionary_encode(),
    "views": pa.array(["b" * 20, "a", None, "b"], pa.string_view()),
    "large": pa.array(["b", "a", None, "b"], pa.large_string()),
    "fixed": pa.array([b"ab", b"cd", None, b"ab"], pa.binary(2)),
    "chunks": pa.chunked_array([["x"], ["y", None, "x"]]),
    "date": pa.array([1, 2, None, 1], pa.date32()),
    "bool": pa.array([True, False, None, True]),
    "timestamp": pa.array([1, 2, None, 1], pa.timestamp("us", "UTC")),
    "float": pa.array([1.5, -1.5, None, 1.5], pa.float32()),
    "uint64": pa.array([2**64 - 1, 1, None, 5], pa.uint64()),
    "sliced": pa.array(["no", "b", "a", None, "b", "no"])[1:5],
    "polars": pl.Series([3, 1, None, 3], dtype=pl.Int16),
    "table": pa.table({"k": [1, 2, None, 1]}),
}


@pytest.mark.parametrize("name", KEYS)
def test_keys_come_back_as_they_were(name):
    keys = KEYS[name]
    column = keys["k"] if name == "table" else keys
    values = column.to_list() if name == "polars" else column.to_pylist()
    table = pa.table(group_distinct(keys, [1, 2, 3, 4]))
    assert table["key"].to_pylist() == list(dict.fromkeys(values))
    table.validate(full=True)


@pytest.mark.parametrize(
    "dtype", ["i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "?", "M8[us]"]
)
def test_numpy_keys_keep_their_type(dtype):
    keys = np.array([1, 0, 1, 3 * (dtype != "?")]).astype(dtype)
    counts = group_distinct(keys, range(4))
    table = pa.table(counts)
    want = keys[[0, 1, 3]] if dtype != "?" else keys[:2]
    assert table["key"].type == pa.array(keys).type
    assert table["key"].to_pylist() == pa.array(want).to_pylist()
    assert np.array_equal(counts.keys, want if keys.dtype.kind != "M" else want.view("i8"))


def test_list_keys():
    assert group_distinct([3, True, 3], list("aba")).keys.tolist() == [3, 1]
    assert group_distinct([None, 1.5], [1, 2]).keys == [None, 1.5]
    assert group_distinct([None, None], [1, 2]).keys == [None]
    assert group_distinct(iter([b"x", b"y"]), [1, 2]).keys == [b"x", b"y"]
    assert group_distinct([], []).keys.tolist() == []
    assert len(pa.table(group_distinct([], []))) == 0
    late = GroupedCounts()
    late.update([None], [1])
    late.update(["a", None], [2, 2])
    assert late.keys == [None, "a"]
    assert late.estimates.round().tolist() == [2, 1]


def test_rows_of_several_columns_are_items():
    items = pa.table({"a": [1, 1, 2], "b": ["x", "x", "x"]})
    assert group_distinct([1, 1, 1], items).estimates.round().tolist() == [2]


def test_wrong_columns_are_named():
    for keys, items in (([1, 2], [1]), (iter([1, 2]), [1]), ([1], iter([1, 2]))):
        with pytest.raises(ValueError, match=r"\d keys and \d items: each row needs both"):
            group_distinct(keys, items)
    with pytest.raises(TypeError, match="one column of numbers or texts"):
        group_distinct(pa.table({"a": [1], "b": [2]}), [1])
    with pytest.raises(TypeError, match="a column of lists"):
        group_distinct(pa.array([[1]]), [1])
    with pytest.raises(TypeError, match="must be a column, not a str"):
        group_distinct("ab", [1, 2])
    counts = group_distinct([1], [1])
    with pytest.raises(TypeError, match="keys of Arrow format 'U' after others of 'l'"):
        counts.update(["a"], [1])
    with pytest.raises(TypeError, match="dtype complex128"):
        group_distinct(np.zeros(1, complex), [1])
    with pytest.raises(ValueError, match=r"p must be 4 \.\. 21"):
        group_distinct([1], [1], p=3)
    with pytest.raises(IndexError, match="row 1 of 1"):
        counts.sketch(1)


def test_a_key_of_three_items_is_small():
    keys = np.repeat(np.arange(50_000), 3)
    counts = group_distinct(keys, np.arange(keys.size))
    assert counts.nbytes / len(counts) < 100
    assert (counts.estimates.round() == 3).all()
    assert repr(counts) == "GroupedCounts(p=12, seed=9001) <50,000 keys>"


def test_the_stream_outlives_the_counts():
    counts = group_distinct(["a", "b"], [1, 2])
    table = pa.table(counts)
    left = counts.__arrow_c_stream__()  # never read
    reader = pa.RecordBatchReader.from_stream(counts)
    counts.update(["c"], [3])
    del counts, left
    gc.collect()
    assert table["key"].to_pylist() == reader.read_all()["key"].to_pylist() == ["a", "b"]
    frame = pl.DataFrame(table)
    assert HyperLogLog.from_bytes(frame["image"][0]).estimate() == 1


def test_threads_may_share_the_counts():
    counts, start = GroupedCounts(8), threading.Barrier(4)
    keys = np.arange(40_000) % 1000

    def work(i):
        start.wait()
        for at in range(0, keys.size, 4000):
            counts.update(keys[at : at + 4000], np.arange(at, at + 4000) * 4 + i)
            assert len(pa.table(counts)) <= 1000

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    want = HyperLogLog(8)
    want.update(np.add.outer(np.arange(5, 40_000, 1000) * 4, np.arange(4)).ravel())
    assert counts.sketch(counts.keys.tolist().index(5)) == want
