"""Run a function at growing sizes within a budget, and fit what it took.

Sizes double until the next would eat a twelfth of the budget; then a geometric ladder of them is
run round after round, in a new order each, so that a slow moment of the machine meets all sizes and
not one. Short calls are timed many at a time, after one call that warms caches and branch
predictors up (a long one warms itself). The median over rounds is what is fitted.

A function that leaves its inputs as they were meets the same ones in every round: what is made
anew lies elsewhere each time, in memory that grows more scattered, and its times say so. Short
calls have several inputs to go through, or a branch predictor would know the only one by heart.

How many bytes the data are is looked, too: where they outgrow a cache, a step may cost more.
"""

import gc
import math
import pickle
import time
import tracemalloc
from collections.abc import Callable
from functools import partial
from typing import Any, Literal

import numpy as np

from costs import host
from costs._checks import finite, whole
from costs._drift import LEAVING, Way
from costs.fits import SEED, SMALLEST, Fit, fit_times

SMALL_S = 2e-4  # timed together: 4,000 times the resolution of the clock
WARM_S = 1e-2  # a longer call refills the caches at 1 % of its time or less
RUNGS = 16  # sizes: more say little more, and each costs its share of the budget
FRESH = 64  # inputs made for one timing at most, and
MAKING_S = 5e-3  # time spent on them, beyond the first
KEPT = 3  # times as many rounds where inputs are kept
SHARE = 12  # of the budget for the largest size: some four rounds where each input is new
LOOK = (1, 16)  # times the least size: where it is looked whether a call changes its input
GROWING = 0.2  # power of n with which bytes grow at least, or there are no data to speak of
MAX_N = 10_000_000

Progress = Callable[[float, float], None]


def fit(
    fn: Callable[[Any], Any],
    make_input: Callable[[int], Any] | None = None,
    *,
    budget_s: float = 10.0,
    n_min: int = 16,
    n_max: int = MAX_N,
    measure: Literal["time", "cpu", "memory"] = "time",
    fresh: bool | None = None,
    progress: Progress = lambda done, budget: None,
) -> Fit:
    """Measure a function at growing sizes, and fit its complexity.

    Parameters
    ----------
    fn : callable
        Called with an input; what it returns is dropped.
    make_input : callable, optional
        From n to the input, outside the timing but inside the budget. Without it n itself is the
        input.
    budget_s : float, default 10.0
        Seconds for everything. It is overrun by what one round takes at most.
    n_min, n_max : int, default 16 and 10,000,000
        The sizes stay between them; below n_max they end where the budget does.
    measure : {"time", "cpu", "memory"}, default "time"
        Seconds a call; seconds of processor time a call, for a machine that others use too (waiting
        does not count, all threads do); or the peak of bytes that Python and numpy allocate.
    fresh : bool, optional
        Whether every call gets a new input, as a function needs that changes it (a sort in place).
        By default it is looked: an input is new if a call at n_min or at 16 n_min changes the
        pickle of its input, or if that has none. A function that remembers results needs True.
    progress : callable, optional
        Called with the seconds used and the budget.

    Returns
    -------
    Fit

    Raises
    ------
    ValueError
        If fewer than four sizes fit into the budget, or for arguments out of range.
    """
    if measure not in ("time", "cpu", "memory"):
        raise ValueError(f"measure must be 'time', 'cpu' or 'memory', not {measure!r}")
    if not callable(fn) or not (make_input is None or callable(make_input)):
        raise TypeError("fn and make_input must be callable")
    low, high = whole(n_min, "n_min", least=1), whole(n_max, "n_max", least=1)
    clock = time.process_time if measure == "cpu" else time.perf_counter
    budget = finite(budget_s, "budget_s", above=0.0)
    run = _Runs(fn, make_input or (lambda n: n), bool(fresh), budget, clock)
    if fresh is None:
        run.fresh = any(run.changes(n) for n in sorted({min(low * k, high) for k in LOOK}))
    ladder = run.ladder(low, high)
    if measure == "memory":
        pairs = [(n, run.peak(n)) for n in ladder]
        return fit_times(*zip(*pairs, strict=True), unit="B")
    ways = run.ways(ladder)
    rng = np.random.default_rng(SEED)
    ns: list[int] = []
    seconds: list[float] = []
    longest = 0.0
    while not ns or run.used() + longest < run.budget:
        start = run.used()
        for n in rng.permutation(ladder):
            ns.append(int(n))
            seconds.append(run.time(int(n)))
            progress(min(run.used(), run.budget), run.budget)
        longest = max(longest, run.used() - start)
    return fit_times(ns, seconds, ways=ways)


class _Runs:
    """Timed calls, and the budget they share."""

    def __init__(
        self,
        fn: Callable[[Any], Any],
        make_input: Callable[[int], Any],
        fresh: bool,
        budget: float,
        clock: Callable[[], float],
    ) -> None:
        self.fn, self.make, self.fresh, self.budget = fn, make_input, fresh, budget
        self.clock = clock
        self.start = time.perf_counter()
        self.seen: dict[int, float] = {}  # seconds a call, as last timed
        self.kept: dict[int, list[Any]] = {}  # inputs that calls leave as they were

    def used(self) -> float:
        return time.perf_counter() - self.start

    def time(self, n: int) -> float:
        """Seconds a call at size n."""
        expected = self._expected(n)
        calls = 1 if expected >= SMALL_S else math.ceil(SMALL_S / max(expected, 1e-8))
        inputs = self._inputs(n, calls)
        if len(inputs) > 1:
            warm = inputs.pop()
            if expected < WARM_S:
                self.fn(warm)
        elif expected < WARM_S:
            self.fn(self.make(n))
        collecting = gc.isenabled()
        gc.disable()
        try:
            took = _run(self.fn, inputs, self.clock)
        finally:
            if collecting:
                gc.enable()
        self.seen[n] = max(took, 1e-9) / len(inputs)
        return self.seen[n]

    def _inputs(self, n: int, calls: int) -> list[Any]:
        """An input for each call, and one to warm up with where that is cheap."""
        if not self.fresh:
            if n not in self.kept:
                self.kept[n] = self._make(n, FRESH)
            kept = self.kept[n]
            return (kept * (calls // len(kept) + 1))[: calls + 1]
        return self._make(n, calls + 1)

    def _make(self, n: int, most: int) -> list[Any]:
        """Several inputs as far as that is quick."""
        start = time.perf_counter()
        made = [self.make(n)]
        while len(made) < min(most, FRESH) and time.perf_counter() - start < MAKING_S:
            made.append(self.make(n))
        return made

    def changes(self, n: int) -> bool:
        """Whether a call changes its input; also where that cannot be seen."""
        given = self.make(n)
        try:
            before = pickle.dumps(given)
        except (TypeError, AttributeError, pickle.PicklingError):
            return True
        self.fn(given)
        return pickle.dumps(given) != before

    def _expected(self, n: int) -> float:
        """The time at the nearest size that was timed; unknown at first, hence one call alone."""
        if not self.seen:
            return SMALL_S
        return self.seen[min(self.seen, key=lambda seen: abs(math.log(seen / n)))]

    def peak(self, n: int) -> float:
        """Bytes that Python and numpy allocate at most during a call at size n."""
        given = self.make(n)
        return _traced(partial(self.fn, given))

    def ways(self, ladder: list[int]) -> list[Way]:
        """Between which sizes the data leave a cache, one after the other; not the first cache,
        which is small and near. By the bytes of two middling sizes, the input's among them."""
        few, many = ladder[len(ladder) // 2], ladder[len(ladder) * 3 // 4]
        less, more = (_traced(partial(self._whole, n)) for n in (few, many))
        power = math.log(more / less) / math.log(many / few)
        if power < GROWING:
            return []

        def size(room: float) -> float:
            return float(many * (room / more) ** (1 / power))

        first, last = LEAVING
        return [(size(first * c), size(last * c)) for c in list(host.caches().values())[1:]]

    def _whole(self, n: int) -> None:
        self.fn(self.make(n))

    def _price(self, n: int) -> float:
        """Seconds that the size costs a round, its input included; where inputs are kept, they cost
        once, and calls can be as many more."""
        self.kept.pop(n, None)
        before = self.used()
        call = self.time(n)
        spent = self.used() - before
        return spent if self.fresh else max(spent - call, KEPT * call)

    @staticmethod
    def _growth(spent: float, last: float) -> float:
        """What doubling n multiplies: as the last doubling did, from n to n^3."""
        return min(8.0, max(2.0, spent / last)) if last > 1e-3 else 2.0

    def ladder(self, low: int, high: int) -> list[int]:
        """Sizes from `low` to the largest that is affordable."""
        n, last, spent = low, 0.0, 0.0
        while True:
            try:
                last, spent = spent, self._price(n)
                if 2 * n > high:
                    break
                if self._growth(spent, last) * spent > self.budget / SHARE:
                    spent = min(spent, self._price(n))  # or was it a slow moment?
                    if self._growth(spent, last) * spent > self.budget / SHARE:
                        break
            except MemoryError:
                n //= 2
                break
            n *= 2
        top = high if 2 * n > high and spent < self.budget / SHARE / 2 else n
        count = min(RUNGS, 1 + round(2 * math.log2(max(top / low, 1))))
        found = np.unique(np.geomspace(low, top, max(count, 1)).round().astype(np.int64))
        if len(found) < SMALLEST:
            raise ValueError(
                f"only {len(found)} size{'s' * (len(found) != 1)} from {low} to {top} within "
                f"{self.budget:g} s: raise budget_s or lower n_min"
            )
        self.kept.clear()  # those of other sizes are in the way
        return [int(v) for v in found]


def _run(fn: Callable[[Any], Any], inputs: list[Any], clock: Callable[[], float]) -> float:
    start = clock()
    for each in inputs:
        fn(each)
    return clock() - start


def _traced(call: Callable[[], Any]) -> float:
    """Bytes that Python and numpy allocate at most during a call."""
    tracing = tracemalloc.is_tracing()
    if not tracing:
        tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        call()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        if not tracing:
            tracemalloc.stop()
    return float(max(peak - before, 1))  # a call that allocates nothing has no logarithm
