"""A contest: one task, ours and the peers that do it, at equal threads and equal error."""

import importlib.metadata
import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median, quantiles
from typing import Any

from race import samples

BUSY = 0.25  # of a core more than agreed: a thread that only waits takes less


def cores(run: Callable[[], Any]) -> float:
    """How many a call keeps busy; at least 0.2 s of calls are watched."""
    wall, cpu = time.perf_counter(), time.process_time()
    while True:
        run()
        spent = time.perf_counter() - wall
        if spent > 0.2:
            return (time.process_time() - cpu) / spent


def version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


@dataclass(frozen=True)
class Task:
    """A call to be timed, how many items it is about, and what it gave."""

    run: Callable[[], Any]
    items: int
    error: Callable[[], float]
    nbytes: int | None = None  # None where the package does not say


@dataclass(frozen=True)
class Entry:
    """What takes part: the first of a contest is ours."""

    name: str
    package: str
    parameters: str
    prepare: Callable[[], Task]  # imports the package


@dataclass(frozen=True)
class Contest:
    """One task.

    `structure` and `operation` are those of the asv suite that do the same on the same data, for
    the dashboard's plots; or None. Errors are equal within a factor, or, where they are shares of
    what is missed, within a difference.
    """

    area: str
    title: str
    structure: str | None
    operation: str
    error: str
    entries: tuple[Entry, ...]
    factor: float = 1.25
    difference: float = 0.0

    def equal(self, ours: float, theirs: float) -> bool:
        low, high = sorted((ours, theirs))
        return high <= low * self.factor or high - low <= self.difference

    def hold(self, rounds: int, threads: int) -> list[dict[str, Any]]:
        """The rows of a self."""
        rows: list[dict[str, Any]] = []
        tasks: list[Task] = []
        for entry in self.entries:
            row: dict[str, Any] = {
                "area": self.area,
                "contest": self.title,
                "structure": self.structure,
                "name": entry.name,
                "version": version(entry.package),
                "parameters": entry.parameters,
                "error_is": self.error,
            }
            rows.append(row)
            if row["version"] is None:
                row["status"] = "not installed"
                continue
            task = entry.prepare()
            task.run()  # imports, caches
            used = cores(task.run)
            row |= {"error": task.error(), "nbytes": task.nbytes, "cores": round(used, 2)}
            if used > threads + BUSY:
                row["status"] = f"refused: kept {used:.1f} cores busy where {threads} was agreed"
                continue
            row["status"] = "ok"
            tasks.append(task)
        taking = [row for row in rows if row["status"] == "ok"]
        if rows[0] not in taking:
            raise SystemExit(f"{self.title}: {rows[0]['name']}: {rows[0]['status']}")
        clock = time.process_time if threads == 1 else time.perf_counter
        times = samples(rounds, *(task.run for task in tasks), clock=clock)
        for row, task, spent in zip(taking, tasks, times, strict=True):
            low, _, high = quantiles(spent, n=4)
            rates = [task.items / seconds for seconds in (median(spent), high, low)]
            row |= {"per_second": {self.operation: rates[0]}, "quartiles": rates[1:]}
            if not self.equal(taking[0]["error"], row["error"]):
                told = f"{row['error']:.3g}, ours {taking[0]['error']:.3g}"
                row["status"] = f"not equal: its error is {told}"
                continue
            ours = [seconds / tasks[0].items for seconds in times[0]]
            theirs = [seconds / task.items for seconds in spent]
            row["ratio"] = median(b / a for a, b in zip(ours, theirs, strict=True))
        return rows
