"""`tractable dedup` on files that are damaged, unreadable or no input at all: each is named."""

import gzip
import os
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from ann.dedup import streams
from ann.dedup.job import run
from ann.dedup.settings import InputError, Settings

LONG = " ".join(f"word{i}" for i in range(60))


BAD_ROWS = {
    b'{"text": "a"': "not JSON: Expecting ',' delimiter at column 13",
    b"[1]": "a row must be an object, not list",
    b'{"txt": "a", "id": 1}': "no field 'text'; the fields are 'txt', 'id'",
    b'{"text": 3}': "field 'text' holds 3, not text",
    b'{"text": ["a"]}': "field 'text' holds \\[\"a\"\\], not text",
    b'{"text": "a"} {"text": "b"}': "not JSON: Extra data at column 15",
    b'{"text": "a': "not JSON: Unterminated string starting at column 10",
    b"[" * 100_000: "nested too deeply",
}


@pytest.mark.parametrize("bad", BAD_ROWS, ids=range(len(BAD_ROWS)))
def test_a_bad_line_is_named_or_skipped(bad, write, tmp_path, summary):
    good = b'{"text": "some words"}\n'
    path = write("rows.jsonl", [good, b"\n", bad + b"\n", b"  \n", good])
    with pytest.raises(InputError, match=rf"rows.jsonl, line 3: {BAD_ROWS[bad]}.*--on-error skip"):
        run([str(path)], Settings())
    told = summary(path, "--on-error", "skip", "-o", tmp_path / "out")
    assert (told["documents"], told["skipped"], told["removed"]) == (2, 1, 1)
    assert (tmp_path / "out/kept/rows.jsonl").read_bytes() == good
    path.write_bytes(bad + b"\n")
    with pytest.raises(InputError, match=r"nothing of .* can be used; the last: .*line 1: "):
        run([str(path)], Settings(), skip_bad=True)


@pytest.mark.parametrize("bad", [b'{"text": "a", "k": 1.5}', b'{"text": "a", "k": null}'])
def test_an_id_is_text_or_a_whole_number(bad, write):
    path = write("rows.jsonl", bad)
    with pytest.raises(InputError, match=r"line 1: field 'k' holds .*, not text or a whole number"):
        run([str(path)], Settings(), id="k")


def test_a_null_text_is_no_id(write):
    path = write("rows.jsonl", '{"text": null}')
    with pytest.raises(InputError, match="field 'text' holds null, not text"):
        run([str(path)], Settings(), id="text")


def test_a_bad_csv_row_is_named_or_skipped(write, tmp_path, summary):
    path = write("rows.csv", "id,text\n1,some words\n2,b,c\n3,some words\n")
    with pytest.raises(
        InputError, match=r"rows.csv, row 3 .*: 3 cells for 2 columns: 2,b,c \(--on-error skip"
    ):
        run([str(path)], Settings())
    told = summary(path, "--on-error", "skip", "-o", tmp_path / "out")
    assert (told["documents"], told["skipped"], told["removed"]) == (2, 1, 1)
    assert (tmp_path / "out/kept/rows.csv").read_text() == "id,text\n1,some words\n"


def test_the_first_that_are_skipped_are_noted(write, command, summary):
    first = write("a.jsonl", ['{"text": "a"}\n', *(["{}\n"] * 11)])
    second = write("b.csv", "text,n\na,b,c\nb,1\n")
    told = summary(first, second, "--on-error", "skip")
    assert told["skipped"] == 12
    why = "no field 'text'; the fields are none"
    assert told["first_skipped"] == [
        {"file": str(first), "place": f"line {line}", "why": why} for line in range(2, 12)
    ]
    shown = command(second, "--on-error", "skip").stdout
    assert f"{second}, row 2 (the header is row 1): 3 cells for 2 columns: a,b,c" in shown


@pytest.mark.parametrize(("suffix", "pack"), [("", bytes), (".gz", gzip.compress)])
def test_a_quote_that_is_never_closed_is_refused(suffix, pack, write, tmp_path, command, summary):
    rows = 'n,text\n1,"a ""b"", c"\n2,5 of snow\n3,"b\nb"\n4,"c\n5,d\n6,e\n'
    path = write(f"rows.csv{suffix}", pack(rows.encode()))
    result = command(path, "-o", tmp_path / "out", "--on-error", "skip")
    assert result.stderr == f"Error: {path}: the quote opened in line 6 is never closed\n"
    path = write(f"rows.csv{suffix}", pack(rows.replace('4,"', '4,5" of snow').encode()))
    assert summary(path)["documents"] == 6


def test_ids_of_tables_are_text_or_whole_numbers(tmp_path, write):
    path = tmp_path / "rows.parquet"
    for ids, message in {
        (1.0, 2.0): "column 'k' holds double; ids are text or whole numbers",
        (True, False): "column 'k' holds bool; ids are",
        ("a", None): "column 'k' is null in row 1: each needs an id",
        (None, None): "column 'k' is null in row 0: each needs an id",
    }.items():
        pq.write_table(pa.table({"text": ["a", "b"], "k": ids}), path)
        with pytest.raises(InputError, match=message):
            run([str(path)], Settings(), id="k")
    path = write("rows.csv", "text,k\na,1\nb,\n")
    with pytest.raises(InputError, match="column 'k' is null in row 1: each needs an id"):
        run([str(path)], Settings(), id="k")


def corrupt(write, name, damage):
    content = {
        ".gz": gzip.compress(b'text\n{"text": "a"}\n' * 9999),
        ".zst": pa.compress(b'{"text": "a"}\n' * 9999, "zstd", asbytes=True),
        ".parquet": b"PAR1 and no more",
    }[Path(name).suffix]
    return write(name, damage(content))


@pytest.mark.parametrize("name", ["x.jsonl.gz", "x.jsonl.zst", "x.csv.gz", "x.parquet"])
@pytest.mark.parametrize(
    "damage", [lambda b: b[:-9], lambda b: b"no such format", lambda b: b[:20] + b"\0\7" + b[22:]]
)
def test_a_corrupt_file_is_named(name, damage, write, tmp_path, command):
    path = corrupt(write, name, damage)
    result = command(path, "-o", tmp_path / "out")
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: ")
    assert str(path) in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert os.listdir(tmp_path) == [path.name]


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_an_unreadable_file(write, tmp_path, command, summary):
    write("in/a.txt", "a")
    write("in/b.txt", "b").chmod(0)
    result = command(tmp_path / "in")
    assert "b.txt: Permission denied" in result.stderr
    assert summary(tmp_path / "in", "--on-error", "skip")["skipped"] == 1


def test_an_unreadable_folder_is_named_or_skipped(write, tmp_path, command, monkeypatch, summary):
    write("in/a.txt", LONG)
    closed = write("in/closed/b.txt", LONG).parent
    scandir = os.scandir

    def refuse(path):
        if str(path) == str(closed):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    result = command(tmp_path / "in")
    assert f"cannot read {closed}: Permission denied (--on-error skip" in result.stderr
    told = summary(tmp_path / "in", "--on-error", "skip")
    assert (told["documents"], told["skipped"]) == (1, 1)


def test_a_file_that_vanishes_is_named_or_skipped(write, tmp_path, monkeypatch):
    write("in/a.txt", "a")
    gone = write("in/b.txt", "b")
    monkeypatch.setattr(streams.Original, "size", property(lambda self: gone.unlink(True) or 0))
    with pytest.raises(InputError, match=r"cannot read .*b.txt: No such file"):
        run([str(tmp_path / "in")], Settings())
    gone.write_text("b")
    assert run([str(tmp_path / "in")], Settings(), skip_bad=True).unusable.count == 1


def test_an_input_that_changes_in_between_is_refused(write, tmp_path, json_lines):
    path = write("rows.jsonl", json_lines([LONG, LONG, "b"]))

    def meddle(stage, done, total):
        if stage == "read":
            path.write_text("other")

    with pytest.raises(InputError, match=r"rows.jsonl changed while it was read"):
        run([str(path)], Settings(), output=tmp_path / "out", progress=meddle)
    assert [p.name for p in tmp_path.iterdir()] == ["rows.jsonl"]


def test_copies_are_made_of_unchanged_files(write, tmp_path):
    path = write("in/a.txt", LONG)

    def meddle(stage, done, total):
        if stage == "read":
            shutil.copy(path, tmp_path / "before")
            path.write_text("other")

    with pytest.raises(InputError, match="changed while it was read"):
        run([str(tmp_path / "in")], Settings(), output=tmp_path / "o", copy=True, progress=meddle)


@pytest.mark.parametrize(
    ("name", "content", "advice"),
    [
        ("x.parq", b"PAR1\0\0", "is binary, or UTF-16, not text. Rows are read from .jsonl"),
        ("x.bin", b"a" * 8191 + b"\0", "is binary, or UTF-16, not text. Rows are read from .jsonl"),
        ("x.jsonl.bz2", b"BZh9", "unpack it (rows may come by standard input: bzcat"),
        ("x.JSONL.XZ", b"\xfd7zXZ\0", "unpack it (rows may come by standard input: xzcat"),
        ("x.tsv", b"text\tid\n", "convert it to CSV"),
        ("x.txt.gz", b"\x1f\x8b", "unpack it: text is not read from compressed files"),
        ("x.parquet.gz", b"\x1f\x8b", "unpack it"),
    ],
)
def test_a_named_file_of_another_kind_is_refused(name, content, advice, write, command):
    path = write(name, content)
    result = command(path)
    assert result.exit_code == 1
    assert str(path) in result.stderr
    assert advice in result.stderr
    assert "Rows are read from" in result.stderr


def test_a_folder_of_binary_files_alone_is_refused(write, tmp_path, command):
    write("in/a.png", b"\x89PNG\0\0")
    assert "every file is binary" in command(tmp_path / "in").stderr


def test_a_pipe_as_a_file_is_refused(tmp_path, command):
    os.mkfifo(tmp_path / "rows.jsonl")
    assert "give - and redirect it" in command(tmp_path / "rows.jsonl").stderr
