"""MinHash and MinHash-LSH: throughput, bytes, and the error they promise to keep."""

import tracemalloc

import numpy as np

from ann import MinHashLSH, TextSketcher
from sketches import MinHash, minhash_matrix

from .common import Benchmark


class Sketch(Benchmark):
    """Sets of n hashed items, a million items in all."""

    params = ([16, 64, 128, 256, 1024], [10, 100, 1000, 100_000])
    param_names = ("num_perm", "n")

    def setup(self, num_perm, n):
        super().setup()
        self.sets = 1_000_000 // n
        self.hashes = self.rng.integers(0, 2**64, self.sets * n, np.uint64)
        self.offsets = np.arange(self.sets + 1) * n

    def time_matrix(self, num_perm, n):
        minhash_matrix(self.hashes, self.offsets, num_perm=num_perm)

    def time_update(self, num_perm, n):
        """By way of the blocks in which items are hashed."""
        for i in range(self.sets):
            MinHash(num_perm).update(self.hashes[i * n : (i + 1) * n])

    def time_merge_and_compare(self, num_perm, n):
        a = MinHash(num_perm)
        a.update_hashes(self.hashes[:n])
        for _ in range(100):
            (a | a).jaccard(a)

    def time_to_and_from_bytes(self, num_perm, n):
        sketch = MinHash(num_perm)
        for _ in range(100):
            MinHash.from_bytes(sketch.to_bytes())

    def track_nbytes(self, num_perm, n):
        return MinHash(num_perm).nbytes

    def track_rmse(self, num_perm, n):
        """Root mean square error of 2,000 estimates of J = 1/3; 1 / sqrt(K) scale."""
        pairs, fresh = 2000 if n <= 1000 else 200, max(1, n // 2)
        sizes = np.full(3 * pairs, fresh)
        parts = minhash_matrix(
            self.rng.integers(0, 2**64, sizes.sum(), np.uint64),
            np.concatenate([[0], np.cumsum(sizes)]),
            num_perm=num_perm,
        )
        left, right = (np.minimum(parts[0::3], parts[i::3]) for i in (1, 2))
        return float(np.sqrt(np.mean(((left == right).mean(axis=1) - 1 / 3) ** 2)))

    track_nbytes.unit = "bytes"


class Text(Benchmark):
    """10 MB of made-up text to signatures."""

    params = (["ascii", "cyrillic", "chinese"], ["word", "char"])
    param_names = ("script", "unit")

    def setup(self, script, unit):
        super().setup()
        first, letters, bytes_each = {
            "ascii": (0x61, 26, 1),
            "cyrillic": (0x430, 32, 2),
            "chinese": (0x4E00, 20_000, 3),
        }[script]
        points = first + self.rng.integers(0, letters, 10_000_000 // bytes_each)
        points[self.rng.random(points.size) < 1 / 6] = 0x20
        text = "".join(map(chr, points))
        self.texts = [text[i : i + 2000] for i in range(0, len(text), 2000)]
        self.sketcher = TextSketcher(unit=unit)

    def time_sketch(self, script, unit):
        self.sketcher.sketch(self.texts, shingles=False)

    def time_sketch_and_shingles(self, script, unit):
        self.sketcher.sketch(self.texts)


class Lsh(Benchmark):
    """20,000 sets of 100 items, each with a partner right at the threshold."""

    params = ([0.5, 0.8], [0.9, 0.99])
    param_names = ("threshold", "recall")

    def setup(self, threshold, recall):
        super().setup()
        pairs, n = 20_000, 100
        common = round(2 * n * threshold / (1 + threshold))
        hashes = self.rng.integers(0, 2**64, (pairs, 2 * n - common), np.uint64)
        offsets = np.arange(pairs + 1) * n
        self.left = minhash_matrix(np.ascontiguousarray(hashes[:, :n]).ravel(), offsets)
        self.right = minhash_matrix(np.ascontiguousarray(hashes[:, n - common :]).ravel(), offsets)
        self.index = MinHashLSH(threshold, recall)
        self.index.add(self.left)

    def time_add(self, threshold, recall):
        MinHashLSH(threshold, recall).add(self.left)

    def time_query(self, threshold, recall):
        self.index.query(self.right)

    def time_candidate_pairs(self, threshold, recall):
        self.index.candidate_pairs()

    def track_nbytes_a_set(self, threshold, recall):
        return self.index.nbytes / len(self.index)

    def track_recall_loss(self, threshold, recall):
        """The share of partners that are missed."""
        found = self.index.query(self.right)
        return 1 - float(np.mean([i in ids for i, ids in enumerate(found)]))

    def track_image_copies(self, threshold, recall):
        """Bytes needed at once to make an image, over those of the image."""
        tracemalloc.start()
        image = self.index.to_bytes()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak / len(image)

    track_nbytes_a_set.unit = "bytes"
