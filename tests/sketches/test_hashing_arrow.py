"""Arrow input from four libraries, and rows of several columns."""

import datetime
import subprocess
import sys

import mmh3
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from sketches import _probe
from sketches.hashing import hash64, hash128

pl = pytest.importorskip("polars")
duckdb = pytest.importorskip("duckdb")

INTS = [
    pa.int8(),
    pa.int16(),
    pa.int32(),
    pa.int64(),
    pa.uint8(),
    pa.uint16(),
    pa.uint32(),
    pa.uint64(),
]
STRINGS = [pa.string(), pa.large_string(), pa.string_view()]
BINARIES = [pa.binary(), pa.large_binary(), pa.binary_view()]
TEXTS = ["", "a", None, "a text of more than twelve bytes", "日本語 😀", "twelve bytes"] * 300


def check(column, items):
    """A column hashes as the list of its items, with the same nulls."""
    for got, want in zip(
        hash128(column, return_valid=True), hash128(items, return_valid=True), strict=True
    ):
        np.testing.assert_array_equal(got, want)


def variants(array):
    """The same items with other memory: offsets, chunks, one-column tables."""
    padded = pa.concat_arrays([array[:3], array])
    half = len(array) // 2
    yield array
    yield padded.slice(3)
    yield padded.slice(3).slice(0, len(array))
    yield pa.chunked_array([array[:half], array[half:half], array[half:]])
    yield pa.table({"x": array})
    yield pa.record_batch({"x": padded}).slice(3)
    yield pa.table({"x": array}).to_reader(max_chunksize=7)


# ------------------------------------------------------------------------- types


@pytest.mark.parametrize("kind", INTS, ids=str)
def test_integers(isa, kind):
    top = 2 ** (kind.bit_width - ("u" not in str(kind))) - 1
    items = [0, 1, None, top, 0 if "u" in str(kind) else -top - 1] * 300
    for column in variants(pa.array(items, kind)):
        check(column, items)


@pytest.mark.parametrize("kind", [pa.float16(), pa.float32(), pa.float64()], ids=str)
def test_floats(isa, kind):
    items = [0.0, -0.0, None, 1.5, float("inf"), float("nan"), -(2.0**-14), 2.0**-24] * 100
    for column in variants(
        pa.array(
            np.array([i or 0.0 for i in items], "f4").astype(kind.to_pandas_dtype()),
            kind,
            mask=np.array([i is None for i in items]),
        )
    ):
        check(column, items)


@pytest.mark.parametrize("kind", STRINGS + BINARIES, ids=str)
def test_strings(isa, kind):
    items = TEXTS if kind in STRINGS else [t if t is None else t.encode() for t in TEXTS]
    for column in variants(pa.array(items, kind)):
        check(column, items)


@pytest.mark.parametrize("index", INTS, ids=str)
@pytest.mark.parametrize("copies", [1, 30])  # more rows than words, and fewer
def test_dictionaries(isa, index, copies):
    words = pa.array(["a", None, "", "a text of more than twelve bytes", *map(str, range(96))])
    rows = [99, 0, None, 1, 3, 2, 3] * copies
    items = [None if row is None else words[row].as_py() for row in rows]
    for array in (
        pa.DictionaryArray.from_arrays(pa.array(rows, index), words),
        pa.DictionaryArray.from_arrays(pa.array(rows, index), words.cast(pa.string_view())),
    ):
        check(array, items)
        check(array.slice(2), items[2:])
        check(pa.table({"x": array}), items)
        assert hash64(array, skip_empty=True).tolist() == hash64(items, skip_empty=True).tolist()
    numbers = pa.array([5, None, -7, 9, *range(96)])
    check(
        pa.DictionaryArray.from_arrays(pa.array(rows, index), numbers),
        [None if row is None else numbers[row].as_py() for row in rows],
    )


def test_bools_and_nulls(isa):
    items = [True, None, False, True, True] * 300
    for column in variants(pa.array(items)):
        check(column, items)
    for column in variants(pa.nulls(1500)):
        check(column, [None] * 1500)
    check(pa.array([], pa.string()), [])
    check(pa.chunked_array([], pa.int64()), [])
    check(pa.table({"x": pa.array([], pa.int8())}), [])


def test_times_hash_their_stored_numbers():
    numbers = [0, 1, None, -5]
    for kind in (
        pa.date32(),
        pa.date64(),
        pa.time32("s"),
        pa.time32("ms"),
        pa.time64("us"),
        pa.time64("ns"),
        pa.timestamp("s"),
        pa.timestamp("ns", "Europe/Berlin"),
        pa.duration("us"),
    ):
        width = pa.int32() if kind.bit_width == 32 else pa.int64()
        check(pa.array(numbers, width).view(kind), numbers)


def test_fixed_size_binary():
    items = [b"abc", b"de\0", None]
    check(pa.array(items, pa.binary(3)), items)
    check(pa.array([b"", None], pa.binary(0)), [b"", None])


def test_extension_types_hash_by_their_storage():
    items = [b"0123456789abcdef", None]
    check(pa.ExtensionArray.from_storage(pa.uuid(), pa.array(items, pa.binary(16))), items)


@pytest.mark.parametrize(
    ("array", "name"),
    [
        (pa.array([1], pa.decimal128(5)), "decimal"),
        (pa.array([[1]]), "column of lists"),
        (pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int8())), "map"),
        (pa.RunEndEncodedArray.from_arrays([1], [5]), "run-end encoded"),
        (
            pa.UnionArray.from_dense(
                pa.array([0], pa.int8()), pa.array([0], pa.int32()), [pa.array([1])]
            ),
            "union",
        ),
        (pa.array([(1, 2, 3)], pa.month_day_nano_interval()), "month-day-nano interval"),
        (pa.table({"a": [{"b": 1}], "c": [1]}), "nested struct"),
        (pa.table({"a": [[1]], "c": [1]}), "column of lists"),
    ],
)
def test_what_cannot_be_hashed_is_named(array, name):
    with pytest.raises(TypeError, match=name):
        hash64(array)


def test_a_table_without_columns_is_refused():
    with pytest.raises(ValueError, match="without columns"):
        hash64(pa.table({}))


# --------------------------------------------------------------------- libraries


def test_polars():
    for column in (
        pl.Series(TEXTS),
        pl.Series(TEXTS, dtype=pl.Categorical),
        pl.DataFrame({"x": TEXTS}),
    ):
        check(column, TEXTS)
    check(pl.Series([1, None, 3]), [1, None, 3])
    check(pl.Series([1, None, 3])[1:], [None, 3])
    frame = pl.DataFrame({"x": [1, 2, None], "y": ["a", None, "b"]})
    np.testing.assert_array_equal(hash64(frame), hash64(frame.to_arrow()))


def test_pandas():
    check(pd.Series(["a", "b", "é"]), ["a", "b", "é"])
    check(pd.Index([3, 4]), [3, 4])
    check(pd.Index(["a", None, "b"]), ["a", None, "b"])
    check(pd.DataFrame({"x": pd.array([1, None, 3], "Int64")}), [1, None, 3])
    frame = pd.DataFrame({"x": [1, 2, 1], "y": ["a", "b", "a"]})
    hashes = hash64(frame)
    np.testing.assert_array_equal(hashes, hash64(pa.Table.from_pandas(frame, preserve_index=False)))
    np.testing.assert_array_equal(hashes[1:], hash64(frame.iloc[1:]))  # the index is no value
    assert hashes[0] == hashes[2] != hashes[1]


@pytest.mark.parametrize(
    ("items", "dtype"),
    [
        ([1, None, 2**60 + 1], "Int64"),
        ([2**63 + 1, None], "UInt64"),
        ([1.5, None], "Float64"),
        ([True, None], "boolean"),
        (["a", None, "é"], "string"),
        (["a", None, "a"], "category"),
        ([3, None], "int64[pyarrow]"),
    ],
)
def test_nullable_arrays_of_pandas(items, dtype):
    array = pd.array(items, dtype=dtype)
    for column in (array, pd.Series(array), pd.Index(array)):
        check(column, items)
    assert _probe.sets([array, pd.Index(array)])[0] == [hash64(items).tolist()] * 2
    if isinstance(items[0], str):
        assert _probe.spans(array)[0] == [x if x is None else x.encode() for x in items]


def test_series_of_pandas_before_3_are_no_arrow_streams(monkeypatch):
    monkeypatch.delattr(pd.Series, "__arrow_c_stream__", raising=False)
    test_nullable_arrays_of_pandas([1, None, 2**60 + 1], "Int64")
    test_nullable_arrays_of_pandas(["a", None, "é"], "string")
    series = pd.Series(pd.to_datetime(["2024-01-01", None], utc=True), index=[5, 7])
    assert hash64(series, return_valid=True)[1].tolist() == [True, False]
    assert hash64(series).tolist() == hash64(series.array).tolist() == hash64(series[:1]).tolist()


def test_intervals_of_pandas_are_refused_in_whatever_they_come():
    index = pd.interval_range(0, 3)
    for intervals in (index, index.array, pd.Series(index), pd.DataFrame({"x": index})):
        with pytest.raises(TypeError, match="nested struct"):
            hash64(intervals)


def test_several_levels_of_an_index_are_columns():
    levels = pd.MultiIndex.from_tuples([(1, "a"), (2, "b")])
    np.testing.assert_array_equal(hash64(levels), hash64(pa.table({"0": [1, 2], "1": ["a", "b"]})))


def test_nan_is_a_null_to_pandas_alone():
    items = [1.0, float("nan")]
    for column in (np.array(items), pa.array(items), pl.Series(items)):
        check(column, items)
    for column in (pd.Series(items), pd.Index(items), pd.DataFrame({"x": items})):
        check(column, [1.0, None])


def test_polars_columns_without_a_value_to_hash():
    things = pl.Series("x", [object()], dtype=pl.Object)
    for column in (things, pl.DataFrame([things])):
        with pytest.raises(TypeError, match="polars column of type Object"):
            hash64(column)
    with pytest.raises(TypeError, match="'_pli128' cannot be hashed"):
        hash64(pl.Series([1], dtype=pl.Int128))
    check(pl.Series([None, None]), [None, None])
    check(pl.DataFrame({"x": [None, None]}), [None, None])


def test_duckdb():
    with duckdb.connect() as connection:
        relation = connection.sql("select cast(range as varchar) as x from range(5000)")
        check(relation, [str(i) for i in range(5000)])
        rows = connection.sql("select range as a, cast(range as varchar) as b from range(5000)")
        np.testing.assert_array_equal(
            hash64(rows), hash64(pa.table({"a": range(5000), "b": [str(i) for i in range(5000)]}))
        )


def test_pyarrow_is_not_imported(tmp_path):  # run there: a checkout would hide what is installed
    code = "import sys, sketches.hashing as h; h.hash64(['a']); sys.exit('pyarrow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=False).returncode == 0


# -------------------------------------------------------------------------- rows


def row_hash(cells, seed=9001):
    """The definition, in Python."""
    parts = []
    for cell in cells:
        h1, h2 = (2**64 - 1, 2**64 - 1) if cell is None else hash128(cell, seed)
        parts += [h1.to_bytes(8, "little"), h2.to_bytes(8, "little")]
    return mmh3.hash64(b"".join(parts), seed, signed=False)


@pytest.mark.parametrize("seed", [0, 9001])
def test_several_columns_hash_as_one_row(isa, seed):
    columns = {
        "i": [1, None, 3, -4] * 300,
        "s": ["a", "", None, "a text of more than twelve bytes"] * 300,
        "f": [0.0, 1.5, None, -2.0] * 300,
        "b": [True, None, False, None] * 300,
        "n": [None] * 1200,
    }
    table = pa.table({**columns, "d": pa.array(columns["s"]).dictionary_encode()})
    want = [row_hash(cells, seed) for cells in zip(*columns.values(), columns["s"], strict=True)]
    for rows in (table, table.to_batches()[0], pa.concat_tables([table[:7], table[7:]])):
        h1, h2, valid = hash128(rows, seed, return_valid=True)
        assert list(zip(h1.tolist(), h2.tolist(), strict=True)) == want
        assert valid.all()
    np.testing.assert_array_equal(hash64(table.slice(5), seed), [h1 for h1, _ in want[5:]])


def test_a_row_of_nulls_is_a_row_and_a_null_row_is_not():
    table = pa.table({"a": pa.nulls(2), "b": pa.nulls(2)})
    assert hash128(table)[0].tolist() == [row_hash([None, None])[0]] * 2
    structs = pa.array([{"a": 1, "b": "x"}, None, {"a": None, "b": "y"}])
    hashes, valid = hash64(structs, return_valid=True)
    assert valid.tolist() == [True, False, True]
    assert hashes.tolist() == [row_hash([1, "x"])[0], row_hash([None, "y"])[0]]
    check(pa.array([{"a": 1}, None, {"a": None}, {"a": 4}] * 300), [1, None, None, 4] * 300)


def test_empty_strings_of_rows_are_never_skipped():
    table = pa.table({"a": ["", "x", None], "b": ["", "", ""]})
    np.testing.assert_array_equal(hash64(table, skip_empty=True), hash64(table))


def test_very_wide_rows():
    table = pa.table({str(k): pa.array(range(k, k + 20)) for k in range(3000)})
    want = [row_hash(range(i, i + 3000))[0] for i in (0, 19)]
    assert hash64(table)[[0, 19]].tolist() == want


def test_dates_of_libraries_agree():
    day = datetime.date(2026, 1, 2)
    assert hash64(pa.array([day])).tolist() == hash64(pl.Series([day])).tolist()
    assert hash64(pa.array([day])).tolist() == hash64(np.array([day], "M8[D]")).tolist()


# ------------------------------------------------------------- what modules see


def test_the_gil_is_released_over_columns_and_kept_over_objects():
    for column in (pa.array(TEXTS), pa.chunked_array([TEXTS]), np.arange(2000), pl.Series(TEXTS)):
        *_, calls, held = _probe.hashes(column)
        assert calls > 1
        assert held == 0
    for objects in (TEXTS, list(range(2000)), np.array(TEXTS, object)):
        *_, calls, held = _probe.hashes(objects)
        assert held == calls > 1
