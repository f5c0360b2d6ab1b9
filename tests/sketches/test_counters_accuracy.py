"""The promises of CountMin and CountSketch, measured against exact counts.

Every test is seeded, hence deterministic. The false-alarm rate stated with each is the chance that
a correct implementation would fail it under other seeds.
"""

import re
import sysconfig
from math import comb
from pathlib import Path

import numpy as np
import pytest

from sketches import CountMin, CountSketch, hash64
from sketches.countsketch import row_failure

SEEDS = range(9, 209)  # past 8, which undoes the hash of integers


def zipf(exponent, n=20_000, distinct=5000):
    """A stream of n items, the r-th most frequent of `distinct` with weight r ** -exponent."""
    weights = np.arange(1, distinct + 1) ** -exponent
    rng = np.random.default_rng(round(100 * exponent))
    return rng.choice(distinct, n, p=weights / weights.sum())


def words():
    """The words of some modules of the standard library."""
    folder = Path(sysconfig.get_path("stdlib"))
    text = "".join((folder / f"{m}.py").read_text() for m in ("argparse", "typing", "tarfile"))
    return np.unique(re.findall(r"\w+", text), return_inverse=True)[1]


STREAMS = {"zipf 0.8": zipf(0.8), "zipf 1.1": zipf(1.1), "zipf 1.5": zipf(1.5), "words": words()}


def errors(stream, make):
    """Estimate minus truth: a row for each seed, a column for each distinct item."""
    items, counts = np.unique(stream, return_counts=True)
    found = []
    for seed in SEEDS:
        sketch = make(seed)
        sketch.update(stream)
        found.append(np.asarray(sketch.estimate(items), float) - counts)
    return np.array(found), counts


def assert_share(shares, most):
    """The mean over seeds is `most` at most; seeds are independent, items of one are not.

    False alarm: 5 standard errors of the mean of 200 shares; below 1e-5, skew allowed for.
    """
    assert shares.mean() <= most + 5 * shares.std() / len(SEEDS) ** 0.5


@pytest.mark.parametrize("name", STREAMS)
@pytest.mark.parametrize("conservative", [False, True])
def test_count_min_keeps_its_bounds(name, conservative):
    difference, counts = errors(
        STREAMS[name], lambda seed: CountMin(256, 3, seed, conservative=conservative)
    )
    assert difference.min() >= 0
    for delta in (0.5, 0.1, np.exp(-3)):
        slack = counts.sum() * delta ** (-1 / 3) / 256
        assert_share((difference > slack).mean(axis=1), delta)


@pytest.mark.parametrize("name", STREAMS)
def test_merged_conservative_sketches_keep_the_bounds(name):
    half = len(STREAMS[name]) // 2
    difference = []
    items, counts = np.unique(STREAMS[name], return_counts=True)
    for seed in SEEDS:
        parts = [CountMin(256, 3, seed, conservative=True) for _ in range(2)]
        for part, stream in zip(parts, np.split(STREAMS[name], [half]), strict=True):
            part.update(stream)
        difference.append((parts[0] | parts[1]).estimate(items).astype(float) - counts)
    difference = np.array(difference)
    assert difference.min() >= 0
    slack = counts.sum() * np.e / 256
    assert_share((difference > slack).mean(axis=1), np.exp(-3))


@pytest.mark.parametrize("name", STREAMS)
@pytest.mark.parametrize("depth", [1, 5])
def test_count_sketch_is_unbiased_within_its_bounds(name, depth):
    """The bias of each of the 20 most frequent items is within 5 standard errors of none: false
    alarm 1e-5 a case."""
    difference, counts = errors(STREAMS[name], lambda seed: CountSketch(256, depth, seed))
    top = np.argsort(counts)[-20:]
    spread = difference[:, top].std(axis=0) / len(SEEDS) ** 0.5
    assert (abs(difference[:, top].mean(axis=0)) <= 5 * spread).all()
    moment = float((counts.astype(float) ** 2).sum())
    for delta in (0.5, 0.1, np.exp(-depth)):
        slack = (moment / 256 / row_failure(depth, delta)) ** 0.5
        assert_share((abs(difference) > slack).mean(axis=1), delta)


@pytest.mark.parametrize("make", [CountMin, CountSketch])
def test_bounds_cover_as_they_say(make):
    stream = STREAMS["words"]
    items, counts = np.unique(stream, return_counts=True)
    missed = []
    for seed in SEEDS:
        sketch = make(512, 5, seed)
        sketch.update(stream)
        low, high = sketch.bounds(items, 0.9)
        missed.append(((counts < low) | (counts > high)).mean())
    assert_share(np.array(missed), 0.1)


def test_rows_of_a_word_are_independent():
    """Two items meet in all of three rows of 64 with probability 2**-18. Among the pairs of 4,096
    items 32 are expected: a Poisson variable, 80 or more with probability 1e-11. (Rows at
    h1 + i h2 would meet 2**-12 / 2 times, 1,000 pairs.)"""
    table = CountMin(2**18, 1)  # one row of the three's bits
    table.update_hashes(hash64(np.arange(4096)))
    counts = table.estimate_hashes(hash64(np.arange(4096)))
    assert (counts - 1).sum() / 2 < 80


if __name__ == "__main__":  # the figures of docs/frequency.md
    for name, stream in STREAMS.items():
        for width in (256, 1024, 4096):
            line = [f"{name:10} {16 * width:7,} bytes"]
            for make in (
                lambda seed, w=width: CountMin(w, 4, seed),
                lambda seed, w=width: CountMin(w, 4, seed, conservative=True),
                lambda seed, w=width: CountSketch(w, 4, seed),
            ):
                difference, counts = errors(stream, make)
                line.append(f"{np.sqrt(np.mean(difference**2)) / counts.sum():9.2e}")
            print("  ".join(line))


def kept(make, width, depth, eps, delta):
    """Whether this shape keeps the promise, by the formulas of the docstrings."""
    if make is CountMin:
        return (1 / (width * eps)) ** depth <= delta * (1 + 1e-9)
    p = min(1, 1 / (width * eps * eps))
    half = range((depth + 1) // 2, depth + 1)
    tail = sum(comb(depth, k) * p**k * (1 - p) ** (depth - k) for k in half)
    return tail <= delta * (1 + 1e-9)


@pytest.mark.parametrize("make", [CountMin, CountSketch])
def test_for_error_is_the_smallest_that_keeps_its_promise(make):
    for eps, delta in ((0.1, 0.1), (0.05, 0.01), (0.03, 1e-6), (0.02, 0.5)):
        sketch = make.for_error(eps, delta)
        size = sketch.width * sketch.depth
        assert kept(make, sketch.width, sketch.depth, eps, delta)
        for bits in range(1, 20):
            for depth in range(1, 64, 1 if make is CountMin else 2):
                assert depth << bits >= size or not kept(make, 1 << bits, depth, eps, delta)
    assert make(1024, 5).error < make(512, 5).error
    for bad in ((0, 0.1), (1, 0.1), (0.1, 0), (0.1, 1), (1e-12, 0.1)):
        with pytest.raises(ValueError, match=r"eps|delta"):
            make.for_error(*bad)
