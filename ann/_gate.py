"""Who may use an index at once: searches beside each other, a rewriting alone.

Changes exclude each other by the index's own lock. What only adds (a row behind the last one, a
link in a graph) goes on beside the searches that are under way; what moves or overwrites a vector
that a search may be reading passes the gate alone, and waits until they are done.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Gate:
    """Many readers or one writer; those who come while a writer waits queue behind it."""

    def __init__(self) -> None:
        self._changed = threading.Condition(threading.Lock())
        self._readers = 0
        self._writing = False
        self._waiting = 0

    @contextmanager
    def shared(self) -> Iterator[None]:
        with self._changed:
            while self._writing or self._waiting:
                self._changed.wait()
            self._readers += 1
        try:
            yield
        finally:
            with self._changed:
                self._readers -= 1
                self._changed.notify_all()

    @contextmanager
    def alone(self) -> Iterator[None]:
        with self._changed:
            self._waiting += 1
            try:
                while self._writing or self._readers:
                    self._changed.wait()
                self._writing = True
            finally:
                self._waiting -= 1
                self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                self._writing = False
                self._changed.notify_all()
