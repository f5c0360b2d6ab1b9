"""Distinct counts: throughput, bytes, and the error they promise to keep."""

import numpy as np

from sketches import HyperLogLog, PostgresHLL, group_distinct

from .common import SEED, Benchmark
from .hashing import LEVELS, use


class Update(Benchmark):
    """A million int64, of which all differ or a hundred come again and again."""

    params = (LEVELS, [12, 14, 18], ["distinct", "repeated"])
    param_names = ("isa", "p", "items")

    def setup(self, level, p, items):
        super().setup()
        use(level)
        high = 2**63 if items == "distinct" else 100
        self.items = self.rng.integers(0, high, 1_000_000)

    def time_update(self, level, p, items):
        HyperLogLog(p).update(self.items)


class Containers(Benchmark):
    """A million items in what users hold."""

    params = (["list of int", "list of str", "arrow strings", "hashes"],)
    param_names = ("container",)

    def setup(self, container):
        super().setup()
        numbers = self.rng.integers(0, 2**63, 1_000_000)
        make = {
            "list of int": numbers.tolist,
            "list of str": lambda: numbers.astype(str).tolist(),
            "arrow strings": lambda: __import__("pyarrow").array(numbers.astype(str).tolist()),
            "hashes": lambda: numbers.astype(np.uint64),
        }
        self.items = make[container]()

    def time_update(self, container):
        sketch = HyperLogLog()
        (sketch.update_hashes if container == "hashes" else sketch.update)(self.items)

    def time_postgres(self, container):
        counter = PostgresHLL()
        (counter.update_hashes if container == "hashes" else counter.update)(self.items)


class Sketch(Benchmark):
    """One sketch of n items."""

    params = ([12, 14], [3, 100, 100_000])
    param_names = ("p", "n")

    def setup(self, p, n):
        self.sketch, self.other = HyperLogLog(p), HyperLogLog(p)
        self.sketch.update(range(n))
        self.other.update(range(n // 2, 2 * n))

    def time_thousand_merges(self, p, n):
        merged = self.sketch.copy()
        for _ in range(1000):
            merged.merge(self.other)

    def time_hundred_estimates_of_unions(self, p, n):
        for _ in range(100):
            (self.sketch | self.other).estimate()

    def time_hundred_images(self, p, n):
        for _ in range(100):
            HyperLogLog.from_bytes(self.sketch.to_bytes("hll4"))

    def track_nbytes(self, p, n):
        return self.sketch.nbytes

    def track_image_bytes(self, p, n):
        return len(self.sketch.to_bytes("hll4"))

    track_nbytes.unit = track_image_bytes.unit = "bytes"


class Error(Benchmark):
    """RMS relative error over 500 streams; 0.013 and 0.016 by theory at p = 12."""

    params = ([10, 12], [1000, 100_000], ["one stream", "merged"])
    param_names = ("p", "n", "history")

    def track_rms(self, p, n, history):
        items, squares = np.arange(n), 0.0
        for seed in range(SEED, SEED + 500):
            sketch = HyperLogLog(p, seed)
            sketch.update(items)
            sketch = sketch | sketch if history == "merged" else sketch
            squares += (sketch.estimate() / n - 1) ** 2
        return (squares / 500) ** 0.5


class Groups(Benchmark):
    """A million rows of so many keys."""

    params = ([100, 10_000, 300_000],)
    param_names = ("keys",)

    def setup(self, keys):
        super().setup()
        self.keys = self.rng.integers(0, keys, 1_000_000)
        self.items = self.rng.integers(0, 2**62, 1_000_000)

    def time_group_distinct(self, keys):
        group_distinct(self.keys, self.items)

    def track_nbytes_a_key(self, keys):
        counts = group_distinct(self.keys, self.items)
        return counts.nbytes / len(counts)

    track_nbytes_a_key.unit = "bytes"
