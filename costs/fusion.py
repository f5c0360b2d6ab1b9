"""Fusing element-wise steps: what is saved when the data pass once instead of once a step.

A step of numpy reads its operands from memory and writes its result back. k steps fused read each
operand once and write once. For a * b + c on float64 that is 32 bytes an element instead of 48; the
line that a store brings in counts on both sides. The arithmetic stays, and so does its roof.

`check` tells whether that is true: it runs the steps by numpy, one after the other, and fused, in
turn. Steps of COMPILED on float64 or float32 have a compiled loop for that (`csrc/costs_inl.h`: all
steps on 512 bytes of each operand, then on the next). Others go by numpy in blocks small enough for
the second cache (the first holds too little to be worth a call), so that operands and result alone
touch memory, while the steps still pass through the cache.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any, Literal

import numpy as np

from costs._checks import whole
from costs._measure import MOST, STEPS, fused
from costs.machine import Machine

Array = np.ndarray[Any, np.dtype[Any]]

COMPILED = tuple(STEPS)  # names of the steps that the compiled loop has


@dataclass(frozen=True)
class FusionCheck:
    """Predicted and measured gain of fusing; medians of runs that took turns.

    Attributes
    ----------
    predicted, measured : float
        How many times as fast the fused way is.
    unfused_s, fused_s : float
        Measured seconds.
    way : {"compiled", "blocks"}
        What the fused way was: one compiled loop, or numpy block by block.
    """

    predicted: float
    measured: float
    unfused_s: float
    fused_s: float
    way: Literal["compiled", "blocks"]

    def __str__(self) -> str:
        way = "one loop" if self.way == "compiled" else "numpy by blocks"
        return (
            f"{way}: {self.predicted:.2f} x predicted, {self.measured:.2f} x measured, "
            f"error {self.error:.0%}"
        )

    @property
    def error(self) -> float:
        """abs(predicted - measured) / measured."""
        return abs(self.predicted - self.measured) / self.measured


@dataclass(frozen=True)
class Fusion:
    """What fusing predicts.

    Attributes
    ----------
    bytes_unfused, bytes_fused : int
        Moved in all, as STREAM counts.
    unfused_s, fused_s, blocked_s : float
        Predicted seconds: a step after the other; one compiled loop; the steps block by block.
    level : str
        Where the operands and intermediate results live.
    block : int
        Elements of a block.
    """

    steps: tuple["np.ufunc", ...]
    n: int
    dtype: "np.dtype[Any]"
    bytes_unfused: int
    bytes_fused: int
    unfused_s: float
    fused_s: float
    blocked_s: float
    level: str
    block: int
    machine: Machine = field(repr=False)

    @property
    def gain(self) -> float:
        """How many times as fast one loop should be."""
        return self.unfused_s / self.fused_s

    def __str__(self) -> str:
        return (
            f"{' -> '.join(step.__name__ for step in self.steps)} on {self.n:,} {self.dtype}: "
            f"{self.bytes_unfused / self.n:.0f} bytes an element, "
            f"fused {self.bytes_fused / self.n:.0f}; {self.gain:.2f} x predicted from {self.level}"
        )

    def check(self, rounds: int = 9) -> FusionCheck:
        """Run both ways in turn, on random numbers between 1 and 2.

        Parameters
        ----------
        rounds : int, default 9
            Runs of each way.

        Raises
        ------
        MemoryError
            If the operands do not fit.
        ArithmeticError
            If the two ways disagree in any bit.
        """
        with np.errstate(all="ignore"):  # steps may lead out of what their operands allow
            return self._check(whole(rounds, "rounds", least=1))

    def _check(self, rounds: int) -> FusionCheck:
        rng = np.random.default_rng(0)
        operands = [
            (1 + rng.random(self.n)).astype(self.dtype) for _ in range(_operands(self.steps))
        ]
        spare, plain, out = (np.zeros(self.n, self.dtype) for _ in range(3))
        compiled = self.way == "compiled"
        in_one = self._loop(operands, out) if compiled else self._blocks(operands, out)

        def unfused() -> None:
            _apply(self.steps, operands, plain, spare)

        unfused()
        in_one()
        if not np.array_equal(plain, out, equal_nan=True):
            raise ArithmeticError("the fused steps gave another result")
        times: dict[Callable[[], None], list[float]] = {unfused: [], in_one: []}
        for _ in range(rounds):
            for way, spent in times.items():
                start = time.perf_counter()
                way()
                spent.append(time.perf_counter() - start)
        whole, once = median(times[unfused]), median(times[in_one])
        predicted = self.unfused_s / (self.fused_s if compiled else self.blocked_s)
        return FusionCheck(predicted, whole / once, whole, once, self.way)

    @property
    def way(self) -> Literal["compiled", "blocks"]:
        """What `check` runs: one compiled loop where there is one for these steps."""
        known = self.dtype in (np.float64, np.float32)
        known &= all(step.__name__ in COMPILED for step in self.steps)
        return "compiled" if known and len(self.steps) <= MOST else "blocks"

    def _loop(self, operands: list[Array], out: Array) -> Callable[[], None]:
        names = [step.__name__ for step in self.steps]
        return lambda: fused(names, operands, out, self.machine.isa)

    def _blocks(self, operands: list[Array], out: Array) -> Callable[[], None]:
        near = np.empty(self.block, self.dtype)
        blocks = []
        for low in range(0, self.n, self.block):
            part = slice(low, low + self.block)
            target = out[part]
            blocks.append(([x[part] for x in operands], target, near[: len(target)]))

        def run() -> None:
            for parts, target, between in blocks:
                _apply(self.steps, parts, target, between)

        return run


def _operands(steps: Sequence["np.ufunc"]) -> int:
    return steps[0].nin + sum(step.nin - 1 for step in steps[1:])


def _apply(steps: Sequence["np.ufunc"], operands: list[Array], out: Array, spare: Array) -> None:
    """The steps one after the other: intermediate results to `spare`, the last one to `out`."""
    rest = iter(operands)
    given = [next(rest) for _ in range(steps[0].nin)]
    for i, step in enumerate(steps):
        target = out if i == len(steps) - 1 else spare
        step(*given, out=target)
        if i < len(steps) - 1:
            given = [target, *(next(rest) for _ in range(steps[i + 1].nin - 1))]


def plan_fusion(
    machine: Machine, peak: float, steps: Sequence["np.ufunc"], n: int, dtype: Any
) -> Fusion:
    """See `Roofline.fuse`."""
    steps = tuple(steps)
    if len(steps) < 2:
        raise ValueError(f"{len(steps)} steps; there is nothing to fuse below 2")
    for step in steps:
        if not isinstance(step, np.ufunc) or step.nout != 1 or step.signature is not None:
            raise TypeError(f"a step is an element-wise numpy.ufunc of one result, not {step!r}")
    n, kind = whole(n, "n", least=1), np.dtype(dtype)
    b = kind.itemsize
    operands = _operands(steps)
    level = machine.level(n * b * (operands + 2))
    call = machine.overhead["numpy call"].best
    work = float(n * kind.itemsize / 8 / peak)  # narrower numbers: more of them a vector

    def once(read: float, written: float, where: str) -> float:
        return max(machine.seconds(read, written, where), work) + call

    unfused = sum(once(n * b * step.nin, n * b, level) for step in steps)
    near = machine.levels[min(1, len(machine.caches) - 1)]
    block = min(n, max(64, int(machine.caches[near] / 2 / b / (operands + 2))))
    blocks = -(-n // block)
    # in the near cache every step still reads and writes; what memory delivers comes before
    inner = sum(machine.seconds(n * b * step.nin, n * b, near) for step in steps)
    memory = machine.seconds(n * b * operands, n * b, level) if level != near else 0.0
    calls = blocks * len(steps) * call
    blocked = max(memory + inner, len(steps) * work) + calls
    fused = max(machine.seconds(n * b * operands, n * b, level), len(steps) * work)
    moved = sum(n * b * (step.nin + 1) for step in steps), n * b * (operands + 1)
    return Fusion(steps, n, kind, *moved, unfused, fused, blocked, level, block, machine)
