"""Outlines refuse pairs quickly and never one that reaches the threshold."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ann import _pairs
from sketches import _cpu


@given(
    st.integers(0, 2**32),
    st.lists(st.tuples(st.integers(0, 900), st.integers(0, 300), st.integers(0, 300)), max_size=20),
    st.sampled_from([0.1, 0.5, 0.8, 1.0]),
)
def test_what_reaches_the_threshold_is_never_refused(seed, sizes, threshold):
    rng = np.random.default_rng(seed)
    sets = []
    for common, only_a, only_b in sizes:
        x = rng.integers(0, 2**64, common + only_a + only_b, np.uint64)
        sets += [
            np.sort(x[: common + only_a]),
            np.sort(np.delete(x, slice(common, common + only_a))),
        ]
    counts = np.array([len(x) for x in sets], np.int64)
    starts = np.cumsum(counts) - counts
    shingles = np.concatenate([np.empty(0, np.uint64), *sets])
    a = np.arange(0, len(sets), 2, dtype=np.uint32)
    b = a + np.uint32(1)
    offsets, made = np.append(starts, len(shingles)), np.zeros(len(sets), np.int64)
    outlines, rows = np.zeros((len(sets), 8), np.uint64), np.arange(len(sets), dtype=np.uint32)
    _pairs.distinct_sets(offsets, shingles, rows, made, outlines)
    assert made.tolist() == counts.tolist()
    for level in _cpu.available():
        _cpu.set_isa(level)
        exact = _pairs.similarity(a, b, starts, counts, shingles)
        common = np.array([c for c, _, _ in sizes]) / np.maximum(1, [sum(s) for s in sizes])
        assert exact.tolist() == common.tolist()
        quick = _pairs.similarity(a, b, starts, counts, shingles, threshold, outlines)
        assert quick.tolist() == np.where(exact >= threshold, exact, 0).tolist()


def test_outlines_of_other_sets_are_refused():
    one = np.array([0]), np.array([1]), np.array([7], np.uint64)
    pair = np.zeros(1, np.uint32), np.zeros(1, np.uint32)
    with pytest.raises(ValueError, match="outlines must be"):
        _pairs.similarity(*pair, *one, 0.5, np.zeros((2, 8), np.uint64))
    rows = np.zeros(1, np.uint32)
    with pytest.raises(ValueError, match="counts must be"):
        _pairs.distinct_sets(
            np.array([0, 1]), one[2], rows, np.zeros(2, np.int64), np.zeros((2, 8), np.uint64)
        )
