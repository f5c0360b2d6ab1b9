"""The dashboard of a throw-away repository of three commits, the last two of them worse on purpose.

Its suite is one Sketch in plain Python, so that nothing is compiled; asv measures each commit.
"""

import base64
import json
import os
import re
import runpy
import subprocess
import sys
from html import escape
from pathlib import Path

import pytest

pytest.importorskip("asv")

ROOT = Path(__file__).parents[2]
HISTORY = {  # what a commit says: bytes a slot, the error's factor, seconds wasted
    "Count <b>in slots</b>": (8, 1.0, 0.0),
    "Take more room": (16, 1.0, 0.0),
    "Wait, and be wrong": (16, 1.5, 0.05),
}
SUITE = """
import time
from benchmarks.common import Sketch
from things import NBYTES, ERROR, PAUSE

class Slots:
    def __init__(self, n):
        self.n, self.nbytes = n, NBYTES * n

    def copy(self):
        return self

    def merge(self, other):
        end = time.process_time() + PAUSE * (self.n == 64)
        while time.process_time() < end:
            pass

class Counter(Sketch):
    '''Slots, <i>made up</i> & "quoted".'''

    params, param_names = ([16, 64, 256], ["a", "b</script>"]), ("n", "kind")

    def build(self, n, kind):
        return Slots(n)

    def fill(self, slots):
        sum(range(slots.n * 10))

    def ask(self, slots):
        sum(range(slots.n))

    def serialise(self, slots):
        pass

    def error(self, n, kind):
        return 0.0 if n == 256 else ERROR / n
"""
CONFIG = {
    "version": 1, "project": "throw-away", "repo": ".", "branches": ["main"],
    "benchmark_dir": "suite", "results_dir": "results", "html_dir": "html", "env_dir": "env",
    "environment_type": "existing", "launch_method": "forkserver",
}  # fmt: skip
MACHINE = {"machine": "planted", "os": "", "arch": "", "cpu": "none", "num_cpu": "1", "ram": ""}


def build(folder):
    """The folder that `make dashboard` fills, and the hashes of the commits."""
    plain = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
    here = f"{ROOT}:{folder}"
    plain |= {"HOME": str(folder), "PYTHONPATH": here, "ASV_PYTHONPATH": here}
    plain["PYTHONDONTWRITEBYTECODE"] = "1"

    def call(*words, cwd=folder):
        words = list(map(str, words))
        done = subprocess.run(
            words, cwd=cwd, env=plain, check=False, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.strip()

    def git(*words):
        return call("git", "-c", "user.name=N", "-c", "user.email=n@example.org", *words)

    (folder / ".asv-machine.json").write_text(json.dumps({"planted": MACHINE, "version": 1}))
    (folder / "asv.conf.json").write_text(json.dumps(CONFIG))
    (folder / "suite").mkdir()
    (folder / "suite" / "__init__.py").touch()
    (folder / "suite" / "counters.py").write_text(SUITE)
    git("init", "-q", "-b", "main")
    hashes = []
    for subject, (nbytes, error, pause) in HISTORY.items():
        made = f"NBYTES, ERROR, PAUSE = {nbytes}, {error}, {pause}\n"
        (folder / "things.py").write_text(made)
        git("add", "things.py", "suite")
        git("commit", "-q", "-m", subject)
        hashes.append(git("rev-parse", "HEAD"))
        asv = sys.executable, "-m", "asv", "run", "--python=same", "--quick", "--machine=planted"
        call(*asv, "--set-commit-hash", hashes[-1])
    call(
        sys.executable, "-m", "benchmarks.dashboard", "--config", folder / "asv.conf.json", cwd=ROOT
    )
    return folder / "html", hashes


def check_regressions(folder, hashes):
    """What was planted is named, and nothing else of what is exact."""
    text = (folder / "dashboard.html").read_text()
    figures = json.loads(re.search(r'id="figures">(.*?)</script>', text)[1])
    assert [commit["hash"] for commit in figures["commits"]] == hashes
    found = {
        (row["benchmark"].rpartition(".")[2], row["point"], row["to"]): row
        for row in figures["regressions"]
    }
    exact = {key for key in found if key[0].startswith("track")}
    kinds = ("'a'", "'b</script>'")
    assert exact == {
        ("track_nbytes", f"{n}, {kind}", hashes[1]) for n in (16, 64, 256) for kind in kinds
    } | {("track_relative_rmse", f"{n}, {kind}", hashes[2]) for n in (16, 64) for kind in kinds}
    for kind in kinds:
        slow = found["time_merge", f"64, {kind}", hashes[2]]
        assert slow["after"] > 0.05 > slow["before"]
        assert slow["from"] == hashes[1]
    assert (folder / "index.html").exists()  # asv's own pages are beside it


def check_comparison(folder, hashes):
    """`make bench-compare`, once both commits are measured."""

    def compare(base, head):
        command = [sys.executable, "-m", "benchmarks.dashboard.compare", base, head, "--no-run"]
        command += ["--config", str(folder.parent / "asv.conf.json")]
        done = subprocess.run(
            command, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(folder.parent)},
            check=False, capture_output=True, text=True,
        )  # fmt: skip
        return done.returncode, done.stdout + done.stderr

    status, told = compare(hashes[0], hashes[1])
    assert status == 1
    assert "worse: counters.Counter.track_nbytes(16, 'a') 2.00 x: 128 bytes -> 256 bytes" in told
    assert "track_relative_rmse" not in told
    assert compare(hashes[1], hashes[1])[0] == 0
    status, told = compare("nonsense", hashes[0])
    assert status == 1
    assert "BASE and HEAD must name commits" in told


FRAME = """<!doctype html><meta charset=utf-8><pre id=out>nothing</pre>
<iframe style="border:0;width:WIDTHpx;height:900px" srcdoc="PAGE"></iframe><script>
function light(color) {
  const [r, g, b] = color.match(/[0-9.]+/g).map(v => v / 255)
    .map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
  return 0.2126 * r + 0.7152 * g + 0.0722 * b
}
document.querySelector("iframe").onload = event => {
  const page = event.target.contentDocument, root = page.documentElement, width = root.clientWidth
  const all = query => [...page.querySelectorAll(query)]
  const choose = (id, value) => {
    page.getElementById(id).value = value
    page.getElementById(id).dispatchEvent(new Event("change"))
  }
  const count = () => ["now", "past", "peer"].map(kind => all(`.plots .${kind}`).length)
  const told = {width, scroll: root.scrollWidth, all: count(), svgs: all(".plots svg").length}
  told.about = page.querySelector("section p").textContent
  told.wide = all("main *").filter(e => e.getBoundingClientRect().right > width + 0.5
    && !e.closest(".scroll")).map(e => e.tagName)
  told.letters = Math.min(...all("svg text").map(e => parseFloat(getComputedStyle(e).fontSize)
    * e.closest("svg").getBoundingClientRect().width / e.closest("svg").viewBox.baseVal.width))
  const back = light(getComputedStyle(page.body).backgroundColor)
  told.dark = back < 0.1
  told.contrast = Math.min(...all("main p, main td, main th, main code, h1").map(e => {
    const x = light(getComputedStyle(e).color)
    return (Math.max(x, back) + 0.05) / (Math.min(x, back) + 0.05)
  }))
  const points = all(".plots .now")
  points[0].dispatchEvent(new PointerEvent("pointerenter"))
  told.tip = page.getElementById("tip").textContent
  const box = page.getElementById("tip").getBoundingClientRect()
  told.tipInside = box.left >= 0 && box.right <= width && box.height > 10
  points[0].dispatchEvent(new PointerEvent("pointerleave"))
  told.noTip = page.getElementById("tip").textContent
  told.places = points.map(e => [+e.getAttribute("cx"), +e.getAttribute("cy")])
  const speed = page.querySelector("figcaption select")
  told.operations = [...speed.options].map(o => o.value)
  speed.value = "time_merge"
  speed.dispatchEvent(new Event("change"))
  told.merge = all(".plots .now").at(-1).getAttribute("aria-label")
  choose("before", 0)
  told.alone = count()
  choose("commit", page.getElementById("commit").options[2].value)
  choose("before", 1000)
  told.first = count()
  told.rows = all("#regressions tr").slice(1).map(e => e.innerText)
  out.textContent = btoa(unescape(encodeURIComponent(JSON.stringify(told))))
}
</script>"""


def check_page(folder, hashes, width, scheme, chromium):
    """What a browser of that width and colour scheme makes of it."""
    text = (folder / "dashboard.html").read_text()
    (folder / "frame.html").write_text(
        FRAME.replace("WIDTH", str(width)).replace("PAGE", escape(text))
    )
    dom, console = chromium(folder / "frame.html", scheme)
    assert console == []
    told = re.search(r'<pre id="out">([\w+/=]+)</pre>', dom)
    assert told, dom[-500:]
    seen = json.loads(base64.b64decode(told[1]))
    assert seen["width"] == seen["scroll"] == width
    assert seen["wide"] == []
    assert seen["dark"] == (scheme == "dark")
    assert seen["contrast"] >= 4.5  # WCAG 2.2 AA
    assert seen["letters"] >= 10
    assert seen["svgs"] == 2
    assert seen["all"] == [12, 24, 0]  # 6 combinations in 2 plots; two commits before
    assert seen["about"] == 'Slots, <i>made up</i> & "quoted".'
    assert len({tuple(place) for place in seen["places"]}) >= 6
    assert all(0 < x < 420 and 0 < y < 280 for x, y in seen["places"])
    assert seen["tip"].startswith(f"{hashes[2][:8]}  ")
    assert "n 16, kind 'a'\nrelative error 0.0938\n256 bytes" in seen["tip"]
    assert seen["tipInside"]
    assert seen["noTip"] == ""
    assert seen["operations"][0] == "time_update"
    assert set(seen["operations"]) == {
        f"time_{n}" for n in ("update", "estimate", "merge", "serialise")
    }
    assert "a second" in seen["merge"]
    assert seen["alone"] == [12, 0, 0]
    assert seen["first"] == [12, 0, 0]
    merges = [row for row in seen["rows"] if "time_merge (64, 'a')" in row]
    slow = [row for row in merges if hashes[2][:8] in row]  # others by noise, in single calls
    assert len(slow) == 1
    assert "Wait, and be wrong" in slow[0]
    assert any(
        "track_nbytes" in row and "2.00 x" in row and "Take more room" in row
        for row in seen["rows"]
    )


def test_a_regression_that_was_planted(tmp_path, request):
    """One test, as the measuring takes seconds."""
    folder, hashes = build(tmp_path)
    check_regressions(folder, hashes)
    check_comparison(folder, hashes)
    chromium = request.getfixturevalue("chromium")  # or what follows is skipped
    check_page(folder, hashes, 390, "dark", chromium)
    check_page(folder, hashes, 1280, "light", chromium)
    text = (folder / "dashboard.html").read_text()
    (folder / "broken.html").write_text(
        text.replace("machineChanged()\n</script>", "no()</script>")
    )
    _, console = chromium(folder / "broken.html")
    assert any("no is not defined" in line for line in console)  # so the others had no error


@pytest.fixture(scope="module")
def steps():
    sys.path.insert(0, str(ROOT))
    try:
        return runpy.run_module("benchmarks.dashboard.history")["steps"]
    finally:
        sys.path.remove(str(ROOT))


def series(*values):
    return [
        (str(i), value if isinstance(value, tuple) else (value, None))
        for i, value in enumerate(values)
    ]


def test_a_step_is_named_once_and_a_drift_when_it_has_become_one(steps):
    assert steps(series(1, 1.1, 0.9, 1.0), 1.3) == []
    assert steps(series(1, 2, 2, 2), 1.3) == [("0", "1", 1, 2, 2)]
    assert steps(series(1, 2, 1, 2), 1.3) == [("0", "1", 1, 2, 2), ("2", "3", 1, 2, 2)]
    assert steps(series(1, 1.2, 1.4, 1.45), 1.3) == [("1", "2", 1, 1.4, 1.45)]
    assert steps(series(1, None, None, 1), 1.3) == [("0", "1", 1, None, 1)]
    assert steps(series(float("nan"), 1, float("nan"), 2), 1.3) == [("1", "3", 1, 2, 2)]
    assert steps(series(None, 1), 1.3) == []


def test_times_whose_intervals_overlap_are_the_same(steps):
    assert steps(series((1, (0.5, 1.6)), (1.5, (1.4, 2.0))), 1.3) == []
    assert len(steps(series((1, (0.9, 1.1)), (1.5, (1.4, 2.0))), 1.3)) == 1
