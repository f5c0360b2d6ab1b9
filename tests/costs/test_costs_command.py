"""`tractable costs`: what it prints, what it refuses, and that a broken budget fails."""

import json
import sys

import numpy as np
import pytest
from click.testing import CliRunner

from costs import Pipeline
from tractable import main


@pytest.fixture
def command(monkeypatch):
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    monkeypatch.setattr(sys, "path", [*sys.path])  # `fit module:function` adds the folder it is in

    def run(*arguments, code=0):
        done = CliRunner().invoke(main, ["costs", *map(str, arguments)])
        assert done.exit_code == code, done.output
        return done

    return run


@pytest.fixture
def stored(tmp_path):
    """A machine of 10 GB/s and 50 Gop/s."""
    value = dict.fromkeys(("best", "median", "worst"), 1e10)
    found = {
        "version": 2,
        "name": "stated",
        "cores": 1,
        "threads": 1,
        "isa": "baseline",
        "caches": {"L1": 32768},
        "bandwidth": {
            v: dict.fromkeys(("read", "write", "copy", "triad"), value) for v in ("L1", "DRAM")
        },
        "flops": {"vector f64": dict.fromkeys(value, 5e10)},
        "latency": {},
        "overhead": {},
        "blas": "none",
        "gpu": {},
    }
    path = tmp_path / "machine.json"
    path.write_text(json.dumps(found))
    return path


@pytest.fixture
def times(tmp_path):
    path = tmp_path / "times.csv"
    n = np.geomspace(100, 1e5, 12).round()
    rows = "\n".join(f"{a:.0f},{2e-9 * a * a:.6g}" for a in n)
    path.write_text("n,seconds\n" + rows)
    return path


def test_times_in_a_file(command, times, tmp_path):
    shown = command("fit", times, "--at", "1e6", "--at", "10_000").output
    assert shown.startswith("O(n^2)\nabout 2e-09 n^2")
    assert "at n = 1,000,000: 33" in shown or "at n = 1,000,000: 2" in shown
    found = json.loads(command("fit", times, "--at", 1e6, "--json").output)
    assert found["classes"] == ["n^2"]
    assert found["predictions"][0]["mid"] == pytest.approx(2000, rel=0.05)
    assert found["broken"] == []
    bare = tmp_path / "bare.csv"
    bare.write_text(times.read_text().partition("\n")[2])
    assert command("fit", bare).output.startswith("O(n^2)")


def test_budgets_of_a_fit(command, times):
    command("fit", times, "--at", "1e6", "--within", "1h", "--at-most", "n^2")
    done = command("fit", times, "--at", "1e6", "--within", "10s", code=1)
    assert "over budget: up to" in done.output
    done = command("fit", times, "--at-most", "n log n", "--json", code=1)
    assert json.loads(done.stdout)["broken"] == ["O(n^2), not at most O(n log n)"]


def test_a_function(command):
    shown = command("fit", "builtins:sum", "--input", "builtins:range", "--budget", "300ms").output
    assert "O(" in shown


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["fit", "nowhere.csv"], "neither a file nor of the form module:function"),
        (["fit", "builtins:nothing"], "builtins has no nothing"),
        (["fit", "no_such_module:f"], "No module named 'no_such_module'"),
        (["fit", "sys:path"], "sys:path is no function"),
        (["fit", "json:loads"], "json:loads, given n, a whole number, raised TypeError: the JSON"),
        (["fit", "json:loads", "--input", "builtins:range"], "what builtins:range makes of n"),
        (["speedup", "--serial", "0.05", "--price", "-1"], "is not above 0"),
        (["speedup"], "give either a FILE"),
        (["fit", "builtins:sum", "--within", "1s"], "--within needs an --at"),
        (["fit", "builtins:sum", "--budget", "soon"], "is no number"),
        (["fit", "builtins:sum", "--at-most", "n!"], "is none of 1, log n"),
        (["roofline", "--bytes", "1"], "--bytes and --seconds go together"),
    ],
)
def test_bad_arguments(command, arguments, message):
    done = CliRunner().invoke(main, ["costs", *arguments])
    assert done.exit_code in (1, 2)
    assert message in done.output
    assert "Traceback" not in done.output


def test_bad_files(command, tmp_path):
    path = tmp_path / "x.csv"
    for content, message in (
        ("", "is empty"),
        ("a,b\n1,2\n", "has no column 'n'; its columns are ['a', 'b']"),
        ("n,seconds\n1,2\n3,\n", "has a row without two numbers"),
        ("n,seconds\n1,2\n3,4\n", "2 distinct sizes: a fit needs at least 4"),
        ("n,seconds\n1,2\n2,nan\n3,1\n4,1\n", "entry 1 is nan"),
    ):
        path.write_text(content)
        assert message in command("fit", path, code=1).output


def test_speed_up(command, tmp_path):
    shown = command("speedup", "--serial", "0.05", "--workers", 1024).output
    assert "never above 20 x" in shown
    assert " 1,024 workers: 19.64 x" in shown
    shown = command("speedup", "--serial", "0.05", "--price", "0.1").output
    assert "stop at 19 workers (the knee" in shown
    done = command("speedup", "--serial", "0.05", "--workers", 8, "--need", 6, code=1)
    assert "over budget: at most 5.93 x with 8 workers, below 6" in done.output
    path = tmp_path / "x.csv"
    path.write_text("n,x\n1,64.9\n18,995.9\n36,1652.4\n72,1853.2\n108,1828.9\n144,1775\n216,1702.2")
    found = json.loads(command("speedup", path, "--law", "usl", "--json").output)
    assert found["peak"]["workers"] == pytest.approx(96.5196, abs=1e-4)
    assert found["broken"] == []


def test_speed_up_by_few_points(command, tmp_path):
    """What they do not tell is null in JSON, which knows no NaN."""
    path = tmp_path / "x.csv"
    path.write_text("n,x\n1,100\n2,150\n")
    found = json.loads(
        command("speedup", path, "--json").stdout, parse_constant=lambda name: pytest.fail(name)
    )
    assert (found["residual"], found["aicc"]["amdahl"], found["stderr"][0]) == (None, None, None)
    path.write_text("n,x\n1,100\n2,50\n")
    assert "one worker is best" in command("speedup", path).output
    free = json.loads(command("speedup", "--serial", 0, "--json").stdout)
    assert free["ceiling"] is None


def test_roofline(command, stored, tmp_path):
    arguments = [
        "roofline",
        "--machine",
        stored,
        "--flops",
        2e9,
        "--bytes",
        24e9,
        "--name",
        "triad",
    ]
    shown = command(*arguments, "--seconds", "3s").output
    assert "vector f64: 50.0 Gop/s" in shown
    assert "triad: 0.667 Gop/s at 0.0833 op/B, bound by DRAM bandwidth; 80% of the roof" in shown
    done = command(*arguments, "--seconds", "3s", "--at-least", 0.9, code=1)
    assert "over budget: 80% of the roof, below 90%" in done.output
    assert "a count is wrong" in command(*arguments, "--seconds", "1s", code=1).output
    found = json.loads(command(*arguments, "--seconds", "3s", "--json").output)
    assert found["points"][0]["reached"] == pytest.approx(0.8)
    pytest.importorskip("matplotlib")
    command("roofline", "--machine", stored, "--plot", tmp_path / "roof.svg")
    assert (tmp_path / "roof.svg").read_text().startswith("<?xml")


def test_pipeline(command, tmp_path):
    pipeline = Pipeline()
    for n in (10, 20, 40, 80):
        with pipeline.stage("run", n=n), pipeline.stage("inner"):
            sum(range(100 * n))
    path, page = tmp_path / "trace.json", tmp_path / "page.html"
    pipeline.save(path)
    shown = command("pipeline", path, "--at", 1e4, "--what-if", "inner=4", "--html", page).output
    for piece in ("in 4 runs", "inner", "at n = 10,000", "inner=4: the whole would be"):
        assert piece in shown
    assert page.read_text().startswith("<!doctype html>")
    assert json.loads(command("pipeline", path, "--json").output)["runs"] == 4
    assert "takes" in command("pipeline", path, "--max-share", "inner=0.01", code=1).output
    assert "above 1 ns" in command("pipeline", path, "--within", "1ns", code=1).output
    assert "no stage 'x'" in command("pipeline", path, "--what-if", "x=2", code=1).output
    assert "not of the form" in command("pipeline", path, "--what-if", "x", code=1).output
    (tmp_path / "bad.json").write_text("{}")
    assert "neither a Chrome trace" in command("pipeline", tmp_path / "bad.json", code=1).output


def test_machine(command, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("costs.host.caches", lambda: {"L1": 32 << 10, "L2": 256 << 10})
    monkeypatch.setattr("costs.measuring.SLOT_S", 2e-4)
    assert "DRAM" in command("machine", "--budget", "10ms").output
    found = json.loads(command("machine", "--json").output)
    assert found["bandwidth"]["DRAM"]["triad"]["best"] > 0
    assert "below 1e+06" in command("machine", "--min-bandwidth", 1e6, code=1).output
