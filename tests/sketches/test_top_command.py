"""`tractable top`, `tractable count`: formats, weights, what is refused, and the live picture."""

import fcntl
import gzip
import json
import os
import pty
import signal
import subprocess
import sys
import termios
import time
from collections import Counter
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from tractable import main

TRACTABLE = Path(sys.executable).with_name("tractable")
WORDS = [f"word{i % 7 * (i % 3)}" for i in range(1000)]
EXACT = Counter(WORDS)


def run(*words, stdin=None):
    return CliRunner().invoke(main, list(map(str, words)), input=stdin)


def as_json(*words, stdin=None):
    done = run(*words, "--json", stdin=stdin)
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


@pytest.fixture
def files(tmp_path):
    """The same words in every format, a weight of 3 in each row, and one row without a word."""
    rows = [*[(w, 3) for w in WORDS], (None, 3)]
    (tmp_path / "words.csv").write_text("n,word\n" + "".join(f"{n},{w or ''}\n" for w, n in rows))
    (tmp_path / "words.jsonl").write_text(
        "".join(json.dumps({"word": w, "n": n}) + "\n" for w, n in rows)
    )
    with gzip.open(tmp_path / "words.jsonl.gz", "wt") as packed:
        packed.write((tmp_path / "words.jsonl").read_text())
    table = pa.table(
        {"word": [w for w, _ in rows], "n": pa.array([n for _, n in rows], pa.uint8())}
    )
    pq.write_table(table, tmp_path / "words.parquet")
    (tmp_path / "words.txt").write_text("\r\n".join(WORDS))
    return tmp_path


@pytest.mark.parametrize("name", ["words.csv", "words.jsonl", "words.jsonl.gz", "words.parquet"])
def test_columns_of_every_format(files, name):
    found = as_json("top", files / name, "--column", "word", "-k", 3)
    assert {h["item"]: h["estimate"] for h in found["top"]} == dict(EXACT.most_common(3))
    assert (found["total"], found["missing"], found["others_at_most"]) == (1000, 1, 0)
    found = as_json("top", files / name, "--column", "word", "--weight", "n")
    assert {h["item"]: h["lower"] for h in found["top"]} == {w: 3 * n for w, n in EXACT.items()}
    words = ("count", files / name, "--column", "word", "--item", "word0", "--item", "no")
    assert as_json(*words)["counts"] == {"word0": EXACT["word0"], "no": 0}
    weighted = as_json(*words, "--weight", "n")
    assert (weighted["counts"]["word0"], weighted["total"]) == (3 * EXACT["word0"], 3000)


def test_lines_of_a_file_and_of_standard_input(files):
    path = files / "words.txt"
    for found in (as_json("top", path), as_json("top", stdin=path.read_bytes())):
        assert {h["item"]: h["estimate"] for h in found["top"]} == EXACT
    assert as_json("count", path, "--item", "word2")["counts"] == {"word2": EXACT["word2"]}


def test_what_is_printed(files):
    lines = run("top", files / "words.txt", "-k", 2).stdout.splitlines()
    (first, n), (second, m) = EXACT.most_common(2)
    assert lines == [
        f"{n}  {n / 10:5.1f} %  {first}",
        f"{m:>{len(str(n))}}  {m / 10:5.1f} %  {second}",
        "1,000 in all",
    ]
    shown = run("count", files / "words.txt", "--item", first, "--item", "none").stdout
    assert shown.splitlines() == [f"{n}  {n / 10:5.1f} %  {first}", "  0    0.0 %  none"]
    missing = run("top", files / "words.csv", "--column", "word").stdout
    assert missing.splitlines()[-1] == "1,000 in all, 1 missing"


def test_a_long_tail_shows_bounds():
    stream = "".join(f"{i}\nhead\n" for i in range(20_000))
    lines = run("top", "-k", 1, stdin=stream).stdout.splitlines()
    low, _, high = lines[0].split("  ")[0].partition(" - ")
    assert int((high or low).replace(",", "")) >= 20_000 >= int(low.replace(",", ""))
    assert "any other at most" in lines[1]


def test_terminals_are_not_obeyed():
    shown = run("top", stdin=b"\x1b[31mred\ttab\xff\n").stdout
    assert "\\x1b[31mred\\ttab\ufffd" in shown
    assert "\x1b" not in shown


@pytest.mark.parametrize(
    ("column", "item", "count"),
    [("i", "7", 2), ("i", "x", 0), ("f", "0.5", 2), ("b", "true", 2), ("b", "1", 0), ("s", "7", 1)],
)
def test_items_are_of_the_columns_type(tmp_path, column, item, count):
    rows = [{"i": 7, "f": 0.5, "b": True, "s": "7"}, {"i": 7, "f": 0.5, "b": True, "s": "x"}]
    for name in ("rows.jsonl", "rows.parquet"):
        path = tmp_path / name
        if name.endswith("l"):
            path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        else:
            pq.write_table(pa.Table.from_pylist(rows), path)
        words = ("count", path, "--column", column, "--item", item)
        assert as_json(*words)["counts"] == {item: count}
        assert as_json("top", path, "--column", column)["total"] == 2


def test_what_is_refused(files, tmp_path):
    for words, message in (
        (("top", tmp_path / "none.txt"), "cannot read"),
        (("top", files / "words.csv", "--column", "other"), "other"),
        (("top", files / "words.csv"), "choose one of"),
        (("top", files / "words.csv", "--weight", "n"), "--weight needs --column"),
        (("count", files / "words.csv", "--item", "a", "--weight", "n"), "--weight needs"),
        (
            ("top", files / "words.csv", "--column", "n", "--weight", "word"),
            "row 1 of the data is 'word0'",
        ),
        (("top", "--live"), "--live draws on a terminal"),
        (("top", files / "words.txt", "--live"), "standard input, not a file: tail"),
        (("top", "--live", "--json"), "not JSON"),
        (("count", files / "words.txt"), "--item"),
    ):
        done = run(*words)
        assert done.exit_code in (1, 2), done.output
        assert message in done.stderr
        assert "Traceback" not in done.stderr
    for rows, message in (
        ('{"w": "a", "n": 1.5}\n', "whole numbers"),
        ('{"w": "a", "n": -1}\n', "CountSketch"),
        ('{"w": "a", "n": null}\n', "missing"),
        ('{"w": "a", "n": 1}\n{"w": 1, "n": 1}\n', "items for a TopK of"),
        ('{"w": "a", "n": "x"}\n', "rows.jsonl: column 'n': a weight is 'x'"),
        ('{"w": "a", "n": 1}\n{"w": 1, "n": 1}\n', "rows.jsonl: column 'w': int items for"),
    ):
        path = tmp_path / "rows.jsonl"
        path.write_text(rows)
        done = run("top", path, "--column", "w", "--weight", "n")
        assert done.exit_code == 1
        assert message in done.stderr
    for cell, message in (
        ("x", "is 'x'"),
        ("1.5", "is '1.5'"),
        ('""', "is empty"),
        ("", "is miss"),
    ):
        path = tmp_path / "rows.csv"
        path.write_text(f"w,n\na,1\nb,{cell}\n")
        for words in (("top", path), ("count", path, "--item", "a")):
            done = run(*words, "--column", "w", "--weight", "n")
            assert f"rows.csv: column 'n': a weight in row 2 of the data {message}" in (done.stderr)
    table = pa.table({"t": np.array(["2026-01-01"], "M8[s]")})
    pq.write_table(table, tmp_path / "times.parquet")
    assert "datetime" in run("count", tmp_path / "times.parquet", "--item", "1").stderr


def test_weights_are_added_without_a_limit(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("w,n\n" + f"a,{2**62}\n" * 3 + f"b,{2**70}\n")
    found = as_json("count", path, "--column", "w", "--weight", "n", "--item", "a")
    assert found == {"total": 3 * 2**62 + 2**70, "missing": 0, "counts": {"a": 3 * 2**62}}
    path.write_text("w,n\na,x\n")
    assert "whole numbers" in run("top", path, "--column", "w", "--weight", "n").stderr


def test_weights_of_other_kinds_are_refused(tmp_path):
    """A decimal above all, which int() would cut off."""
    path = tmp_path / "rows.parquet"
    for weights in ([Decimal("1.5")], [True], [1.0]):
        pq.write_table(pa.table({"w": ["a"], "n": weights}), path)
        for words in (("top",), ("count", "--item", "a")):
            done = run(*words, path, "--column", "w", "--weight", "n")
            assert done.exit_code == 1
            assert "weights are whole numbers" in done.stderr


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs Linux's full device")
@pytest.mark.parametrize("words", [("top",), ("count", "--item", "a"), ("distinct",)])
def test_output_that_cannot_be_written(words):
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [TRACTABLE, *words], input=b"a\n", stdout=full, stderr=subprocess.PIPE, timeout=60
        )
    assert done.returncode == 1
    assert done.stderr == b"Error: cannot write to standard output: No space left on device\n"


@pytest.mark.parametrize("words", [("top", ""), ("count", "", "--item", "a"), ("distinct", "")])
def test_an_empty_path_is_none(words):
    done = run(*words)
    assert done.exit_code == 2
    assert "the path is empty" in done.stderr


@pytest.mark.slow
def test_a_process_that_has_read_csv_ends_well(tmp_path):
    """Arrow's thread lets go of what it has read when the interpreter may be gone: without the care
    of `read_rows` a fourth of these abort, all to go well once in 3,000 times."""
    path = tmp_path / "t.csv"
    path.write_text("k,x\n1,2\n")
    for _ in range(28):
        done = subprocess.run([TRACTABLE, "top", path, "--column", "k"], capture_output=True)
        assert (done.returncode, done.stderr) == (0, b"")


def test_empty_input():
    assert run("top", stdin="").stdout == "0 in all\n"
    assert run("count", "--item", "a", stdin="").stdout == "0    0.0 %  a\n"


def wait_for(terminal, text, seen=b""):
    deadline = time.monotonic() + 30
    while text not in seen:
        assert time.monotonic() < deadline, seen
        seen += os.read(terminal, 1 << 16)
    return seen


@contextmanager
def live(*words):
    """The command on a terminal: its process, what it is written to, and its screen."""
    terminal, theirs = pty.openpty()
    with subprocess.Popen(
        [TRACTABLE, "top", "--live", *words], stdin=subprocess.PIPE, stdout=theirs, stderr=theirs
    ) as job:
        os.close(theirs)

        def write(text):
            job.stdin.write(text)
            job.stdin.flush()

        yield job, write, terminal
    os.close(terminal)


def test_a_live_stream_is_shown_while_it_comes():
    with live() as (job, write, terminal):
        write(b"tea\nmilk\ntea\nhalf a li")
        seen = wait_for(terminal, b"3 in all")
        assert b"half" not in seen
        write(b"ne\n")
        wait_for(terminal, b"half a line")
        job.stdin.close()
        last = wait_for(terminal, b"4 in all\r\n")
        assert b"50.0 %  tea" in last
        assert job.wait(30) == 0


@pytest.mark.parametrize(
    ("first", "then"),
    [
        (b'{"w": "tea", "n": 3}\n{"n": 1', b', "w": "milk"}\n{"n": 1}\n'),
        (b'n,w\n3,tea\n1,"mi', b'lk"\n1,\n'),
    ],
)
def test_columns_of_a_live_stream(first, then):
    with live("--column", "w", "--weight", "n") as (job, write, terminal):
        write(first)
        assert b"milk" not in wait_for(terminal, b"3 in all")
        write(then)
        wait_for(terminal, b"4 in all, 1 missing")
        job.send_signal(signal.SIGINT)
        last = wait_for(terminal, b"Interrupted")
        assert b"75.0 %  tea" in last
        assert job.wait(30) == 130


def test_a_live_table_that_is_amiss():
    with live("--column", "w") as (job, write, terminal):
        write(b"n,w\n1\n")
        wait_for(terminal, b"row 2 (the header is row 1): 1 cells for 2 columns: 1")
        assert job.wait(30) == 1
    with live("--column", "w") as (job, write, terminal):
        write(b"n,v\n")
        wait_for(terminal, b"has no column 'w'")
        assert job.wait(30) == 1


def unread(pipe):
    return int.from_bytes(fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)), sys.byteorder)


def table(*rows):
    return b"".join(json.dumps(dict(zip("wn", row, strict=True))).encode() + b"\n" for row in rows)


@pytest.mark.parametrize(
    ("words", "sent", "told"),
    [
        (["top"], b"tea\nmilk\ntea\nte", {"total": 3}),
        (["count", "--item", "tea"], b"tea\nmilk\ntea\nte", {"counts": {"tea": 2}}),
        (["distinct", "--save", "not.hll"], b"tea\nmilk\ntea\nte", {"rows": 3}),
        (["top", "--column", "w"], b"n,w\n1,tea\n1,milk\n1,t", {"total": 2}),
        (["distinct", "--column", "w"], table(("a", 1), ("b", 1)) + b'{"w": 1', {"rows": 2}),
        (["distinct", "--column", "w", "--by", "n"], table(("a", 1), ("b", 1)), {"by": "n"}),
    ],
)
def test_what_came_before_an_interrupt_is_told(tmp_path, words, sent, told):
    """However slowly it came, and whatever is waiting for more of it."""
    with subprocess.Popen(
        [TRACTABLE, *words, "--json"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=tmp_path,
    ) as job:
        job.stdin.write(sent)
        job.stdin.flush()
        while unread(job.stdin):
            time.sleep(0.02)
        job.send_signal(signal.SIGINT)
        answer = json.loads(job.stdout.read())
        said = job.stderr.read().decode()
    assert job.returncode == 130
    assert answer | told == answer
    assert said.startswith("Interrupted: this is of what came before")
    assert ("not.hll is not written" in said) == ("--save" in words)
    assert not list(tmp_path.iterdir())
