"""Rows written in another format than they came in, and rows with notes instead of fewer rows."""

import csv
import gzip
import io
import json

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

import ann
from ann.dedup import jsonl, streams
from ann.dedup.writing import FORMATS, Written
from sketches._files import reading

NOTES = ["dedup_kept", "dedup_cluster", "dedup_jaccard"]


@pytest.fixture
def rows(corpus):
    """Written of text, numbers and nested values, as JSON spells them."""
    return [
        {"id": f"id{i}", "text": text, "n": i, "x": i / 4, "nested": {"a": [i], "b": "é"}}
        for i, text in enumerate(corpus[:300])
    ]


def unpacked(path):
    with path.open("rb") as raw, reading(raw, path.suffix) as stream:
        return stream.read()


def written(path):
    """The rows of a file; of CSV as text."""
    if path.suffix == ".parquet":
        return pq.ParquetFile(path).read().to_pylist()
    text = unpacked(path).decode()
    if "csv" in path.name:
        return list(csv.DictReader(io.StringIO(text, newline="")))
    return [json.loads(line) for line in text.splitlines()]


def as_csv(row):
    """A row as CSV tells it."""
    nested = {
        name: json.dumps(row[name], ensure_ascii=False) for name in ("nested",) if name in row
    }
    texts = {name: "" if value is None else str(value) for name, value in row.items()}
    return texts | nested


def source(form, rows, folder):
    path = folder / f"rows.{form}"
    if form == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    else:
        with streams.creating(path) as out:
            out.write("".join(json.dumps(row) + "\n" for row in rows).encode())
    return path


@pytest.mark.parametrize("annotate", [False, True])
@pytest.mark.parametrize("form", ["jsonl", "jsonl.gz", "parquet"])
@pytest.mark.parametrize("format", FORMATS)
def test_from_any_format_to_any(form, format, annotate, rows, tmp_path, command, monkeypatch):
    monkeypatch.setattr(jsonl, "LINES", 7)
    path = source(form, rows, tmp_path)
    options = ["-o", tmp_path / "out", "--format", format, "--id", "id", *["--annotate"] * annotate]
    result = command(path, *options)
    assert result.exit_code == 0, result.output
    expected = ann.deduplicate([row["text"] for row in rows])
    if annotate:
        notes = zip(
            expected.kept.tolist(),
            [rows[row]["id"] for row in expected.representative],
            expected.similarity.tolist(),
            strict=True,
        )
        wanted = [
            row | dict(zip(NOTES, note, strict=True)) for row, note in zip(rows, notes, strict=True)
        ]
    else:
        wanted = [row for row, stays in zip(rows, expected.kept, strict=True) if stays]
    (out,) = (tmp_path / "out" / ("annotated" if annotate else "kept")).iterdir()
    assert out.name == f"rows.{format}"
    if "csv" in format:
        wanted = [as_csv(row) for row in wanted]
        for row in wanted:
            if annotate:
                row["dedup_kept"] = row["dedup_kept"].lower()
    assert written(out) == wanted


def test_csv_rows_become_others_and_carry_notes(corpus, tmp_path, command):
    texts = [text or "" for text in corpus[:100]]
    pa.csv.write_csv(
        pa.table({"no": [f"00{i}" for i in range(100)], "text": texts}), tmp_path / "a.csv"
    )
    kept = ann.deduplicate(texts).kept.tolist()
    for format in ("csv", "jsonl", "parquet"):
        out = tmp_path / format
        options = ["--annotate", "-o", out] + ["--format", format] * (format != "csv")
        assert command(tmp_path / "a.csv", *options).exit_code == 0
        read = written(out / "annotated" / f"a.{format}")
        assert [row["no"] for row in read] == [f"00{i}" for i in range(100)]
        assert [row["text"] for row in read] == texts
        assert [row["dedup_kept"] in (True, "true") for row in read] == kept


def test_notes_leave_the_bytes_of_a_line_as_they_are(write, tmp_path, command):
    lines = [
        b'\xef\xbb\xbf{"text": "first words",  "x": 1.50 }  \r\n',
        b'{"text": "caf\xe9 au lait", "y": NaN}\n',
        b'{"text": "\\ud800 alone"}\n',
        b"\n",
        b'{"text": "FIRST words"}',
    ]
    path = write("rows.jsonl", lines)
    assert command(path, "-o", tmp_path / "out", "--annotate").exit_code == 0
    read = (tmp_path / "out/annotated/rows.jsonl").read_bytes().splitlines(keepends=True)
    first = b', "dedup_kept": true, "dedup_cluster": 0, "dedup_jaccard": 1.0}'
    assert read[0] == lines[0].replace(b"}", first)
    assert read[1].startswith(lines[1][:-2] + b', "dedup_kept": true')
    assert read[2].startswith(lines[2][:-2])
    last = b', "dedup_kept": false, "dedup_cluster": 0, "dedup_jaccard": 1.0}'
    assert read[3:] == [lines[4].replace(b"}", last)]


def test_a_row_that_an_index_had_is_told_so(write, json_lines, tmp_path, command):
    from click.testing import CliRunner

    import tractable

    texts = [" ".join(f"w{k * i % 97}" for k in range(40)) for i in (3, 5, 7)]
    words = ["index", "add", tmp_path / "known", write("old.jsonl", json_lines(texts[:1]))]
    assert CliRunner().invoke(tractable.main, list(map(str, words))).exit_code == 0
    path = write("new.jsonl", json_lines(texts))
    options = ["-o", tmp_path / "out", "--annotate", "--against", tmp_path / "known"]
    result = command(path, *options)
    assert result.exit_code == 0, result.output
    read = written(tmp_path / "out/annotated/new.jsonl")
    assert [row["dedup_kept"] for row in read] == [False, True, True]
    assert [row["dedup_cluster"] for row in read] == [0, 1, 2]
    assert read[0]["dedup_jaccard"] == 1
    assert command(path, *options, "--dry-run", "--force").exit_code == 0


def test_lines_of_different_fields_become_one_table(write, tmp_path, command, monkeypatch):
    monkeypatch.setattr(jsonl, "LINES", 1)
    lines = [
        '{"text": "a", "n": 1}\n',
        '{"text": "b", "n": 2.5, "z": null}\n',
        '{"text": "\\ud800"}\n',
    ]
    path = write("rows.jsonl", [*lines, '{"z": ["\\ud83d"], "text": "c"}\n'])
    assert command(path, "-o", tmp_path / "out", "--format", "parquet").exit_code == 0
    assert written(tmp_path / "out/kept/rows.parquet") == [
        {"text": "a", "n": 1.0, "z": None},
        {"text": "b", "n": 2.5, "z": None},
        {"text": "\ufffd", "n": None, "z": None},
        {"text": "c", "n": None, "z": ["\ufffd"]},
    ]


def test_to_csv_everything_is_text(write, tmp_path, command):
    lines = [
        '{"text": "a", "n": 1, "m": true}\n',
        '{"text": "b", "n": "x", "m": ["\\u00e9", null]}\n',
    ]
    assert command(write("a.jsonl", lines), "-o", tmp_path / "o", "--format", "csv").exit_code == 0
    assert written(tmp_path / "o/kept/a.csv") == [
        {"text": "a", "n": "1", "m": "true"},
        {"text": "b", "n": "x", "m": '["é", null]'},
    ]


def test_values_that_json_has_no_word_for(tmp_path, command):
    import datetime

    table = pa.table(
        {
            "text": ["a", "b"],
            "at": [datetime.datetime(2024, 1, 2, 3, 4), None],
            "raw": [b"caf\xc3\xa9", b"\xff"],
            "x": [float("nan"), float("inf")],
        }
    )
    pq.write_table(table, tmp_path / "rows.parquet")
    assert (
        command(tmp_path / "rows.parquet", "-o", tmp_path / "o", "--format", "jsonl").exit_code == 0
    )
    assert written(tmp_path / "o/kept/rows.jsonl") == [
        {"text": "a", "at": "2024-01-02T03:04:00", "raw": "café", "x": None},
        {"text": "b", "at": None, "raw": "\ufffd", "x": None},
    ]


@pytest.mark.parametrize(
    ("files", "options", "message"),
    [
        ({"a.jsonl": '{"text": "a", "n": 1}\n{"text": "b", "n": "x"}\n'}, ["--format", "parquet"],
         "field 'n': "),
        ({"a.jsonl": '{"text": "a", "dedup_kept": 1}\n'}, ["--annotate"],
         "has rows with a field 'dedup_kept' already"),
        ({"a.csv": "text,dedup_jaccard\na,1\n"}, ["--annotate"],
         "has a column 'dedup_jaccard' already"),
        ({"a.jsonl": "", "a.csv": "text\n"}, ["--format", "jsonl.gz"],
         "would both be kept as a.jsonl.gz"),
        ({"a.txt": "text"}, ["--annotate"], "--annotate and --format are for rows"),
    ],
)  # fmt: skip
def test_what_cannot_be_written_is_refused(files, options, message, write, tmp_path, command):
    paths = [write(name, content) for name, content in files.items()]
    result = command(*paths, *options, "-o", tmp_path / "out")
    assert result.exit_code == 1
    assert message in result.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(files)


@pytest.mark.parametrize("option", [["--annotate"], ["--format", "csv"]])
def test_these_need_an_output(option, write, command):
    result = command(write("a.jsonl", '{"text": "a"}'), *option)
    assert result.stderr == f"Error: {option[0]} needs an output folder\n"


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("size", [0, 1, 1000, 2048, 5001])
def test_gzip_by_members(size, threads, tmp_path, monkeypatch):
    """One stream to any reader; the same bytes whatever the threads and the pieces."""
    monkeypatch.setattr(streams, "MEMBER", 1024)
    monkeypatch.setattr(streams, "available_threads", lambda: threads)
    data = bytes(i * i % 251 for i in range(size))
    for step, path in ((7, tmp_path / "a.gz"), (3000, tmp_path / "b.gz")):
        with streams.creating(path) as out:
            out.writelines(data[i : i + step] for i in range(0, size, step))
        assert gzip.decompress(path.read_bytes()) == unpacked(path) == data
    assert (tmp_path / "a.gz").read_bytes() == (tmp_path / "b.gz").read_bytes()
    assert not any((tmp_path / "a.gz").read_bytes()[4:8])  # no time


def test_an_error_between_members_passes(tmp_path):
    def broken():
        yield b"x"
        raise KeyError

    with pytest.raises(KeyError), streams.creating(tmp_path / "a.gz") as out:
        out.writelines(broken())


@pytest.mark.parametrize(
    ("name", "format", "renamed"),
    [
        ("a/b.jsonl.gz", "csv", "a/b.csv"),
        ("b.c.JSON", "parquet", "b.c.parquet"),
        ("x.csv.zst", None, "x.csv.zst"),
        ("stdin.jsonl", "jsonl.gz", "stdin.jsonl.gz"),
    ],
)
def test_names(name, format, renamed):
    assert Written(None, None, None, format).name(name) == renamed
