"""The results that are kept: small, of nobody's machine in particular, and ready to be opened."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("asv")

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "benchmarks" / "reference" / "results"
FILES = sorted((RESULTS / "reference").glob("*-*.json"))


def test_they_are_small_and_name_no_host():
    assert len(FILES) >= 5
    assert sum(path.stat().st_size for path in FILES) < 500_000
    machine = json.loads((RESULTS / "reference" / "machine.json").read_text())
    assert machine["machine"] == "reference"
    for path in FILES:
        told = json.loads(path.read_text())
        assert told["params"]["machine"] == "reference"
        assert re.fullmatch(r"[\d.]+", told["python"])
        assert '"/' not in path.read_text()  # no path


def test_the_dashboard_opens_with_them(tmp_path, chromium):
    hashes = [json.loads(path.read_text())["commit_hash"] for path in FILES]
    command = ["git", "-C", str(ROOT), "cat-file", "-e"]
    for name in hashes:
        if subprocess.run([*command, name], capture_output=True, check=False).returncode:
            pytest.skip("the checkout does not have the commits that were measured")
    config = json.loads(re.sub(r"\s//.*", "", (ROOT / "asv.conf.json").read_text()))
    config |= {"repo": str(ROOT), "benchmark_dir": str(ROOT / "benchmarks")}
    config |= {"results_dir": str(tmp_path / "results"), "html_dir": str(tmp_path / "html")}
    (tmp_path / "asv.conf.json").write_text(json.dumps(config))
    made = [sys.executable, "-m", "benchmarks.dashboard", "--no-publish", "--config"]
    done = subprocess.run(
        [*made, str(tmp_path / "asv.conf.json")],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    dom, console = chromium(tmp_path / "html" / "dashboard.html")
    assert console == []
    assert len(re.findall(r"<section", dom)) >= 12
    assert dom.count('class="point now"') > 60
    assert dom.count('class="point peer"') > 5
    assert dom.count('class="point past"') > 100
    assert all(name[:8] in dom for name in hashes)
