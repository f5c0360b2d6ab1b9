"""Runs that take turns, so that a noisy machine is noisy for all of them."""

import time
from collections.abc import Callable
from statistics import median
from typing import Any


def race(rounds: int, *runs: Callable[[], Any]) -> list[float]:
    """The median seconds of each run over the rounds."""
    times: list[list[float]] = [[] for _ in runs]
    for _ in range(rounds):
        for spent, run in zip(times, runs, strict=True):
            start = time.perf_counter()
            run()
            spent.append(time.perf_counter() - start)
    return [median(spent) for spent in times]
