"""Distinct counts: throughput, bytes, and the error they promise to keep."""

import numpy as np

import sketches

from .common import Benchmark, Sketch, integers, strings
from .hashing import LEVELS, AtLevel

TRIALS = 60


def relative_rmse(estimate, n=20_000):
    """Over TRIALS sets of n items."""
    squares = 0.0
    for trial in range(TRIALS):
        squares += (estimate(np.arange(trial * n, (trial + 1) * n)) / n - 1) ** 2
    return (squares / TRIALS) ** 0.5


def count(sketch, items):
    sketch.update(items)
    return sketch.estimate()


class HyperLogLog(Sketch):
    """100,000 different int64; 1.04 / sqrt(2^p) by theory."""

    params = ([8, 10, 12, 14, 16],)
    param_names = ("p",)

    def build(self, p):
        return sketches.HyperLogLog(p)

    def error(self, p):
        return relative_rmse(lambda items: count(self.build(p), items))

    def track_image_bytes(self, p):
        return len(self.full.to_bytes("hll4"))

    track_image_bytes.unit = "bytes"


class PostgresHLL(Sketch):
    """100,000 different int64 into the image of postgresql-hll."""

    params = ([10, 12, 14],)
    param_names = ("log2m",)

    def build(self, log2m):
        return sketches.PostgresHLL(log2m)

    def error(self, log2m):
        return relative_rmse(lambda items: count(self.build(log2m), items))


class Update(AtLevel):
    """100,000 int64, of which all differ or a hundred come again and again."""

    params = (LEVELS, [12, 18], ["distinct", "repeated"])
    param_names = ("isa", "p", "items")

    def setup(self, level, p, items):
        super().setup(level)
        self.items = integers() if items == "distinct" else integers(below=100)

    def time_update(self, level, p, items):
        sketches.HyperLogLog(p).update(self.items)


class Containers(Benchmark):
    """100,000 items in what users hold."""

    params = (["list of int", "list of str", "arrow strings", "hashes"],)
    param_names = ("container",)

    def setup(self, container):
        make = {
            "list of int": integers().tolist,
            "list of str": strings,
            "arrow strings": lambda: __import__("pyarrow").array(strings()),
            "hashes": lambda: integers().astype(np.uint64),
        }
        self.items = make[container]()

    def time_update(self, container):
        sketch = sketches.HyperLogLog()
        (sketch.update_hashes if container == "hashes" else sketch.update)(self.items)

    def time_postgres(self, container):
        counter = sketches.PostgresHLL()
        (counter.update_hashes if container == "hashes" else counter.update)(self.items)


class Small(Benchmark):
    """One sketch of n items."""

    params = ([3, 100],)
    param_names = ("n",)

    def setup(self, n):
        self.sketch, self.other = sketches.HyperLogLog(), sketches.HyperLogLog()
        self.sketch.update(range(n))
        self.other.update(range(n // 2, 2 * n))

    def time_thousand_merges(self, n):
        merged = self.sketch.copy()
        for _ in range(1000):
            merged.merge(self.other)

    def time_hundred_estimates_of_unions(self, n):
        for _ in range(100):
            (self.sketch | self.other).estimate()

    def track_nbytes(self, n):
        return self.sketch.nbytes

    track_nbytes.unit = "bytes"


class Groups(Benchmark):
    """100,000 rows of so many keys."""

    params = ([100, 10_000],)
    param_names = ("keys",)

    def setup(self, keys):
        self.keys, self.items = integers(below=keys), integers()

    def time_group_distinct(self, keys):
        sketches.group_distinct(self.keys, self.items)

    def track_nbytes_a_key(self, keys):
        counts = sketches.group_distinct(self.keys, self.items)
        return counts.nbytes / len(counts)

    track_nbytes_a_key.unit = "bytes"
