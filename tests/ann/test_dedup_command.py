"""`tractable dedup` as a command: what it says, what it refuses, and nothing left behind."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

import ann

TRACTABLE = Path(sys.executable).with_name("tractable")
LONG = " ".join(f"word{i}" for i in range(60))


def test_the_summary_in_a_pipe(corpus, write, json_lines):
    path = write("rows.jsonl", json_lines(corpus))
    done = subprocess.run([TRACTABLE, "dedup", path], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert "\x1b" not in done.stdout
    expected = ann.deduplicate(corpus).stats
    first = f"{expected.documents:,} documents: {expected.kept:,} kept, {expected.removed:,} near"
    assert done.stdout.startswith(first)
    for piece in ("Largest clusters", "row ", "every pair is found", "saved"):
        assert piece in done.stdout


def test_texts_too_short_for_the_shingles_are_counted(write, command, json_lines, summary):
    texts = [
        "国家统计局昨日公布的数据显示，全国居民收入增长。",
        "北京市气象台今天上午发布大风预警。",
        "",
        LONG,
    ]
    path = write("rows.jsonl", json_lines(texts))
    shown = command(path).stdout
    assert "2 of at most 5 words" in shown
    assert "see --ngram, and\n  --unit char for languages" in shown
    assert "--unit char" not in command(path, "--unit", "char").stdout
    assert summary(path)["short"] == 2


def test_the_wording_of_one_and_of_copies(write, command, json_lines):
    shown = command(write("rows.jsonl", json_lines([LONG, LONG])), "--threshold", "0.999").stdout
    for piece in (
        "2 documents: 1 kept, 1 near-duplicate removed",
        "  1 pair of Jaccard similarity >= 0.999",
        "  row 0 and 1 other\n",
        "; 0 candidates besides exact copies",
    ):
        assert piece in shown
    assert "probability 1.0000" not in shown


@pytest.mark.parametrize(
    ("arguments", "message", "code"),
    [
        (["rows.jsonl", "--text", "body"], "'text', 'n': choose one with --text", 1),
        (["rows.jsonl", "--id", "key"], "the fields are 'text', 'n': choose one with --id", 1),
        (["rows.csv", "--text", "body"], "'id', 'text': choose one with --text", 1),
        (["rows.parquet", "--id", "k"], "are 'text', 'n': choose one with --id", 1),
        (["rows.parquet", "--text", "n"], "holds int64, not text: choose another (--text", 1),
        (["nowhere.jsonl"], "nowhere.jsonl does not exist", 1),
        (["folder", "--glob", "*.c"], "no file in folder matches the globs", 1),
        (["nothing"], "no file in nothing", 1),
        (["folder", "rows.csv"], "--glob '*.csv' for the rows or --glob '*.txt' for", 1),
        (
            ["mixed"],
            "mixed/b.bin is binary: choose the rows of a folder, such as --glob '*.jsonl.gz'",
            1,
        ),
        (["folder", "-"], "do not mix it with text files", 1),
        (["folder", "--id", "x"], "text files have none", 1),
        (["folder", "--glob", "[z-a]"], "cannot understand the glob '[z-a]'", 1),
        (["folder", "--copy"], "--copy needs an output folder", 1),
        (["rows.csv", "--copy", "-o", "new"], "--copy is for text files", 1),
        (["folder", "-o", "rows.csv"], "rows.csv is a file; the output is a folder", 1),
        (["rows.csv", "-o", "folder"], "folder is no output of this command", 1),
        (["rows.csv", "-o", "folder", "--force"], "is no output of this command", 1),
        (["rows.csv", "-o", "rows.csv/out"], "cannot write", 1),
        (["rows.csv", "--num-perm", "2"], "raise --num-perm or lower --recall", 1),
        ([""], "the path is empty", 2),
        (["rows.csv", "-o", ""], "the path is empty", 2),
        (["rows.csv", "--glob", "*.csv"], "and no input is a folder", 1),
        (["rows.csv", "--ngram", "999"], "is not in the range 1<=x<=256", 2),
        (["rows.csv", "--num-perm", "65537"], "is not in the range 1<=x<=65536", 2),
        (["rows.csv", "--threshold", "0"], "--threshold", 2),
        (["rows.csv", "--threshold", "nan"], "threshold must be above 0", 1),
        (
            ["rows.csv", "--memory", "2"],
            "'2' is 2 bytes, too few to run in: give 400MB at least",
            2,
        ),
        (["rows.csv", "--recall", "1"], "--recall", 2),
        (["rows.csv", "--threads", "0"], "--threads", 2),
        (["rows.csv", "--unit", "line"], "--unit", 2),
        ([], "INPUT", 2),
    ],
)
def test_what_is_refused(arguments, message, code, write, tmp_path, command, monkeypatch):
    write("rows.jsonl", '{"text": "a", "n": 1}\n')
    write("rows.csv", "id,text\n1,a\n")
    write("folder/a.txt", "a")
    write("mixed/b.bin", b"a\0b")
    write("mixed/rows.jsonl.gz", b"")
    (tmp_path / "nothing").mkdir()
    pq.write_table(pa.table({"text": ["a"], "n": [1]}), tmp_path / "rows.parquet")
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    result = command(*arguments)
    assert (result.exit_code, result.stdout) == (code, "")
    assert message in " ".join(result.stderr.split())
    assert sorted(tmp_path.rglob("*")) == before


def test_a_former_output_goes_only_when_the_new_one_is_whole(write, tmp_path, command, json_lines):
    path = write("rows.jsonl", json_lines([LONG, LONG, "b"]))
    output = tmp_path / "out"
    assert command(path, "-o", output).exit_code == 0
    assert "exists" in command(path, "-o", output).stderr
    before = (output / "summary.json").read_bytes()
    bad = write("bad.jsonl", "{")
    assert command(bad, "-o", output, "--force").exit_code == 1
    assert (output / "summary.json").read_bytes() == before
    write("rows.jsonl", json_lines([LONG, "b"]))
    assert command(path, "-o", output, "--force").exit_code == 0
    assert json.loads((output / "summary.json").read_text())["documents"] == 2
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bad.jsonl", "out", "rows.jsonl"]
    inside = output / "kept/rows.jsonl"
    assert "lies inside" in command(inside, "-o", output, "--force").stderr
    assert inside.exists()


def test_a_former_output_inside_an_input_is_passed_over(write, tmp_path, summary):
    write("in/a.txt", LONG)
    write("in/report/summary.json.txt", "not ours")
    for name in ("one", "two"):
        told = summary(tmp_path / "in", "-o", tmp_path / "in" / name)
        assert told["documents"] == 2


def test_a_folder_with_a_summary_of_another_kind_is_not_replaced(write, command):
    mine = write("mine/summary.json", "{}")
    result = command(write("rows.csv", "text\na\n"), "-o", mine.parent, "--force")
    assert "is no output of this command" in result.stderr
    assert mine.exists()


def test_a_full_disk_for_standard_input_names_the_copy(tmp_path, command, monkeypatch):
    def full(source, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copyfileobj", full)
    result = command("-", "-o", tmp_path / "out", input='{"text": "a"}')
    message = "cannot copy standard input to a file beside the output: No space left on device"
    assert result.stderr == f"Error: {message}\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_summary_that_cannot_be_printed(write, json_lines):
    path = write("rows.jsonl", json_lines([LONG]))
    with open("/dev/full", "w") as full:
        done = subprocess.run([TRACTABLE, "dedup", path], stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 1
    message = b"Error: cannot write to standard output: No space left on device\n"
    assert done.stderr == message
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([TRACTABLE, "dedup", path], stdout=writer, stderr=subprocess.PIPE)
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, b"")


@pytest.mark.parametrize(
    ("signal_sent", "code", "told"),
    [(signal.SIGINT, 1, "Aborted!"), (signal.SIGTERM, 143, "")],
    ids=["SIGINT", "SIGTERM"],
)
def test_a_signal_leaves_nothing(signal_sent, code, told, tmp_path):
    """A job that waits for more input is interrupted in the middle of its reading."""
    words = [TRACTABLE, "dedup", "-", "-o", tmp_path / "out"]
    pipe = subprocess.PIPE
    with subprocess.Popen(words, stdin=pipe, stdout=pipe, stderr=pipe) as job:
        deadline = time.monotonic() + 30
        while not list(tmp_path.glob(".out.*.partial")):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        job.send_signal(signal_sent)
        _, errors = job.communicate(timeout=30)
    assert job.returncode == code
    assert errors.decode().strip() == told
    assert list(tmp_path.iterdir()) == []


def test_the_command_line_starts_lightly(tmp_path):
    code = (
        "import sys, tractable; heavy = {'numpy', 'pyarrow', 'rich', 'ann'} & set(sys.modules);"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)
    told = subprocess.run([TRACTABLE, "--help"], capture_output=True, text=True, check=True)
    assert "Find near-duplicate documents" in told.stdout
    version = subprocess.run([TRACTABLE, "--version"], capture_output=True, text=True, check=True)
    assert version.stdout.startswith("tractable, version ")


def test_a_missing_extra_is_named(write, tmp_path, command, monkeypatch, json_lines):
    path = write("rows.jsonl", json_lines([LONG, LONG]))
    for name in [name for name in sys.modules if name.split(".")[0] == "pyarrow"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [Absent("pyarrow"), *sys.meta_path])
    result = command(path, "-o", tmp_path / "out")
    assert result.exit_code == 1
    assert "needs pyarrow" in result.stderr
    assert "pip install 'tractable[jobs]'" in result.stderr


class Absent:
    """An importer that does not find one package."""

    def __init__(self, name):
        self.name = name

    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == self.name:
            raise ModuleNotFoundError(f"No module named {name!r}", name=self.name)
