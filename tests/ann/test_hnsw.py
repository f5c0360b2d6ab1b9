"""HNSW beside brute force: answers, changes, filters, threads and files."""

import pickle
import signal
import tempfile
import threading

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from ann import HNSW, _container, _graph
from sketches import FormatError, _cpu

METRICS = ("l2", "ip", "cosine")
DIM, RANK = 40, 8


def vectors(n, seed, dim=DIM, dtype=np.float32):
    """Points near a plane of few dimensions, as real vectors are."""
    rng = np.random.default_rng(seed)
    plane = np.random.default_rng(1).standard_normal((RANK, dim))
    x = rng.standard_normal((n, RANK)) @ plane + 0.2 * rng.standard_normal((n, dim))
    if np.dtype(dtype) == np.uint8:
        return np.clip(x * 12 + 128, 0, 255).astype(dtype)
    if np.dtype(dtype) == np.int8:
        return np.clip(x * 12, -128, 127).astype(dtype)
    return x.astype(dtype)


def exact(base, queries, metric):
    """All distances, in float64."""
    x, q = base.astype(np.float64), queries.astype(np.float64)
    if metric == "l2":
        return (q**2).sum(1)[:, None] + (x**2).sum(1) - 2 * q @ x.T
    if metric == "cosine":
        x, q = (v / np.linalg.norm(v, axis=1, keepdims=True) for v in (x, q))
    return 1 - q @ x.T


def recall(index, queries, truth, k=10, **options):
    """The share of answers as near as the k-th nearest; `truth`: distances by id, inf for none."""
    ids, _ = index.search(queries, k, **options)
    bound = np.sort(truth, axis=1)[:, k - 1 : k]
    assert (ids >= 0).all()
    assert all(len(set(row)) == k for row in ids.tolist())
    return (np.take_along_axis(truth, ids, 1) <= bound + 1e-6 * np.abs(bound)).mean()


@pytest.fixture(scope="module")
def base():
    return vectors(6000, 2)


@pytest.fixture(scope="module")
def queries():
    return vectors(100, 3)


@pytest.fixture(scope="module")
def built(base):
    index = HNSW(DIM)
    index.add(base)
    return index


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.float64, np.uint8, np.int8])
def test_every_metric_and_type_finds_the_nearest_at_their_distances(metric, dtype):
    x, q = vectors(3000, 4, dtype=dtype), vectors(60, 5, dtype=dtype)
    index = HNSW(DIM, metric)
    index.add(x)
    assert index.dtype == (np.float32 if dtype is np.float64 else dtype)
    truth = exact(x, q, metric)
    # Well built, 0.99 and more; the data is easy. Deterministic but for the threads' order.
    assert recall(index, q, truth, ef_search=100) > (0.95 if metric == "ip" else 0.98)
    ids, distances = index.search(q, 10)
    assert (np.diff(distances) >= 0).all()
    kept = exact(x.astype(index.dtype), q.astype(index.dtype), metric)
    size = np.abs(kept).max() * (2e-6 if dtype is not np.float16 else 2e-3)
    np.testing.assert_allclose(distances, np.take_along_axis(kept, ids, 1), rtol=1e-4, atol=size)


def test_few_vectors_are_compared_exactly(queries):
    x = vectors(999, 6)
    index = HNSW(DIM)
    for start in range(0, 999, 333):
        index.add(x[start : start + 333])
    assert recall(index, queries, exact(x, queries, "l2")) == 1
    assert index.nbytes == HNSW.estimate_bytes(999, DIM) or index.nbytes < 1.3 * 999 * 4 * DIM


def test_one_by_one_is_as_good_as_a_batch(base, queries):
    index = HNSW(DIM)
    for row in base[:2500]:
        index.add(row)
    assert len(index) == 2500
    assert recall(index, queries, exact(base[:2500], queries, "l2"), ef_search=100) > 0.98


def test_the_same_seed_and_one_thread_build_the_same_index(base, queries):
    answers = []
    for _ in range(2):
        index = HNSW(DIM, seed=7)
        index.add(base[:2000], threads=1)
        answers.append(index.search(queries, 10, ef_search=10)[0])
    assert (answers[0] == answers[1]).all()


@pytest.mark.parametrize("level", _cpu.available())
@pytest.mark.parametrize("metric", METRICS)
def test_every_instruction_set_builds_and_walks_the_same_graph(metric, level):
    before = _cpu.isa()
    x, q = vectors(1500, 8, dtype=np.uint8), vectors(40, 9, dtype=np.uint8)
    answers = []
    try:
        for name in ("baseline", level):
            _cpu.set_isa(name)
            index = HNSW(DIM, metric, M=6, ef_construction=30)
            index.add(x, threads=1)
            answers.append(index.search(q, 10, ef_search=12))
    finally:
        _cpu.set_isa(before)
    assert (answers[0][0] == answers[1][0]).all()
    np.testing.assert_allclose(answers[0][1], answers[1][1], rtol=1e-6)


@pytest.mark.parametrize("dim", [1, 3, 60, 61, 130])
def test_every_dim(dim):
    x = np.random.default_rng(dim).standard_normal((1200, dim)).astype(np.float32)
    for codes in ("auto", "sq8"):
        index = HNSW(dim, codes=codes, M=8, ef_construction=50)
        index.add(x)
        assert recall(index, x[:50], exact(x, x[:50], "l2"), ef_search=400) > 0.95
        assert index.nbytes == HNSW.estimate_bytes(1200, dim, codes=codes, M=8, sample=x)


def test_more_dimensions_than_a_code_has():
    x = vectors(1000, 17, dim=2100)
    index = HNSW(2100, M=8, ef_construction=40)
    index.add(x)
    assert recall(index, x[:20], exact(x, x[:20], "l2"), ef_search=40) > 0.95
    same = HNSW(2100)
    same.add(np.ones((1000, 2100), np.uint8))
    assert (same.search(np.ones(2100), 3)[1] == 0).all()


def test_duplicates_and_constant_vectors():
    x = np.repeat(vectors(30, 10), 100, axis=0)
    index = HNSW(DIM)
    index.add(x)
    ids, distances = index.search(x[::100], 50, ef_search=200)
    assert (ids >= 0).all()
    assert (distances[:, 0] == 0).all()
    same = HNSW(DIM)
    same.add(np.ones((2000, DIM)))
    assert (same.search(np.ones(DIM), 20)[1] == 0).all()


def test_k_columns_always(built, base):
    ids, distances = built.search(base[0], 7000)
    assert ids.shape == distances.shape == (1, 7000)
    assert sorted(ids[0, :6000]) == list(range(6000))
    assert (ids[0, 6000:] == -1).all()
    assert np.isinf(distances[0, 6000:]).all()
    empty = HNSW(3)
    ids, distances = empty.search([[1, 2, 3]], 4)
    assert ids.tolist() == [[-1] * 4]
    assert np.isinf(distances).all()
    assert built.search(np.empty((0, DIM)), 3)[0].shape == (0, 3)


def test_what_is_refused_changes_nothing(built, base):
    index = HNSW(DIM, "cosine")
    index.add(base[:3], ids=[5, 6, 7])
    bad = base[:2].copy()
    bad[1, 2] = np.nan
    zero = base[:2].copy()
    zero[1] = 0
    for given, error, message in (
        ((bad,), ValueError, "row 1 of vectors holds NaN"),
        ((zero,), ValueError, "row 1 of vectors is all zeros"),
        ((base[:2, :9],), ValueError, "dim=40"),
        ((base[:2], [8, 5]), ValueError, "id 5 is there already"),
        ((base[:2], [8, 8]), ValueError, "id 8 comes twice"),
        ((base[:2], [8]), ValueError, "1 ids for 2 vectors"),
        ((base[:2], [0.5, 1]), TypeError, "integers"),
    ):
        with pytest.raises(error, match=message):
            index.add(*given)
    assert index.ids.tolist() == [5, 6, 7]
    with pytest.raises(KeyError, match="9"):
        index.remove([5, 9])
    with pytest.raises(KeyError, match="9"):
        index.update([5, 9], base[:2])
    with pytest.raises(ValueError, match="row 0 of queries"):
        index.search(np.full(DIM, np.inf), 3)
    assert index.ids.tolist() == [5, 6, 7]
    for options in ({"k": 0}, {"k": 3, "ef_search": 0}, {"k": 3, "threads": 0}):
        with pytest.raises(ValueError, match="at least 1"):
            built.search(base[:2], **options)
    for options, message in (
        ({"M": 1}, "M must be"), ({"M": 129}, "at most 128"), ({"codes": "sq3"}, "auto or sq8"),
        ({"metric": "l1"}, "metric"), ({"dtype": int}, "dtype"), ({"ef_construction": 0}, "ef_co"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=message):
            HNSW(3, **options)


def test_recall_survives_the_exchange_of_half_the_vectors(base, queries):
    """Within a point of a fresh build, at an ef where neither is perfect."""
    fresh, new = HNSW(DIM), vectors(3000, 11)
    kept = np.concatenate([base[3000:], new])
    fresh.add(kept, ids=np.arange(3000, 9000))
    index = HNSW(DIM)
    index.add(base)
    bytes_before = index.nbytes
    for start in range(0, 3000, 500):
        index.remove(np.arange(start, start + 500))
        index.add(new[start : start + 500], ids=np.arange(6000 + start, 6500 + start))
    assert index.nbytes < 1.05 * bytes_before  # slots are used again; ids need a table now
    truth = np.full((len(queries), 9000), np.inf)
    truth[:, 3000:] = exact(kept, queries, "l2")
    for ef in (15, 40):
        good = recall(fresh, queries, truth, ef_search=ef)
        assert recall(index, queries, truth, ef_search=ef) > good - 0.01 - 0.01  # sampling: 1,000


def test_all_removed_and_filled_again(base, queries):
    index = HNSW(DIM)
    index.add(base[:2000])
    index.remove(index.ids)
    assert len(index) == 0
    assert (index.search(queries, 3)[0] == -1).all()
    index.add(base[2000:4000], ids=np.arange(2000))
    assert recall(index, queries, exact(base[2000:4000], queries, "l2"), ef_search=100) > 0.97


def test_vectors_come_back_and_an_index_is_pickled(built, base):
    assert (built.get([5, 3, 5]) == base[[5, 3, 5]]).all()
    with pytest.raises(KeyError, match="6000"):
        built.get([1, 6000])
    assert HNSW(3).get([]).shape == (0, 3)
    again = pickle.loads(pickle.dumps(built))
    assert (again.search(base[:9], 4)[0] == built.search(base[:9], 4)[0]).all()


def test_update_moves_a_vector(base):
    index = HNSW(DIM)
    index.add(base[:2000])
    index.update([7, 9], base[4000:4002])
    ids, distances = index.search(base[4000:4002], 1)
    assert ids.ravel().tolist() == [7, 9]
    assert (distances == 0).all()
    assert (index.search(base[7], 1)[1] > 0).all()
    assert len(index) == 2000


@pytest.mark.parametrize("share", [0.0002, 0.001, 0.01, 0.1, 0.5, 0.9, 1])
def test_filters_keep_recall_and_k(built, base, queries, share):
    rng = np.random.default_rng(12)
    allowed = rng.choice(6000, max(10, int(6000 * share)), replace=False)
    mask = np.isin(np.arange(6000), allowed)
    truth = np.where(mask, exact(base, queries, "l2"), np.inf)
    for given in (allowed, set(allowed.tolist()), mask, pa.array(mask)):
        assert recall(built, queries, truth, filter=given) > 0.98
    assert recall(built, queries[:1], truth[:1], filter=allowed) > 0.85


def test_filters_far_from_the_query(built, base, queries):
    truth = exact(base, queries[:1], "l2")
    far = np.argsort(truth[0])[3000:]
    only = np.full_like(truth, np.inf)
    only[0, far] = truth[0, far]
    assert recall(built, queries[:1], only, filter=far) == 1
    ids, _ = built.search(queries[:2], 5, filter=[3, 1, 10**12])
    assert all(sorted(row) == [-1, -1, -1, 1, 3] for row in ids.tolist())
    assert (built.search(queries[:2], 5, filter=[])[0] == -1).all()
    with pytest.raises(ValueError, match="booleans for"):
        built.search(queries, 3, filter=np.ones(7, bool))


def test_search_radius(built, base, queries):
    truth = exact(base, queries, "l2")
    radius = float(np.quantile(truth, 0.002))
    offsets, ids, distances = built.search_radius(queries, radius)
    assert offsets.shape == (len(queries) + 1,)
    found = wanted = 0
    for i in range(len(queries)):
        here = slice(offsets[i], offsets[i + 1])
        assert (distances[here] <= radius).all()
        inside = set(np.flatnonzero(truth[i] <= radius).tolist())
        found += len(inside & set(ids[here].tolist()))
        wanted += len(inside)
    assert found > 0.99 * wanted
    assert len(built.search_radius(queries[:1], np.inf)[1]) == 6000
    even = built.search_radius(queries[:1], np.inf, filter=np.arange(0, 6000, 2))[1]
    assert sorted(even.tolist()) == list(range(0, 6000, 2))
    assert built.search_radius(queries[:3], -1)[0].tolist() == [0, 0, 0, 0]


def test_tune_reaches_the_recall(built, base, queries):
    index = built
    before = index.ef_search
    try:
        for wanted in (0.8, 0.99, 1):
            reached = index.tune(queries, recall=wanted)
            assert reached >= wanted
            assert recall(index, queries, exact(base, queries, "l2")) == pytest.approx(reached)
        with pytest.raises(ValueError, match="recall must be"):
            index.tune(queries, recall=0)
        with pytest.raises(ValueError, match="needs queries"):
            index.tune(queries[:0])
    finally:
        index.ef_search = before


def test_adding_removing_and_searching_from_eight_threads(base, queries):
    index = HNSW(DIM)
    index.add(base[:1500])
    errors, done, start = [], threading.Event(), threading.Barrier(8)

    def run(work):
        start.wait()
        try:
            work()
        except BaseException as error:
            errors.append(error)

    def add(first):
        for at in range(first, first + 1000, 100):
            index.add(base[at : at + 100], ids=np.arange(at, at + 100), threads=1)

    def remove():
        for at in range(0, 500, 10):
            index.remove(np.arange(at, at + 10))

    def search():
        while not done.is_set():
            ids, distances = index.search(queries[:20], 10, threads=1)
            assert (ids >= 0).all()
            assert (np.diff(distances) >= 0).all()

    works = [lambda f=f: add(f) for f in (2000, 3000, 4000, 5000)] + [remove] + [search] * 3
    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads[:5]:
        thread.join()
    done.set()
    for thread in threads[5:]:
        thread.join()
    assert not errors
    assert sorted(index.ids.tolist()) == [*range(500, 1500), *range(2000, 6000)]
    truth = np.full((len(queries), 6000), np.inf)
    truth[:, index.ids] = exact(base[index.ids], queries, "l2")
    assert recall(index, queries, truth, ef_search=100) > 0.97


@pytest.mark.parametrize("mmap", [False, True])
@pytest.mark.parametrize("metric", METRICS)
def test_a_file_holds_all(tmp_path, metric, mmap, base, queries):
    index = HNSW(DIM, metric, M=8, ef_construction=60, codes="sq8")
    index.add(base[:2000], ids=np.arange(2000) * 3)
    index.remove([0, 33])
    index.ef_search = 21
    index.save(tmp_path / "i")
    again = HNSW.load(tmp_path / "i", mmap=mmap)
    assert repr(again) == repr(index)
    assert (again.ids == index.ids).all()
    for mine, theirs in zip(index.search(queries, 9), again.search(queries, 9), strict=True):
        assert (mine == theirs).all()
    for one in (index, again):  # and goes on as before, the file untouched
        one.add(base[2000:3000], threads=1)
        one.remove([3, 6])
    for mine, theirs in zip(index.search(queries, 9), again.search(queries, 9), strict=True):
        assert (mine == theirs).all()
    assert len(HNSW.load(tmp_path / "i")) == 1998


def test_empty_and_small_files(tmp_path, base):
    for n in (0, 1, 20):
        index = HNSW(DIM)
        index.add(base[:n])
        index.save(tmp_path / "i")
        again = HNSW.load(tmp_path / "i", mmap=True)
        assert len(again) == n
        again.add(base[:1500], ids=np.arange(100, 1600))
        assert (again.search(base[3], 1)[1] == 0).all()


@pytest.mark.parametrize("mmap", [False, True])
def test_damaged_files_are_refused_or_answer(tmp_path, mmap):
    """Any byte changed: an error, or under mmap, where vectors and codes are not read through, an
    index that answers."""
    x = vectors(1100, 13, dtype=np.uint8)
    index = HNSW(DIM, M=3, ef_construction=8)
    index.add(x)
    index.remove([4])
    index.save(tmp_path / "i")
    image, bad = (tmp_path / "i").read_bytes(), tmp_path / "bad"
    rng = np.random.default_rng(14)
    for at in [*range(0, 1400, 13), *rng.integers(0, len(image), 60)]:
        damaged = bytearray(image)
        damaged[at] ^= 1 << rng.integers(8)
        bad.write_bytes(damaged)
        try:
            again = HNSW.load(bad, mmap=mmap)
        except FormatError:
            continue
        again.search(x[:5], 5)
        again.add(x[:3])
    bad.write_bytes(image[: len(image) // 2])
    with pytest.raises(FormatError):
        HNSW.load(bad, mmap=mmap)


def test_hostile_files_with_right_checksums_are_refused(tmp_path, base):
    index = HNSW(DIM, M=4, ef_construction=10)
    index.add(base[:1200])
    index.save(tmp_path / "i")
    file = _container.Reader(tmp_path / "i", b"HNSW", 1)
    arrays = {name: array.copy() for name, array in file._read.items()}

    def forge(parameters=(), **sections):
        changed = {name: sections.get(name, array) for name, array in arrays.items()}
        kept = {name: array for name, array in changed.items() if array is not None}
        own = file.parameters | dict(parameters)
        _container.write(tmp_path / "bad", b"HNSW", 1, own, kept)
        for mmap in (False, True):
            with pytest.raises(FormatError):
                HNSW.load(tmp_path / "bad", mmap=mmap)

    for name, bad in (
        ("dim", 0), ("dim", 41), ("dim", 10**30), ("metric", "l1"), ("M", 5), ("M", 10**9),
        ("codes", "x"), ("slots", -1), ("slots", 1201), ("slots", 2**40), ("lines", 0),
        ("lines", 2), ("lines", -1), ("entries", 10**9), ("entries", -1), ("step", 0.0),
        ("gain", -1.0), ("share", 1e300), ("longest", -1.0), ("dtype", None), ("dtype", "uint8"),
        ("ready", 1), ("seed", "x"), ("seed", -1), ("ef_search", 0), ("learnt", -1), ("next", -1),
        ("chosen_from", -2), ("changed", "x"), ("ef_construction", 0),
    ):  # fmt: skip
        forge({name: bad})
    forge({"slots": 0, "entries": 0})  # a graph that stands, of nothing
    links, alive, ids, entry = (arrays[name] for name in ("links", "alive", "ids", "entry"))
    links[700, 3] = 1200
    forge(links=links)
    alive[5] = 2
    forge(alive=alive)
    ids[5] = ids[6]
    forge(ids=ids)
    entry[2] = 1200
    forge(entry=entry)
    forge(mean=np.full_like(arrays["mean"], np.nan))
    for name in arrays:
        forge(**{name: None})


def test_an_interrupted_add_leaves_what_was_there(base, queries, monkeypatch):
    index = HNSW(DIM)
    index.add(base[:2000])

    def interrupted(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(_graph, "ThreadPoolExecutor", interrupted)
        with pytest.raises(KeyboardInterrupt):
            index.add(base[2000:], threads=2)
    assert len(index) == 2000
    assert (index.search(queries, 10)[0] < 2000).all()
    index.add(base[2000:])
    assert recall(index, queries, exact(base, queries, "l2"), ef_search=100) > 0.97


def test_a_long_add_stops_soon_after_ctrl_c(base):
    index = HNSW(DIM, ef_construction=1000)
    index.add(base[:1000])
    x = vectors(30_000, 15)
    main = threading.main_thread().ident
    timer = threading.Timer(0.3, signal.pthread_kill, (main, signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        index.add(x)
    assert len(index) == 1000
    assert (index.search(x, 10, ef_search=10)[0] < 1000).all()


class IndexAndDictionary(RuleBasedStateMachine):
    """What an index holds, in whatever order it was filled, emptied, saved and searched."""

    def __init__(self):
        super().__init__()
        self.index, self.twin = HNSW(8, M=4, ef_construction=20), {}
        self.rng = np.random.default_rng(16)

    def some(self, n):
        return self.rng.standard_normal((n, 8)).astype(np.float32)

    @rule(n=st.sampled_from([1, 3, 400, 900]), named=st.booleans())
    def add(self, n, named):
        x = self.some(n)
        ids = self.rng.permutation(10**6)[:n] if named else None
        if named and not self.twin.keys().isdisjoint(ids.tolist()):
            return
        before = set(self.index.ids.tolist())
        self.index.add(x, ids)
        new = sorted(set(self.index.ids.tolist()) - before) if ids is None else ids.tolist()
        self.twin.update(zip(new, x, strict=True))

    @precondition(lambda self: self.twin)
    @rule(share=st.sampled_from([0, 0.3, 1]))
    def remove(self, share):
        gone = self.rng.choice([*self.twin], max(1, int(share * len(self.twin))), replace=False)
        self.index.remove(gone)
        for name in gone.tolist():
            del self.twin[name]

    @precondition(lambda self: self.twin)
    @rule()
    def update(self):
        moved = self.rng.choice([*self.twin], min(3, len(self.twin)), replace=False)
        x = self.some(len(moved))
        self.index.update(moved, x)
        self.twin.update(zip(moved.tolist(), x, strict=True))

    @rule(mmap=st.booleans())
    def reload(self, mmap):
        with tempfile.TemporaryDirectory() as folder:
            self.index.save(folder + "/i")
            self.index = HNSW.load(folder + "/i", mmap=mmap)

    @rule(k=st.integers(1, 12))
    def search(self, k):
        queries = self.some(20)
        ids, distances = self.index.search(queries, k, ef_search=200)
        there = min(k, len(self.twin))
        assert (ids[:, :there] >= 0).all()
        assert (ids[:, there:] == -1).all()
        if not there:
            return
        names = np.array([*self.twin])
        truth = exact(np.array([*self.twin.values()]), queries, "l2")
        nearest = np.sort(truth, axis=1)[:, :there]
        at = np.array([[np.flatnonzero(names == i)[0] for i in row] for row in ids[:, :there]])
        found = np.take_along_axis(truth, at, 1)
        np.testing.assert_allclose(distances[:, :there], found, atol=1e-4)
        assert (distances[:, :there] <= nearest + 1e-4).mean() > 0.9

    @invariant()
    def holds_the_same(self):
        assert len(self.index) == len(self.twin)
        assert sorted(self.index.ids.tolist()) == sorted(self.twin)


TestIndexAndDictionary = IndexAndDictionary.TestCase
TestIndexAndDictionary.settings = settings(max_examples=12, stateful_step_count=12, deadline=None)
