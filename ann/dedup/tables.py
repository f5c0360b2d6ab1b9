"""Parquet and CSV: columns by pyarrow, a batch at a time.

The first reading takes the wanted columns only, the second all of them, and writes the rows that
stay with the same schema and compression. Every cell of a CSV file is text to both readings, so
that 007 stays 007; quotes are put where they are needed.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ann.dedup.arrays import Batch, Int64s
from ann.dedup.columns import check_filtered, id_values, plain, text_batch, wanted_columns
from ann.dedup.settings import InputError, need
from ann.dedup.streams import Rows
from ann.dedup.writing import Written, write_records
from sketches._csv import bad_row_reason, read_header, read_rows, refuse_open_quote
from sketches._files import check_columns, explained, reading
from sketches._quotes import QuoteCounter

ROWS_READ = 4096  # of the wanted columns
ROWS_WRITTEN = 1 << 16  # of all columns, and of each row group written


class Table(Rows):
    """What both formats share: the first reading, over record batches of some columns."""

    placed = False  # rows are found again by their numbers

    def _read(self, columns: list[str]) -> Iterator[tuple[Any, int]]:
        """Record batches of these columns, and the bytes of the file read so far."""
        raise NotImplementedError

    def _check(self, columns: list[str], present: list[str]) -> None:
        """Refuse a column that is missing, saying by which option another is chosen."""
        for name in columns:
            option = {self._id: "--id", self._text: "--text"}.get(name)
            advice = f": choose one with {option}" if option and present else ""
            other = next((mark for mark in ";\t|" if mark in present[0]), "") if present else ""
            if len(present) == 1 and other:
                advice = f", as if {other!r} stood between them: only commas do in CSV, convert it"
            check_columns([name], present, self.label, advice)

    def _keys(self, column: Any) -> Any:
        """A column of ids, null where one is missing."""
        return column

    def batches(self, advance: Callable[[int], None]) -> Iterator[Batch]:
        """Read the text and the ids."""
        columns = wanted_columns(self._text, self._id)
        with explained(self.label):
            for record, told in self._read(columns):
                where = f"{self.label}: column {self._text!r}"
                batch = text_batch(record.column(0), where)
                if self._id is not None:
                    where = f"{self.label}: column {self._id!r}"
                    keys = self._keys(record.columns[-1])
                    batch = batch._replace(ids=id_values(keys, where, self.rows))
                self.rows += record.num_rows
                yield batch
                advance(told)

    def values(self, name: str, places: Int64s) -> list[Any]:
        """A column by row; None where a value is missing."""
        found: list[Any] = []
        with explained(self.label):
            for record, _ in self._read([name]):
                found += plain(self._keys(record.column(0))).to_pylist()
        return found


class Parquet(Table):
    """The rows of a Parquet file."""

    @contextmanager
    def _open(self) -> Iterator[Any]:
        with self._original.open() as raw:
            yield need("pyarrow.parquet").ParquetFile(raw)

    def _read(self, columns: list[str]) -> Iterator[tuple[Any, int]]:
        with self._open() as file:
            self._check(columns, file.schema_arrow.names)
            check_filtered(file.schema_arrow, self.label)  # before the search, not after it
            done = 0
            for record in file.iter_batches(ROWS_READ, columns=columns):
                done += record.num_rows
                yield record.select(columns), self.size * done // file.metadata.num_rows

    def write(self, rows: Written, folder: Path) -> None:
        """Write the rows that stay, a row group for each batch."""
        with self._open() as file:
            codec = "none"
            if file.num_row_groups:
                codec = file.metadata.row_group(0).column(0).compression
                codec = "none" if codec == "UNCOMPRESSED" else codec
            records = file.iter_batches(ROWS_WRITTEN)
            path = folder / rows.name(self.name)
            write_records(records, file.schema_arrow, rows, path, rows.format or "parquet", codec)


class Csv(Table):
    """The rows of a CSV file with a header line."""

    _quotes = 0
    _refused: InputError | None = None

    def _header(self) -> tuple[list[str], bool]:
        """The names of the columns, and whether anything follows them."""
        with self._original.open() as raw, reading(raw, self._original.suffix) as stream:
            return read_header(stream, self.label)

    def _records(self, width: int, places: list[int], bad_row: Any) -> Iterator[Any]:
        """Record batches of the columns in these places, and the bytes of the file read so far."""
        with self._original.open() as raw, reading(raw, self._original.suffix) as stream:
            counter = QuoteCounter(stream)
            for record in read_rows(counter, width, places, bad_row, nulls=False):
                yield record, raw.tell()
            self._quotes = counter.quotes

    def _keys(self, column: Any) -> Any:
        compute = need("pyarrow.compute")
        return compute.if_else(compute.equal(column, ""), None, column)

    def _read(self, columns: list[str]) -> Iterator[tuple[Any, int]]:
        names, more = self._header()
        if names:
            self._check(columns, names)
        if more:
            places = [names.index(column) for column in columns]
            try:
                yield from self._records(len(names), places, self._bad_row)
            except ValueError as error:
                raise self._refused or error from None
            self._check_quotes()

    def _check_quotes(self) -> None:
        """Refuse a file whose last cell has swallowed the rows after an open quote."""
        if self._quotes % 2 == 0:
            return
        with self._original.open() as raw, reading(raw, self._original.suffix) as stream:
            refuse_open_quote(stream, self.label)

    def _bad_row(self, row: Any) -> str:
        place = f"row {row.number} (the header is row 1)"
        try:
            self._unusable.meet(self.label, place, bad_row_reason(row))
        except InputError as error:  # which cannot pass through Arrow
            self._refused = error
            return "error"
        return "skip"

    def write(self, rows: Written, folder: Path) -> None:
        """Write the rows that stay; what was skipped is skipped again."""
        pa = need("pyarrow")
        names, more = self._header()
        width = len(names)
        schema = pa.schema([pa.field(name, pa.string()) for name in names])
        records = self._records(width, list(range(width)), lambda _: "skip") if more else ()
        named = (pa.RecordBatch.from_arrays(record.columns, schema=schema) for record, _ in records)
        write_records(named, schema, rows, folder / rows.name(self.name), rows.format or "csv")
