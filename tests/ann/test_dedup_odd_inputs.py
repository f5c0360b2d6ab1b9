"""Inputs that once lost or altered rows, or ended in a traceback."""

import csv
import subprocess
import sys
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import ann
from ann.dedup.job import run
from ann.dedup.settings import InputError, Settings

LONG = "a text of quite some words that is long enough to be told from others by its shingles"


def job(inputs, **options):
    return run([str(path) for path in inputs], Settings(threads=1), **options)


def command(tmp_path, *words, **options):
    code = "import tractable; tractable.main(prog_name='tractable')"
    return subprocess.run(
        [sys.executable, "-c", code, "dedup", *words],
        cwd=tmp_path, capture_output=True, check=False, **options,
    )  # fmt: skip


def test_standard_input_keeps_its_place_and_no_file_of_its_name_suffers(tmp_path):
    (tmp_path / "stdin.jsonl").write_text(f'{{"text": "{LONG}", "from": "file"}}\n')
    piped = f'{{"text": "{LONG}", "from": "pipe"}}\n{{"text": "another"}}\n'.encode()
    for order, kept in (
        (["-", "stdin.jsonl"], {"stdin.jsonl": b"", "piped-stdin.jsonl": piped}),
        (
            ["stdin.jsonl", "-"],
            {
                "stdin.jsonl": (tmp_path / "stdin.jsonl").read_bytes(),
                "piped-stdin.jsonl": piped.splitlines(keepends=True)[1],
            },
        ),
    ):
        done = command(tmp_path, *order, "-o", "out", "--force", input=piped)
        assert done.returncode == 0, done.stderr
        found = {p.name: p.read_bytes() for p in (tmp_path / "out" / "kept").iterdir()}
        assert found == kept


def test_closed_standard_input_is_named(tmp_path):
    done = subprocess.run(
        f"exec {sys.executable} -m tractable dedup - <&-",
        shell=True, cwd=tmp_path, capture_output=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (1, b"Error: standard input is closed\n")


def test_two_files_that_would_be_kept_under_one_name(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"text": "a"}\n')
    (tmp_path / "elsewhere" / "deep").mkdir(parents=True)
    (tmp_path / "elsewhere" / "a.jsonl").write_text('{"text": "b"}\n')
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere" / "deep")
    both = [tmp_path / "a.jsonl", f"{tmp_path}/link/../a.jsonl"]
    with pytest.raises(InputError, match=r"would both be kept as a\.jsonl"):
        job(both)


def test_a_carriage_return_in_a_cell(tmp_path):
    path = tmp_path / "rows.csv"
    rows = [["id", "text"], ["1", "a\rb"], ["2", "c\r\nd"], ["3", 'e"\n,f']]
    with path.open("w", newline="") as file:
        csv.writer(file, quoting=csv.QUOTE_ALL).writerows(rows)
    job([path], output=tmp_path / "out")
    with (tmp_path / "out" / "kept" / "rows.csv").open(newline="") as file:
        assert list(csv.reader(file)) == rows


def test_a_blank_first_line_is_no_header(tmp_path):
    (tmp_path / "rows.csv").write_text("\nid,text\n1,a\n")
    with pytest.raises(InputError, match="the first line is blank"):
        job([tmp_path / "rows.csv"])


def test_columns_of_views_and_dictionaries(tmp_path):
    texts = [LONG, "another", LONG, None]
    table = pa.table(
        {
            "text": pa.array(texts, pa.string_view()),
            "raw": pa.array([b"1", None, b"3", b"4"], pa.binary_view()),
            "kind": pa.array(["x", "y", "x", None]).dictionary_encode(),
        }
    )
    pq.write_table(table, tmp_path / "rows.parquet")
    for text in ("text", "kind"):
        out = tmp_path / text
        job([tmp_path / "rows.parquet"], output=out, text=text)
        kept = pq.read_table(out / "kept" / "rows.parquet")
        assert kept.to_pylist() == [table.to_pylist()[row] for row in (0, 1, 3)]
        assert kept.schema == pq.read_schema(tmp_path / "rows.parquet")
    for kind in (pl.Categorical, pl.Enum([LONG, "another"]), pl.String):
        frame = pl.DataFrame({"text": pl.Series(texts, dtype=kind)})
        assert ann.deduplicate(frame).kept.tolist() == [True, True, False, True]


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.csv", "rows.parquet", "text.txt"])
def test_an_unreadable_file_is_named_or_skipped(tmp_path, monkeypatch, name):
    """As root reads everything, the system's refusal is played."""
    path, opened = tmp_path / name, Path.open
    path.write_text("text")

    def refuse(self, *arguments, **options):
        if self == path:
            raise PermissionError(13, "Permission denied", str(self))
        return opened(self, *arguments, **options)

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(InputError, match=rf"cannot read .*{name}: Permission denied"):
        job([path])
    if name == "text.txt":
        (tmp_path / "other.txt").write_text("other")
        assert job([path, tmp_path / "other.txt"], skip_bad=True).as_dict()["skipped"] == 1


def test_an_input_that_vanishes_is_named(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"text": "a"}\n')

    def vanish(stage, done, total):
        if stage == "write":
            path.unlink(missing_ok=True)

    with pytest.raises(InputError, match=r"cannot read .*rows\.jsonl: No such file"):
        job([path], output=tmp_path / "out", progress=vanish)
