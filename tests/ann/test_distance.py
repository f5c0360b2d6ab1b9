"""Every level's distances against the baseline's and against numpy's in float64."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from ann import _distance
from sketches import _cpu

TYPES = [np.float32, np.float16, np.uint8, np.int8]
DIMS = [*range(1, 71), 96, 127, 128, 129, 384, 784, 1000]


def expected(query, rows, metric):
    """The distances in float64, and how far sums of float32 may be from them."""
    q, x = query.astype(np.float64), rows.astype(np.float64)
    terms = q * x if metric == "ip" else (q - x) ** 2
    return terms.sum(axis=1), (2 * rows.shape[1] + 2) * 2.0**-24 * np.abs(terms).sum(axis=1)


def make(rng, dtype, *shape):
    if np.issubdtype(dtype, np.integer):
        limits = np.iinfo(dtype)
        return rng.integers(limits.min, limits.max + 1, shape, dtype)
    return (rng.normal(size=shape) * 10.0 ** rng.integers(-2, 3)).astype(dtype)


@pytest.mark.parametrize("metric", ["l2", "ip"])
@pytest.mark.parametrize("dtype", TYPES)
def test_every_dim_at_every_level(isa, dtype, metric):
    rng = np.random.default_rng(5)
    for dim in DIMS:
        rows, at = make(rng, dtype, 7, dim), rng.integers(0, 7, 11)
        query = make(rng, np.float32 if dtype == np.float16 else dtype, dim)
        want, slack = expected(query, rows, metric)
        got = _distance.distances(query, rows, metric)
        some = _distance.distances(query, rows, metric, at)
        _cpu.set_isa("baseline")
        plain = _distance.distances(query, rows, metric)
        _cpu.set_isa(isa)
        if np.issubdtype(dtype, np.integer):
            assert got.tolist() == want.tolist() == plain.tolist()
            assert some.tolist() == want[at].tolist()
        else:
            assert (np.abs(got - want) <= slack).all()
            assert (np.abs(some - want[at]) <= slack[at]).all()
            assert (np.abs(got - plain) <= 2 * slack).all()


@given(
    npst.arrays(
        np.float32,
        st.tuples(st.integers(2, 6), st.integers(1, 70)),
        elements=st.floats(-(2.0**60), 2.0**60, width=32),
    )
)
def test_hostile_floats(array):
    """Huge, tiny and subnormal values at all levels; squares of what is above 2^64 overflow."""
    for metric in ("l2", "ip"):
        want, slack = expected(array[0], array[1:], metric)
        for level in _cpu.available():
            _cpu.set_isa(level)
            got = _distance.distances(array[0], array[1:], metric)
            underflow = 2 * array.shape[1] * 2.0**-149
            assert (np.abs(got - want) <= slack + underflow).all()


def test_infinities_and_nans_come_through(isa):
    rows = np.zeros((5, 33), np.float16)
    rows[1, 32], rows[2, 7] = np.inf, np.nan
    for x in (rows, rows.astype(np.float32)):
        got = _distance.distances(np.ones(33), x, "l2")
        assert np.isinf(got[1])
        assert np.isnan(got[2])
        assert got[[0, 3, 4]].tolist() == [33.0] * 3


def test_nibbles_and_bits_and_tables(isa):
    """The sums of csrc/codes.h, by unpacking to one number a dimension."""
    rng = np.random.default_rng(6)
    for n in (1, 5, 64):
        for groups in (1, 2, 13):
            x = rng.integers(0, 16, (n, groups, 2, 32), np.uint8)
            packed = np.ascontiguousarray(x[:, :, 0] | x[:, :, 1] << 4).reshape(n, -1)
            q = rng.integers(-128, 128, 64 * groups, np.int8)
            want = x.reshape(n, -1).astype(np.int64) @ q.astype(np.int64)
            assert _distance.nibbles(q, packed).tolist() == want.tolist()
        for words in (1, 2, 3, 4, 8, 12, 17):
            for planes in (1, 4, 8):
                x = rng.integers(0, 2, (n, 64 * words), np.uint8)
                q = rng.integers(0, 1 << planes, 64 * words)
                rows = np.packbits(x, axis=1, bitorder="little").view("<u8")
                each = [(q >> b & 1).astype(np.uint8) for b in range(planes)]
                bits = np.packbits(each, axis=1, bitorder="little").view("<u8")
                assert _distance.bits(bits, rows).tolist() == (x @ q).tolist()
        for m in (2, 4, 16, 96, 300):
            x = rng.integers(0, 16, (n, m, 2, 16), np.uint8)
            tables = rng.integers(0, 256, (m, 16), np.uint8)
            codes = np.ascontiguousarray(x[:, :, 0] | x[:, :, 1] << 4)
            sums = tables.astype(np.int64)[np.arange(m)[:, None, None], x].sum(axis=1) % 65536
            assert _distance.fastscan(tables, codes).tolist() == sums.ravel().tolist()


def test_shapes_that_do_not_fit_are_refused():
    rows = np.zeros((3, 4), np.float32)
    with pytest.raises(ValueError, match=r"shape \(5,\)"):
        _distance.distances(np.zeros(5), rows, "l2")
    with pytest.raises(TypeError, match="float64"):
        _distance.distances(np.zeros(4), np.zeros((3, 4)), "l2")
    with pytest.raises(IndexError, match="of 3"):
        _distance.distances(np.zeros(4), rows, "l2", [3])
    with pytest.raises(ValueError, match="query of 5"):
        _distance.nibbles(np.zeros(5, np.int8), np.zeros((1, 32), np.uint8))
    with pytest.raises(ValueError, match="9 planes"):
        _distance.bits(np.zeros((9, 1), np.uint64), np.zeros((1, 1), np.uint64))
    with pytest.raises(ValueError, match="3 tables"):
        _distance.fastscan(np.zeros((3, 16), np.uint8), np.zeros((1, 3, 16), np.uint8))
    assert _distance.distances(np.zeros(4), rows[:0], "l2").shape == (0,)
