"""MinHash and MinHash-LSH: throughput, bytes, and the error they promise to keep."""

import tracemalloc
from functools import cache

import numpy as np

import ann
import sketches

from .common import Bands, Benchmark, Sketch, integers, rng

PAIRS = 500


def offsets(n, count):
    return np.arange(count // n + 1) * n


@cache
def thirds(num_perm):
    """Signatures of PAIRS pairs of sets of 200 items whose J is 1/3."""
    hashes = rng().integers(0, 2**64, 3 * PAIRS * 100, np.uint64)
    parts = sketches.minhash_matrix(hashes, offsets(100, len(hashes)), num_perm=num_perm)
    return [np.minimum(parts[0::3], parts[i::3]) for i in (1, 2)]


def relative_rmse(estimates):
    """Of J = 1/3; sqrt(2 / K) by theory."""
    return float(np.sqrt(np.mean((3 * np.array(estimates) - 1) ** 2)))


class MinHash(Sketch):
    """One set of 100,000 items, compared with itself."""

    params = ([16, 64, 128, 256, 1024],)
    param_names = ("num_perm",)

    def build(self, num_perm):
        return sketches.MinHash(num_perm)

    def ask(self, structure):
        return structure.jaccard(structure)

    def error(self, num_perm):
        left, right = thirds(num_perm)
        return relative_rmse((left == right).mean(axis=1))


class BBitMinHash(Benchmark):
    """Signatures cut to so many bits a slot: made of a MinHash, never updated or merged."""

    params = ([64, 128, 256, 1024], [8, 16])
    param_names = ("num_perm", "bits")

    def setup(self, num_perm, bits):
        self.whole = sketches.MinHash(num_perm)
        self.whole.update(range(100))
        self.sketch = self.whole.compact(bits)

    def time_compact(self, num_perm, bits):
        self.whole.compact(bits)

    def time_estimate(self, num_perm, bits):
        self.sketch.jaccard(self.sketch)

    def time_serialise(self, num_perm, bits):
        sketches.BBitMinHash.from_bytes(self.sketch.to_bytes())

    def track_nbytes(self, num_perm, bits):
        return self.sketch.nbytes

    def track_relative_rmse(self, num_perm, bits):
        compact = (
            [sketches.MinHash.from_signature(row).compact(bits) for row in rows]
            for rows in thirds(num_perm)
        )
        return relative_rmse([a.jaccard(b) for a, b in zip(*compact, strict=True)])

    track_nbytes.unit = "bytes"


class Matrix(Benchmark):
    """Signatures of sets of n hashed items, 200,000 items in all."""

    params = ([64, 128, 1024], [10, 1000])
    param_names = ("num_perm", "n")

    def setup(self, num_perm, n):
        self.hashes, self.offsets = integers(200_000).astype(np.uint64), offsets(n, 200_000)

    def time_matrix(self, num_perm, n):
        sketches.minhash_matrix(self.hashes, self.offsets, num_perm=num_perm)


class Text(Benchmark):
    """2 MB of made-up text to signatures."""

    params = (["ascii", "cyrillic", "chinese"], ["word", "char"])
    param_names = ("script", "unit")

    def setup(self, script, unit):
        self.texts = texts(script)
        self.sketcher = ann.TextSketcher(unit=unit)

    def time_sketch(self, script, unit):
        self.sketcher.sketch(self.texts, shingles=False)

    def time_sketch_and_shingles(self, script, unit):
        self.sketcher.sketch(self.texts)


@cache
def texts(script):
    first, letters, bytes_each = {
        "ascii": (0x61, 26, 1),
        "cyrillic": (0x430, 32, 2),
        "chinese": (0x4E00, 20_000, 3),
    }[script]
    dice = rng()
    points = first + dice.integers(0, letters, 2_000_000 // bytes_each)
    points[dice.random(points.size) < 1 / 6] = 0x20
    text = points.astype("<u4").tobytes().decode("utf-32-le")
    return [text[i : i + 2000] for i in range(0, len(text), 2000)]


@cache
def partners(threshold, pairs=5_000, n=100):
    """Signatures of sets, and of one partner for each right at the threshold."""
    common = round(2 * n * threshold / (1 + threshold))
    hashes = rng().integers(0, 2**64, (pairs, 2 * n - common), np.uint64)
    left, right = hashes[:, :n], hashes[:, n - common :]
    at = offsets(n, pairs * n)
    return tuple(
        sketches.minhash_matrix(np.ascontiguousarray(part).ravel(), at) for part in (left, right)
    )


class MinHashLSH(Bands):
    """5,000 sets of 100 items, each with a partner right at the threshold."""

    params = ([0.5, 0.8], [0.9, 0.99])
    param_names = ("threshold", "recall")
    count = asked = 5_000

    def data(self, threshold, recall):
        return partners(threshold)[0]

    def build(self, threshold, recall):
        return ann.MinHashLSH(threshold, recall)

    def fill(self, structure):
        structure.add(self.items)

    def ask(self, structure):
        return structure.query(partners(structure.threshold)[1])

    def error(self, threshold, recall):
        return 1 - float(np.mean([i in ids for i, ids in enumerate(self.ask(self.full))]))

    def time_candidate_pairs(self, threshold, recall):
        self.full.candidate_pairs()

    def track_image_copies(self, threshold, recall):
        """Bytes needed at once to make an image, over those of the image."""
        tracemalloc.start()
        image = self.full.to_bytes()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak / len(image)

    track_image_copies.gated = False  # of what Python itself takes
