"""The job's kernels against brute force."""

import itertools

import mmh3
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ann import _join, _pairs
from sketches import _cpu


def brute_force(keys, skip):
    n = len(keys)
    return [
        (a, b)
        for a, b in itertools.combinations(range(n), 2)
        if not skip[a] and not skip[b] and any(keys[a] == keys[b])
    ]


@st.composite
def key_matrices(draw):
    n, bands = draw(st.integers(0, 40)), draw(st.integers(1, 4))
    values = draw(st.lists(st.integers(0, 5), min_size=n * bands, max_size=n * bands))
    keys = np.array(values, np.uint64).reshape(n, bands)
    keys *= np.uint64(draw(st.sampled_from([1, 2**33, 2**61 + 12345])))
    return keys, np.array(draw(st.lists(st.booleans(), min_size=n, max_size=n)), bool)


@given(key_matrices())
def test_candidates_are_the_pairs_that_share_a_key(case):
    keys, skip = case
    a, b = _pairs.candidate_pairs(keys, skip)
    assert list(zip(a.tolist(), b.tolist(), strict=True)) == brute_force(keys, skip)
    everyone = np.zeros(len(keys), bool)
    a, b = _pairs.candidate_pairs(keys)
    assert list(zip(a.tolist(), b.tolist(), strict=True)) == brute_force(keys, everyone)


def test_a_walk_resumes_where_its_block_was_full():
    """One bucket of 1,000 documents: 499,500 pairs, four blocks."""
    blocks = list(_pairs.CandidatePairs(np.full((1000, 3), 7, np.uint64)))
    assert [len(a) for a, _ in blocks] == [_pairs.BLOCK] * 3 + [499_500 - 3 * _pairs.BLOCK]
    codes = np.concatenate([a.astype(np.int64) * 1000 + b for a, b in blocks])
    assert len(np.unique(codes)) == 499_500
    assert all((a < b).all() for a, b in blocks)


def test_band_keys_are_murmur_of_the_slots():
    signatures = np.random.default_rng(0).integers(0, 2**32, (5, 12), np.uint32)
    keys = _pairs.band_keys(signatures, 3, 4)
    for i, band in itertools.product(range(5), range(3)):
        slots = signatures[i, 4 * band : 4 * band + 4].astype("<u4").tobytes()
        assert keys[i, band] == mmh3.hash64(slots, band, signed=False)[0]
    assert _pairs.band_keys(signatures[:0], 3, 4).shape == (0, 3)
    with pytest.raises(ValueError, match="do not fit"):
        _pairs.band_keys(signatures, 4, 4)


def distinct(offsets, shingles, rows=None):
    """Where the sets start, how many elements they have, their outlines."""
    n = len(offsets) - 1
    counts, outlines = np.zeros(n, np.int64), np.zeros((n, 8), np.uint64)
    rows = np.arange(n, dtype=np.uint32) if rows is None else np.array(rows, np.uint32)
    for _ in range(2):  # the second time there is nothing left to do
        _pairs.distinct_sets(offsets, shingles, rows, counts, outlines)
    return offsets[:-1], counts, outlines


SETS = st.lists(st.lists(st.integers(0, 60)), max_size=12)


@given(SETS, st.sampled_from([0, 1, 2**58]))
def test_distinct_sets_and_jaccard(sets, spread):
    """Small values fall in one range of the sort, spread ones in many."""
    values = [[v * spread + v for v in s] for s in sets]
    offsets = np.concatenate([[0], np.cumsum([len(s) for s in values])]).astype(np.int64)
    shingles = np.array([v for s in values for v in s], np.uint64)
    starts, counts, outlines = distinct(offsets, shingles)
    for i, items in enumerate(values):
        kept = shingles[starts[i] : starts[i] + counts[i]].tolist()
        assert kept == sorted(set(items))
    pairs = list(itertools.combinations(range(len(sets)), 2))
    a, b = np.array(pairs, np.uint32).reshape(-1, 2).T.copy()
    truth = [
        len(set(values[i]) & set(values[j])) / max(1, len(set(values[i]) | set(values[j])))
        for i, j in pairs
    ]
    for level, threshold in itertools.product(_cpu.available(), (0, 0.1, 0.5, 0.8, 1.0)):
        _cpu.set_isa(level)
        found = _pairs.similarity(a, b, starts, counts, shingles, threshold)
        quick = _pairs.similarity(a, b, starts, counts, shingles, threshold, outlines)
        assert quick.tolist() == found.tolist()
        for got, exact in zip(found, truth, strict=True):
            assert got == (exact if exact >= threshold else 0)


@pytest.mark.parametrize("n", [1, 24, 25, 97, 1000, 50_000])
@pytest.mark.parametrize("kind", ["uniform", "repeats", "narrow"])
def test_sorting_sets_of_every_size(n, kind):
    rng = np.random.default_rng(n)
    high = {"uniform": 2**64, "repeats": 2**64, "narrow": 1000}[kind]
    x = rng.integers(0, high, n, np.uint64)
    x = rng.choice(x[: 1 + n // 50], n) if kind == "repeats" else x
    expected = np.unique(x)
    _, counts, _ = distinct(np.array([0, n]), x)
    np.testing.assert_array_equal(x[: counts[0]], expected)


def test_only_the_chosen_sets_are_sorted():
    shingles = np.array([3, 1, 3, 2, 1], np.uint64)
    _, counts, _ = distinct(np.array([0, 3, 5]), shingles, [1])
    assert (counts.tolist(), shingles.tolist()) == ([0, 2], [3, 1, 3, 1, 2])


def test_text_keys_tell_texts_apart():
    offsets, shingles = np.array([0, 2, 4, 6, 6]), np.array([1, 2, 2, 1, 1, 2], np.uint64)
    keys = [tuple(k) for k in _pairs.text_keys(offsets, shingles).tolist()]
    assert keys[0] == keys[2] == mmh3.hash64(shingles[:2].tobytes(), 0, signed=False)
    assert len(set(keys)) == 3


EDGES = st.lists(st.tuples(st.integers(0, 11), st.integers(0, 11)).filter(lambda e: e[0] != e[1]))


@given(st.permutations(range(12)), EDGES)
def test_link_represents_by_partners_only(order, edges):
    a, b = np.array(edges, np.int64).reshape(-1, 2).T
    found = _join.link_representative(order, a, b)[0].tolist()
    expected = {}
    for doc in order:
        if doc in expected:
            continue
        expected[doc] = doc
        for p, q in edges:
            if doc in (p, q):
                expected.setdefault(p + q - doc, doc)
    assert found == [expected[i] for i in range(12)]
    partners = {frozenset(e) for e in edges}
    for doc, representative in enumerate(found):
        assert found[representative] == representative
        assert doc == representative or frozenset((doc, representative)) in partners


@pytest.mark.parametrize(
    ("call", "word"),
    [
        (lambda: _join.link_representative([0, 0], [], []), "order"),
        (lambda: _join.link_representative([0, 1], [0], [2]), "beyond"),
        (lambda: distinct(np.array([0, 9]), np.zeros(3, np.uint64)), "its offsets leave"),
        (lambda: distinct(np.array([0, 2, 1]), np.zeros(3, np.uint64)), "its offsets leave"),
        (lambda: distinct(np.array([0, 2]), np.zeros(3, np.uint64), [1]), "is not there"),
        (lambda: _pairs.text_keys(np.array([-1, 2]), np.zeros(3, np.uint64)), "offsets"),
        (lambda: _pairs.CandidatePairs(np.zeros((3, 1), np.uint64), [True]), "entries"),
        (
            lambda: _pairs.similarity(
                np.array([2], np.uint32), np.array([0], np.uint32), np.array([0, 1]),
                np.array([1, 1]), np.zeros(3, np.uint64),
            ),
            "not there",
        ),
        (
            lambda: _pairs.similarity(
                np.array([1], np.uint32), np.array([0], np.uint32), np.array([0, 1]),
                np.array([1, 3]), np.zeros(3, np.uint64),
            ),
            "lies outside",
        ),
    ],
)  # fmt: skip
def test_bad_arguments_are_refused(call, word):
    with pytest.raises(ValueError, match=word):
        call()
