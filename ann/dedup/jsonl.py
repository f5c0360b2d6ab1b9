"""JSON Lines: one object a line, of which only the wanted fields are decoded.

Rows that stay are copied byte for byte: the first reading notes where each row lies (two int64),
the second copies runs of neighbouring rows.

msgspec decodes at memory speed and is strict. A block with a line that it refuses is gone
through again line by line, and what real files hold is let through there: a byte-order mark,
invalid UTF-8 and lone surrogates (replaced and counted in the text that is compared, untouched
in the output), NaN. Blank lines are no rows.
"""

import json
import re
from collections.abc import Callable, Iterator
from operator import attrgetter
from pathlib import Path
from typing import IO, Any

import numpy as np

from ann.dedup.arrays import Batch, Bools, Int64s
from ann.dedup.columns import Ids, text_sizes
from ann.dedup.settings import need
from ann.dedup.streams import Original, creating
from ann.dedup.unusable import Unusable
from sketches._files import explained, reading

SURROGATE = re.compile("[\ud800-\udfff]")  # JSON can spell one alone, UTF-8 cannot
BLOCK = 1 << 20  # bytes decoded at once: about a thousand rows, some milliseconds of sketching


class JsonLines:
    """The rows of one stream of lines."""

    def __init__(
        self, original: Original, name: str, text: str, id: str | None, unusable: Unusable
    ) -> None:
        self.name = name
        self.label = original.label
        self.rows = self.invalid = 0
        self._original = original
        self._text, self._id, self._unusable = text, id, unusable
        self._spans: list[Int64s] = []  # of each batch: where its rows start and end

    @property
    def size(self) -> int:
        return self._original.size

    def batches(self, ids: Ids, advance: Callable[[int], None]) -> Iterator[Batch]:
        """Read the rows."""
        with explained(self.label), self._original.open() as raw:
            told = raw.tell if raw.seekable() else lambda: 0
            with reading(raw, self._original.suffix) as stream:
                for batch in self._batches(stream, ids):
                    yield batch
                    advance(told())

    def _batches(self, stream: IO[bytes], ids: Ids) -> Iterator[Batch]:
        decode = self._decoder()
        number, position = 1, 0
        while lines := stream.readlines(BLOCK):
            rows: list[Any]
            try:
                rows = list(map(decode, lines))
            except (ValueError, RecursionError):
                rows = [self._patient(line, at) for at, line in enumerate(lines, number)]
            ends = position + np.cumsum(np.fromiter(map(len, lines), np.int64, len(lines)))
            starts = np.concatenate([[position], ends[:-1]])
            number, position = number + len(lines), int(ends[-1])
            if None in rows:
                good = np.array([row is not None for row in rows])
                starts, ends = starts[good], ends[good]
                rows = [row for row in rows if row is not None]
            self.rows += len(rows)
            self._spans.append(np.stack([starts, ends]))
            if self._id is not None:
                ids.extend(map(self._key, rows))
            texts = [row.text or "" for row in rows]
            yield Batch(texts, text_sizes(texts))

    def _decoder(self) -> Callable[[bytes], Any]:
        msgspec = need("msgspec")
        fields: list[Any] = [("text", str if self._id == self._text else str | None)]
        rename = {"text": self._text}
        if self._id not in (None, self._text):
            fields.append(("id", str | int))
            rename["id"] = self._id
        self._key = attrgetter(fields[-1][0])
        self._row = msgspec.defstruct("Row", fields, rename=rename, gc=False)
        decode: Callable[[bytes], Any] = msgspec.json.Decoder(self._row).decode
        return decode

    def _patient(self, line: bytes, number: int) -> Any:
        """The row of one line that may be bad; None for a blank line and one that is skipped."""
        if not line.strip():
            return None
        clean = line.rstrip().decode("utf-8", "surrogateescape")  # marks what is not UTF-8
        try:
            text, *id = self._fields(json.loads(clean.removeprefix("\ufeff")))
        except (ValueError, RecursionError) as error:
            self._unusable.meet(self.label, f"line {number}", _reason(error))
            return None
        self.invalid += len(SURROGATE.findall(text or ""))
        return self._row(*map(_valid, [text, *id]))

    def _fields(self, row: Any) -> list[Any]:
        """The values of the wanted fields, or a ValueError that says what is amiss."""
        if not isinstance(row, dict):
            raise ValueError(f"a row must be an object, not {type(row).__name__}")
        kinds: dict[str, tuple[type, ...]] = {self._text: (str, type(None))}
        if self._id is not None:
            kinds[self._id] = (str,) if self._id == self._text else (str, int)
        for name, kind in kinds.items():
            if name not in row:
                there = ", ".join(map(repr, row)) or "none"
                raise ValueError(f"no field {name!r}; the fields are {there}")
            if type(row[name]) not in kind:
                wanted = "text" if name == self._text else "text or a whole number"
                raise ValueError(f"field {name!r} holds {json.dumps(row[name])}, not {wanted}")
        return [row[name] for name in kinds]

    def write(self, kept: Bools, folder: Path) -> None:
        """Copy the lines of the rows that stay."""
        spans = np.concatenate([np.empty((2, 0), np.int64), *self._spans], axis=1)
        starts, ends = _runs(*spans[:, kept])
        with (
            self._original.open() as raw,
            reading(raw, self._original.suffix) as stream,
            creating(folder / self.name) as out,
        ):
            _copy(stream, out, starts.tolist(), ends.tolist())


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
