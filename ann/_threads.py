"""Queries shared out among threads."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

from ann._vectors import check_count
from ann.dedup.settings import available_threads


def check_threads(threads: int | None) -> int:
    """All cores where nothing is said."""
    return available_threads() if threads is None else check_count("threads", threads)


def share_out(work: Callable[[int, int], Any], n: int, threads: int, least: int = 1) -> None:
    """Call ``work(start, stop)`` for the parts of ``range(n)``, one a thread, in parts of at least
    `least`; an error in any of them is raised when all are done."""
    parts = max(1, min(threads, n // least))
    if parts == 1:
        work(0, n)
        return
    edges = [n * part // parts for part in range(parts + 1)]
    with ThreadPoolExecutor(parts) as pool:
        for done in [pool.submit(work, a, b) for a, b in pairwise(edges)]:
            done.result()
