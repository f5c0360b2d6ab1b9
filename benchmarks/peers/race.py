"""Runs that take turns, so that a noisy machine is noisy for all of them."""

import time
from collections.abc import Callable
from statistics import median
from typing import Any


def samples(
    rounds: int,
    *runs: Callable[..., Any],
    fresh: Callable[[], Any] | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> list[list[float]]:
    """The seconds of each run in every round; every other round in reverse order.

    With `fresh`, each run gets what it returns then, made anew outside the clock.
    """
    times: list[list[float]] = [[] for _ in runs]
    entries = list(zip(times, runs, strict=True))
    for number in range(rounds):
        for spent, run in entries[:: -1 if number % 2 else 1]:
            arguments = () if fresh is None else (fresh(),)
            start = clock()
            run(*arguments)
            spent.append(clock() - start)
            del arguments
    return times


def race(
    rounds: int,
    *runs: Callable[..., Any],
    fresh: Callable[[], Any] | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> list[float]:
    """The medians of `samples`."""
    return [median(spent) for spent in samples(rounds, *runs, fresh=fresh, clock=clock)]
