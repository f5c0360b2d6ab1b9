"""CountMin, CountSketch, TopK and windows: throughput, bytes, and the error for them."""

from functools import cache

import numpy as np

import sketches

from .common import COUNT, Benchmark, Sketch, integers, zipf


@cache
def counts(exponent):
    """The items of a stream, and how often each came."""
    return np.unique(zipf(exponent), return_counts=True)


class Table(Sketch):
    """Four rows; a Zipf(1.1) stream of 100,000 numbers, all of them asked for again.

    The error is the root mean square over the distinct items, as a share of the stream.
    """

    params = ([1 << 8, 1 << 10, 1 << 12, 1 << 14],)
    param_names = ("width",)
    asked = COUNT

    def data(self, width):
        return zipf(1.1)

    def ask(self, structure):
        return structure.estimate(self.items)

    def error(self, width):
        items, truth = counts(1.1)
        wrong = self.full.estimate(items).astype(float) - truth
        return float(np.sqrt(np.mean(wrong**2))) / COUNT


class CountMin(Table):
    def build(self, width):
        return sketches.CountMin(width, 4)


class ConservativeCountMin(Table):
    def build(self, width):
        return sketches.CountMin(width, 4, conservative=True)


class CountSketch(Table):
    def build(self, width):
        return sketches.CountSketch(width, 4)


class SparkCountMin(Table):
    def build(self, width):
        return sketches.SparkCountMin(width, 4, 1)


class OutOfCache(Benchmark):
    """Different numbers into 4 rows that fit into L2, and into no cache."""

    params = (["count-min", "count-sketch"], [1 << 16, 1 << 22])
    param_names = ("kind", "width")

    def setup(self, kind, width):
        self.sketch = filled(kind, width)
        self.items = integers()

    def time_update(self, kind, width):
        self.sketch.update(self.items)

    def time_estimate(self, kind, width):
        self.sketch.estimate(self.items)


@cache
def filled(kind, width):
    sketch = {"count-min": sketches.CountMin, "count-sketch": sketches.CountSketch}[kind](width, 4)
    sketch.update(integers())
    return sketch


class TopK(Sketch):
    """A Zipf(1.1) stream of 100,000 numbers, or words.

    The error is what an item without a counter may weigh, as a share of the stream.
    """

    params = ([100, 1000, 10_000], ["numbers", "words"])
    param_names = ("k", "items")

    def data(self, k, items):
        return zipf(1.1) if items == "numbers" else zipf(1.1).astype("S")

    def build(self, k, items):
        return sketches.TopK(k)

    def ask(self, structure):
        return structure.top()

    def error(self, k, items):
        return self.full.offset / self.full.total


class Windowed(Sketch):
    """The last hour of 100,000 events in two, in so many steps.

    The error is that of a CountMin of the whole hour: of its counts, as a share of the stream.
    """

    params = ([6, 60],)
    param_names = ("slots",)

    def data(self, slots):
        return zipf(1.1), np.sort(integers(below=7200))

    def build(self, slots):
        return sketches.Windowed(sketches.CountMin(1 << 10, 4), size=3600, slots=slots)

    def fill(self, structure):
        structure.update(*self.items)

    def ask(self, structure):
        return structure.merged()

    def error(self, slots):
        items, times = self.items
        items, truth = np.unique(items[times >= times[-1] - 3600], return_counts=True)
        wrong = self.full.merged().estimate(items).astype(float) - truth
        return float(np.sqrt(np.mean(wrong**2))) / int(truth.sum())
