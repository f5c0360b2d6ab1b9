"""`ann.Exact` beside brute force in float64, at every level."""

import os
import pickle
import threading

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from ann import Exact, _container
from ann._exact import View, encode, norms
from sketches import FormatError, _cpu

METRICS = ("l2", "ip", "cosine")
TYPES = (np.float32, np.float16, np.uint8, np.int8)


def distances_of(queries, rows, metric):
    """float64[nq, n]"""
    q, x = np.asarray(queries, np.float64), np.asarray(rows, np.float64)
    if metric == "l2":
        return ((q[:, None] - x[None]) ** 2).sum(axis=2)
    met = q @ x.T
    if metric == "cosine":
        met = met / np.linalg.norm(q, axis=1)[:, None] / np.linalg.norm(x, axis=1)
    return 1 - met


def check_nearest(ids, distances, queries, rows, names, k, metric):
    """The k smallest distances; and each id at the distance that stands beside it."""
    truth = distances_of(queries, rows, metric)
    found = min(k, len(rows))
    assert ids.shape == distances.shape == (len(truth), k)
    assert (ids[:, found:] == -1).all()
    assert np.isinf(distances[:, found:]).all()
    want = np.sort(truth, axis=1)[:, :found]
    assert np.allclose(
        distances[:, :found], want, rtol=2e-7, atol=1e-12 + 1e-7 * abs(want).max(initial=0)
    )
    where = {name: row for row, name in enumerate(names)}
    for q in range(len(truth)):
        assert len(set(ids[q, :found].tolist())) == found
        own = truth[q, [where[name] for name in ids[q, :found].tolist()]]
        # in float64: not one that is farther by more than the rounding of these very sums
        assert np.allclose(own, want[q], rtol=1e-12, atol=1e-12)


def make(rng, dtype, n, dim):
    x = rng.normal(size=(n, dim)) * 30
    if np.issubdtype(dtype, np.integer):
        limits = np.iinfo(dtype)
        x = np.clip(np.rint(x), limits.min, limits.max)
    x = x.astype(dtype)
    x[~x.any(axis=1), 0] = 1  # no zeros under cosine
    return x


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("dtype", TYPES)
def test_brute_force(isa, dtype, metric):
    """Shapes around the multiples of tiles, lanes and blocks; few queries and many."""
    rng = np.random.default_rng(7)
    for n, dim in ((1, 1), (11, 3), (12, 16), (13, 17), (600, 33), (1500, 8)):
        rows, names = make(rng, dtype, n, dim), rng.permutation(10 * n)[:n]
        index = Exact(dim, metric)
        index.add(rows, names)
        assert index.dtype == dtype
        for nq in (1, 5, 33, 70):
            queries = make(rng, np.float32 if dtype == np.float16 else dtype, nq, dim)
            for k in (1, 7, 20):
                got = index.search(queries, k, threads=1)
                check_nearest(*got, queries, rows, names.tolist(), k, metric)
            several = index.search(queries, 5, threads=3)
            assert [a.tolist() for a in several] == [
                a.tolist() for a in index.search(queries, 5, threads=1)
            ]


class IndexAndList(RuleBasedStateMachine):
    """Additions, removals, updates, files and questions in any order, beside a dictionary."""

    @initialize(
        metric=st.sampled_from(METRICS),
        dtype=st.sampled_from(TYPES),
        filtering=st.booleans(),
        level=st.sampled_from(_cpu.available()),
    )
    def start(self, metric, dtype, filtering, level):
        _cpu.set_isa(level)
        self.rng = np.random.default_rng(1)
        self.index = Exact(5, metric, dtype, prefilter=filtering)
        self.metric, self.dtype = metric, dtype
        self.truth = {}

    @rule(n=st.integers(0, 30), own=st.booleans())
    def add(self, n, own):
        rows = make(self.rng, self.dtype, n, 5)
        first = max(self.truth, default=-1) + 1
        ids = (first + 2 * self.rng.permutation(n)).tolist() if own else None
        before = self.index._slots.last_id
        self.index.add(rows, ids)
        self.truth.update(zip(ids or range(before + 1, before + 1 + n), rows, strict=True))

    @rule(share=st.floats(0, 1))
    def remove(self, share):
        gone = [name for name in self.truth if self.rng.random() < share]
        self.index.remove(gone)
        for name in gone:
            del self.truth[name]

    @rule(share=st.floats(0, 1))
    def update(self, share):
        names = [name for name in self.truth if self.rng.random() < share]
        rows = make(self.rng, self.dtype, len(names), 5)
        self.index.update(names, rows)
        self.truth.update(zip(names, rows, strict=True))

    @rule(nq=st.sampled_from([1, 3, 20]), k=st.integers(1, 12), share=st.sampled_from([0, 0.1, 1]))
    def search(self, nq, k, share):
        queries = make(self.rng, np.float32 if self.dtype == np.float16 else self.dtype, nq, 5)
        ids = self.index.ids.tolist()
        mask = self.rng.random(len(ids)) < share
        for filter in (mask, np.array(ids, np.int64)[mask]):
            kept = [name for name, there in zip(ids, mask, strict=True) if there]
            rows = [self.truth[name] for name in kept] or np.empty((0, 5))
            got = self.index.search(queries, k, filter=filter)
            check_nearest(*got, queries, rows, kept, k, self.metric)
        truth = distances_of(queries, [self.truth[i] for i in ids] or np.empty((0, 5)), self.metric)
        radius = float(np.float32(np.median(truth))) if truth.size else 1.0
        offsets, found, distances = self.index.search_radius(queries, radius)
        for q in range(nq):
            part = slice(offsets[q], offsets[q + 1])
            near = {
                name
                for name, far in zip(ids, truth[q], strict=True)
                if far < radius - 1e-6 * abs(radius)
            }
            near_or_on = {
                name
                for name, far in zip(ids, truth[q], strict=True)
                if far <= radius + 1e-6 * abs(radius)
            }
            assert near <= set(found[part].tolist()) <= near_or_on
            assert (np.diff(distances[part]) >= 0).all()

    @rule(mmap=st.booleans())
    def through_a_file(self, mmap):
        self.index = pickle.loads(pickle.dumps(self.index))
        path = f"/tmp/exact-{os.getpid()}-{id(self)}"
        try:
            self.index.save(path)
            self.index = Exact.load(path, mmap=mmap)
        finally:
            os.unlink(path)

    @invariant()
    def same(self):
        assert len(self.index) == len(self.truth)
        assert sorted(self.index.ids.tolist()) == sorted(self.truth)
        names = list(self.truth)
        assert self.index.get(names).tolist() == [self.truth[name].tolist() for name in names]


TestIndexAndList = IndexAndList.TestCase
TestIndexAndList.settings = settings(max_examples=40, stateful_step_count=12, deadline=None)


@pytest.mark.parametrize("metric", METRICS)
def test_numbers_that_float32_sums_get_wrong(isa, metric):
    """Near ties far from the origin, huge and tiny lengths, duplicates: still as in float64."""
    rng = np.random.default_rng(8)
    dim = 24
    base = rng.normal(size=dim).astype(np.float32)
    sets = {
        "near ties": 1000 + rng.normal(size=(400, dim)) * 1e-3,
        "huge": rng.normal(size=(400, dim)) * 1e19,
        "huge and small": rng.normal(size=(400, dim)) * 10.0 ** rng.integers(-25, 20, (400, 1)),
        "tiny": rng.normal(size=(400, dim)) * 1e-25,
        "one direction": np.arange(1, 401)[:, None] * base,
        "duplicates": np.repeat(rng.normal(size=(4, dim)), 100, axis=0),
        "an outlier": np.vstack([rng.normal(size=(399, dim)), np.full((1, dim), 1e6)]),
    }
    for what, x in sets.items():
        rows = x.astype(np.float32)
        index = Exact(dim, metric)
        index.add(rows)
        for nq in (1, 40):
            queries = rows[rng.integers(0, 400, nq)] * np.float32(1.001)
            ids, got = index.search(queries, 6)
            truth = distances_of(queries, rows, metric)
            want = np.sort(truth, axis=1)[:, :6]
            own = np.take_along_axis(truth, ids, 1)
            scale = 1 if metric == "cosine" else abs(want).max()
            assert np.allclose(own, want, rtol=1e-9, atol=1e-13 * scale), what
            with np.errstate(over="ignore"):
                assert np.allclose(got, want.astype(np.float32), rtol=1e-6, atol=1e-6 * scale), what


def test_the_codes_change_nothing_but_the_bytes_that_are_read(isa):
    rng = np.random.default_rng(9)
    kinds = [
        rng.integers(0, 256, (3000, 20)),
        rng.normal(size=(3000, 20)),
        rng.standard_cauchy((3000, 20)),
        np.full((3000, 20), 3.5),
        rng.normal(size=(3000, 1)),
    ]
    for x in kinds:
        rows = x.astype(np.float32)
        with_codes, without = Exact(x.shape[1]), Exact(x.shape[1], prefilter=False)
        for index in (with_codes, without):
            index.add(rows[:100])
            index.add(rows[100:])
        queries = rows[:5] + np.float32(0.25)
        for q in queries:
            a, b = with_codes.search(q, 10), without.search(q, 10)
            assert a[1].tolist() == b[1].tolist()
            radius = float(a[1][0, 4])
            assert (
                with_codes.search_radius(q, radius)[0] == without.search_radius(q, radius)[0]
            ).all()
        assert with_codes.nbytes - without.nbytes == rows.size + 4 * len(rows)
    codes, error = encode(kinds[0].astype(np.float32), 1.0, 128.0)
    assert (codes == kinds[0] - 128).all()  # bytes are kept as they are
    assert not error.any()
    codes, error = encode(kinds[1].astype(np.float32), 0.02, 0.0)
    off = np.linalg.norm(kinds[1].astype(np.float32) - 0.02 * codes.astype(float), axis=1)
    assert (error >= off).all()
    assert (error <= off * 1.0001 + 1e-6).all()


def test_answers_have_k_columns_whatever_there_is():
    index = Exact(3, "cosine")
    assert index.dtype is None
    assert index.nbytes == 0
    ids, distances = index.search([[1, 2, 3]] * 2, 4)
    assert ids.tolist() == [[-1] * 4] * 2
    assert np.isinf(distances).all()
    assert [a.tolist() for a in index.search_radius([1, 2, 3], 1)] == [[0, 0], [], []]
    index.add([])
    assert index.dtype is None
    index.add([1, 2, 3], ids=7)
    index.add(pa.array([[4, 5, 6]], pa.list_(pa.float64(), 3)))
    assert index.ids.tolist() == [7, 8]
    assert index.search([1.0, 2, 3], 3)[0].tolist() == [[7, 8, -1]]
    assert index.search(np.empty((0, 3)), 3)[0].shape == (0, 3)
    assert index.search([1.0, 2, 3], 3, filter=[])[0].tolist() == [[-1] * 3]
    assert index.search([1.0, 2, 3], 3, filter=pa.array([None, True]))[0].tolist() == [[8, -1, -1]]
    assert 7 in index
    assert 9 not in index
    assert repr(index) == "Exact(dim=3, metric='cosine', dtype=float32) <2 vectors>"
    index.remove([7, 8])
    assert len(index) == 0
    assert index.search([1.0, 2, 3], 1)[0].tolist() == [[-1]]
    index.add([1, 2, 3])
    assert index.ids.tolist() == [9]  # ids do not come back by themselves


def test_what_is_refused_loses_nothing():
    index = Exact(2, "cosine")
    with pytest.raises(ValueError, match="id 5 comes twice"):
        index.add(np.ones((2, 2), np.uint8), ids=[5, 5])
    assert index.dtype is None
    index.add([[1, 0], [0, 1.5]])
    for vectors, ids, error, message in (
        ([[1, 2, 3]], None, ValueError, "dim=2"),
        ([[1, 1], [np.nan, 1]], None, ValueError, "row 1 of vectors holds NaN"),
        ([[1, 1], [0, 0]], None, ValueError, "row 1 of vectors is all zeros"),
        ([[1, 1], [1, 2]], [3, 3], ValueError, r"id 3 comes twice \(row 1\)"),
        ([[1, 1], [1, 2]], [3, 1], ValueError, r"id 1 is there already \(row 1\)"),
        ([[1, 1]], [3, 4], ValueError, "2 ids for 1 vectors"),
        ([[1, 1]], ["a"], TypeError, "integers"),
    ):
        with pytest.raises(error, match=message):
            index.add(vectors, ids)
    for act in (index.remove, index.get, lambda ids: index.update(ids, np.ones((2, 2)))):
        with pytest.raises(KeyError, match="9"):
            act([0, 9])
    with pytest.raises(ValueError, match="comes twice"):
        index.update([0, 0], [[1, 1], [2, 2]])
    with pytest.raises(ValueError, match="row 0 of queries is all zeros"):
        index.search([0, 0], 1)
    with pytest.raises(ValueError, match="row 0 of queries holds NaN"):
        index.search([np.inf, 0], 1)
    with pytest.raises(ValueError, match="k must be at least 1"):
        index.search([1, 0], 0)
    with pytest.raises(ValueError, match="3 booleans for 2 vectors"):
        index.search([1, 0], 1, filter=[True] * 3)
    with pytest.raises(ValueError, match="radius is NaN"):
        index.search_radius([1, 0], float("nan"))
    assert index.ids.tolist() == [0, 1]
    assert index.get([1, 0]).tolist() == [[0, 1.5], [1, 0]]
    whole = Exact(2, dtype=np.uint8)
    whole.add([[1.0, 255]])
    with pytest.raises(ValueError, match="row 0 of queries holds what is no uint8"):
        whole.search([0.5, 1], 1)


def test_threads_add_remove_and_search():
    """Eight at once: each finds what it has added, and no answer holds what was never there."""
    rng = np.random.default_rng(10)
    index, failed = Exact(8), []
    index.add(rng.normal(size=(50, 8)).astype(np.float32), np.arange(10**6, 10**6 + 50))

    def work(t):
        try:
            own = np.random.default_rng(t)
            for i in range(30):
                rows = (own.normal(size=(3, 8)) + 100 * t + i).astype(np.float32)
                ids = t * 1000 + 3 * i + np.arange(3)
                index.add(rows, ids)
                found, distances = index.search(rows, 1, threads=1)
                assert found[:, 0].tolist() == ids.tolist()
                assert not distances.any()
                if i % 3 == 0:
                    index.remove(ids[:1])
                    index.update(ids[1:], rows[1:] + 0.5)
                    assert index.search(rows[1:] + 0.5, 1)[0][:, 0].tolist() == ids[1:].tolist()
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(t,)) for t in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert len(index) == 50 + 8 * (90 - 10)
    check_nearest(*index.search(index.get(index.ids), 3), index.get(index.ids),
                  index.get(index.ids), index.ids.tolist(), 3, "l2")  # fmt: skip


@pytest.fixture
def saved(tmp_path):
    index = Exact(4)
    index.add(np.arange(24, dtype=np.float32).reshape(6, 4), [5, 3, 9, 1, 0, 70])
    index.save(tmp_path / "index")
    return tmp_path / "index"


@pytest.mark.parametrize("mmap", [False, True])
def test_a_file_that_is_changed_after_loading_stays(saved, mmap):
    before = saved.read_bytes()
    index = Exact.load(saved, mmap=mmap)
    index.update([5], [[9, 9, 9, 9]])
    index.remove([3, 70])
    index.add([[7, 7, 7, 7]])
    assert index.search([9, 9, 9, 9], 1)[0].tolist() == [[5]]
    assert index.search([7, 7, 7, 7], 1)[0].tolist() == [[71]]
    assert saved.read_bytes() == before
    index.save(saved)
    assert sorted(Exact.load(saved).ids.tolist()) == [0, 1, 5, 9, 71]


def test_damaged_and_hostile_files_are_refused(saved, tmp_path):
    image, bad = saved.read_bytes(), tmp_path / "bad"
    for byte in range(0, len(image), 3):
        damaged = bytearray(image)
        damaged[byte] ^= 0x41
        bad.write_bytes(damaged)
        try:
            Exact.load(bad)
        except FormatError:
            continue
        assert image[byte] == 0, byte  # between sections, where nobody looks
    good = {"dim": 2, "metric": "l2", "dtype": "float32", "prefilter": True, "n": 2, "last_id": 1,
            "step": 1.0, "middle": 0.0, "coded": 2}  # fmt: skip
    sections = {"ids": np.arange(2), "vectors": np.zeros((2, 2), np.float32),
                "norms": np.zeros(2, np.float32), "codes": np.zeros((2, 2), np.int8),
                "errors": np.zeros(2, np.float32)}  # fmt: skip
    _container.write(bad, b"EXCT", 1, good, sections)
    assert Exact.load(bad, mmap=True).search([0, 0], 1)[1].tolist() == [[0]]
    for change in ({"dim": 0}, {"dim": 3}, {"metric": "x"}, {"dtype": "float16"}, {"dtype": None},
                   {"n": -1}, {"n": 3}, {"n": 2.0}, {"last_id": 2**70}, {"step": 0.0},
                   {"step": 10**400},
                   {"prefilter": 1}, {"dtype": "nonsense"}, {"coded": "2"}):  # fmt: skip
        _container.write(bad, b"EXCT", 1, good | change, sections)
        for mmap in (False, True):
            with pytest.raises(FormatError):
                Exact.load(bad, mmap=mmap)
    _container.write(bad, b"EXCT", 1, good, sections | {"ids": np.array([1, 1])})
    with pytest.raises(FormatError, match="id 1 comes twice"):
        Exact.load(bad, mmap=True)
    hostile = sections | {"vectors": np.full((2, 2), np.nan, np.float32),
                          "errors": np.full(2, np.nan, np.float32)}  # fmt: skip
    _container.write(bad, b"EXCT", 1, good, hostile)
    for nq in (1, 20):  # nonsense, but within the arrays
        assert Exact.load(bad).search(np.ones((nq, 2)), 2)[0].shape == (nq, 2)


def test_views_are_of_what_they_say():
    rows = np.zeros((3, 4), np.float32)
    view = View(rows, norms(rows, "l2"), "l2")
    with pytest.raises(IndexError, match="of 3"):
        view.among(np.array([3]))
    with pytest.raises(ValueError, match="norms for"):
        View(rows, np.zeros(2, np.float32), "l2")
    with pytest.raises(ValueError, match="codes of shape"):
        View(rows, np.zeros(3, np.float32), "l2", 1.0, (*encode(rows[:2], 1.0, 0.0), 1.0, 0.0))
    with pytest.raises(ValueError, match="queries of"):
        view.within(np.zeros((2, 3), np.float32), 1.0)
