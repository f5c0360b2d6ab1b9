"""`tractable distinct` on lines and tables."""

import json
import math
import os

import numpy as np
import pyarrow as pa
import pytest
from click.testing import CliRunner
from pyarrow import csv as arrow_csv
from pyarrow import parquet

from sketches import HyperLogLog, _command
from tractable import main


@pytest.fixture
def command(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def run(*arguments, input=None):
        return CliRunner().invoke(main, ["distinct", *map(str, arguments)], input=input)

    return run


@pytest.fixture
def told(command):
    def run(*arguments, input=None):
        result = command(*arguments, "--json", input=input)
        assert result.exit_code == 0, result.output
        return json.loads(result.output)

    return run


@pytest.fixture
def log(tmp_path):
    """The same table in every format, and how many users each url has."""
    rng = np.random.default_rng(1)
    table = pa.table(
        {
            "url": [f"/{int(u)}" for u in rng.geometric(0.5, 3000)],
            "user": [None if i % 50 == 0 else f"u{int(i)}" for i in rng.integers(0, 400, 3000)],
        }
    )
    parquet.write_table(table, tmp_path / "log.parquet")
    arrow_csv.write_csv(table, tmp_path / "log.csv")
    lines = "".join(json.dumps(row) + "\n" for row in table.to_pylist())
    (tmp_path / "log.jsonl").write_text(lines)
    return table


def test_lines(command, told, tmp_path):
    (tmp_path / "words.txt").write_text("a\nb\na\n\r\nb\n\n")
    result = command("words.txt")
    assert result.exit_code == 0
    assert result.output == "3 distinct, 3 to 3 with 95% confidence\n  6 rows\n"
    answer = told(input="a\nb\na")
    assert answer.pop("estimate") == pytest.approx(2)
    assert answer.pop("high") == pytest.approx(2)
    assert answer.pop("p_lowered_from") is None
    assert answer == {"low": 2, "confidence": 0.95, "rows": 3, "missing": 0, "p": 14}
    assert told("-", input="")["estimate"] == 0


@pytest.mark.parametrize("name", ["log.parquet", "log.csv", "log.jsonl"])
def test_columns_of_tables(command, told, log, name):
    users = [user for user in log["user"].to_pylist() if user is not None]
    answer = told(name, "--column", "user")
    assert answer["rows"] == 3000
    assert answer["missing"] == 3000 - len(users)
    assert answer["estimate"] == pytest.approx(len(set(users)), abs=0.01)
    assert (
        f"{3000 - len(users)} of them without a value" in command(name, "--column", "user").output
    )


@pytest.mark.parametrize("name", ["log.parquet", "log.csv", "log.jsonl"])
def test_counts_by_key(command, told, log, name):
    users = {}
    for url, user in zip(log["url"].to_pylist(), log["user"].to_pylist(), strict=True):
        users.setdefault(url, set()).add(user)
    want = {url: len(seen - {None}) for url, seen in users.items()}
    answer = told(name, "--column", "user", "--by", "url")
    assert {row["key"]: round(row["estimate"]) for row in answer["groups"]} == want
    assert answer["by"] == "url"
    lines = command(name, "--column", "user", "--by", "url").output.splitlines()
    assert lines[0].split() == [str(want["/1"]), "/1"]
    assert [int(line.split()[0]) for line in lines] == sorted(want.values(), reverse=True)
    by_user = command(name, "--column", "url", "--by", "user").output
    assert "(missing)" in by_user


def test_json_keys_of_mixed_types(told, tmp_path):
    rows = [{"k": 1, "v": 1}, {"k": "1", "v": 2}, {"k": 1.5, "v": "x"}, {"v": 3}, {"k": True}]
    (tmp_path / "t.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    groups = told("t.jsonl", "--by", "k", "--column", "v")["groups"]
    counts = {row["key"]: round(row["estimate"]) for row in groups}
    assert counts == {"1": 2, "1.5": 1, None: 1, "true": 0}


def test_images_are_saved_and_merged(command, told, tmp_path):
    (tmp_path / "monday").write_text("\n".join(map(str, range(3000))))
    (tmp_path / "tuesday").write_text("\n".join(map(str, range(2000, 9000))))
    told("monday", "--save", "monday.hll")
    one = HyperLogLog.from_bytes((tmp_path / "monday.hll").read_bytes())
    assert one.estimate() == told("monday")["estimate"] == told("--merge", "monday.hll")["estimate"]
    both = told("tuesday", "--merge", "monday.hll", "--save", "both.hll")
    assert both["estimate"] == pytest.approx(9000, rel=0.03)
    assert both["rows"] == 7000
    again = told("--merge", "monday.hll", "--merge", "both.hll", "--p", "8")
    assert again["p"] == 8
    assert again["rows"] == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "both.hll",
        "monday",
        "monday.hll",
        "tuesday",
    ]


def test_a_lower_p_of_an_image_is_told(command, told, tmp_path):
    """And one that was asked for is not."""
    for p in (10, 12, 16):
        assert command("--p", p, "--save", f"{p}.hll", input="a\nb\n").exit_code == 0
    for words, p, before in (
        (["-", "--merge", "12.hll"], 12, 14),
        (["-", "--merge", "12.hll", "--merge", "10.hll", "--merge", "16.hll"], 10, 16),
        (["-", "--p", 12, "--merge", "12.hll"], 12, None),
        (["-", "--p", 11, "--merge", "12.hll"], 11, None),
        (["-", "--merge", "16.hll"], 14, 16),
        (["--merge", "16.hll"], 16, None),
        (["--merge", "12.hll", "--merge", "16.hll"], 12, 16),
        (["--merge", "12.hll", "--p", 16], 12, 16),
    ):
        done = command(*words, "--json", input="a\n")
        answer = json.loads(done.stdout)
        assert (answer["p"], answer["p_lowered_from"], round(answer["estimate"])) == (p, before, 2)
        assert (f"Note: counted with p = {p}, not {before}, as" in done.stderr) == bool(before)
    assert "as 12.hll has no more" in command("-", "--merge", "12.hll", input="a\n").stderr
    assert "as no --p was given" in command("-", "--merge", "16.hll", input="a\n").stderr


def test_a_terminal_gets_a_head_and_the_first_keys(command, monkeypatch, tmp_path):
    rows = [f"{key},{value}" for key in range(30) for value in range(key + 1)]
    (tmp_path / "t.csv").write_text("\n".join(["page,user", *rows]))
    words = ("t.csv", "--column", "user", "--by", "page")
    lines = command(*words).stdout.splitlines()
    assert (len(lines), lines[0]) == (30, "30  29")
    monkeypatch.setattr("click.testing._NamedTextIOWrapper.isatty", lambda _: True, raising=False)
    lines = command(*words).stdout.splitlines()
    assert lines[:2] == ["distinct user  page", "           30  29"]
    assert lines[-1] == "and 10 more, all of which a pipe or --json gets"
    assert len(lines) == 22


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["log.csv", "--column", "usr"], "has no column 'usr'; its columns are 'url', 'user'"),
        (["log.csv"], "log.csv has 2 columns: choose one of 'url', 'user'"),
        (["absent"], "cannot read absent: No such file or directory"),
        (["log.csv", "--by", "url"], "--by goes with --column"),
        (["log.csv", "--column", "url", "--by", "user", "--save", "x"], "--by goes with"),
        (["--merge", "log.csv"], r"cannot read log.csv: HLL image"),
        (["log.jsonl", "--column", "url", "--save", "no/such/x"], "cannot write no/such/x: No"),
        (["lists.parquet", "--column", "v"], "lists.parquet: column 'v': a column of lists"),
        (["big.jsonl", "--column", "v"], "big.jsonl: column 'v': position 0: an integer outside"),
        (["", "--column", "v"], "the path is empty"),
    ],
)
def test_what_is_amiss_is_said_in_one_line(command, log, tmp_path, arguments, message):
    parquet.write_table(pa.table({"v": [[1]]}), tmp_path / "lists.parquet")
    (tmp_path / "big.jsonl").write_text('{"v": ' + "9" * 30 + "}\n")
    result = command(*arguments)
    assert result.exit_code in (1, 2)
    assert message in result.output
    assert "Traceback" not in result.output


def test_saving_replaces_no_device(command, tmp_path):
    """Nor a pipe, nor a link: what is no plain file is written into."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    assert command("--save", "pipe", input="a\n").exit_code == 0
    assert pipe.is_fifo()
    assert round(HyperLogLog.from_bytes(os.read(reader, 1 << 16)).estimate()) == 1
    os.close(reader)
    (tmp_path / "link").symlink_to("target")
    assert command("--save", "link", input="a\n").exit_code == 0
    assert (tmp_path / "link").is_symlink()
    assert round(HyperLogLog.from_bytes((tmp_path / "target").read_bytes()).estimate()) == 1


def test_saving_touches_no_other_file(command, tmp_path):
    (tmp_path / "x.hll.part").write_text("another's")
    assert command("--save", "x.hll", input="a\n").exit_code == 0
    assert (tmp_path / "x.hll.part").read_text() == "another's"
    assert {path.name for path in tmp_path.iterdir()} == {"x.hll", "x.hll.part"}


def test_a_bar_needs_no_rich(monkeypatch, capsys):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    monkeypatch.setattr(_command, "find_spec", lambda name: None)
    with _command.progress_bar() as progress:
        progress("count", 1, 2)
    assert capsys.readouterr() == ("", "")


def test_keys_of_every_kind_are_shown_as_such(command, tmp_path):
    """JSON has no NaN and no bytes, and a terminal must not obey a key."""
    columns = {
        "f": [math.nan, math.inf, 1.5],
        "b": [b"\xff", b"y", None],
        "s": ["\x1b[2J", "a\nb", "c"],
    }
    parquet.write_table(pa.table(columns | {"x": [1, 2, 3]}), tmp_path / "keys.parquet")
    keys = {"f": ["nan", "inf", 1.5], "b": ["\ufffd", "y", None], "s": columns["s"]}
    for name, wanted in keys.items():
        told = command("keys.parquet", "--column", "x", "--by", name, "--json").output
        groups = json.loads(told, parse_constant=pytest.fail)["groups"]
        assert [group["key"] for group in groups] == wanted
    lines = command("keys.parquet", "--column", "x", "--by", "s").output.splitlines()
    assert lines == [r"1  \x1b[2J", r"1  a\nb", "1  c"]
