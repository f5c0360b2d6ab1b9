"""Columns of files and of standard input, in every format, and what is said about bad ones."""

import bz2
import gzip
import io
import json
import os
import sys
import threading
from itertools import chain

import pyarrow as pa
import pytest
from pyarrow import csv as arrow_csv
from pyarrow import parquet

from sketches import HyperLogLog, hash64
from sketches._files import InputError
from sketches.streams import BLOCK, read_columns

NAMES = ["url", "user", "ms"]
TABLE = pa.table(
    {
        "url": ["/a", "/b?x=1,2", None, 'say "é"', "007"],
        "user": ["ann", "bob", "ann", None, "eve"],
        "ms": [1, 2, 3, None, 5],
    }
)


def plain(columns):
    return [c.to_pylist() if isinstance(c, pa.Array) else list(c) for c in columns]


def columns_of(path, *names):
    """Every column as one list of what was read, batch after batch."""
    parts = [plain(batch) for batch in read_columns(path, names)]
    assert all(len({len(column) for column in part}) == 1 for part in parts)
    return [list(chain.from_iterable(column)) for column in zip(*parts, strict=True)]


def written(table, kind):
    """A table as the bytes of a file."""
    out = io.BytesIO()
    if kind == "parquet":
        parquet.write_table(table, out)
    elif kind == "csv":
        arrow_csv.write_csv(table, out)
    else:
        for row in table.to_pylist():
            out.write(json.dumps(row).encode() + b"\n")
    return out.getvalue()


@pytest.fixture
def save(tmp_path):
    def write(name, data):
        path = tmp_path / name
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        return path

    return write


@pytest.fixture
def stdin(monkeypatch):
    """Puts bytes on standard input, through a pipe as in a shell."""
    opened = []

    def feed(data):
        out, into = os.pipe()

        def write():
            with os.fdopen(into, "wb") as pipe:
                pipe.write(data)

        thread = threading.Thread(target=write)
        thread.start()
        opened.append(io.TextIOWrapper(os.fdopen(out, "rb")))
        monkeypatch.setattr(sys, "stdin", opened[-1])
        return thread

    yield feed
    for stream in opened:
        stream.close()


def packed(data, suffix):
    if suffix == ".gz":
        return gzip.compress(data)
    if suffix == ".zst":
        return pa.compress(data, "zstd", asbytes=True)
    return data


FORMS = [
    ("parquet", ""),
    *((kind, suffix) for kind in ("csv", "jsonl") for suffix in ("", ".gz", ".zst")),
]


@pytest.mark.parametrize(("kind", "suffix"), FORMS)
@pytest.mark.parametrize("names", [["user"], ["ms", "url"], ["url", "url"]])
def test_every_format_gives_the_same_columns(save, stdin, kind, suffix, names):
    data = packed(written(TABLE, kind), suffix)
    as_text = kind == "csv"
    want = [TABLE[name].cast("string" if as_text else TABLE[name].type) for name in names]
    want = [column.to_pylist() for column in want]
    assert columns_of(save(f"t.{kind}{suffix}", data), *names) == want
    assert columns_of(save("no-known-suffix", packed(written(TABLE, kind), "")), *names) == want
    thread = stdin(data)
    assert columns_of("-", *names) == want
    thread.join()


def test_a_table_of_one_column_needs_no_name(save):
    one = TABLE.select(["user"]).drop_null()  # alone in its row of CSV, nothing is a blank line
    for kind in ("parquet", "csv", "jsonl"):
        assert columns_of(save(f"t.{kind}", written(one, kind))) == [one["user"].to_pylist()]
        with pytest.raises(InputError, match="has 3 columns: choose one of 'url', 'user', 'ms'"):
            columns_of(save(f"all.{kind}", written(TABLE, kind)))


@pytest.mark.parametrize("kind", ["parquet", "csv", "jsonl"])
def test_a_missing_column_lists_those_there_are(save, kind):
    path = save(f"t.{kind}", written(TABLE, kind))
    message = rf"t\.{kind} has no column 'usr'; its columns are 'url', 'user', 'ms'"
    with pytest.raises(InputError, match=message):
        columns_of(path, "url", "usr")


@pytest.mark.parametrize("suffix", ["", ".gz", ".zst"])
@pytest.mark.parametrize(
    ("text", "lines"),
    [
        (b"", []),
        (b"a", [b"a"]),
        (b"a\nb\n", [b"a", b"b"]),
        (b"a\r\n\r\n b\rc \xff\n\nd", [b"a", b"", b" b\rc \xff", b"", b"d"]),
        (b"x" * (BLOCK - 1) + b"\r\ny\n" + b"z" * 3 * BLOCK, None),
    ],
)
def test_lines(save, stdin, text, lines, suffix):
    lines = text.replace(b"\r\n", b"\n").split(b"\n") if lines is None else lines
    want = [lines] if lines else []
    assert columns_of(save("t.log" + suffix, packed(text, suffix))) == want
    thread = stdin(packed(text, suffix))
    assert columns_of("-") == want
    thread.join()


def test_csv_keeps_cells_as_they_are(save):
    path = save("t.csv", '\ufeffid,"a, b"\r\n007,1.50\r\n"",\r\n"two\nlines",x\r\n')
    assert columns_of(path, "id", "a, b") == [["007", "", "two\nlines"], ["1.50", None, "x"]]
    assert columns_of(save("e.csv", "id,b\n"), "b") == []
    assert columns_of(save("mac.csv", "id,b\r1,2\r3,4\r"), "b") == [["2", "4"]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2\n3\n", r"row 3 \(the header is row 1\): 1 cells for 2 columns: 3"),
        ("\n1,2\n", "first line is blank"),
        ("a,b,a\n1,2,3\n", "has 2 columns named 'a'"),
        ('a,b\n1,"2\n3,4\n', "the quote opened in line 2 is never closed"),
        ("", "has no column 'a'; its columns are none"),
    ],
)
def test_csv_that_is_amiss(save, text, message):
    with pytest.raises(InputError, match=message):
        columns_of(save("t.csv", text), "a")


def test_an_odd_quote_on_standard_input_is_not_passed_over(stdin):
    thread = stdin(b'a,b\n1,"2\n3,4\n')
    with pytest.raises(InputError, match="number of quotes that is odd"):
        columns_of("-", "a")
    thread.join()


def test_jsonl_lets_real_files_through(save):
    text = (
        b'\xef\xbb\xbf{"a": "x", "b": 1}\n\n{"b": NaN, "a": "\\ud800y"}\n'
        b'{"a": "\xff"}\n{"a": null, "b": 1.5}\n{"a": "z", "b": "1"}\n'
    )
    columns = columns_of(save("t.jsonl", text), "a", "b")
    rows = sorted(zip(*(map(repr, column) for column in columns), strict=True))
    assert rows == sorted(
        [
            ("'x'", "1"),
            ("'\ufffdy'", "nan"),
            ("'\ufffd'", "None"),
            ("None", "1.5"),
            ("'z'", "'1'"),
        ]
    )


def test_jsonl_of_mixed_types_comes_apart_by_type(save):
    values = [1, "1", 1.5, None, True, "x", 2] * 3
    path = save("t.jsonl", "".join(json.dumps({"v": v}) + "\n" for v in values))
    batches = [batch[0] for batch in read_columns(path, ["v"])]
    for batch in batches:
        assert len({type(value) for value in batch}) == 1
        hash64(batch)  # which refuses a mixture
    assert sorted(map(repr, chain.from_iterable(batches))) == sorted(map(repr, values))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"v": [1]}', r"lines 1 to 2: field 'v' holds \[1\], not a text or a number"),
        ("[1]", "line 2: a row must be an object, not list"),
        ('{"v": ', "line 2: not JSON: Expecting value at column"),
        ("[" * 100_000, "line 2: (nested too deeply|not JSON)"),
    ],
)
def test_jsonl_that_is_amiss(save, line, message):
    with pytest.raises(InputError, match=message):
        columns_of(save("t.jsonl", '{"v": 1}\n' + line + "\n"), "v")


def test_jsonl_field_that_comes_late(save):
    rows = [{"a": i} for i in range(200_000)] + [{"b": "late"}]
    path = save("t.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    assert [v for v in columns_of(path, "b")[0] if v is not None] == ["late"]
    with pytest.raises(InputError, match="has no column 'c'; its columns are 'a'"):
        columns_of(path, "c")


def test_progress_ends_at_the_size(save):
    path = save("t.jsonl", b'{"a": 1}\n' * 400_000)
    told = []
    for _ in read_columns(path, ["a"], lambda *at: told.append(at)):
        pass
    assert len(told) > 1
    assert told == sorted(told)
    assert told[-1] == (path.stat().st_size, path.stat().st_size)


@pytest.mark.parametrize("name", ["t.parquet", "t.csv.gz", "t.log.zst", "t.jsonl.gz"])
def test_bytes_that_are_not_what_the_name_says(save, name):
    with pytest.raises(InputError, match=r"cannot read .*t\."):
        columns_of(save(name, b"\x1f\x8bnothing of the sort"), "a")


def test_a_file_that_cannot_be_opened(tmp_path):
    with pytest.raises(InputError, match=r"cannot read .*absent: No such file"):
        columns_of(tmp_path / "absent")
    with pytest.raises(InputError, match=r"cannot read .*: Is a directory"):
        columns_of(tmp_path)


def test_standard_input_that_is_closed(monkeypatch):
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(InputError, match="standard input is closed"):
        columns_of("-")


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("a.bz2", "bzcat"),
        ("a.csv.bz2", "bzcat"),
        ("a.XZ", "xzcat"),
        ("a.tsv", "convert it to CSV"),
        ("a.tsv.gz", "convert it to CSV"),
        ("a.hll", "--merge"),
    ],
)
def test_names_that_are_no_text_are_refused(tmp_path, name, advice):
    path = tmp_path / name
    path.write_bytes(b"a\tb\n")
    for columns in ((), ("a",)):
        with pytest.raises(InputError, match=advice):
            list(read_columns(path, columns))


def of_two_items():
    sketch = HyperLogLog(12)
    sketch.update(["a", "b"])
    image = sketch.to_bytes()
    assert b"\0" not in image
    return image


@pytest.mark.parametrize(
    "content",
    [
        b"PAR1\x15\x04\x00rows",
        "text\n".encode("utf-16"),
        bz2.compress(b"text\n" * 9),
        HyperLogLog(12).to_bytes(),
        of_two_items(),
    ],
)
def test_binary_files_are_no_lines(tmp_path, content):
    path, packed = tmp_path / "data.bin", tmp_path / "data.log.gz"
    path.write_bytes(content)
    packed.write_bytes(gzip.compress(content))
    for each in (path, packed):
        with pytest.raises(InputError, match="is binary"):
            list(read_columns(each))
    path.write_bytes(b"x" * 8192 + content)  # as in git: only the first bytes are looked at
    assert list(read_columns(path))


def test_a_column_of_text_without_any(save):
    path = save("log.txt", "10.0.0.1 GET /\n10.0.0.2 GET /\n")
    with pytest.raises(InputError, match=r"log.txt, taken for CSV .*\.jsonl.* has no column 'ip'"):
        list(read_columns(path, ["ip"]))
