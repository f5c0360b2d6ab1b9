"""MinHash-LSH against a dictionary per band, and the promise of its recall."""

import os
import pickle
import threading

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from ann import MinHashLSH, choose_bands, s_curve
from ann.lsh import HEADER
from sketches import FormatError, MinHash, _frame, minhash_matrix

SETS = st.frozensets(st.integers(0, 12), max_size=6)


def signatures(sets, num_perm=32):
    return minhash_matrix([list(s) for s in sets], num_perm=num_perm)


class IndexAndDictionary(RuleBasedStateMachine):
    """Every sequence of calls gives what one dictionary of signatures would."""

    def __init__(self):
        super().__init__()
        self.index = MinHashLSH(num_perm=32, bands=4, rows=2)
        self.truth = {}
        self.next_id = 0

    def meets(self, p, q):
        if not p or not q:
            return False
        a, b = signatures([p, q])[:, :8].reshape(2, 4, 2)
        return bool((a == b).all(axis=1).any())

    @rule(sets=st.lists(SETS, max_size=8))
    def add(self, sets):
        self.index.add(signatures(sets))
        for s in sets:
            self.truth[self.next_id] = s
            self.next_id += 1

    @rule(data=st.data())
    def remove(self, data):
        if self.truth:
            ids = data.draw(st.lists(st.sampled_from(sorted(self.truth)), unique=True))
            self.index.remove(ids)
            for name in ids:
                del self.truth[name]

    @rule(probe=SETS)
    def query(self, probe):
        expected = [name for name, s in self.truth.items() if self.meets(probe, s)]
        assert self.index.query(signatures([probe])[0]) == expected

    @rule()
    def pairs(self):
        a, b = self.index.candidate_pairs()
        names = list(self.truth)
        expected = [
            (p, q)
            for i, p in enumerate(names)
            for q in names[i + 1 :]
            if self.meets(self.truth[p], self.truth[q])
        ]
        assert list(zip(a.tolist(), b.tolist(), strict=True)) == expected

    @rule()
    def through_bytes(self):
        self.index = pickle.loads(pickle.dumps(self.index))

    @invariant()
    def size(self):
        assert len(self.index) == len(self.truth)
        assert all(name in self.index for name in self.truth)


TestIndexAndDictionary = IndexAndDictionary.TestCase
TestIndexAndDictionary.settings = settings(max_examples=60, stateful_step_count=20)


def test_ids_of_both_kinds_and_minhash_objects(tmp_path):
    index = MinHashLSH(threshold=0.5)
    sketches = MinHash.from_sets([["a", "b", "c"], ["a", "b", "c", "d"], ["z"], []])
    index.add(sketches[:3], ids=["first", "sec\u00f6nd", "third"])
    index.add(sketches[3], ids="empty")
    assert index.query(sketches[0]) == ["first", "sec\u00f6nd"]
    assert index.query(sketches) == [["first", "sec\u00f6nd"]] * 2 + [["third"], []]
    a, b = index.candidate_pairs()
    assert (a.tolist(), b.tolist()) == (["first"], ["sec\u00f6nd"])
    index.save(tmp_path / "index")
    again = MinHashLSH.load(tmp_path / "index")
    assert [p.name for p in tmp_path.iterdir()] == ["index"]
    assert again.query(sketches) == index.query(sketches)
    assert (again.threshold, again.recall, again.bands, again.rows) == (
        index.threshold, index.recall, index.bands, index.rows,
    )  # fmt: skip
    again.remove("first")
    assert "first" not in again
    assert again.query(sketches[0]) == ["sec\u00f6nd"]
    numbers = MinHashLSH()
    numbers.add(sketches[:2], ids=np.array([7, -3]))
    numbers.add(sketches[2])
    assert numbers.query(sketches[2]) == [8]
    assert numbers.nbytes > 2 * 16 * 16


def test_what_is_refused_loses_nothing():
    index = MinHashLSH(num_perm=16, bands=4, rows=4)
    matrix = signatures([{1}, {2}], 16)
    index.add(matrix, ids=[1, 2])
    for ids, error in (
        ([1, 5], ValueError), ([5, 5], ValueError), ([5], ValueError), (["x", "y"], TypeError),
        ([5, "y"], TypeError), ([5, 2**63], ValueError), ([1.5, 2.5], TypeError),
        ([True, False], TypeError),
    ):  # fmt: skip
        with pytest.raises(error):
            index.add(matrix, ids=ids)
    with pytest.raises(KeyError):
        index.remove([1, 9])
    with pytest.raises(TypeError, match="uint32"):
        index.add(matrix.astype(np.int64))
    with pytest.raises(ValueError, match="num_perm"):
        index.query(signatures([{1}], 8))
    index.add(MinHash.from_sets([[3]], 16), ids=3)
    index.query(MinHash(16))
    for known in (index, pickle.loads(pickle.dumps(index))):
        for act in (known.query, known.add):
            with pytest.raises(ValueError, match="family and seed"):
                act(MinHash(16, seed=3))
    with pytest.raises(ValueError, match="family and seed"):
        index.query([MinHash(16), MinHash(16, seed=3)])
    assert len(index) == 3
    assert index.query(matrix) == [[1], [2]]


@pytest.mark.parametrize(
    "arguments",
    [{"threshold": 0}, {"threshold": 1.1}, {"threshold": float("nan")}, {"recall": 1.0},
     {"recall": 0}, {"bands": 3}, {"rows": 3}, {"bands": 20, "rows": 20}, {"num_perm": 0},
     {"bands": 0, "rows": 1}, {"threshold": 0.001}, {"num_perm": 2**33, "bands": 1, "rows": 1}],
)  # fmt: skip
def test_bad_parameters_are_refused(arguments):
    with pytest.raises(ValueError):  # noqa: PT011, the messages differ
        MinHashLSH(**arguments)


def test_ids_are_read_before_the_index_is_locked():
    """Foreign code that asks the index must not wait for itself."""
    index = MinHashLSH(num_perm=8, bands=2, rows=4)
    matrix = signatures([{1}, {2}], 8)
    index.add(matrix, ids=(k + len(index.query(matrix[k])) for k in range(2)))
    assert index.query(matrix) == [[0], [1]]
    with pytest.raises(TypeError, match="num_perm"):
        MinHashLSH(num_perm=8.0)


def test_a_saved_index_obeys_the_umask(tmp_path):
    index = MinHashLSH(num_perm=8, bands=2, rows=4)
    (tmp_path / "plain").write_bytes(b"")
    index.save(tmp_path / "index")
    assert (tmp_path / "index").stat().st_mode == (tmp_path / "plain").stat().st_mode
    with pytest.raises(FileNotFoundError):
        index.save(tmp_path / "nowhere" / "index")


def test_threads_share_an_index():
    index, failed = MinHashLSH(num_perm=16, bands=4, rows=4), []

    def work(k):
        try:
            for i in range(50):
                index.add(signatures([{k, i}], 16), ids=k * 1000 + i)
                index.query(signatures([{k, i}], 16))
                index.candidate_pairs()
                if i % 2:
                    index.remove(k * 1000 + i)
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert len(index) == 4 * 25


def test_damaged_images_are_refused():
    index = MinHashLSH(num_perm=8, bands=2, rows=4)
    index.add(signatures([{1}, {2}], 8), ids=["a", "bc"])
    image = index.to_bytes()
    for cut in range(len(image)):
        with pytest.raises(FormatError):
            MinHashLSH.from_bytes(image[:cut])
    for byte in range(len(image)):
        damaged = bytearray(image)
        damaged[byte] ^= 0x10
        with pytest.raises(FormatError):
            MinHashLSH.from_bytes(damaged)


def test_bands_are_the_cheapest_that_keep_the_recall():
    assert choose_bands(0.8, 0.99, 128) == (16, 6)
    for threshold in (0.3, 0.5, 0.8, 0.95, 1.0):
        for recall in (0.5, 0.9, 0.99):
            bands, rows = choose_bands(threshold, recall, 256)
            assert bands * rows <= 256
            assert s_curve(threshold, bands, rows) >= recall
            if bands > 1:
                assert s_curve(threshold, bands - 1, rows) < recall
    with pytest.raises(ValueError, match=r"num_perm=4 reaches a recall of 0\.3439"):
        choose_bands(0.1, 0.9, 4)


@pytest.mark.parametrize("threshold", [0.5, 0.8])
def test_recall_at_the_threshold_is_kept(threshold):
    """4,000 pairs right at the threshold, sets of 200: at least the promise less 4 standard errors
    (false alarm 3e-5)."""
    rng, n, pairs, recall = np.random.default_rng(1), 200, 4000, 0.95
    common = round(2 * n * threshold / (1 + threshold))
    hashes = rng.integers(0, 2**64, pairs * (2 * n - common), np.uint64)
    starts = np.arange(pairs) * (2 * n - common)
    offsets = np.arange(pairs + 1) * n
    left = minhash_matrix(hashes[np.add.outer(starts, np.arange(n)).ravel()], offsets)
    right = minhash_matrix(hashes[np.add.outer(starts + n - common, np.arange(n)).ravel()], offsets)
    index = MinHashLSH(threshold, recall)
    index.add(left)
    found = np.mean([i in ids for i, ids in enumerate(index.query(right))])
    promise = float(s_curve(common / (2 * n - common), index.bands, index.rows))
    assert promise > recall - 0.01  # the sets' similarity is a fraction near the threshold
    assert found >= promise - 4 * (promise * (1 - promise) / pairs) ** 0.5


def test_edits_are_found():
    """Documents of 300 and 2,000 words, edited in ways that sampling by position misses: words
    inserted in front, shuffled, substituted in place. J is known; recall is 1 but for 1e-6."""
    from ann import TextSketcher

    rng = np.random.default_rng(2)
    for n in (300, 2000):
        sketcher = TextSketcher(ngram=1)
        for edit in ("insert", "shuffle", "substitute"):
            index, probes = MinHashLSH(0.8, 0.99), []
            for i in range(300):
                words = [f"w{i}x{j}" for j in range(n)]
                index.add(sketcher.sketch(" ".join(words), shingles=False), ids=[i])
                if edit == "insert":  # J = n / (n + 1)
                    words.insert(0, "front")
                elif edit == "shuffle":  # J = 1
                    words = [words[j] for j in rng.permutation(n)]
                else:  # J = 0.98 / 1.02
                    for j in rng.choice(n, n // 50, replace=False):
                        words[j] = f"new{j}"
                probes.append(" ".join(words))
            found = index.query(sketcher.sketch(probes, shingles=False))
            assert all(i in ids for i, ids in enumerate(found)), (n, edit)


def test_the_last_id_is_followed_by_none():
    index = MinHashLSH(num_perm=8, bands=2, rows=4)
    matrix = signatures([{1}, {2}], 8)
    index.add(matrix[0], ids=2**63 - 2)
    with pytest.raises(ValueError, match="beyond 64 bits: give ids"):
        index.add(matrix)
    assert len(index) == 1
    index.add(matrix[1])
    with pytest.raises(ValueError, match="beyond 64 bits: give ids"):
        index.add(matrix[0])
    index.add(matrix[0], ids=-5)
    again = pickle.loads(pickle.dumps(index))
    assert again.query(matrix) == [[2**63 - 2, -5], [2**63 - 1]]
    assert again.candidate_pairs()[0].tolist() == [2**63 - 2]


def test_an_image_with_a_next_id_beyond_64_bits_is_refused():
    header = HEADER.pack(0.5, 8, 2, 4, 2**63 + 1, 0, 0, 0, 0)
    with pytest.raises(FormatError, match="next id 9223372036854775809"):
        MinHashLSH.from_bytes(_frame.pack(b"MLSH", 1, header, b""))


def test_an_index_is_saved_beside_what_a_killed_process_left(tmp_path):
    index = MinHashLSH(num_perm=8, bands=2, rows=4)
    index.add(signatures([{1}], 8))
    left = tmp_path / f"index.{os.getpid()}.partial"
    left.write_bytes(b"half")
    path = os.fsencode(tmp_path / "index")
    index.save(path)
    assert MinHashLSH.load(path).to_bytes() == index.to_bytes()
    assert sorted(tmp_path.iterdir()) == [tmp_path / "index", left]


@pytest.mark.parametrize("ids", [b"ab", bytearray(b"ab"), memoryview(b"ab"), {1: "a", 2: "b"}])
def test_ids_that_hold_other_than_they_seem_to_are_refused(ids):
    index = MinHashLSH(num_perm=8, bands=2, rows=4)
    with pytest.raises(TypeError, match="all int or all str, not"):
        index.add(signatures([{1}, {2}], 8), ids=ids)
