"""`ann.IVF` beside brute force in float64: answers, changes, filters, levels, threads and files."""

import tempfile
import threading
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from ann import IVF, _container
from ann._centroids import imbalance, learn_centroids, nearest
from ann._lists import BLOCK, Lists, learn_book
from sketches import FormatError, _cpu

METRICS = ("l2", "ip", "cosine")
TYPES = (np.float32, np.float16, np.uint8, np.int8)
CODES = ("f32", "sq8", "pq4", "rabitq")
DIM = 24


def vectors(n, seed, dim=DIM, dtype=np.float32):
    """In clusters, none of them all zeros."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(1).standard_normal((12, dim)) * 40
    x = centres[rng.integers(0, 12, n)] + 15 * rng.standard_normal((n, dim))
    if np.dtype(dtype).kind in "ui":
        limits = np.iinfo(dtype)
        x = np.clip(np.rint(x + 100 * (limits.min == 0)), limits.min, limits.max)
    x = x.astype(dtype)
    x[~x.any(axis=1), 0] = 1
    return x


def distances_of(queries, rows, metric):
    q, x = np.asarray(queries, np.float64), np.asarray(rows, np.float64)
    if metric == "l2":
        return ((q[:, None] - x[None]) ** 2).sum(axis=2)
    met = q @ x.T
    if metric == "cosine":
        met = met / np.linalg.norm(q, axis=1)[:, None] / np.linalg.norm(x, axis=1)
    return 1 - met


def recall(ids, truth, k):
    """The share of answers as near as the k-th nearest, of ids that are rows of the truth."""
    bound = np.sort(truth, axis=1)[:, k - 1 : k]
    assert all(len(set(row)) == k for row in ids.tolist())
    return (np.take_along_axis(truth, ids, 1) <= bound + 1e-6 * np.abs(bound)).mean()


def check_exact(index, queries, rows, names, metric, k=10, **options):
    """All lists, everything compared: the answers of brute force at their distances."""
    index.rerank = max(index.rerank, 10**6)
    ids, distances = index.search(queries, k, nprobe=10**6, **options)
    truth, found = distances_of(queries, rows, metric), min(k, len(rows))
    assert (ids[:, found:] == -1).all()
    assert np.isinf(distances[:, found:]).all()
    want = np.sort(truth, axis=1)[:, :found]
    size = np.abs(truth).max(initial=0)
    assert np.allclose(distances[:, :found], want, rtol=1e-5, atol=1e-12 + 2e-6 * size)
    where = {name: row for row, name in enumerate(names)}
    for q, row in enumerate(ids[:, :found].tolist()):
        assert len(set(row)) == found
        own = truth[q, [where[name] for name in row]]
        assert np.allclose(own, want[q], rtol=1e-5, atol=1e-12 + 2e-6 * size)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("dtype", [*TYPES, np.float64])
@pytest.mark.parametrize("codes", ["f32", "pq4", "rabitq"])
def test_all_lists_and_all_candidates_are_brute_force(isa, codes, metric, dtype):
    x, q = vectors(700, 4, dtype=dtype), vectors(9, 5, dtype=dtype)
    index = IVF(DIM, metric, codes=codes, n_lists=13)
    index.add(x)
    assert index.dtype == (np.float32 if dtype is np.float64 else dtype)
    check_exact(index, q, x.astype(index.dtype), range(700), metric)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("codes", CODES)
@pytest.mark.parametrize("dtype", [np.float32, np.uint8])
def test_recall_of_codes(codes, metric, dtype):
    """Seeded, and deterministic but for sums in another order; the margins are wide."""
    x, q = vectors(4000, 6, dtype=dtype), vectors(100, 7, dtype=dtype)
    truth = distances_of(q, x, metric)
    index = IVF(DIM, metric, codes=codes)
    index.add(x)
    least = {"f32": 0.97, "sq8": 0.88, "pq4": 0.93, "rabitq": 0.75}[codes]
    assert recall(index.search(q, 10, nprobe=30)[0], truth, 10) > least
    if codes in ("pq4", "rabitq"):  # codes alone say less
        few = IVF(DIM, metric, codes=codes, rerank=0)
        few.add(x)
        ids, distances = few.search(q, 10, nprobe=30)
        assert recall(ids, truth, 10) > (0.4 if codes == "pq4" else 0.2)
        assert few.nbytes < index.nbytes - x.nbytes / 2
        own = np.take_along_axis(truth, ids, 1)
        # an estimate's error is some of the distance of query and centroid
        assert np.abs(distances - own).mean() < 0.3 * np.abs(truth).mean()


def test_every_level_builds_and_finds_the_same(isa):
    x, q = vectors(900, 8, dtype=np.uint8), vectors(30, 9, dtype=np.uint8)
    for codes in CODES:
        answers = []
        for level in ("baseline", isa):
            _cpu.set_isa(level)
            index = IVF(DIM, codes=codes, n_lists=9, rerank=4)
            index.add(x, threads=1)
            answers.append(index.search(q, 10, nprobe=4))
        # floats of tables are rounded in another order, which may tip a candidate in or out
        assert (answers[0][0] == answers[1][0]).mean() > 0.97, codes
        assert np.allclose(answers[0][1], answers[1][1], rtol=0.3)


@pytest.mark.parametrize("dim", [1, 2, 3, 5, 63, 130])
@pytest.mark.parametrize("codes", CODES)
def test_every_dim(dim, codes):
    x = np.random.default_rng(dim).standard_normal((300, dim)).astype(np.float32)
    index = IVF(dim, codes=codes, n_lists=7)
    index.add(x)
    if codes == "sq8":
        far = index.search(x[:20], 5, nprobe=7)[1]
        want = np.sort(distances_of(x[:20], x, "l2"), axis=1)[:, :5]
        assert np.allclose(far, want, atol=0.05 * dim)
    else:
        check_exact(index, x[:20], x, range(300), "l2", 5)


class IndexAndDictionary(RuleBasedStateMachine):
    """Vectors that come, change and go, beside a dictionary that is searched one by one."""

    codes, metric, dtype = "pq4", "l2", np.float32

    def __init__(self):
        super().__init__()
        self.index = IVF(4, self.metric, codes=self.codes, n_lists=3, dtype=self.dtype)
        self.index.train(self.some(40, 0))
        self.truth = {}

    def some(self, n, seed):
        return vectors(n, seed, 4, self.dtype)

    @rule(n=st.integers(0, 90), seed=st.integers(0, 9))
    def add(self, n, seed):
        rows, before = self.some(n, seed), set(self.truth)
        self.index.add(rows)
        new = sorted(set(self.index.ids.tolist()) - before)
        assert len(new) == n
        self.truth.update(zip(new, rows, strict=True))

    @rule(ids=st.lists(st.integers(-20, 400), max_size=20), seed=st.integers(0, 9))
    def add_named(self, ids, seed):
        rows = self.some(len(ids), seed)
        if len(set(ids)) < len(ids) or set(ids) & set(self.truth):
            with pytest.raises(ValueError, match=r"comes twice|is there already"):
                self.index.add(rows, ids)
        else:
            self.index.add(rows, ids)
            self.truth.update(zip(ids, rows, strict=True))

    @rule(data=st.data())
    def remove(self, data):
        if self.truth:
            some = st.lists(st.sampled_from(sorted(self.truth)), max_size=40)
            gone = data.draw(some)
            self.index.remove(gone)
            for name in set(gone):
                del self.truth[name]

    @rule(data=st.data(), seed=st.integers(0, 9))
    def update(self, data, seed):
        if self.truth:
            some = st.lists(st.sampled_from(sorted(self.truth)), max_size=9, unique=True)
            names = data.draw(some)
            rows = self.some(len(names), seed)
            self.index.update(names, rows)
            self.truth.update(zip(names, rows, strict=True))

    @rule(mmap=st.booleans())
    def through_a_file(self, mmap):
        with tempfile.TemporaryDirectory() as folder:
            self.index.save(Path(folder, "i"))
            self.index = IVF.load(Path(folder, "i"), mmap=mmap)

    @rule(data=st.data(), as_mask=st.booleans())
    def filtered(self, data, as_mask):
        names = self.index.ids
        mask = np.array([data.draw(st.booleans()) for _ in names], bool)
        kept = names[mask].tolist()
        rows = np.array([self.truth[name] for name in kept]).reshape(len(kept), 4)
        given = mask if as_mask else kept
        check_exact(self.index, self.some(2, 99), rows, kept, self.metric, 5, filter=given)

    @invariant()
    def same(self):
        assert len(self.index) == len(self.truth)
        assert set(self.index.ids.tolist()) == set(self.truth)
        assert self.index.list_lengths.sum() == len(self.truth)
        rows = np.array(list(self.truth.values())).reshape(len(self.truth), 4)
        check_exact(self.index, self.some(3, 98), rows, list(self.truth), self.metric, 7)


class Signs(IndexAndDictionary):
    codes, metric, dtype = "rabitq", "cosine", np.uint8


class Plain(IndexAndDictionary):
    codes, metric, dtype = "f32", "ip", np.int8


TestIndexAndDictionary = IndexAndDictionary.TestCase
TestSigns = Signs.TestCase
TestPlain = Plain.TestCase
for case in (TestIndexAndDictionary, TestSigns, TestPlain):
    case.settings = settings(max_examples=12, stateful_step_count=12, deadline=None)


def test_filters_keep_recall_at_any_selectivity():
    x, q = vectors(5000, 10), vectors(50, 11)
    index = IVF(DIM)
    index.add(x)
    truth = distances_of(q, x, "l2")
    rng = np.random.default_rng(12)
    for share in (0.0004, 0.01, 0.1, 0.5, 1):
        allowed = np.sort(rng.choice(5000, max(2, int(5000 * share)), replace=False))
        k = min(10, len(allowed))
        mask = np.isin(np.arange(5000), allowed)
        for given in (allowed, mask, pa.array(mask)):
            ids, _ = index.search(q, k, filter=given)
            assert np.isin(ids, allowed).all()
            want = np.where(mask, truth, np.inf)
            assert recall(ids, want, k) > 0.9
    ids, distances = index.search(q, 4, filter=[3, 17, 10**6])
    assert (np.sort(ids, axis=1) == [-1, -1, 3, 17]).all()
    assert np.isinf(distances[:, 2:]).all()
    assert (index.search(q, 4, filter=[])[0] == -1).all()


def test_radius():
    x, q = vectors(1500, 13), vectors(6, 14)
    index, truth = IVF(DIM, n_lists=10), distances_of(q, x, "l2")
    assert index.search_radius(q, 5)[0].tolist() == [0] * 7
    index.add(x)
    bound = float(np.quantile(truth, 0.02))
    offsets, ids, far = index.search_radius(q, bound, nprobe=10)
    for i, row in enumerate(truth):
        part = slice(offsets[i], offsets[i + 1])
        assert set(ids[part].tolist()) == set(np.flatnonzero(row <= bound).tolist())
        assert (np.diff(far[part]) >= 0).all()
    assert len(index.search_radius(q, -1)[1]) == 0
    with pytest.raises(ValueError, match="NaN"):
        index.search_radius(q, float("nan"))


def test_more_lists_are_looked_through_where_k_are_not_found():
    index = IVF(DIM, n_lists=50)
    x = vectors(400, 15)
    index.add(x)
    ids, _ = index.search(x[:20], 300, nprobe=1)
    assert all(len(set(row)) == 300 for row in ids.tolist())
    assert (ids >= 0).all()
    ids, distances = index.search(x[:3], 500, nprobe=1)
    assert ((ids >= 0).sum(axis=1) == 400).all()
    assert np.isinf(distances[:, 400:]).all()


def test_bytes_are_what_was_estimated():
    x = vectors(3000, 16)
    for metric, codes, rerank, dtype in (
        ("l2", "f32", 10, np.float16), ("l2", "sq8", 10, np.float32), ("ip", "sq8", 0, np.float32),
        ("cosine", "f32", 10, np.uint8), ("l2", "pq4", 10, np.uint8), ("ip", "pq4", 0, np.float32),
        ("cosine", "pq4", 10, np.float32), ("l2", "rabitq", 10, np.float32),
    ):  # fmt: skip
        options = {"codes": codes, "rerank": rerank, "dtype": dtype}
        index = IVF(DIM, metric, **options)
        index.add(x.astype(dtype))
        assert abs(index.nbytes / IVF.estimate_bytes(3000, DIM, metric, **options) - 1) < 0.02
    assert IVF.estimate_bytes(0, DIM) == 0


def test_what_is_added_need_not_look_like_what_was_trained_with():
    index = IVF(DIM, codes="f32", n_lists=20)
    assert index.imbalance == 1
    index.train(vectors(2000, 17), n=5000)
    index.add(vectors(2000, 17))
    before = index.imbalance
    assert 1 <= before < 3
    far = vectors(2000, 18) + 500
    index.add(far)
    assert index.imbalance > 1.5 * before
    ids, _ = index.search(far[:20], 1, nprobe=20)
    assert (ids[:, 0] == np.arange(2000, 2020)).all()
    assert imbalance(np.array([5, 5, 5])) == 1
    assert imbalance(np.array([15, 0, 0])) == 3


def test_slots_are_used_again():
    x = vectors(3000, 19)
    index = IVF(DIM)
    index.add(x)
    before = index.nbytes
    for turn in range(4):
        gone = index.ids[turn::2]
        index.remove(gone)
        index.add(x[: len(gone)])
    assert len(index) == 3000
    assert index.nbytes < 1.2 * before


def test_threads_add_remove_and_search_at_once():
    x, failures = vectors(4000, 20), []
    index = IVF(DIM)
    index.add(x[:1000])

    def guarded(work):
        try:
            work()
        except BaseException as error:
            failures.append(error)

    def add(first):
        for start in range(first, 4000, 300):
            index.add(x[start : start + 100], np.arange(start, min(start + 100, 4000)))

    def remove():
        for name in range(0, 500, 5):
            index.remove([name])

    def search():
        for start in range(500, 900, 20):
            ids, far = index.search(x[start : start + 20], 3, nprobe=64)
            assert (ids[:, 0] == np.arange(start, start + 20)).all()
            assert (far[:, 0] == 0).all()

    work = [lambda: add(1000), lambda: add(1100), lambda: add(1200), remove, *[search] * 4]
    threads = [threading.Thread(target=guarded, args=(one,)) for one in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    kept = [name for name in range(4000) if name >= 500 or name % 5]
    assert set(index.ids.tolist()) == set(kept)
    check_exact(index, x[:10], x[kept], kept, "l2")


@pytest.fixture
def saved(tmp_path):
    index = IVF(DIM, "cosine", codes="rabitq", n_lists=6)
    index.nprobe = 5
    index.add(vectors(500, 21), np.arange(500) * 3)
    index.remove(np.arange(0, 300, 3))
    index.save(tmp_path / "i")
    return index, tmp_path / "i"


@pytest.mark.parametrize("mmap", [False, True])
@pytest.mark.parametrize("codes", CODES)
def test_a_file_answers_as_the_index_did(tmp_path, codes, mmap):
    index = IVF(DIM, codes=codes, n_lists=12)
    x = vectors(800, 22)
    index.add(x)
    index.remove([5, 6])
    index.save(tmp_path / "i")
    again = IVF.load(tmp_path / "i", mmap=mmap)
    assert repr(again) == repr(index)
    for name in (0, 1):
        assert (again.search(x, 5)[name] == index.search(x, 5)[name]).all()
    before = (tmp_path / "i").read_bytes()
    again.remove([7])
    again.add(x[:100])
    again.update([8], x[9:10])
    assert len(again) == 897
    assert again.ids.max() == 899
    assert (tmp_path / "i").read_bytes() == before
    again.remove([899])
    again.save(tmp_path / "j")
    later = IVF.load(tmp_path / "j", mmap=mmap)
    later.add(x[:1])
    assert later.ids.max() == 900  # no id comes again, whoever had it
    later.remove(later.ids)  # the lists are those that vectors are in
    assert not later.list_lengths.any()
    empty = IVF(3)
    empty.save(tmp_path / "e")
    assert len(IVF.load(tmp_path / "e", mmap=mmap)) == 0


@pytest.mark.parametrize("mmap", [False, True])
def test_damaged_files_are_refused_or_harmless(saved, mmap):
    _, path = saved
    image, q = path.read_bytes(), vectors(3, 23)
    rng = np.random.default_rng(24)
    for cut in rng.integers(0, len(image), 40).tolist():
        path.write_bytes(image[:cut])
        with pytest.raises(FormatError):
            IVF.load(path, mmap=mmap)
    for byte in rng.integers(0, len(image), 150).tolist():
        damaged = bytearray(image)
        damaged[byte] ^= 0x55
        path.write_bytes(damaged)
        try:
            index = IVF.load(path, mmap=mmap)
        except FormatError:
            continue
        index.search(q, 5, nprobe=6)  # vectors and codes may be wrong, nothing else


def test_hostile_files_with_right_checksums_are_refused(saved):
    index, path = saved
    reader = _container.Reader(path, b"IVF ", 1)
    parameters = reader.parameters
    sections = {name: array.copy() for name, array in reader._read.items()}

    def forge(**changes):
        changed = {n: changes.get(n, a) for n, a in sections.items()}
        given = parameters | {n: v for n, v in changes.items() if n in parameters}
        _container.write(path, b"IVF ", 1, given, changed)
        with pytest.raises(FormatError):
            IVF.load(path)

    def with_(name, at, value):
        array = sections[name].copy()
        array[at] = value
        return {name: array}

    fullest = sections["count"].argmax()  # of more blocks than one
    for name, at, value in (
        ("head", 0, 10**6), ("count", 0, 10**6), ("count", 1, 2**32 - 1), ("slot", (0, 0), 500),
        ("slot", (0, 0), sections["slot"][0, 1]), ("next", sections["head"][fullest], 10**6),
        ("ids", 201, sections["ids"][202]),
    ):  # fmt: skip
        forge(**with_(name, at, value))
    for name, value in (
        ("lists", 70000), ("lists", -1), ("slots", 10**12), ("slots", -1), ("blocks", 10**12),
        ("free", -5), ("free", 2**40), ("free", 10**6), ("dim", 25), ("dtype", "float16"),
        ("dtype", None), ("codes", "f32x"), ("codes", "pq4"), ("metric", "x"), ("rerank", -1),
        ("nprobe", 0), ("step", "x"), ("n_lists", 0), ("n_lists", "x"),
    ):  # fmt: skip
        forge(**{name: value})
    _container.write(path, b"IVF ", 1, parameters, sections)
    assert len(IVF.load(path)) == len(index)


def test_bad_input_is_refused_and_nothing_is_lost():
    index, x = IVF(DIM, n_lists=4), vectors(100, 25)
    for bad, error, message in (
        (x[:, :5], ValueError, "dim=24"), (np.full((2, DIM), np.nan), ValueError, "row 0.*NaN"),
        ([["a"] * DIM], TypeError, "numbers"), (x[:3], ValueError, "4 lists need as many"),
    ):  # fmt: skip
        with pytest.raises(error, match=message):
            index.add(bad)
        assert len(index) == 0
    assert index.dtype is None or index.dtype == np.float32
    assert (index.search(x, 3)[0] == -1).all()
    index.add(np.empty((0, DIM)))
    index.add(x)
    for ids, error, message in (
        ([5], ValueError, "1 ids for 2"), ([5, 200], ValueError, "5 is there already"),
        ([200, 200], ValueError, "comes twice"), ([1.5, 2.5], TypeError, "integers"),
    ):  # fmt: skip
        with pytest.raises(error, match=message):
            index.add(x[:2], ids)
    with pytest.raises(KeyError, match="777"):
        index.remove([5, 777])
    with pytest.raises(KeyError, match="777"):
        index.update([777], x[:1])
    with pytest.raises(ValueError, match="twice"):
        index.update([5, 5], x[:2])
    with pytest.raises(ValueError, match="1 ids for 2"):
        index.update([5], x[:2])
    with pytest.raises(ValueError, match="trained already"):
        index.train(x)
    for arguments in ({"k": 0}, {"k": 3, "nprobe": 0}, {"k": 3, "threads": 0}):
        with pytest.raises(ValueError, match="at least 1"):
            index.search(x, **arguments)
    check_exact(index, x[:10], x, range(100), "l2")
    assert 5 in index
    assert 777 not in index
    for options, message in (
        ({"codes": "pq8"}, "codes must be"), ({"n_lists": 0}, "n_lists"),
        ({"rerank": -1}, "rerank"),
        ({"n_lists": 70000}, "at most 65535"), ({"metric": "l1"}, "metric"), ({"seed": -1}, "seed"),
        ({"dtype": np.int32}, "dtype"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=message):
            IVF(DIM, **options)
    zeros = IVF(DIM, "cosine")
    with pytest.raises(ValueError, match="all zeros"):
        zeros.add(np.zeros((1, DIM)))
    with pytest.raises(ValueError, match="no vectors"):
        zeros.train(np.empty((0, DIM)))


def test_a_failure_on_the_way_leaves_what_was_there(monkeypatch):
    index, x = IVF(DIM, n_lists=4), vectors(300, 26)
    index.add(x[:200])
    plain, calls = IVF._encode, []

    def fail(self, *arguments):
        calls.append(1)
        if len(calls) == 2:
            raise MemoryError
        return plain(self, *arguments)

    monkeypatch.setattr("ann.ivf.AT_ONCE", 50 * DIM)
    monkeypatch.setattr(IVF, "_encode", fail)
    with pytest.raises(MemoryError):
        index.add(x[200:])
    assert len(index) == 200
    assert index.list_lengths.sum() == 200
    index.add(x[200:])
    assert index.ids.max() == 299
    check_exact(index, x[:10], x, index.ids.tolist(), "l2")


def test_duplicates_and_constant_vectors():
    index = IVF(DIM)
    index.add(np.ones((2000, DIM)))
    assert (index.search(np.ones(DIM), 20)[1] == 0).all()
    few = IVF(DIM)
    few.add(np.ones(DIM))
    assert few.search(np.ones(DIM), 2)[0].tolist() == [[0, -1]]


def test_centroids():
    rng = np.random.default_rng(27)
    x = vectors(3000, 28)
    centroids = learn_centroids(x, 40, rng)
    home = nearest(x, centroids)
    truth = distances_of(x, centroids, "l2")
    assert np.allclose(truth[np.arange(3000), home], truth.min(axis=1), rtol=1e-4)
    plain = x[rng.choice(3000, 40, replace=False)]
    assert truth.min(axis=1).mean() < 0.9 * distances_of(x, plain, "l2").min(axis=1).mean()
    assert np.bincount(home, minlength=40).min() > 0


def test_codes_are_the_nearest_entries_at_every_level(isa):
    rng = np.random.default_rng(29)
    residuals = rng.standard_normal((200, 12)).astype(np.float32)
    book = learn_book(residuals, 2, 5, rng)
    lists = Lists(np.zeros((1, 12), np.float32), 0, book)
    nibbles, add, scales = lists.encode(residuals, np.zeros(200, np.uint32))
    parts = residuals.reshape(200, 6, 2, 1).astype(np.float64)
    away = ((parts - book[None]) ** 2).sum(axis=2)
    own = np.take_along_axis(away, nibbles[:, :, None].astype(int), 2)[:, :, 0]
    assert np.allclose(own, away.min(axis=2), rtol=1e-5)
    rounded = np.take_along_axis(book[None], nibbles[:, :, None, None].astype(int), 3)
    assert np.allclose(add, (rounded**2).sum(axis=(1, 2, 3)), rtol=1e-5)
    assert scales is None
    assert own.sum() < 0.35 * (residuals**2).sum()
    assert BLOCK == 32


def test_a_query_so_far_off_that_products_leave_float32_meets_lists_that_are_there():
    base = np.random.default_rng(1).random((9000, DIM), np.float32)
    base[::300] += 100
    index = IVF(DIM, "ip", n_lists=1000)
    index.add(base)
    for _ in range(20):
        index.search(base[:50], 10)  # leaves memory that is not zeros
        ids, _ = index.search(np.full((3, DIM), 3e38, np.float32), 5, nprobe=20)
        assert (ids < len(base)).all()


def test_what_the_first_add_refuses_decides_nothing():
    few = vectors(20, 1, dtype=np.uint8)
    for options, ids in (({}, [1] * 20), ({}, [1]), ({"n_lists": 100}, None)):
        index = IVF(DIM, **options)
        with pytest.raises(ValueError, match=r"twice|1 ids for 20|100 lists need"):
            index.add(few, ids)
        assert index.dtype is None
        index.add(vectors(400, 2))
        assert index.dtype == np.float32
    empty = IVF(DIM)
    with pytest.raises(KeyError):
        empty.update([1], few[:1])
    assert empty.dtype is None
