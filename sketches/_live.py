"""Standard input as it comes: lines, or columns of CSV and JSON Lines, none held back.

Batches are those of `streams`, but that a cell of CSV with nothing in it is missing, quoted or not.
An empty batch says that time has passed, and nothing has come.
"""

import csv
from collections.abc import Iterator, Sequence
from itertools import chain

from sketches._csv import LONGEST_ROW
from sketches._files import InputError, check_columns, explained
from sketches._quotes import open_quote
from sketches._stdin import Lines
from sketches.streams import Columns, json_rows, lines_of

PAUSE = 0.25  # seconds without anything until an empty batch
LABEL = "standard input"


def live_columns(stdin: Lines, columns: Sequence[str]) -> Iterator[Columns]:
    """The wanted columns of CSV or JSON Lines (which begin with a brace), without any the lines."""
    with explained(LABEL):
        blocks = _arriving(stdin)
        if not columns:
            yield from ((lines,) for lines in blocks)
            return
        for lines in blocks:
            if any(map(bytes.strip, lines)):
                text = b"".join(lines).removeprefix(b"\xef\xbb\xbf").lstrip()
                rows = json_rows if text.startswith(b"{") else _csv_rows
                yield from rows(chain([lines], blocks), LABEL, columns)
            else:
                yield ([],) * len(columns)


def _arriving(stdin: Lines) -> Iterator[list[bytes]]:
    """The lines that have come since the last time, without their ends."""
    while (block := stdin.block(PAUSE)) != b"":
        yield lines_of(block) if block else []


def _csv_rows(
    blocks: Iterator[list[bytes]], label: str, columns: Sequence[str]
) -> Iterator[Columns]:
    header: list[str] = []
    before = 1
    for lines in _closed(blocks, label):
        texts = (line.decode("utf-8", "replace") + "\n" for line in lines)
        rows = [row for row in csv.reader(texts) if row]
        if rows and not header:
            header = rows.pop(0)
            header[0] = header[0].removeprefix("\ufeff")
            check_columns(columns, header, label)
        for number, row in enumerate(rows, before + 1):
            if len(row) != len(header):
                raise InputError(
                    f"{label}, row {number} (the header is row 1): {len(row)} cells for"
                    f" {len(header)} columns: {','.join(row)}"
                )
        before += len(rows)
        yield tuple([row[header.index(name)] or None for row in rows] for name in columns)


def _closed(blocks: Iterator[list[bytes]], label: str) -> Iterator[list[bytes]]:
    """The same lines, those of a cell of several lines together."""
    rest: list[bytes] = []
    for block in blocks:
        lines = rest + block
        opened = open_quote(lines) if any(b'"' in line for line in lines) else 0
        complete = opened - 1 if opened else len(lines)
        rest = lines[complete:]
        if sum(map(len, rest)) > LONGEST_ROW:
            break
        yield lines[:complete]
    if rest:
        line = rest[0].decode("utf-8", "replace")
        raise InputError(f"{label}: a quote is never closed: {line}")
