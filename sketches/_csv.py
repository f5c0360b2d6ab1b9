"""CSV by Arrow, for all that reads it: cells as text, rows numbered, an open quote told.

To Arrow the columns are called by their places: of two of one name it would read one.
"""

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from typing import IO, Any

from sketches._files import InputError, need
from sketches._quotes import open_quote

LONGEST_ROW = 1 << 24  # bytes, which Arrow reads at once

# Python's objects in the last reader. A thread of Arrow's lets go of them at some time after the
# end, and were that the last time, it would need the interpreter, without which the process aborts.
# For the same reason what is read is copied into buffers of Arrow's own.
_held: list[Any] = []


def read_header(stream: IO[bytes], label: str) -> tuple[list[str], bool]:
    """The names of the columns, and whether anything follows them."""
    lines = io.TextIOWrapper(stream, "utf-8-sig", "surrogateescape", newline="")
    names, more = next(csv.reader(lines), []), bool(lines.read(1))
    lines.detach()  # or the stream would be closed with it
    if more and not names:
        raise InputError(f"{label}: the first line is blank; it should name the columns")
    return names, more


def read_rows(
    stream: Any, width: int, places: Sequence[int], bad_row: Callable[[Any], str], nulls: bool
) -> Iterator[Any]:
    """Record batches of the columns in these places, of `width` in all, after the header.

    `bad_row` says "skip" or "error", and must not raise, which cannot pass through Arrow. With
    `nulls` a cell of nothing, not even quotes, is missing.
    """
    pa, arrow_csv = need("pyarrow"), need("pyarrow.csv")
    columns = list(map(str, places))
    source = pa.BufferedInputStream(pa.PythonFile(stream, mode="r"), 1 << 16)
    parse = arrow_csv.ParseOptions(newlines_in_values=True, invalid_row_handler=bad_row)
    _held[:] = [source, parse]
    yield from arrow_csv.open_csv(
        source,
        arrow_csv.ReadOptions(
            use_threads=False,  # rows are numbered in messages
            block_size=LONGEST_ROW,
            column_names=list(map(str, range(width))),
            skip_rows_after_names=1,
        ),
        parse,
        arrow_csv.ConvertOptions(
            check_utf8=False,
            null_values=[""],
            strings_can_be_null=nulls,
            quoted_strings_can_be_null=False,
            column_types=dict.fromkeys(columns, pa.string()),
            include_columns=columns,
        ),
    )


def bad_row_reason(row: Any) -> str:
    """What is amiss with a row."""
    return f"{row.actual_columns} cells for {row.expected_columns} columns: {row.text}"


def refuse_open_quote(stream: IO[bytes], label: str) -> None:
    """Refuse a file whose last cell has swallowed the rows after an open quote."""
    if line := open_quote(stream):
        raise InputError(f"{label}: the quote opened in line {line} is never closed")
