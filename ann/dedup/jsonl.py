"""JSON Lines: one object a line, of which only the wanted fields are decoded.

Rows that stay are copied byte for byte: the first reading notes where each row lies (two int64),
the second copies runs of neighbouring rows.

Lines that are plainly rows are read in C (csrc/jsonl.h). Any other is judged by Python's json, and
what real files hold is let through there: a byte-order mark, invalid UTF-8 and lone surrogates
(replaced and counted in the text that is compared, untouched in the output), NaN. Blank lines are
no rows.
"""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np

from ann import _jsonl
from ann.dedup.arrays import Batch, Int64s
from ann.dedup.streams import Rows, creating
from ann.dedup.writing import Written, line_records, line_schema, noted, write_records
from sketches._files import InputError, explained, need, reading

SURROGATE = re.compile("[\ud800-\udfff]")  # JSON can spell one alone, UTF-8 cannot
LINES = 4096  # parsed at once, where they become other than they are
BLOCK = 1 << 20  # bytes read at once: about a thousand rows, some milliseconds of sketching


class JsonLines(Rows):
    """The rows of one stream of lines."""

    placed = True

    def batches(self, advance: Callable[[int], None]) -> Iterator[Batch]:
        """Read the rows."""
        with explained(self.label), self._original.open() as raw:
            told = raw.tell if raw.seekable() else lambda: 0
            with reading(raw, self._original.suffix) as stream:
                for batch in self._batches(stream):
                    yield batch
                    advance(told())

    def _batches(self, stream: IO[bytes]) -> Iterator[Batch]:
        lines = _jsonl.JsonLines(self._text, self._id)
        position, number = 0, 1
        while block := stream.read(BLOCK):
            if not block.endswith(b"\n"):
                block += stream.readline()

            def judge(line: bytes, at: int, number: int = number) -> Any:
                return self._judged(line, number + at)

            texts, places, keys, count = lines.take(block, judge)
            self.rows += len(texts)
            ids = None if self._id is None else keys
            spans = np.ascontiguousarray(places.T) + position
            position, number = position + len(block), number + count
            yield Batch(texts, np.diff(texts.offsets), ids, spans)

    def _judged(self, line: bytes, number: int) -> tuple[str, Any] | None:
        """Text and id of a line that may be bad; None for a blank line and one that is skipped."""
        if not line.strip():
            return None
        clean = line.rstrip().decode("utf-8", "surrogateescape")  # marks what is not UTF-8
        try:
            values = self._fields(json.loads(clean.removeprefix("\ufeff")))
        except (ValueError, RecursionError) as error:
            self._unusable.meet(self.label, f"line {number}", _reason(error))
            return None
        self.invalid += len(SURROGATE.findall(values[0] or ""))
        return _valid(values[0] or ""), _valid(values[-1])

    def _fields(self, row: Any) -> list[Any]:
        """The values of the wanted fields, or a ValueError that says what is amiss."""
        if not isinstance(row, dict):
            raise ValueError(f"a row must be an object, not {type(row).__name__}")
        kinds: dict[str, tuple[type, ...]] = {self._text: (str, type(None))}
        if self._id is not None:
            kinds[self._id] = (str,) if self._id == self._text else (str, int)
        for name, kind in kinds.items():
            if name not in row:
                option = "--text" if name == self._text else "--id"
                there = ", ".join(map(repr, row)) + f": choose one with {option}" if row else "none"
                raise ValueError(f"no field {name!r}; the fields are {there}")
            if type(row[name]) not in kind:
                wanted = "text" if name == self._text else "text or a whole number"
                raise ValueError(f"field {name!r} holds {json.dumps(row[name])}, not {wanted}")
        return [row[name] for name in kinds]

    def values(self, name: str, places: Int64s) -> list[Any]:
        """A field of the rows at these places; None where one has none."""
        row = need("msgspec").defstruct("Row", [("value", Any, None)], rename={"value": name})
        decode = need("msgspec").json.Decoder(row).decode
        found = []
        with (
            explained(self.label),
            self._original.open() as raw,
            reading(raw, self._original.suffix) as stream,
        ):
            position = 0
            for start, end in places.tolist():
                stream.read(start - position)
                line, position = stream.read(end - start), end
                try:
                    value = decode(line).value
                except (ValueError, RecursionError):
                    clean = line.rstrip().decode("utf-8", "surrogateescape")
                    value = json.loads(clean.removeprefix("\ufeff")).get(name)
                if isinstance(value, (dict, list)):
                    raise InputError(f"{self.label}: field {name!r} holds a {type(value).__name__}")
                found.append(value)
        return found

    def write(self, rows: Written, folder: Path) -> None:
        """Copy the lines of the rows that stay; their places are where they start and end."""
        path = folder / rows.name(self.name)
        format = rows.format or "jsonl"
        places = rows.places[rows.stay]
        if not format.startswith("jsonl"):
            schema = line_schema(self._blocks(places), self.label, format)
            chosen = Written(
                np.ones(len(places), np.bool_), places, rows.notes and rows.notes.of(rows.stay)
            )
            records = line_records(self._blocks(places), self.label, schema)
            write_records(records, schema, chosen, path, format)
            return
        with creating(path) as out:
            if rows.notes is None:
                starts, ends = _runs(*places.T)
                with self._stream() as stream:
                    _copy(stream, out, starts.tolist(), ends.tolist())
                return
            notes, row = rows.notes.of(rows.stay), 0
            for lines in self._blocks(places):
                numbers = range(row, row + len(lines))
                out.writelines(
                    noted(line, notes, number, self.label)
                    for line, number in zip(lines, numbers, strict=True)
                )
                row += len(lines)

    @contextmanager
    def _stream(self) -> Iterator[IO[bytes]]:
        with self._original.open() as raw, reading(raw, self._original.suffix) as stream:
            yield stream

    def _blocks(self, places: Int64s) -> Iterator[list[bytes]]:
        """The lines at these places, in rising order, some thousands at a time."""
        position = 0
        with self._stream() as stream:
            for first in range(0, len(places), LINES):
                lines = []
                for start, end in places[first : first + LINES].tolist():
                    stream.read(start - position)
                    lines.append(stream.read(end - start))
                    position = end
                yield lines


def _valid(value: Any) -> Any:
    return SURROGATE.sub("\ufffd", value) if isinstance(value, str) else value


def _reason(error: Exception) -> str:
    """Why a line is no row."""
    if isinstance(error, json.JSONDecodeError):
        return f"not JSON: {error.msg.removesuffix(' at')} at column {error.colno}"
    if isinstance(error, RecursionError):
        return "nested too deeply"
    return str(error)


def _runs(starts: Int64s, ends: Int64s) -> tuple[Int64s, Int64s]:
    """Spans that touch become one."""
    apart = starts[1:] != ends[:-1]
    return starts[np.append(True, apart)[: len(starts)]], ends[np.append(apart, True)[: len(ends)]]


def _copy(stream: IO[bytes], out: IO[bytes], starts: list[int], ends: list[int]) -> None:
    """Copy spans, in rising order, of a stream that cannot seek."""
    position, run = 0, 0
    while run < len(starts) and (block := stream.read(BLOCK)):
        view, top = memoryview(block), position + len(block)
        while run < len(starts) and starts[run] < top:
            out.write(view[max(starts[run] - position, 0) : ends[run] - position])
            if ends[run] > top:
                break
            run += 1
        position = top
