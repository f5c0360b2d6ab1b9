"""The walks that other modules build on: what their sinks are given."""

import itertools
import operator
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from sketches import MinHash, _probe, minhash_matrix
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


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ([None, 1.5, 2.5], "position 1: texts wanted, not float"),
        ([1] * 5, "position 0: texts wanted, not int"),
        (["a", 1], "position 1: int in a batch of str"),
        (np.arange(3), "texts wanted, got a column of int64"),
        (pa.array([1]).dictionary_encode(), "texts wanted, got a column of Arrow format 'l'"),
        (pa.table({"a": [1.5]}), "texts wanted, got a column of Arrow format 'g'"),
        (None, "texts wanted, not a value of type NoneType"),
        (bytearray(b"x"), "texts wanted, not a value of type bytearray"),
    ],
    ids=str,
)
def test_what_is_no_text_is_named(texts, message):
    with pytest.raises(TypeError, match=message):
        _probe.spans(texts)


def test_an_empty_text_of_a_subclass_is_no_null():
    class Text(str):
        pass

    assert _probe.spans([Text(), None, "a"])[0] == [b"", None, b"a"]


def test_a_surrogate_is_named():
    with pytest.raises(ValueError, match="position 700: a str with a lone surrogate"):
        _probe.spans(["a"] * 700 + ["\ud800"])


# ------------------------------------------------------------------------- hashes


def test_hashes_skip_nulls_and_count_them():
    for items in (TEXTS, iter(TEXTS), pa.array(TEXTS)):
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


# ------------------------------------------------------------------------ signals


class Alarm(Exception):
    pass


@pytest.fixture
def alarm():
    """Raises Alarm in a moment."""

    def ring(*_):
        raise Alarm

    if not hasattr(signal, "setitimer"):
        pytest.skip("no alarm on this system")
    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, 0.1)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize(
    ("walk", "item"),
    [
        (_probe.drain, "a"),
        (_probe.drain, 1),
        (_probe.drain_sets, ["a"]),
        (_probe.drain_sets, None),
        (_probe.spans, "a"),
    ],
)
@pytest.mark.usefixtures("alarm")
def test_signals_reach_a_walk_over_objects(walk, item):
    items = itertools.repeat(item, 10**8)
    with pytest.raises(Alarm):
        walk(items)
    assert operator.length_hint(items) > 0


@pytest.mark.usefixtures("alarm")
def test_a_list_that_a_signal_handler_empties():
    """The list goes in the middle of a walk, which must not read what is no longer there."""
    signal.setitimer(signal.ITIMER_REAL, 0)  # the list takes a while to make
    items = ["a"] * 5_000_000
    signal.signal(signal.SIGALRM, lambda *_: items.clear())
    signal.setitimer(signal.ITIMER_REAL, 0.005)
    walks = 0
    while items:
        _probe.drain_sets([items])
        walks += 1
    assert walks > 0


class Nulls:
    """An Arrow column of nulls: any length, no memory."""

    def __init__(self, length):
        self.column = pa.Array.from_buffers(pa.null(), length, [None])

    def __arrow_c_array__(self, requested_schema=None):
        return self.column.__arrow_c_array__()


@pytest.mark.usefixtures("alarm")
def test_signals_reach_a_walk_over_a_column():
    start = time.monotonic()
    with pytest.raises(Alarm):
        _probe.drain(Nulls(10**12))
    assert time.monotonic() - start < 60


class LongTexts:
    """An Arrow column of texts of a megabyte, which all lie in the same place."""

    def __init__(self, length):
        text = pa.py_buffer(bytes(1 << 20))
        view = np.array([1 << 20, 0, 0, 0], np.int32)
        views = pa.py_buffer(np.tile(view, length))
        self.column = pa.Array.from_buffers(pa.string_view(), length, [None, views, text])

    def __arrow_c_array__(self, requested_schema=None):
        return self.column.__arrow_c_array__()


@pytest.mark.usefixtures("alarm")
def test_signals_reach_a_walk_over_long_texts():
    """At the end of a block: 64 of them are 32 GB."""
    signal.setitimer(signal.ITIMER_REAL, 0)  # the column takes a moment to make
    texts = LongTexts(1 << 18)
    signal.setitimer(signal.ITIMER_REAL, 0.1)
    start = time.process_time()
    with pytest.raises(Alarm):
        _probe.drain(texts)
    assert time.process_time() - start < 3


@pytest.mark.parametrize(
    "take",
    [
        lambda: minhash_matrix(
            np.zeros(1 << 22, np.uint64), np.arange(1025) << 12, num_perm=1 << 14
        ),
        lambda: MinHash(1 << 14).update_hashes(np.zeros(1 << 22, np.uint64)),
        lambda: MinHash(1 << 14, family="affine32").update_hashes(np.zeros(1 << 22, np.uint32)),
    ],
    ids=["sets", "fss32", "affine32"],
)
@pytest.mark.usefixtures("alarm")
def test_signals_reach_those_who_bring_hashes(take):
    """Seconds of work for the fastest machine, which the alarm cuts short."""
    start = time.process_time()
    with pytest.raises(Alarm):
        take()
    assert time.process_time() - start < 1


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


@pytest.mark.parametrize("plain", [0, 1, 511, 512, 600, 1024])
def test_lists_that_begin_with_ascii(plain):
    start = [str(i) for i in range(plain)]
    sets = [start, [*start, "é", None, "z"], [*start, None], start]
    assert _probe.sets(sets)[0] == [hash64(s).tolist() for s in sets]
    with pytest.raises(TypeError, match=f"position {plain + 1}: int in a batch of str"):
        _probe.sets([[*start, "é", 1]])


def test_python_sets_after_removals():
    rng = np.random.default_rng(5)
    for size in (0, 1, 4, 5, 100, 3000):
        items = {str(i) for i in rng.integers(0, 10**6, size)}
        items -= set(sorted(items)[::3])
        items |= {str(i) for i in range(size // 5)}
        for these in (items, frozenset(items)):
            assert _probe.sets([these])[0] == [[hash64(item) for item in these]]


@pytest.mark.parametrize(
    ("sets", "message"),
    [
        ("abc", "a collection of sets wanted, not str"),
        (5, "a collection of sets wanted, not int"),
        (["abc"], "a collection of items wanted, not str\nin set 0"),
        ([["a"], 5], "a collection of items wanted, not int\nin set 1"),
        ([["a"], ["b", 1]], r"position 1: int in a batch of str(.|\n)*in set 1"),
        ([["a"], object()], "in set 1"),
        (pa.array(["a"]), "column of lists"),
        (pa.array([[["a"]]]), "nested list"),
        (pa.table({"a": [["x"]], "b": [["y"]]}), "column of lists"),
    ],
)
def test_what_is_no_set_is_named(sets, message):
    with pytest.raises(TypeError, match=message):
        _probe.sets(sets)


def test_errors_of_foreign_code_keep_their_type():
    def broken():
        yield b"\xff".decode()

    with pytest.raises(UnicodeDecodeError, match="in set 1"):
        _probe.sets([["a"], broken()])


def test_a_labelled_frame_is_its_columns():
    frame = pd.DataFrame({"x": ["a", "b"]}, index=["k", "l"])
    assert _probe.spans(frame)[0] == [b"a", b"b"]
    sets = pd.DataFrame({"x": [["a"], ["b", "c"]]}, index=["k", "l"])
    assert _probe.sets(sets)[0] == [hash64(["a"]).tolist(), hash64(["b", "c"]).tolist()]


SET_IN_A_COLLECTION = """
import gc, sys
from sketches import _probe

for allocations in range(12):
    gc.disable()
    gc.collect()
    items = {str(i) for i in range(200_000)}

    class Garbage:
        def __del__(self):
            items.clear()

    garbage = Garbage()
    garbage.me = garbage
    del garbage
    gc.set_threshold(gc.get_count()[0] + allocations, 1000, 1000)
    gc.enable()
    (hashes,), *_ = _probe.sets([items])
    gc.disable()
    assert len(hashes) in (0, 200_000)
"""


def test_a_set_that_a_finalizer_empties_during_the_walk():
    run = subprocess.run([sys.executable, "-c", SET_IN_A_COLLECTION], check=False)
    assert run.returncode == 0


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
