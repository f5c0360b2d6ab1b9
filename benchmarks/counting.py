"""CountMin, CountSketch, TopK and windows: throughput, bytes, and the error for them."""

import numpy as np

from sketches import CountMin, CountSketch, TopK, Windowed

from .common import Benchmark

KINDS = {
    "count-min": CountMin,
    "conservative": lambda width, depth: CountMin(width, depth, conservative=True),
    "count-sketch": CountSketch,
}


class Table(Benchmark):
    """A million numbers into 4 rows that fit into L1, L2, and no cache."""

    params = (list(KINDS), [1 << 10, 1 << 16, 1 << 22])
    param_names = ("kind", "width")

    def setup(self, kind, width):
        super().setup()
        self.items = self.rng.integers(-(2**63), 2**63, 1_000_000)
        self.sketch = KINDS[kind](width, 4)
        self.sketch.update(self.items)

    def time_update(self, kind, width):
        self.sketch.update(self.items)

    def time_estimate(self, kind, width):
        self.sketch.estimate(self.items)

    def time_merge(self, kind, width):
        self.sketch.merge(self.sketch)

    def track_nbytes(self, kind, width):
        return self.sketch.nbytes

    track_nbytes.unit = "bytes"


class Error(Benchmark):
    """A Zipf stream of 10^5 items into 16 KiB."""

    params = (list(KINDS), [0.8, 1.1, 1.5])
    param_names = ("kind", "exponent")

    def track_relative_rmse(self, kind, exponent):
        """Root mean square error over the distinct items, as a share of the stream."""
        weights = np.arange(1, 50_001) ** -exponent
        stream = self.rng.choice(50_000, 100_000, p=weights / weights.sum())
        sketch = KINDS[kind](1024, 4)
        sketch.update(stream)
        items, counts = np.unique(stream, return_counts=True)
        return float(np.sqrt(np.mean((sketch.estimate(items) - counts) ** 2.0)) / len(stream))


class Top(Benchmark):
    """A Zipf stream of a million numbers, and as many words of them."""

    params = (["numbers", "words"], [100, 1000, 10_000])
    param_names = ("items", "k")

    def setup(self, items, k):
        super().setup()
        self.items = self.rng.zipf(1.1, 1_000_000).astype(np.int64)
        if items == "words":
            self.items = self.items.astype("S")
        self.sketch = TopK(k)
        self.sketch.update(self.items)

    def time_update(self, items, k):
        TopK(self.sketch.k).update(self.items)

    def time_top(self, items, k):
        self.sketch.top()

    def time_merge(self, items, k):
        self.sketch.copy().merge(self.sketch)

    def time_to_and_from_bytes(self, items, k):
        TopK.from_bytes(self.sketch.to_bytes())

    def track_nbytes(self, items, k):
        return self.sketch.nbytes

    def track_offset(self, items, k):
        """What an item without a counter may weigh, as a share of the stream."""
        return self.sketch.offset / self.sketch.total

    track_nbytes.unit = "bytes"


class Window(Benchmark):
    """An hour of a million events in minutes."""

    def setup(self):
        super().setup()
        self.items = self.rng.integers(0, 10_000, 1_000_000)
        self.times = np.sort(self.rng.integers(0, 3600, 1_000_000))
        self.window = Windowed(CountMin(1 << 12, 4), size=3600, slots=60)
        self.window.update(self.items, self.times)

    def time_update(self):
        Windowed(CountMin(1 << 12, 4), size=3600, slots=60).update(self.items, self.times)

    def time_merged(self):
        self.window.merged()
