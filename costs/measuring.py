"""Slots of all quantities in turn: how the constants of a `Machine` are measured.

Others use the machine, too. So every quantity is measured in short slots, all of them in turn,
round after round, until the budget is spent; each keeps its best slot, which is what the machine
can do (as STREAM reports it), its median and its worst decile, which are the spread.

Bytes are counted as STREAM counts them: what a loop names, not the line that a store brings in
besides. Stores are ordinary ones: none passes the caches by. The memory is as numpy's arrays of
4 MiB and more are: huge pages are asked for, and are given where the system has them.

The widest vectors do not always move most: over main memory narrow ones may be faster. So the
bandwidth loops run with every instruction set there is, and that with the highest median counts.
"""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from costs._measure import Buffers, arithmetic, available

SLOT_S = 4e-3  # of one timing: long beside the clock, short beside a time slice of the system
ROUNDS = 3  # at least, whatever the budget
PART = 0.5  # of a cache that a working set fills: other things live there, too
BEYOND = 4  # times the last cache: STREAM's rule for main memory
LOOPS = {"read": (8, 1), "write": (8, 1), "copy": (16, 2), "triad": (24, 3)}  # bytes, arrays
BLAS_N = 768  # 0.9 G operations: some 10 ms, and near the most there is
ARITHMETIC = {  # the loops of csrc/costs.h, and their names in `Machine.flops`
    "scalar64": "scalar f64",
    "vector64": "vector f64",
    "vector32": "vector f32",
    "scalar_i64": "scalar i64",
    "vector_i64": "vector i64",
}

Progress = Callable[[float, float], None]


@dataclass(frozen=True)
class Measured:
    """One quantity: its best slot, the median, and the worst decile."""

    best: float
    median: float
    worst: float

    @property
    def spread(self) -> float:
        """How far the worst decile lies from the best, as a share of the best."""
        return abs(self.best - self.worst) / self.best


class Measurement:
    """Slots of all quantities in turn."""

    def __init__(self, isa: str, threads: int, caches: dict[str, int]) -> None:
        self.isa, self.threads = isa, threads
        self.sets = {name: int(PART * room) for name, room in caches.items()}
        self.sets["DRAM"] = BEYOND * max(caches.values())
        self.shared = [name for name in self.sets if name in ("L3", "DRAM")]
        self.buffers = [Buffers(self.sets["DRAM"]) for _ in range(threads)]
        self.passes: dict[Any, int] = {}
        rng = np.random.default_rng(0)
        self.matrix: dict[str, Any] = {
            "f64": rng.random((BLAS_N, BLAS_N)),
            "f32": rng.random((BLAS_N, BLAS_N), np.float32),
        }

    def run(self, budget: float, progress: Progress) -> dict[str, Any]:
        start = time.perf_counter()
        slots = self._slots()
        seen: dict[tuple[str, ...], list[float]] = {key: [] for key in slots}
        with ThreadPoolExecutor(self.threads) as self.pool:
            for slot in slots.values():
                slot()  # warms up, and settles how long a slot is
            rounds, used = 0, 0.0
            while rounds < ROUNDS or used < budget:
                for key, slot in slots.items():
                    seen[key].append(slot())
                rounds, used = rounds + 1, time.perf_counter() - start
                progress(min(used, budget), budget)
        return self._gather(seen)

    def _slots(self) -> dict[tuple[str, ...], Callable[[], float]]:
        found: dict[tuple[str, ...], Callable[[], float]] = {}
        widths = available()
        widths = widths[: widths.index(self.isa) + 1]
        for level, size in self.sets.items():
            for loop in LOOPS:
                for isa in widths:
                    move = partial(self._move, level, loop, size, isa)
                    found["bandwidth", level, loop, isa] = move
            found["latency", level] = partial(self._chase, size)
        for loop, name in ARITHMETIC.items():
            found["flops", name] = partial(self._compute, loop)
        for kind in self.matrix:
            found["flops", f"blas {kind}"] = partial(self._multiply, kind)
        found["overhead", "python call"] = _python_call
        found["overhead", "numpy call"] = _numpy_call
        return found

    def _together(self, work: Callable[[int], float]) -> list[float]:
        """The same on every thread at once."""
        if self.threads == 1:
            return [work(0)]
        gate = threading.Barrier(self.threads)

        def task(i: int) -> float:
            gate.wait()
            return work(i)

        return list(self.pool.map(task, range(self.threads)))

    def _move(self, level: str, loop: Any, size: int, isa: str) -> float:
        """Bytes a second, all threads together."""
        counted, arrays = LOOPS[loop]
        each = size // arrays // (self.threads if level == "L3" else 1)
        if level == "DRAM":
            each = size  # STREAM's arrays are of that size each
        key = level, loop, isa
        passes = self.passes.get(key, 1)
        took = self._together(lambda i: self.buffers[i].run(loop, isa, each, passes))
        if key not in self.passes:
            self.passes[key] = max(1, round(SLOT_S / max(took[0], 1e-7)))
        return sum(passes * counted * (each // 8) / seconds for seconds in took)

    def _chase(self, size: int) -> float:
        """Seconds a load."""
        steps = self.passes.setdefault(("chase", size), 20_000)
        seconds = self.buffers[0].chase(size, steps) / steps
        self.passes["chase", size] = max(1000, round(SLOT_S / seconds))
        return seconds

    def _compute(self, loop: Any) -> float:
        """Operations a second, all threads together."""
        rounds = self.passes.get(loop, 10_000)
        took = self._together(lambda i: arithmetic(loop, self.isa, rounds)[0])
        operations = arithmetic(loop, self.isa, 1)[1] * rounds
        self.passes.setdefault(loop, max(1000, round(rounds * SLOT_S / max(took[0], 1e-7))))
        return sum(operations / seconds for seconds in took)

    def _multiply(self, kind: str) -> float:
        matrix = self.matrix[kind]
        start = time.perf_counter()
        matrix @ matrix
        return 2 * BLAS_N**3 / (time.perf_counter() - start)

    def _gather(self, seen: dict[tuple[str, ...], list[float]]) -> dict[str, Any]:
        found: dict[str, Any] = {"bandwidth": {}, "flops": {}, "latency": {}, "overhead": {}}
        for key, values in seen.items():
            faster = key[0] in ("bandwidth", "flops")  # there more is better
            ordered = np.sort(values)[:: -1 if faster else 1]
            worst = float(ordered[min(len(ordered) - 1, int(0.9 * len(ordered)))])
            summary = Measured(float(ordered[0]), float(np.median(ordered)), worst)
            if key[0] == "bandwidth":
                level = found["bandwidth"].setdefault(key[1], {})
                if key[2] not in level or level[key[2]].median < summary.median:
                    level[key[2]] = summary
            else:
                found[key[0]][key[1]] = summary
        return found


def _python_call() -> float:
    def nothing() -> None:
        pass

    start = time.perf_counter()
    for _ in range(10_000):
        nothing()
    return (time.perf_counter() - start) / 10_000


def _numpy_call() -> float:
    a, b, out = np.zeros(1), np.zeros(1), np.zeros(1)
    start = time.perf_counter()
    for _ in range(2_000):
        np.add(a, b, out=out)
    return (time.perf_counter() - start) / 2_000
