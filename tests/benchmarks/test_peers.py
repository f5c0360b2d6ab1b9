"""benchmarks/peers: what is unfair is refused, what is not installed is listed."""

import json
import math
import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def contests(monkeypatch):
    """The names of peers/contest.py."""
    monkeypatch.syspath_prepend(str(BENCHMARKS / "peers"))
    return runpy.run_path(str(BENCHMARKS / "peers" / "contest.py"))


def hold(contests, *entries, busy=1.0, **options):
    """The rows of a contest of these errors; None is a peer that is not installed."""

    def task(error):
        return contests["Task"](lambda: sum(range(1000)), 10, lambda: error, 5)

    made = [
        contests["Entry"](
            f"entry {i}",
            "no such package" if error is None else "numpy",
            "",
            lambda error=error: task(error),
        )
        for i, error in enumerate(entries)
    ]
    contest = contests["Contest"]("ann", "t", None, "time_search", "lost", tuple(made), **options)
    hold = type(contest).hold
    usual, hold.__globals__["cores"] = hold.__globals__["cores"], lambda _: busy
    try:
        return contest.hold(4, 1)
    finally:
        hold.__globals__["cores"] = usual


def test_equal_errors_get_a_ratio_and_others_none(contests):
    rows = hold(contests, 0.10, 0.11, 0.2, 0.05, None, factor=1.25)
    assert [row["status"].split(":")[0] for row in rows] == [
        "ok", "ok", "not equal", "not equal", "not installed",
    ]  # fmt: skip
    assert [("ratio" in row) for row in rows] == [True, True, False, False, False]
    assert rows[0]["ratio"] == 1
    assert rows[2]["status"] == "not equal: its error is 0.2, ours 0.1"
    low, high = rows[1]["quartiles"]
    assert 0 < low <= rows[1]["per_second"]["time_search"] <= high < math.inf
    shares = hold(contests, 0.0, 0.01, 0.03, difference=0.02)
    assert ["ratio" in row for row in shares] == [True, True, False]


def test_more_threads_than_agreed_are_refused(contests):
    with pytest.raises(SystemExit, match=r"kept 1\.9 cores busy where 1 was agreed"):
        hold(contests, 0.1, 0.1, busy=1.9)


def test_the_cores_of_one_thread_are_at_most_one(contests):
    assert 0 < contests["cores"](lambda: sum(range(1000))) < 1.5  # clocks of a short run differ


def run(*arguments, **environment):
    command = [sys.executable, str(BENCHMARKS / "peers"), *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, env=os.environ | environment
    )


def test_a_pool_of_other_size_is_refused():
    done = run("--only", "ann", POLARS_MAX_THREADS="2")
    assert done.returncode == 1
    assert "refused: POLARS_MAX_THREADS=2, but 1 a system was agreed" in done.stderr


@pytest.mark.skipif("LD_PRELOAD" in os.environ, reason="the peers are not built for sanitizers")
def test_one_area_from_end_to_end():
    pytest.importorskip("big_o")
    done = run("--only", "costs", "--rounds", "3", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["threads"] == 1
    assert told["cpu"]
    ours, peer = told["rows"]
    assert ours["ratio"] == 1
    assert ours["error"] < 0.1
    assert peer["version"]
    assert peer["per_second"]["time_fit_times"] > 0
    assert peer["status"].startswith("not equal")  # big_O names a wrong class where noise is 3 %
    assert "ratio" not in peer


def test_the_table_of_the_docs_is_that_of_the_reference():
    markdown = runpy.run_path(str(BENCHMARKS / "peers" / "__main__.py"))["markdown"]
    told = json.loads((BENCHMARKS / "reference" / "peers.json").read_text())
    assert markdown(told) in (BENCHMARKS.parent / "docs" / "benchmarks.md").read_text("utf-8")
