"""The walks that other modules build on: what their sinks are given."""

import threading

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from sketches import _probe
from sketches.hashing import hash64

TEXTS = ["a", "", None, "é" * 1000, "a text of more than twelve bytes", "日本"] * 400
BYTES = [None if text is None else text.encode() for text in TEXTS]
SETS = [["a", "b"], [], ["c", None], None, [str(i) for i in range(1500)], [], ["z"]] * 3
HASHES = [hash64(s).tolist() if s else [] for s in SETS]


# ------------------------------------------------------------------------- spans


@pytest.mark.parametrize(
    "make",
    [
        list,
        tuple,
        iter,
        lambda x: np.array(x, object),
        pl.Series,
        pa.array,
        lambda x: pa.array(x, pa.large_string()),
        lambda x: pa.array(x, pa.string_view()),
        lambda x: pa.array(x).dictionary_encode(),
        lambda x: pa.array(["q", *x]).slice(1),
        lambda x: pa.chunked_array([x[:5], [], x[5:]]),
        lambda x: pa.table({"t": x}),
        lambda x: pa.array(BYTES),
        lambda x: BYTES,
    ],
)
def test_spans_keep_every_row_in_its_place(make):
    got, rows, *_ = _probe.spans(make(TEXTS))
    assert got == BYTES
    assert rows == len(TEXTS)


def test_spans_of_string_arrays_and_scalars():
    texts = ["a", "", "日本 text"] * 400
    keys = [text.encode() for text in texts]
    for array in (np.array(texts), np.array(keys), np.array(texts, np.dtypes.StringDType())):
        assert _probe.spans(array)[0] == keys
    assert _probe.spans("é")[0] == ["é".encode()]
    assert _probe.spans(b"")[0] == [b""]
    assert _probe.spans([])[:2] == ([], 0)
    assert _probe.spans([None])[0] == [None]
    assert _probe.spans(pa.nulls(3))[0] == [None] * 3


def test_texts_of_megabytes():
    texts = ["ascii " * 300_000, "日本語" * 300_000, None, "é" * 900_000, "x"] * 2
    got, _, calls, held = _probe.spans(texts)
    assert got == [None if text is None else text.encode() for text in texts]
    assert held < calls  # long texts are worth giving up the GIL for


@pytest.mark.parametrize(
    "texts",
    [
        [1, 2],
        [1.5],
        np.arange(3),
        pa.array([1]),
        pa.array([1]).dictionary_encode(),
        5,
        None,
        pa.table({"a": ["x"], "b": ["y"]}),
        pa.array([["x"]]),
        ["a", b"b"],
        bytearray(b"x"),
    ],
    ids=str,
)
def test_what_is_no_text_is_refused(texts):
    with pytest.raises(TypeError):
        _probe.spans(texts)


def test_a_surrogate_is_named():
    with pytest.raises(ValueError, match="position 700: a str with a lone surrogate"):
        _probe.spans(["a"] * 700 + ["\ud800"])


# ------------------------------------------------------------------------- hashes


def test_hashes_skip_nulls_and_count_them():
    for items in (TEXTS, iter(TEXTS), pa.array(TEXTS), pl.Series(TEXTS)):
        pairs, nulls, *_ = _probe.hashes(items)
        assert nulls == 400
        assert [h1 for h1, _ in pairs] == hash64(TEXTS).tolist()
    pairs, nulls, *_ = _probe.hashes(TEXTS, skip_empty=True)
    assert (nulls, len(pairs)) == (400, 4 * 400)
    assert _probe.hashes("", skip_empty=True)[:2] == ([], 0)
    assert _probe.hashes("x")[0] == [(hash64("x"), _probe.hashes(["x"])[0][0][1])]


@pytest.mark.parametrize("items", [TEXTS, pa.array(TEXTS), np.arange(5000), "x"], ids=type)
def test_a_sink_that_refuses_stops_the_walk(items):
    with pytest.raises(MemoryError):
        _probe.hashes(items, stop_at=1)


def test_a_sink_of_spans_or_sets_that_refuses_stops_the_walk():
    for texts in (TEXTS, pa.array(TEXTS)):
        with pytest.raises(MemoryError):
            _probe.spans(texts, stop_at=2)
    for sets in (SETS, pa.array(SETS)):
        with pytest.raises(MemoryError):
            _probe.sets(sets, stop_at=3)


# --------------------------------------------------------------------------- sets


@pytest.mark.parametrize(
    "make",
    [
        list,
        tuple,
        iter,
        lambda x: np.array([*x, None], object)[:-1],
        lambda x: [r if r is None else tuple(r) for r in x],
        lambda x: [r if r is None else iter(r) for r in x],
        lambda x: [r if r is None else dict.fromkeys(r) for r in x],
        lambda x: [r if r is None else pa.array(r, pa.string()) for r in x],
        lambda x: [r if r is None else np.array(r, object) for r in x],
        pa.array,
        pl.Series,
        lambda x: pa.array(x, pa.large_list(pa.string())),
        lambda x: pa.array(x, pa.list_(pa.large_string())),
        lambda x: pa.array(x, pa.list_(pa.dictionary(pa.int16(), pa.string()))),
        lambda x: pa.array([["q"], *x]).slice(1),
        lambda x: pa.table({"s": x}),
        lambda x: pa.chunked_array([x[:3], [[]], x[3:]]).take(pa.array([*range(3), *range(4, 22)])),
        lambda x: pa.record_batch({"s": [["q"], None, *x]}).slice(2),
    ],
)
def test_sets_end_where_they_should(isa, make):
    got, rows, *_ = _probe.sets(make(SETS))
    assert got == HASHES
    assert rows == len(SETS)


def test_sets_of_numbers():
    pairs = [[1, 2], None, [3, 4]]
    want = [hash64([1, 2]).tolist(), [], hash64([3, 4]).tolist()]
    assert _probe.sets(pa.array(pairs, pa.list_(pa.int64(), 2)))[0] == want
    assert _probe.sets(pa.array([[9, 9], *pairs], pa.list_(pa.int16(), 2)).slice(1))[0] == want
    assert _probe.sets([np.array(p) if p else None for p in pairs])[0] == want
    assert _probe.sets([{1}, frozenset([2]), range(3)])[0] == [
        hash64(list(s)).tolist() for s in ([1], [2], [0, 1, 2])
    ]
    assert _probe.sets([])[:2] == ([], 0)


def test_python_sets_after_removals():
    rng = np.random.default_rng(5)
    for size in (0, 1, 4, 5, 100, 3000):
        items = {str(i) for i in rng.integers(0, 10**6, size)}
        items -= set(sorted(items)[::3])
        items |= {str(i) for i in range(size // 5)}
        for these in (items, frozenset(items)):
            assert _probe.sets([these])[0] == [[hash64(item) for item in these]]


def test_sets_by_offsets():
    values = [x for s in SETS if s for x in s]
    ends = np.cumsum([0] + [len(s or ()) for s in SETS])
    for batch in (
        values,
        iter(values),
        pa.array(values),
        pa.chunked_array([values[:700], values[700:]]),
    ):
        assert _probe.sets(batch, ends)[0] == HASHES
    assert _probe.sets(["skipped", *values, "ignored"], ends + 1)[0] == HASHES
    assert _probe.sets(np.arange(5), [0, 2, 2, 5])[0] == [
        hash64(np.arange(a, b)).tolist() for a, b in ((0, 2), (2, 2), (2, 5))
    ]
    assert _probe.sets([], [0])[:2] == ([], 0)
    assert _probe.sets([], [0, 0])[:2] == ([[]], 1)


@pytest.mark.parametrize("offsets", [[], [0, 2, 1], [-1, 2], [0, 4]])
def test_bad_offsets(offsets):
    with pytest.raises(ValueError, match="offsets"):
        _probe.sets([1, 2, 3], offsets)


@pytest.mark.parametrize(
    ("sets", "message"),
    [
        ("abc", "a collection of sets wanted, not str"),
        (5, "a collection of sets wanted, not int"),
        (["abc"], "set 0: a collection of items wanted, not str"),
        ([["a"], 5], "set 1: a collection of items wanted, not int"),
        ([["a"], ["b", 1]], "set 1: position 1: int in a batch of str"),
        ([["a"], object()], "set 1: "),
        (pa.array(["a"]), "column of lists"),
        (pa.array([[["a"]]]), "nested list"),
        (pa.table({"a": [["x"]], "b": [["y"]]}), "column of lists"),
    ],
)
def test_what_is_no_set_is_named(sets, message):
    with pytest.raises(TypeError, match=message):
        _probe.sets(sets)


def test_lists_inside_nullable_structs():
    with pytest.raises(ValueError, match="struct with nulls"):
        _probe.sets(pa.array([{"a": [1]}, None]))


def test_the_gil_is_released_over_columns_of_sets():
    *_, calls, held = _probe.sets(pa.array(SETS))
    assert (calls > len(SETS), held) == (True, 0)
    *_, calls, held = _probe.sets(SETS)
    assert held == calls


def test_threads_walk_side_by_side():
    column, start, got = pa.array(SETS * 20), threading.Barrier(4), []

    def work():
        start.wait()
        got.append(_probe.sets(column)[0] == HASHES * 20)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == [True] * 4
