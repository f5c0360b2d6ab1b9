"""How rows are written: in the format they came in or another, as they are or with notes.

Notes are three columns that say of every row what the search found, for those who would rather
decide themselves than have rows removed:

    dedup_kept      whether it would stay
    dedup_cluster   the id of the row that would stay in its place: its own, if it does
    dedup_jaccard   its exact similarity to that one

A row that an index had already has its own id, would not stay, and is told how similar it is to
what the index has (known.parquet says to which).

JSON Lines that stay JSON Lines never leave their bytes: notes are put in before the last brace.
All else goes by way of Arrow's record batches. A table of lines has the columns of all its rows,
null where a row has none; a field that holds numbers here and text there is refused. To CSV nested
values are written as JSON; to JSON Lines times as ISO 8601 and not-a-number as null.
"""

import csv
import json
import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePath
from types import SimpleNamespace
from typing import Any, NamedTuple

from ann.dedup.arrays import Bools, Floats, Int64s
from ann.dedup.columns import arrow_column, filtered
from ann.dedup.settings import InputError, need
from ann.dedup.streams import creating
from sketches._files import CODECS

FORMATS = ("jsonl", "jsonl.gz", "jsonl.zst", "parquet", "csv", "csv.gz", "csv.zst")
NOTES = ("dedup_kept", "dedup_cluster", "dedup_jaccard")


class Notes(NamedTuple):
    """Of each of some rows what NOTES say."""

    kept: Bools
    cluster: Any  # ids: int64 or str
    jaccard: Floats

    def of(self, rows: Any) -> "Notes":
        """Those of a slice or a selection."""
        return Notes(*(column[rows] for column in self))


@dataclass(frozen=True)
class Written:
    """What is written of one source, and how."""

    stay: Bools  # of each of its rows, whether it is written
    places: Int64s  # of each, if the source needs that
    notes: Notes | None = None
    format: str | None = None  # of FORMATS; None: as they came

    def name(self, name: str) -> str:
        """What a file of rows of this name is called in the format."""
        if self.format is None:
            return name
        path = PurePath(name)
        if path.suffix.lower() in CODECS:
            path = path.with_suffix("")
        return f"{path.with_suffix('')}.{self.format}"


# --------------------------------------------------------------------------------- record batches


def write_records(
    records: Iterable[Any], schema: Any, rows: Written, path: Path, format: str, codec: str = "zstd"
) -> None:
    """Write the rows that stay of record batches, which hold all rows of a source in order."""
    row = 0
    if rows.notes is not None:
        schema = _noted_schema(schema, rows.notes, path)
    with _sink(path, schema, format, codec) as write:
        for record in records:
            here = slice(row, row + record.num_rows)
            row += record.num_rows
            stay = rows.stay[here]
            if stay.any():
                notes = None if rows.notes is None else rows.notes.of(here).of(stay)
                write(_chosen(record, stay, notes, schema))


def _noted_schema(schema: Any, notes: Notes, path: Path) -> Any:
    for name, column in zip(NOTES, notes, strict=True):
        if name in schema.names:
            raise InputError(f"{path.name} has a column {name!r} already")
        schema = schema.append(need("pyarrow").field(name, arrow_column(column[:0]).type))
    return schema


def _chosen(record: Any, stay: Bools, notes: Notes | None, schema: Any) -> Any:
    """The rows that stay, with their notes."""
    columns = list((record if stay.all() else filtered(record, stay)).columns)
    columns += map(arrow_column, notes or ())
    return need("pyarrow").RecordBatch.from_arrays(columns, schema=schema)


@contextmanager
def _sink(path: Path, schema: Any, format: str, codec: str) -> Iterator[Callable[[Any], Any]]:
    """A new file that takes record batches."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if format == "parquet":
        with need("pyarrow.parquet").ParquetWriter(path, schema, compression=codec) as out:
            yield out.write_batch
        return
    with creating(path) as stream:
        if format.startswith("csv"):
            stream.write(csv_lines([schema.names] if schema.names else []))
            yield lambda record: stream.write(
                csv_lines(zip(*map(_cells, record.columns), strict=True))
            )
        else:
            yield lambda record: stream.write(_json_lines(record))


def _cells(column: Any) -> list[str]:
    """A column as CSV holds it; what is not UTF-8 stays as it came."""
    types = need("pyarrow").types
    if types.is_string(column.type) or types.is_large_string(column.type):
        values = column.cast("binary").to_pylist()
        return [(value or b"").decode("utf-8", "surrogateescape") for value in values]
    return list(map(_cell, column.to_pylist()))


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool | list | dict):
        return json.dumps(value, ensure_ascii=False, default=_spelled)
    return value if isinstance(value, str) else str(_spelled(value))


def _spelled(value: Any) -> Any:
    """What JSON has no word for, as text."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _json_lines(record: Any) -> bytes:
    lines = []
    for row in record.to_pylist():
        for name, value in row.items():
            if isinstance(value, float) and not math.isfinite(value):
                row[name] = None
        lines.append(json.dumps(row, ensure_ascii=False, default=_spelled))
    return "".join(line + "\n" for line in lines).encode("utf-8", "replace")


def csv_lines(rows: Iterable[Iterable[str]]) -> bytes:
    r"""Lines that end in \n. The writer quotes only what holds a character of its line end, so that
    it is given \r\n: a lone \r in a cell would end the line for readers."""
    lines: list[str] = []
    csv.writer(SimpleNamespace(write=lines.append), lineterminator="\r\n").writerows(rows)
    return "".join(line[:-2] + "\n" for line in lines).encode("utf-8", "surrogateescape")


# -------------------------------------------------------------------------------------- JSON Lines


def noted(line: bytes, notes: Notes, row: int, label: str) -> bytes:
    """A line with the notes of a row before its last brace."""
    body = line.rstrip()
    if b'"dedup_' in body:
        there = json.loads(body.decode("utf-8", "replace").removeprefix("\ufeff"))
        for name in NOTES:
            if name in there:
                raise InputError(f"{label} has rows with a field {name!r} already")
    values = (column[row] for column in notes)
    told = {
        name: value if isinstance(value, str) else value.item()
        for name, value in zip(NOTES, values, strict=True)
    }
    text = json.dumps(told, ensure_ascii=False)[1:].encode()
    return body[:-1] + b", " + text + line[len(body) :]


def line_records(blocks: Iterable[list[bytes]], label: str, schema: Any) -> Iterator[Any]:
    """Lines as record batches of a schema that `line_schema` found."""
    for lines in blocks:
        rows = list(map(_row, lines))
        columns = [_column(rows, field.name, field.type, label) for field in schema]
        yield need("pyarrow").RecordBatch.from_arrays(columns, schema=schema)


def line_schema(blocks: Iterable[list[bytes]], label: str, format: str) -> Any:
    """The columns of all lines: every field that one of them has, of a type that fits them all.

    To CSV everything is text.
    """
    pa = need("pyarrow")
    whole = pa.schema([])
    for lines in blocks:
        rows = list(map(_row, lines))
        names = dict.fromkeys(name for row in rows for name in row)
        kinds = [
            pa.string() if format.startswith("csv") else _column(rows, name, None, label).type
            for name in names
        ]
        fields = pa.schema(list(map(pa.field, names, kinds)))
        try:
            whole = pa.unify_schemas([whole, fields], promote_options="permissive")
        except (pa.ArrowTypeError, pa.ArrowInvalid) as error:
            raise InputError(f"{label}: {error}; choose --format jsonl or csv") from None
    return whole


def _row(line: bytes) -> dict[str, Any]:
    row: dict[str, Any] = json.loads(line.decode("utf-8", "replace").removeprefix("\ufeff"))
    return row


def _column(rows: list[dict[str, Any]], name: str, kind: Any, label: str) -> Any:
    """A field of all rows as a column of a type; None: of the one that fits."""
    pa = need("pyarrow")
    values = [row.get(name) for row in rows]
    if kind == pa.string():
        values = [None if value is None else _cell(value) for value in values]
    try:
        try:
            return pa.array(values, kind)
        except UnicodeEncodeError:
            return pa.array(list(map(_valid, values)), kind)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError) as error:
        raise InputError(
            f"{label}: field {name!r}: {error}; choose --format jsonl or csv"
        ) from None


def _valid(value: Any) -> Any:
    """The same without lone surrogates, which JSON can spell and UTF-8 cannot."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return list(map(_valid, value))
    if isinstance(value, dict):
        return {_valid(name): _valid(inner) for name, inner in value.items()}
    return value
