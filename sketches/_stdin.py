"""Standard input in whole lines, and Ctrl-C as its end: what came before it is counted.

A signal reaches whichever thread waits for input (Arrow reads in one of its own) through a pipe,
which the interpreter writes to as the signal comes. A line that has not ended by then is left out.
"""

import io
import os
import select
import signal
import sys
import threading
from collections.abc import Iterator
from typing import IO, Any, TypeVar

from sketches._files import InputError

BLOCK = 1 << 20  # bytes at once
Batch = TypeVar("Batch")


class Lines(io.RawIOBase):
    """The lines that come from one file descriptor until something comes from another."""

    def __init__(self, source: int, until: int) -> None:
        self._source, self._until = source, until
        self._given = memoryview(b"")
        self._rest: list[bytes] = []  # of a line, however long, that has not ended

    def block(self, seconds: float | None = None) -> bytes | None:
        """The lines that have come, b"" at the end; None where none have for so long."""
        while ready := select.select([self._source, self._until], [], [], seconds)[0]:
            if self._until in ready:
                return b""
            block = os.read(self._source, BLOCK)
            self._rest.append(block)
            if b"\n" in block:
                lines, end, rest = b"".join(self._rest).rpartition(b"\n")
                self._rest = [rest]
                return lines + end
            if not block:
                lines, self._rest = b"".join(self._rest), []
                return lines
        return None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        lines = self._given or memoryview(self.block() or b"")
        given, self._given = lines[: len(buffer)], lines[len(buffer) :]
        buffer[: len(given)] = given
        return len(given)


class Interrupt:
    """Ctrl-C while this is entered ends the input. A second one ends the program."""

    happened = False

    def __enter__(self) -> "Interrupt":
        self._reading, self._writing = os.pipe()
        os.set_blocking(self._writing, False)
        self._ours = (  # not in nohup, nor where another program has taken it
            signal.getsignal(signal.SIGINT) is signal.default_int_handler
            and threading.current_thread() is threading.main_thread()
        )
        if self._ours:
            signal.signal(signal.SIGINT, self._happen)
            self._before = signal.set_wakeup_fd(self._writing, warn_on_full_buffer=False)
        return self

    def _happen(self, *_: Any) -> None:
        if self.happened:
            raise KeyboardInterrupt
        self.happened = True

    def __exit__(self, *_: Any) -> None:
        if self._ours:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            signal.set_wakeup_fd(self._before)
        os.close(self._reading)
        os.close(self._writing)

    def lines(self) -> Lines | None:
        """Standard input; None where it is none of the system's."""
        try:
            return Lines(sys.stdin.buffer.fileno(), self._reading)
        except (AttributeError, io.UnsupportedOperation):
            return None

    def standard_input(self) -> IO[bytes] | None:
        lines = self.lines()
        return io.BufferedReader(lines, BLOCK) if lines else None

    def until(self, batches: Iterator[Batch]) -> Iterator[Batch]:
        """The batches, to Ctrl-C."""
        try:
            for batch in batches:
                yield batch
                if self.happened:
                    return
        except InputError:
            if not self.happened:  # else what it has cut short
                raise
