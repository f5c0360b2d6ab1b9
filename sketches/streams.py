"""Columns of a file or of standard input, a batch at a time, as the sketches' `update` takes them.

    name                       a column                                            a batch of it
    .csv                       cells as text (007 stays 007), empty: missing       Arrow array
    .parquet                   as it is                                            Arrow array
    .jsonl .ndjson .json       a field of each object, null or not there: missing  list
    another, or no column      the lines, without their ends                       list of bytes

Names may end in .gz or .zst besides (Parquet's excepted). What comes by standard input, and a file
whose name says nothing, is told by its first bytes if a column is wanted: Parquet, JSON Lines where
it begins with a brace, else CSV. What is no text is refused.
"""

import io
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from operator import attrgetter
from pathlib import PurePath
from typing import IO, Any

from sketches._csv import bad_row_reason, read_header, read_rows, refuse_open_quote
from sketches._files import CODECS, InputError, Replayed, check_columns, explained, need, reading
from sketches._quotes import QuoteCounter

Columns = tuple[Any, ...]  # of a batch: equally long, one for each column that is wanted
Advance = Callable[[int, int], None]  # bytes read so far, and of the whole file (0: not known)

FORMATS = {
    ".csv": "csv",
    ".parquet": "parquet",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",  # as many a dump ships
}
MAGIC = {b"\x1f\x8b": ".gz", b"\x28\xb5\x2f\xfd": ".zst"}
PLAIN = frozenset({str, int, float, bool})  # of JSON's values, what can be hashed besides null
BLOCK = 1 << 20  # bytes of lines at once: some milliseconds of sketching
ROWS = 1 << 16  # of a Parquet file at once
HEAD = 1 << 16  # bytes in which a file's format shows
PROBE = 8192  # bytes in which a NUL tells a binary file, as in git and ripgrep
OTHERS = {  # files that would be taken for text, and what to do about them
    ".tsv": "convert it to CSV, or send the lines by standard input: cut -f1 FILE | tractable ...",
    ".bz2": "send what it holds by standard input: bzcat FILE | tractable ...",
    ".xz": "send what it holds by standard input: xzcat FILE | tractable ...",
    ".hll": "a saved sketch is counted by: tractable distinct --merge FILE",
}


def read_columns(
    path: str | os.PathLike[str],
    columns: Sequence[str] = (),
    advance: Advance | None = None,
    *,
    stdin: IO[bytes] | None = None,
) -> Iterator[Columns]:
    """Batches of the wanted columns.

    Parameters
    ----------
    path
        A file, or ``-`` for standard input.
    columns
        Their names. Without any: the lines of text; of a table its only column.
    advance
        Called after each batch.
    stdin
        What ``-`` stands for, ``sys.stdin.buffer`` by default.

    Yields
    ------
    tuple
        For each wanted column a list or an Arrow array that `sketches.hash64` and every `update`
        take: values of one type, None or null where one is missing.

    Raises
    ------
    InputError
        For a file that cannot be read, a column that is not there (the message names those that
        are), a row that is no row, with its number.
    """
    name = str(path)
    label = "standard input" if name == "-" else name
    with explained(label), _opened(name, stdin) as raw:
        size = os.fstat(raw.fileno()).st_size if name != "-" and raw.seekable() else 0
        once = list(dict.fromkeys(columns))
        for batch in _batches(name, label, raw, once):
            yield tuple(batch[once.index(column)] for column in columns) or batch
            if advance:
                advance(raw.tell() if size else 0, size)


@contextmanager
def _opened(name: str, stdin: IO[bytes] | None) -> Iterator[IO[bytes]]:
    if name == "-":
        if sys.stdin is None:
            raise InputError("standard input is closed")
        yield stdin or sys.stdin.buffer
    else:
        with open(name, "rb") as raw:
            yield raw


def _batches(name: str, label: str, raw: IO[bytes], columns: Sequence[str]) -> Iterator[Columns]:
    suffix, kind = _by_name(name)
    _refuse_name(name, suffix)
    if name == "-":
        raw, suffix, kind = _by_content(raw)
    with reading(raw, suffix) as stream:
        if columns and not kind:
            stream, _, kind = _by_content(stream)
            if not kind and (kind := _rows_of(stream, label)) == "csv":
                label += ", taken for CSV (columns are those of .csv, .jsonl and .parquet),"
        elif name == "-" and kind != "parquet":
            kind = ""  # lines, whatever they look like
        if kind == "csv":
            reread = None if name == "-" else name
            yield from _csv(stream, label, columns, reread)
        elif kind == "parquet":
            yield from _parquet(stream, label, columns)
        elif kind == "jsonl":
            yield from json_rows(iter(lambda: stream.readlines(BLOCK), []), label, columns)
        else:
            yield from _lines(stream, label)


def _by_name(name: str) -> tuple[str, str]:
    """The suffix of its compression, and its format."""
    path = PurePath(name)
    packed = path.suffix.lower() if path.suffix.lower() in CODECS else ""
    inner = PurePath(path.stem) if packed else path
    return packed, FORMATS.get(inner.suffix.lower(), "")


def _by_content(stream: IO[bytes]) -> tuple[IO[bytes], str, str]:
    """The stream from its start on, the suffix of its compression, "parquet" if it is that."""
    head = stream.read(HEAD)
    suffix = next((suffix for magic, suffix in MAGIC.items() if head.startswith(magic)), "")
    kind = "parquet" if head.startswith(b"PAR1") else ""
    return io.BufferedReader(Replayed(stream, head), BLOCK), suffix, kind


def _refuse_name(name: str, packed: str) -> None:
    """Refuse files that are known to be no text, and no table that is read."""
    path = PurePath(PurePath(name).stem if packed else name)
    if advice := OTHERS.get(path.suffix.lower()):
        raise InputError(f"{name} is neither text nor a table: {advice}")


def _refuse_binary(head: bytes, label: str) -> None:
    """Refuse what is no text by its first bytes; bzip2 and small images may hold no NUL."""
    if b"\0" in head[:PROBE] or head[4:10] == b"1AY&SY" or head[1:3] == b"\1\7":
        raise InputError(
            f"{label} is binary, or text in UTF-16: lines are those of UTF-8 text (also .gz, .zst),"
            " tables are .csv, .jsonl and .parquet, by these names; of an image saved before, give"
            " --merge FILE to tractable distinct"
        )


def _rows_of(stream: Any, label: str) -> str:
    """Rows of which kind a stream of text holds, which can be peeked into."""
    head = stream.peek(HEAD)
    _refuse_binary(head, label)
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    return "jsonl" if start == b"{" else "csv"


def _choose(columns: Sequence[str], present: list[str], where: str) -> list[str]:
    """The columns to read: those wanted, or the only one."""
    if not columns and len(present) == 1:
        return present
    if not columns:
        there = ", ".join(map(repr, present)) or "none"
        raise InputError(f"{where} has {len(present)} columns: choose one of {there}")
    check_columns(columns, present, where)
    return list(columns)


# ------------------------------------------------------------------------- lines


def _lines(stream: IO[bytes], label: str) -> Iterator[Columns]:
    r"""What lies between line ends, which are \n or \r\n."""
    first = True
    while block := stream.read(BLOCK):
        if first:
            _refuse_binary(block, label)
            first = False
        block += stream.readline()
        yield (lines_of(block),)


def lines_of(block: bytes) -> list[bytes]:
    lines = block.replace(b"\r\n", b"\n").split(b"\n")
    if not lines[-1]:  # what follows the last end is no line
        lines.pop()
    return lines


# ------------------------------------------------------------------------ tables


def _parquet(stream: IO[bytes], label: str, columns: Sequence[str]) -> Iterator[Columns]:
    with tempfile.TemporaryFile() as spool:
        if not stream.seekable():
            shutil.copyfileobj(stream, spool)
            stream = spool
        file = need("pyarrow.parquet").ParquetFile(stream)
        names = _choose(columns, file.schema_arrow.names, label)
        for record in file.iter_batches(ROWS, columns=names):
            yield tuple(record.column(name) for name in names)


def _csv(
    stream: IO[bytes], label: str, columns: Sequence[str], reread: str | None
) -> Iterator[Columns]:
    head = stream.read(BLOCK)
    header, more = read_header(io.BytesIO(head), label)
    names = _choose(columns, header, label)
    if not more:
        return
    counter = QuoteCounter(io.BufferedReader(Replayed(stream, head), BLOCK))
    places = list(map(header.index, names))
    refused: list[str] = []

    def refuse(row: Any) -> str:  # an exception cannot pass through Arrow
        place = f"{label}, row {row.number} (the header is row 1)"
        refused.append(f"{place}: {bad_row_reason(row)}")
        return "error"

    try:
        for record in read_rows(counter, len(header), places, refuse, nulls=True):
            yield tuple(record.column(str(place)) for place in places)
    except ValueError as error:
        raise InputError(refused[0]) if refused else error from None
    if counter.quotes % 2:
        _check_quotes(label, reread)


def _check_quotes(label: str, reread: str | None) -> None:
    """Refuse a file whose last cell has swallowed the rows after an open quote."""
    if reread is None:
        raise InputError(
            f"{label}: a number of quotes that is odd: one is never closed, or stands in a bare"
            " cell. Only in a file can that be told"
        )
    with open(reread, "rb") as raw, reading(raw, PurePath(reread).suffix) as stream:
        refuse_open_quote(stream, label)


# -------------------------------------------------------------------- JSON Lines


def json_rows(
    blocks: Iterable[list[bytes]], label: str, columns: Sequence[str]
) -> Iterator[Columns]:
    """The columns of blocks of lines.

    msgspec decodes the wanted fields at memory speed; a block with a line that it refuses (a
    byte-order mark, invalid UTF-8, NaN, a blank line) is gone through again line by line.
    """
    fields: list[str] = []  # of the first row
    seen: set[str] = set()  # of the wanted, those with a value
    decode: Any = None
    number = 1
    for lines in blocks:
        if not fields:
            fields = _first_fields(lines, label, number)
            columns = columns or (_choose(columns, fields, label) if fields else ())
            decode = _decoder(columns)
        try:
            rows = list(map(decode, lines))
            values = [list(map(attrgetter(f"f{i}"), rows)) for i in range(len(columns))]
        except (ValueError, RecursionError):
            found = (_patient(line, label, at) for at, line in enumerate(lines, number))
            objects = [row for row in found if row is not None]
            values = [[_valid(row.get(name)) for row in objects] for name in columns]
        for name, column in zip(columns, values, strict=True):
            _check_values(column, f"{label}, lines {number} to {number + len(lines) - 1}", name)
            if name not in seen and any(value is not None for value in column):
                seen.add(name)
        number += len(lines)
        yield from _by_type(values)
    if number > 1:
        check_columns([name for name in columns if name not in seen], fields, label)


def _first_fields(lines: list[bytes], label: str, number: int) -> list[str]:
    """The names in the first of these lines that is a row."""
    rows = (_patient(line, label, at) for at, line in enumerate(lines, number))
    return next((list(row) for row in rows if row is not None), [])


def _decoder(columns: Sequence[str]) -> Callable[[bytes], Any]:
    msgspec = need("msgspec")
    fields = [(f"f{i}", Any, None) for i in range(len(columns))]
    rename = {f"f{i}": name for i, name in enumerate(columns)}
    row = msgspec.defstruct("Row", fields, rename=rename, gc=False)
    decode: Callable[[bytes], Any] = msgspec.json.Decoder(row).decode
    return decode


def _patient(line: bytes, label: str, number: int) -> Any:
    """The object of one line that may be bad; None for a blank one."""
    if not line.strip():
        return None
    clean = line.decode("utf-8", "replace").removeprefix("\ufeff")
    try:
        row = json.loads(clean)
    except json.JSONDecodeError as error:
        reason = f"not JSON: {error.msg.removesuffix(' at')} at column {error.colno}"
        raise InputError(f"{label}, line {number}: {reason}") from None
    except RecursionError:
        raise InputError(f"{label}, line {number}: nested too deeply") from None
    if not isinstance(row, dict):
        kind = type(row).__name__
        raise InputError(f"{label}, line {number}: a row must be an object, not {kind}")
    return row


def _valid(value: Any) -> Any:
    """JSON can spell half a surrogate pair, which has no UTF-8 form: U+FFFD."""
    if not isinstance(value, str):
        return value
    return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _check_values(column: list[Any], where: str, name: str) -> None:
    """Refuse lists and objects, which are no items."""
    for kind in set(map(type, column)) - PLAIN - {type(None)}:
        value = json.dumps(next(value for value in column if type(value) is kind))
        raise InputError(f"{where}: field {name!r} holds {value}, not a text or a number")


def _by_type(columns: list[list[Any]]) -> Iterator[Columns]:
    """The rows, apart by the types of their values where those are mixed."""
    if all(len(set(map(type, column)) - {type(None)}) <= 1 for column in columns):
        yield tuple(columns)
        return
    parts: dict[tuple[type, ...], list[Columns]] = {}
    for row in zip(*columns, strict=True):
        parts.setdefault(tuple(map(type, row)), []).append(row)
    for rows in parts.values():
        yield tuple(map(list, zip(*rows, strict=True)))
