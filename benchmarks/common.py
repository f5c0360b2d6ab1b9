"""What the benchmarks share: one base class for every public structure, data from one seed.

A structure over a grid of parameters has a curve: how wrong it is for how many bytes, and at what
speed. `Structure` measures all of it, at each point of `params`:

    time_update      `fill` an empty structure with the data
    time_estimate    `ask` the full one (time_search, time_query: what the field calls it)
    time_merge       a copy, and one merge into it
    time_serialise   to bytes and back
    track_nbytes     its memory
    track_...        its error, as a cost, from `error`

A sketch is a `Sketch`, a vector index an `Index`, an index of near-duplicates a `Bands`. A new one
says its grid, what it is built from and how wrong it is; the rest is the base's, and can be
overridden where the structure has other words:

    class HyperLogLog(Sketch):
        params, param_names = ([10, 12, 14],), ("p",)

        def build(self, p):
            return sketches.HyperLogLog(p)

        def error(self, p):
            return ...  # of many seeded trials

asv takes every number for a cost, lower is better, and compares by ratios: so an error is never a
recall, and never 0 (NONE stands for that). Data depends on SEED alone. Each is made once a process
and no call may change it; asv runs `setup` before every sample. `version` is explicit, because
asv's own default, a hash of the source, would drop the history at each edit of a comment: raise it
where old numbers no longer compare.
"""

import tempfile
import time
from abc import ABC, abstractmethod
from functools import cache
from pathlib import Path

import numpy as np

SEED = 9001
NONE = 1e-9  # an error that did not occur: asv compares by ratios
COUNT = 100_000  # items, unless a class says otherwise: several blocks, a few milliseconds


def rng():
    """Always the same numbers."""
    return np.random.default_rng(SEED)


@cache
def integers(count=COUNT, below=2**63):
    """Random int64, nearly all different."""
    return rng().integers(0, below, count)


@cache
def strings(count=COUNT):
    """Decimal strings of about 19 bytes."""
    return integers(count).astype(str).tolist()


@cache
def zipf(exponent, count=COUNT, distinct=20_000):
    """A stream in which few items are frequent."""
    weights = np.arange(1, distinct + 1) ** -float(exponent)
    return rng().choice(distinct, count, p=weights / weights.sum())


class Benchmark:
    version = "1"
    timer = time.process_time  # others may share the machine; where threads matter, the wall's
    warmup_time = 0.02  # seconds; what is measured here is compiled code
    repeat = (2, 5, 1.0)  # samples in a round, least and most, and the seconds they may take
    timeout = 120  # seconds


@cache
def _data(kind, params):
    return kind().data(*params)


@cache
def _full(kind, params):
    benchmark = kind()
    benchmark.items = _data(kind, params)
    structure = benchmark.build(*params)
    benchmark.fill(structure)
    return structure


class Structure(Benchmark, ABC):
    """See above. `count` is how many items `fill` takes, `asked` how many questions `ask` puts."""

    count = COUNT
    asked = 1

    @abstractmethod
    def build(self, *params):
        """An empty structure."""

    @abstractmethod
    def error(self, *params):
        """How wrong it is: 0 is best."""

    def data(self, *params):
        """What is filled in: by default `count` different int64."""
        return integers(self.count)

    def fill(self, structure):
        structure.update(self.items)

    @abstractmethod
    def ask(self, structure):
        """What it is for."""

    def serialise(self, structure):
        type(structure).from_bytes(structure.to_bytes())

    def setup(self, *params):
        kind = type(self)
        self.items, self.full = _data(kind, params), _full(kind, params)
        self.empty = self.build(*params)

    def time_update(self, *_):
        self.fill(self.empty)

    def time_serialise(self, *_):
        self.serialise(self.full)

    def track_nbytes(self, *_):
        return self.full.nbytes

    track_nbytes.unit = "bytes"


class Sketch(Structure):
    """Its error is relative: the root mean square, as a share of the truth."""

    def ask(self, structure):
        return structure.estimate()

    def time_estimate(self, *_):
        self.ask(self.full)

    def time_merge(self, *_):
        self.full.copy().merge(self.full)

    def track_relative_rmse(self, *params):
        return max(NONE, self.error(*params))


class Index(Structure):
    """Vectors. Its error is the share of the K nearest neighbours that a search misses.

    1,000 vectors of 64 dimensions, in loose clusters, and 200 queries at once, on one
    thread. `build` sets the structure's knob, or `ask` passes it.
    """

    K = 10
    count, asked, dim = 1_000, 200, 64

    def data(self, *params):
        return vectors(self.count, self.asked, self.dim)[0]

    def setup(self, *params):
        super().setup(*params)
        self.queries = vectors(self.count, self.asked, self.dim)[1]

    def fill(self, structure):
        structure.add(self.items)

    def ask(self, structure):
        return structure.search(self.queries, self.K, threads=1)

    def serialise(self, structure):
        with tempfile.TemporaryDirectory() as folder:
            structure.save(Path(folder, "index"))
            type(structure).load(Path(folder, "index"))

    def error(self, *params):
        """The share of the true neighbours, by squared Euclidean distance, that are not found."""
        found = np.asarray(self.ask(self.full)[0])
        truth = neighbours(self.count, self.asked, self.dim, self.K)
        pairs = zip(found, truth, strict=True)
        return 1 - sum(np.isin(a, b).sum() for a, b in pairs) / truth.size

    def time_search(self, *_):
        self.ask(self.full)

    def track_recall_loss(self, *params):
        return max(NONE, self.error(*params))


class Bands(Structure):
    """Near-duplicates. Its error is the share of true pairs that never share a band."""

    def time_query(self, *_):
        self.ask(self.full)

    def track_band_miss(self, *params):
        return max(NONE, self.error(*params))


@cache
def vectors(count, asked, dim):
    """float32 in clusters of about 20, so loose that an index may err, and queries as they are."""
    dice = rng()
    centres = dice.normal(size=(count // 20, dim))
    chosen = dice.integers(0, len(centres), count + asked)
    found = (centres[chosen] + 2 * dice.normal(size=(count + asked, dim))).astype(np.float32)
    return found[:count], found[count:]


@cache
def neighbours(count, asked, dim, k):
    """Of each query the k nearest vectors, by brute force."""
    base, queries = (part.astype(np.float64) for part in vectors(count, asked, dim))
    distances = (queries**2).sum(1)[:, None] - 2 * queries @ base.T + (base**2).sum(1)
    return np.argpartition(distances, k, axis=1)[:, :k]
