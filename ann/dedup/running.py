"""How stages are run: seconds charged to each, and threads that keep the order."""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

Item = TypeVar("Item")
Value = TypeVar("Value")


class Clock:
    """Seconds spent in each stage; a stage inside another counts for itself alone."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._stages: list[str] = []
        self._since = 0.0

    def _charge(self) -> None:
        now = time.perf_counter()
        if self._stages:
            stage = self._stages[-1]
            self.seconds[stage] = self.seconds.get(stage, 0.0) + now - self._since
        self._since = now

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        self._charge()
        self._stages.append(stage)
        try:
            yield
        finally:
            self._charge()
            self._stages.pop()

    def each(self, stage: str, items: Iterable[Item]) -> Iterator[Item]:
        """The items, charging the stage for making them."""
        source, end = iter(items), object()
        while True:
            with self(stage):
                item: Any = next(source, end)
            if item is end:
                return
            yield item


def ordered_map(
    function: Callable[[Item], Value], items: Iterable[Item], threads: int
) -> Iterator[Value]:
    """`map` over threads: results in order, and no more than two items a thread under way."""
    if threads == 1:
        yield from map(function, items)
        return
    with ThreadPoolExecutor(threads) as pool:
        waiting: deque[Future[Value]] = deque()
        try:
            for item in items:
                waiting.append(pool.submit(function, item))
                if len(waiting) > 2 * threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
