"""The exact join against brute force, and crowds against the same with every pair listed."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ann import _pairs
from ann._join import Join, link_representative
from sketches import _cpu


def similarity(a, b, containment):
    return len(a & b) / (min(len(a), len(b)) if containment else len(a | b))


def brute_force(sets, threshold, containment=False):
    return {
        (i, j): similarity(sets[i], sets[j], containment)
        for i, j in itertools.combinations(range(len(sets)), 2)
        if sets[i] and sets[j] and similarity(sets[i], sets[j], containment) >= threshold
    }


def make_join(sets, threshold, containment=False, crowd=1000, parts=1):
    values = [sorted(s) for s in sets]
    offsets = np.concatenate([[0], np.cumsum([len(s) for s in values])]).astype(np.int64)
    shingles = np.array([v for s in values for v in s], np.uint64)
    n = len(sets)
    sizes, outlines = np.zeros(n, np.int64), np.zeros((n, _pairs.OUTLINE), np.uint64)
    _pairs.distinct_sets(offsets, shingles, np.arange(n, dtype=np.uint32), sizes, outlines)
    join = Join(offsets[:-1], sizes, shingles, outlines, threshold, containment, crowd)
    for part in range(parts):
        join.count(part, parts)
    for rank in range(len(join)):
        join.order(rank, rank + 1)
    return join


def found(join, step=3):
    join.index()
    pairs = {}
    for start in range(0, len(join), step):
        a, b, similar, compared, looked = join.pairs(start, min(start + step, len(join)))
        assert looked >= compared >= len(a)
        new = dict(zip(zip(a.tolist(), b.tolist(), strict=True), similar.tolist(), strict=True))
        assert not new.keys() & pairs.keys()
        pairs |= new
    return pairs


# Families of similar sets, since chance makes none: what each takes from its family's, and adds
FAMILY = st.tuples(
    st.sets(st.integers(0, 80), min_size=1, max_size=25),
    st.lists(st.tuples(st.integers(0, 80), st.sets(st.integers(0, 80), max_size=6)), max_size=7),
)
SPREADS = st.sampled_from([1, 0x9E3779B97F4A7C15])  # one bucket for all, and uniform hashes
THRESHOLDS = st.sampled_from([0.01, 0.3, 0.5, 2 / 3, 0.8, 0.9, 1.0])


@st.composite
def set_lists(draw):
    sets = [draw(st.sets(st.integers(0, 80), max_size=3))]
    for base, edits in draw(st.lists(FAMILY, max_size=4)):
        sets.append(base)
        sets += [{v for v in base if v * (k + 1) % 7} | more for k, more in edits]
    spread = draw(SPREADS)
    return [frozenset(v * spread % 2**64 for v in s) for s in draw(st.permutations(sets))]


@given(set_lists(), THRESHOLDS, st.booleans(), st.sampled_from([1, 4]))
def test_every_pair_is_found(sets, threshold, containment, parts):
    for level in _cpu.available():
        _cpu.set_isa(level)
        join = make_join(sets, threshold, containment, parts=parts)
        assert found(join) == brute_force(sets, threshold, containment)
        assert not join.crowded.any()
        assert join.nbytes > 0


@given(set_lists(), THRESHOLDS, st.booleans(), st.randoms())
def test_crowds_lose_pairs_but_nobody_who_is_represented(sets, threshold, containment, random):
    truth = brute_force(sets, threshold, containment)
    join = make_join(sets, threshold, containment, crowd=2)
    pairs, crowded = found(join), join.crowded
    assert pairs.items() <= truth.items()
    assert all(crowded[a] and crowded[b] for a, b in truth.keys() - pairs.keys())

    order = random.sample(range(len(sets)), len(sets))
    if containment:
        order.sort(key=lambda i: -len(sets[i]))
    members = [s if marked else frozenset() for s, marked in zip(sets, crowded, strict=True)]
    crowd = make_join(members, threshold, containment)
    a, b = np.array(list(pairs), np.int64).reshape(-1, 2).T
    chosen, similar, _ = link_representative(order, a, b, crowd)
    a, b = np.array(list(truth), np.int64).reshape(-1, 2).T
    expected, none, compared = link_representative(order, a, b)
    assert chosen.tolist() == expected.tolist()
    assert np.isnan(none).all()
    assert compared == 0
    for row in np.flatnonzero(~np.isnan(similar)):
        assert similar[row] == truth[tuple(sorted((row, chosen[row])))]


@pytest.mark.parametrize("containment", [False, True])
@pytest.mark.parametrize("crowd", [1000, 4])
def test_sets_without_rare_elements_look_at_all_others(containment, crowd):
    rng = np.random.default_rng(11)
    everything = rng.integers(0, 2**64, 90, np.uint64).tolist()
    sets = [frozenset(rng.choice(everything, rng.integers(30, 70)).tolist()) for _ in range(150)]
    sets += [s - {min(s)} for s in sets[:40]] + [frozenset()]
    for level in _cpu.available():
        _cpu.set_isa(level)
        for threshold in (0.3, 0.6, 0.9):
            truth = brute_force(sets, threshold, containment)
            join = make_join(sets, threshold, containment, crowd)
            pairs, crowded = found(join, 50), join.crowded
            assert crowd == 4 or join.scanning > 100
            assert pairs.items() <= truth.items()
            assert all(crowded[a] and crowded[b] for a, b in truth.keys() - pairs.keys())
            assert crowd == 4 or pairs == truth


def test_a_crowd_costs_a_comparison_each():
    """3,000 sets of 100 elements, 90 of them everybody's: 4.5 million true pairs."""
    shared = frozenset(range(1, 91))
    sets = [shared | {1000 + 10 * i + k for k in range(10)} for i in range(3000)]
    spread = 0x9E3779B97F4A7C15
    sets = [frozenset(v * spread % 2**64 for v in s) for s in sets]
    join = make_join(sets, 0.8)
    assert not found(join, 500)
    assert join.crowded.all()
    crowd = make_join(sets, 0.8)
    chosen, similar, compared = link_representative(range(3000), [], [], crowd)
    assert (chosen == 0).all()
    assert (similar[1:] == 90 / 110).all()
    assert compared == 2999


def test_a_frequent_element_makes_no_crowd():
    """3,000 sets that share a fifth, and 30 families of copies among them."""
    rng = np.random.default_rng(3)
    shared = rng.integers(0, 2**64, 12, np.uint64).tolist()
    sets = [frozenset(shared + rng.integers(0, 2**64, 48, np.uint64).tolist()) for _ in range(2970)]
    sets += [s - {min(s)} for s in sets[:30]]
    join = make_join(sets, 0.3)
    pairs = found(join, 500)
    assert sorted(pairs) == [(i, 2970 + i) for i in range(30)]
    assert not join.crowded.any()


def one_set(**changed):
    arguments = {
        "starts": np.array([0]),
        "sizes": np.array([2]),
        "shingles": np.array([1, 2], np.uint64),
        "outlines": np.zeros((1, _pairs.OUTLINE), np.uint64),
        "threshold": 0.8,
    }
    return Join(**arguments | changed)


@pytest.mark.parametrize(
    ("call", "word"),
    [
        (lambda: one_set(threshold=0.0), "threshold"),
        (lambda: one_set(threshold=float("nan")), "threshold"),
        (lambda: one_set(sizes=np.array([3])), "outside"),
        (lambda: one_set(sizes=np.array([-1])), "outside"),
        (lambda: one_set(starts=np.array([-1])), "outside"),
        (lambda: one_set(sizes=np.array([1, 1])), "sizes must be"),
        (lambda: one_set(outlines=np.zeros((1, 7), np.uint64)), "outlines uint64"),
        (lambda: one_set().count(0, 3), "power of two"),
        (lambda: one_set().order(0, 2), "ranks"),
        (lambda: one_set().pairs(0, 1), "not indexed"),
        (lambda: link_representative([0, 1], [], [], one_set()), "1 sets in the crowd"),
    ],
)
def test_bad_arguments_are_refused(call, word):
    with pytest.raises(ValueError, match=word):
        call()


def test_no_sets():
    join = make_join([], 0.8)
    assert found(join) == {}
    assert join.crowded.tolist() == []
