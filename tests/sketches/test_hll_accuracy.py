"""The promises of HyperLogLog's accuracy, measured.

Every test is seeded, hence deterministic. The false-alarm rate stated with each is the chance that
a correct implementation would fail it under other seeds.

    python tests/sketches/test_hll_accuracy.py [p [seeds]]

prints the figures of docs/hll.md.
"""

import sys

import numpy as np
import pytest

from sketches import HyperLogLog
from sketches.hll import HIP_ERROR, MERGED_ERROR

CONFIDENCES = (0.8, 0.95, 0.99)
STEP = 1 << 20  # items hashed at once


def measure(p, counts, seeds, start=10_000):
    """Relative errors of HIP and of Ertl, and whether the bounds held: for each of the counts.

    One stream a seed, looked at wherever it has so many items. Not seed 8: where the seed equals
    the length of a key of 8 bytes or less, the halves of MurmurHash3 are not independent.
    """
    errors = np.empty((2, len(counts), seeds))
    held = np.zeros((2, len(CONFIDENCES), len(counts)))
    items = np.arange(min(max(counts), STEP))
    for seed in range(seeds):
        sketch, done = HyperLogLog(p, start + seed), 0
        for i, n in enumerate(counts):
            while done < n:
                step = min(STEP, n - done)
                sketch.update(items[:step] + done)
                done += step
            for j, one in enumerate((sketch, sketch | sketch)):
                errors[j, i, seed] = one.estimate() / n - 1
                for k, confidence in enumerate(CONFIDENCES):
                    low, high = one.bounds(confidence)
                    held[j, k, i] += low <= n <= high
    return errors, held / seeds


def rms(errors):
    return np.sqrt(np.mean(np.square(errors), axis=-1))


def theory(p):
    return np.array([HIP_ERROR, MERGED_ERROR])[:, None] / 2 ** (p / 2)


def check(p, counts, seeds, slack):
    errors, held = measure(p, counts, seeds)
    assert (rms(errors) <= slack * theory(p)).all(), rms(errors) / theory(p)
    bias, sigma = errors.mean(axis=-1), errors.std(axis=-1) / np.sqrt(seeds)
    assert (np.abs(bias) <= 5 * sigma + 1e-6).all(), bias / sigma
    for k, confidence in enumerate(CONFIDENCES):
        least = confidence - 4 * np.sqrt(confidence * (1 - confidence) / seeds)
        assert (held[:, k] >= least).all(), (confidence, held[:, k])


@pytest.mark.parametrize("p", [8, 10, 12])
def test_error_and_bounds(p):
    """600 streams: the RMS error at most 1.05 x theory and 4 of its own standard errors (1 / sqrt(2
    x 600)); no bias beyond 5 standard errors; bounds that hold as often as promised, less 4
    standard errors. False alarm < 1e-3 over all cells."""
    check(p, [1, 10, 100, 1000, 10_000], 600, 1.05 + 4 / np.sqrt(1200))


@pytest.mark.slow
@pytest.mark.parametrize("p", [10, 12, 14])
def test_error_of_5000_streams(p):
    """The RMS error at most 1.05 x theory: 5 of its standard errors where theory is met."""
    check(p, [10, 100, 1000, 10_000, 100_000], 5000, 1.05)


@pytest.mark.slow
def test_error_of_1000_long_streams():
    """As before, but 5 % are 2.2 standard errors here: false alarm 1 in 20 over the four cells."""
    check(12, [1_000_000, 10_000_000], 1000, 1.05)


if __name__ == "__main__":
    p = int(sys.argv[1]) if len(sys.argv) > 1 else 12
    seeds = int(sys.argv[2]) if len(sys.argv) > 2 else 1000
    counts = [10**k for k in range(1, 6)]
    errors, held = measure(p, counts, seeds)
    print(f"p = {p}, {seeds} streams; theory {theory(p).ravel()}")
    for i, n in enumerate(counts):
        for j, name in enumerate(("one stream", "merged")):
            ratio = rms(errors)[j, i] / theory(p)[j, 0]
            shares = ", ".join(f"{c:.0%}: {held[j, k, i]:.1%}" for k, c in enumerate(CONFIDENCES))
            bias = errors[j, i].mean()
            print(f"n = {n:>8}, {name:10}: RMS / theory {ratio:.3f}, bias {bias:+.5f}, {shares}")
