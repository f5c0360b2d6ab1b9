"""Times of functions whose class is known, with the noise of a real machine; all from a seed.

Nanoseconds as operation counts say, some of them with the constants of the textbook (mergesort's
comparisons, quicksort's negative linear term, Cholesky's n^3/3), some with an intercept, a lower
term, steps, or a cache that is outgrown halfway. On top a jitter a size, noise a run, and spikes.
"""

import zlib
from typing import NamedTuple

import numpy as np

log = np.log2


def merges(n):
    depth = np.ceil(log(n))
    return n * depth - 2**depth + 1


# name: class, nanoseconds at n, least and largest n
FUNCTIONS = {
    "constant": ("1", lambda n: 300 + 0 * n, 10, 1e6),
    "constant, slow": ("1", lambda n: 5e6 + 0 * n, 10, 1e4),
    "hash look-up": ("1", lambda n: 42 + 0 * n, 100, 1e7),
    "len": ("1", lambda n: 25 + 0 * n, 1, 1e5),
    "log": ("log n", lambda n: 20 * log(n), 16, 1e6),
    "log and intercept": ("log n", lambda n: 200 + 30 * log(n), 16, 1e6),
    "binary search": ("log n", lambda n: 15 + 9 * (np.floor(log(n)) + 1), 16, 2e6),
    "heap push": ("log n", lambda n: 40 + 12 * log(n), 100, 1e7),
    "tree depth": ("log n", lambda n: 80 + 25 * 1.39 * log(n), 100, 1e6),
    "sum": ("n", lambda n: 0.5 * n, 1000, 1e6),
    "sum and overhead": ("n", lambda n: 2000 + 0.5 * n, 100, 1e6),
    "a nanosecond each": ("n", lambda n: 1.0 * n, 10, 1e5),  # big_O: constant
    "n + log n": ("n", lambda n: 3 * n + 200 * log(n), 16, 1e5),
    "n + sqrt n": ("n", lambda n: 3 * n + 30 * np.sqrt(n), 16, 1e5),
    "scan beyond a cache": ("n", lambda n: 500 + np.where(n < 3e4, 1.0, 2.2) * n, 1000, 1e6),
    "counting sort": ("n", lambda n: 4 * n + 2048, 100, 1e6),
    "csv parser": ("n", lambda n: 120 * n + 40e3, 100, 1e5),
    "n log n": ("n log n", lambda n: 2 * n * log(n), 100, 1e6),  # big_O: linear
    "merge sort": ("n log n", lambda n: 3 * merges(n) + 2 * n, 64, 1e6),
    "quicksort": ("n log n", lambda n: 2.77 * n * log(n) - 5.7 * n + 20 * n**0.5, 64, 1e6),
    "heap sort": ("n log n", lambda n: 5 * n * log(n) - 3 * n, 100, 1e6),
    "n log n + 5 n": ("n log n", lambda n: 2 * n * log(n) + 10 * n + 1000, 100, 1e6),
    "fft": ("n log n", lambda n: 1.2 * n * log(n) + 6 * n + 5000, 256, 1e6),
    "sort beyond a cache": ("n log n", lambda n: np.where(n < 2e4, 2, 3.5) * n * log(n), 500, 1e6),
    "n^1.5": ("n^1.5", lambda n: 1.5 * n**1.5, 100, 1e5),
    "n^1.5 + n": ("n^1.5", lambda n: n**1.5 + 30 * n + 1000, 100, 1e5),
    "trial division": ("n^1.5", lambda n: 3.3 * n**1.5 + 20 * n, 50, 3e4),
    "shell sort": ("n^1.5", lambda n: 2 * n**1.5 + 3 * n + 500, 64, 1e5),
    "pairs": ("n^2", lambda n: n * (n - 1) + 50, 16, 5e3),
    "insertion sort": ("n^2", lambda n: n * n / 4 * 3 + 20 * n, 16, 1e4),
    "n^2 + 50 n": ("n^2", lambda n: n * n + 50 * n + 3000, 16, 5e3),
    "edit distance": ("n^2", lambda n: 5 * n * n + 40 * n, 10, 3e3),
    "distance matrix": ("n^2", lambda n: 0.8 * n * n + 20e3, 32, 1e4),
    "n^2, 10 attoseconds each": ("n^2", lambda n: 1e-5 * n * n, 100, 1e5),  # big_O: constant
    "n^2 log n": ("n^2 log n", lambda n: 2 * n * n * log(n), 16, 3e3),
    "a sort a row": ("n^2 log n", lambda n: 2 * n * n * log(n) + 10 * n * n + 20 * n, 16, 3e3),
    "n^3": ("n^3", lambda n: n**3, 8, 500),
    "matrix product": ("n^3", lambda n: n**3 + 10 * n * n, 8, 600),
    "cholesky": ("n^3", lambda n: n**3 / 3 + 2 * n * n + 1500, 8, 800),
    "floyd-warshall": ("n^3", lambda n: 1.1 * n**3 + 4 * n * n + 20 * n + 500, 8, 300),
}


class Case(NamedTuple):
    """The times of one function, and what one more run at a larger size would show."""

    name: str
    order: str
    n: np.ndarray
    seconds: np.ndarray
    largest: float
    noise: tuple[float, float]
    seed: int

    def later(self, factor):
        """The median of as many runs at `factor` times the largest size."""
        rng = np.random.default_rng([self.seed, int(factor)])
        jitter, sigma = self.noise
        runs = np.count_nonzero(self.n == self.n[0])
        truth = FUNCTIONS[self.name][1](np.array([self.largest * factor]))[0] * 1e-9
        return truth * np.exp(rng.normal(0, jitter)) * np.median(_runs(rng, sigma, runs))


def _runs(rng, sigma, shape):
    spikes = 1 + (rng.random(shape) < 0.05) * rng.exponential(0.5, shape)
    return np.exp(rng.normal(0, sigma, shape)) * spikes


def case(name, seed):
    order, nanoseconds, low, high = FUNCTIONS[name]
    seed = zlib.crc32(f"{name} {seed}".encode())
    rng = np.random.default_rng(seed)
    n = np.unique(np.geomspace(low, high, rng.integers(10, 22)).round())
    runs, noise = int(rng.integers(3, 8)), (rng.uniform(0.002, 0.015), rng.uniform(0.01, 0.06))
    size = np.exp(rng.normal(0, noise[0], (len(n), 1)))
    seconds = nanoseconds(n)[:, None] * 1e-9 * size * _runs(rng, noise[1], (len(n), runs))
    return Case(name, order, np.repeat(n, runs), seconds.ravel(), float(n[-1]), noise, seed)
