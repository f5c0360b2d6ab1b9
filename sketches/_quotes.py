"""A quote in a CSV file that is never closed: all that follows it is one cell.

Readers take that without a word, and the rows are gone. A file in which every quoted cell is
closed has an even number of quotes, unless one stands inside a bare cell (5" of snow); so they
are counted as the file is read, and only a file with an odd number is gone through once more.
Two such mistakes in one file close one another, and cannot be told from a cell of many lines.
"""

import io
import re
from collections.abc import Iterable
from typing import IO, Any

CLOSED = re.compile(rb'(?:^|(?<=,))"(?:[^"]++|"")*+"')  # a quoted cell, from a line's start on
OPEN = re.compile(rb'(?:^|,)"')


class QuoteCounter(io.RawIOBase):
    """A stream that counts the quotes that pass."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self.quotes = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        block = self._stream.read(len(buffer))
        buffer[: len(block)] = block
        self.quotes += block.count(b'"')
        return len(block)


def open_quote(lines: Iterable[bytes]) -> int:
    """The number, from 1, of the line with the quote that is never closed; 0 if there is none."""
    opened = 0
    for number, line in enumerate(lines, 1):
        rest = CLOSED.sub(b"", b'"' + line if opened else line)
        opened = (opened or number) if OPEN.search(rest) else 0
    return opened
