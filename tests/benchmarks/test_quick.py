"""The gate of `make bench-quick`, on a suite of its own."""

import json
import runpy
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

pytest.importorskip("asv_runner")

ROOT = Path(__file__).parents[2]
SUITE = """
from asv_runner.benchmarks.mark import SkipNotImplemented

class Thing:
    params, param_names = ([1, 2],), ("n",)
    version = "1"

    def setup(self, n):
        if n in SKIPPED:
            raise SkipNotImplemented("not here")

    def time_it(self, n):
        RAISED

    def track_nbytes(self, n):
        return NBYTES * n

    def track_moody(self, n):
        return NBYTES * n

    track_moody.gated = False
"""


@pytest.fixture
def quick(tmp_path):
    """Runs the suite, changed as told, with this folder's accepted values."""
    folder = tmp_path / "benchmarks"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "quick.py").write_text((ROOT / "benchmarks" / "quick.py").read_text())

    def run(*arguments, suite=SUITE, nbytes=100, skipped=(), raised="pass"):
        suite = suite.replace("NBYTES", str(nbytes)).replace("SKIPPED", repr(skipped))
        (folder / "suite.py").write_text(textwrap.dedent(suite.replace("RAISED", raised)))
        command = [sys.executable, "-B", "-m", "benchmarks.quick", *arguments]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    return run


def test_what_grows_fails_and_what_is_accepted_passes(quick, tmp_path):
    assert "track_nbytes(1): 100, new" in quick().stdout
    assert quick("--accept").returncode == 0
    accepted = json.loads((tmp_path / "benchmarks" / "accepted.json").read_text())
    assert accepted == {"suite.Thing.track_nbytes": {"1": 100, "2": 200}}
    assert quick(nbytes=102).returncode == 0  # 2 % are borne
    grown = quick(nbytes=103)
    assert grown.returncode == 1
    assert "FAILED: suite.Thing.track_nbytes(2): 206, 1.030 x the accepted 200" in grown.stderr
    assert "moody" not in grown.stderr
    shrunk = quick(nbytes=90)
    assert shrunk.returncode == 0
    assert "better than the accepted 100" in shrunk.stdout


def test_what_does_not_run_fails(quick):
    assert quick(skipped=(1,)).returncode == 0
    skipped = quick(skipped=(1, 2))
    assert skipped.returncode == 1
    assert "every combination was skipped" in skipped.stderr
    raised = quick(raised="raise MemoryError('no room')")
    assert raised.returncode == 1
    assert "suite.Thing.time_it(2)" in raised.stderr
    assert "no room" in raised.stderr
    broken = quick(suite="import no_such_module")
    assert broken.returncode == 1
    assert "no_such_module" in broken.stderr
    assert quick("nothing of that name").returncode == 1


def test_skipped_points_are_not_judged():
    judge = runpy.run_path(str(ROOT / "benchmarks" / "quick.py"))["judge"]
    assert judge({"a": {}}, {"a": {"1": 5.0}}) == ([], [])
    worse, news = judge({"a": {"1": 1.0}}, {"a": {"1": 1e-9}})
    assert len(worse) == 1
    assert not news


def test_the_suite_needs_nothing_that_an_environment_of_asv_lacks():
    """asv imports every module of the folder, where neither it nor the peers are installed."""
    code = """
import sys
for name in ("asv", "polars", "datasketches", "rensa", "hypothesis", "matplotlib"):
    sys.modules[name] = None
from benchmarks.quick import discover
print(len(discover()))
"""
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 50
