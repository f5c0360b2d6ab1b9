"""What each index would cost at n: from this machine's constants, and a sample of the data.

Exact search reads every vector, so bandwidth bounds it whatever the code: n bytes a dimension at
least, if 8-bit codes let it skip what cannot be among the k nearest. A graph visits some hundred
vectors, and what it finds depends on the data alone: without a sample its figures are those of SIFT
descriptors, and their intervals wide.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ann.hnsw import HNSW
from ann.planning import residuals
from ann.planning.curves import Curve, Growth, power

if TYPE_CHECKING:
    from costs.machine import Machine
    from costs.planning import Candidate

MEASURED, TAKEN = 1.5, 3.0  # times and over: of a latency from a sample, and from none
M = 16  # half the links of a vector in a graph, as `HNSW` has it
IDS = 8  # bytes of an id
CALL = 8e-6  # seconds of a search of nothing
EFFORTS = 1.12  # ratio of neighbouring efforts that are offered
MOST_EFFORT = 4096
BOUND = 4  # bytes beside a vector, or a code: its length, or how far off it is
INTEGER = 4  # times as many multiply-adds of 8 bits as of 32 in a vector of the processor
INSERT = 3e-7  # seconds a vector that is copied and encoded, and per 128 dimensions


@dataclass(frozen=True)
class Probe:
    """What a sample told of one kind of index."""

    n: tuple[float, float]
    build: tuple[float, float]  # seconds
    bytes: tuple[float, float]
    growth: Growth | None = None  # of an approximate one
    seconds: tuple[float, float] = (0.0, 0.0)  # a query, of an exact one

    def memory(self, n: float) -> float:
        """Straight through both sizes."""
        (a, b), (x, y) = self.n, self.bytes
        slope = (y - x) / (b - a)
        return y + slope * (n - b)


@dataclass(frozen=True)
class Asked:
    """What a plan was asked for."""

    dim: int
    k: int
    dtype: str
    itemsize: int
    metric: str
    machine: "Machine"
    updates_per_s: float
    price_per_hour: float | None
    known: dict[str, list[float]] = field(default_factory=dict)

    def made(
        self,
        name: str,
        parameters: dict[str, Any],
        middle: dict[str, float],
        wide: dict[str, float],
        because: dict[str, str],
        exact: bool = False,
    ) -> "Candidate":
        """A candidate of middle values, each as uncertain as it proved, or is taken, to be."""
        from costs.planning import Candidate
        from costs.usl import Interval

        if self.price_per_hour is not None:
            queries = 3600 * self.machine.cores / middle["latency"]
            middle = middle | {"price": self.price_per_hour / queries * 1e6}
            wide = wide | {"price": wide["latency"]}
        costs: dict[str, Interval] = {}
        for quantity, value in middle.items():
            usual = wide.get(quantity, 1.0)
            if quantity == "recall":
                by = residuals.spread(self.known, name, "loss", usual)
                lost = 1 - value
                low, high = 1 - min(lost * by, 1.0), 1 - lost / by
            else:
                by = residuals.spread(self.known, name, quantity, usual)
                low, high = value / by, value * by
            costs[quantity] = Interval(low, value, high)
        if not self.updates_per_s:
            costs.pop("updates", None)
        return Candidate(name, parameters, costs, because, exact)


@dataclass(frozen=True)
class ExactModel:
    """Comparing with every vector."""

    asked: Asked
    probe: Probe | None = None
    name: str = "Exact"

    def candidates(self, n: float) -> "list[Candidate]":
        filtered = self.asked.metric == "l2" and self.asked.itemsize > 1
        plain = {"prefilter": False} if filtered else {}
        found = [
            self._candidate(n, plain, self.asked.dim * self.asked.itemsize, self.asked.itemsize)
        ]
        if filtered:  # a byte a number is read first, and the vector of what that leaves open
            found.insert(0, self._candidate(n, {}, self.asked.dim + BOUND, 1))
        return found

    def _candidate(
        self, n: float, parameters: dict[str, Any], width: int, itemsize: int
    ) -> "Candidate":
        """One that reads `width` bytes a vector, in numbers of `itemsize`."""
        from costs.planning import byte_count

        a, machine = self.asked, self.asked.machine
        scanned = n * width
        level = machine.level(max(scanned, 1.0))
        speed = machine.bandwidth[level]["read"].best
        reading = scanned / speed
        peak = machine.flops["vector f32"].best * (INTEGER if itemsize == 1 else 1)
        computing = 2 * n * a.dim / peak
        latency, wide = CALL + max(reading, computing), 2.0
        build = n * INSERT * max(a.dim / 128, 0.25)
        vectors = a.dim * a.itemsize
        memory = n * (vectors + BOUND + IDS + (width if itemsize < a.itemsize else 0))
        if self.probe:
            few, many = self.probe.n
            each = max((self.probe.seconds[1] - self.probe.seconds[0]) / (many - few), 0.0)
            call = max(self.probe.seconds[1] - each * many, CALL)
            if parameters:  # not as it was probed: all of the vectors are read, not a byte a number
                each *= a.itemsize
            else:
                memory = self.probe.memory(n)
            latency, wide = call + max(n * each, reading), MEASURED
            build = self.probe.build[1] * n / many
        if reading >= computing:
            why = f"must read {byte_count(scanned)} at {speed / 1e9:.3g} GB/s"
        else:
            why = f"must do {2e-9 * n * a.dim:.3g} G operations at {peak / 1e9:.3g} G/s"
        middle = {
            "latency": latency,
            "memory": memory,
            "recall": 1.0,
            "build": build,
            "updates": a.updates_per_s * build / n,
        }
        because = {
            "latency": "no engineering makes it fit: "
            + (f"even its 8-bit scan {why}" if itemsize == 1 else f"it {why}"),
            "memory": f"the vectors alone are {byte_count(n * vectors)}",
        }
        spread = {"latency": wide, "build": 2.0, "memory": 1.02}
        return a.made(self.name, parameters, middle, spread, because, exact=True)


SIFT = Growth(  # recall of 300 queries, M = 16: what is taken where no sample is given
    Curve(
        5_000,
        np.array([10.0, 16, 24, 32, 48, 64]),
        np.array([0.151, 0.038, 0.011, 0.005, 0.001, 0.0003]),
        np.array([14.8, 15.9, 16.5, 18.7, 21.0, 23.3]) * 1e-6,
        3000,
    ),
    Curve(
        20_000,
        np.array([10.0, 16, 24, 32, 48, 64]),
        np.array([0.195, 0.068, 0.027, 0.0127, 0.005, 0.0023]),
        np.array([16.2, 18.1, 20.3, 22.2, 26.5, 31.5]) * 1e-6,
        3000,
    ),
)
SIFT_BUILD = 3.5e-4  # seconds a vector, one thread


@dataclass(frozen=True)
class HNSWModel:
    """A graph of neighbours; of vectors in half the bytes, if `half`."""

    asked: Asked
    probe: Probe | None = None
    half: bool = False

    @property
    def name(self) -> str:
        return "HNSW float16" if self.half else "HNSW"

    def candidates(self, n: float) -> "list[Candidate]":
        from costs.planning import byte_count

        a = self.asked
        efforts = _efforts(a.k)
        growth = self.probe.growth if self.probe else None
        wider = max(a.dim / 128, 0.5) ** 0.5 if growth is None else 1.0
        loss = (growth or SIFT).loss(n, efforts)
        seconds = wider * (growth or SIFT).seconds(n, efforts)
        vectors = n * a.dim * (2 if self.half else a.itemsize)
        if self.probe:
            many = self.probe.n[1]
            more = power(self.probe.n, self.probe.build, 1.5)
            build = self.probe.build[1] * (n / many) ** max(more, 1.0)
            memory = self.probe.memory(n) - n * a.dim * a.itemsize + vectors
            wide = {"latency": MEASURED, "recall": 2.0, "build": 1.4, "memory": 1.05}
        else:
            build = n * SIFT_BUILD * wider / a.machine.cores * max(1.0, n / 20_000) ** 0.05
            kept = "float16" if self.half else a.dtype
            memory = float(HNSW.estimate_bytes(round(n), a.dim, a.metric, M=M, dtype=kept))
            wide = {"latency": TAKEN, "recall": TAKEN, "build": TAKEN, "memory": 1.2}
        because = {
            "latency": "each candidate has neighbours to compare, which lie anywhere in memory",
            "memory": f"the vectors alone are {byte_count(vectors)}, links and codes "
            f"{byte_count(memory - vectors)}",
            "recall": "no ef_search that was looked at finds as many",
            "updates": "a new vector is searched for its neighbours first",
        }
        return [
            a.made(
                self.name,
                ({"dtype": "float16"} if self.half else {}) | {"M": M, "ef_search": int(effort)},
                {
                    "latency": float(second),
                    "memory": memory,
                    "recall": float(1 - lost),
                    "build": build,
                    "updates": a.updates_per_s * build * a.machine.cores / n,
                },
                wide,
                because,
            )
            for effort, lost, second in zip(efforts, loss, seconds, strict=True)
        ]


@dataclass(frozen=True)
class IVFModel:
    """Lists of 4-bit codes, of which the nearest are looked through: known by a sample alone."""

    asked: Asked
    probe: Probe
    name: str = "IVF"

    def candidates(self, n: float) -> "list[Candidate]":
        a, growth = self.asked, self.probe.growth
        assert growth is not None  # of an index with a knob
        efforts = _efforts(1, least=1.0)
        (few, many), (short, long) = self.probe.n, self.probe.build
        build = long + max(long - short, 0.0) / (many - few) * (n - many)  # learning, then encoding
        because = {
            "latency": "codes of all vectors in the lists are looked at",
            "recall": "no nprobe that was looked at finds as many",
        }
        wide = {"latency": MEASURED, "recall": 2.0, "build": TAKEN, "memory": 1.05}
        found = zip(efforts, growth.loss(n, efforts), growth.seconds(n, efforts), strict=True)
        return [
            a.made(
                self.name,
                {"nprobe": int(effort)},
                {
                    "latency": float(second),
                    "memory": self.probe.memory(n),
                    "recall": float(1 - lost),
                    "build": build,
                    "updates": a.updates_per_s * build * a.machine.cores / n,
                },
                wide,
                because,
            )
            for effort, lost, second in found
        ]


def _efforts(k: int, least: float = 10.0) -> list[float]:
    found = [float(max(k, least))]
    while found[-1] < MOST_EFFORT:
        found.append(float(max(round(found[-1] * EFFORTS), found[-1] + 1)))
    return found
