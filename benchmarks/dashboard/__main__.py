"""The dashboard: what each structure's error costs in bytes and time, commit by commit.

    python -m benchmarks.dashboard [--config asv.conf.json] [--no-publish]

`asv publish` makes its pages from the results in `.asv/results`, among which those of
`reference/results` are laid first; then one of ours joins them: dashboard.html, a single file that
fetches nothing. It plots the curve of each class that tracks an error, for a commit and those
before it, with the peers of `reference/peers.json` beside; and lists what has become worse.

What is worse, `history` says.
"""

import argparse
import io
import json
import math
import shutil
import subprocess
import sys
from pathlib import Path

from asv.benchmarks import Benchmarks
from asv.results import iter_results
from asv_runner.discovery import list_benchmarks

from ..quick import discover, points
from .history import commits, load_config, regressions, series

ERRORS = ("track_relative_rmse", "track_recall_loss", "track_band_miss")  # the first there is
FIRST = ("time_search", "time_query", "time_update")  # whose speed is shown at first
HERE = Path(__file__).parent


def structures(benchmarks):
    """The classes that track an error: what they are, and which of their methods is what."""
    classes = {}
    for benchmark in benchmarks:
        if "." in benchmark.name:
            classes.setdefault(benchmark.name.rpartition(".")[0], []).append(benchmark)
    found = []
    for name, methods in classes.items():
        kinds = {benchmark.name.rpartition(".")[2]: benchmark for benchmark in methods}
        error = next((method for method in ERRORS if method in kinds), None)
        if error is None:
            continue
        owner = methods[0].func.__self__
        count, asked = getattr(owner, "count", 1), getattr(owner, "asked", 1)
        found.append(
            {
                "name": name,
                "about": " ".join((type(owner).__doc__ or "").split()),
                "parameters": methods[0].param_names,
                "points": points(methods[0]),
                "error": error,
                "times": {  # and how many items, or questions, one call is about
                    method: asked
                    if method in ("time_estimate", "time_search", "time_query")
                    else 1
                    if method in ("time_merge", "time_serialise")
                    else count
                    for method in sorted(
                        kinds, key=lambda name: FIRST.index(name) if name in FIRST else 3
                    )
                    if method.startswith("time_")
                },
            }
        )
    return found


def gather(config, benchmarks, peers=None):
    """All that the page shows."""
    results = list(iter_results(config.results_dir))
    figures = series(benchmarks, results)
    hashes = {result.commit_hash for result in results}
    known = commits(config.repo, hashes)
    order = [commit["hash"] for commit in known]
    shown = structures(benchmarks)
    values = {}
    for machine, by_name in figures.items():
        for structure in shown:
            for method in (structure["error"], "track_nbytes", *structure["times"]):
                by_commit = by_name.get(f"{structure['name']}.{method}", {})
                for commit, by_point in by_commit.items():
                    if commit in order:
                        place = values.setdefault(machine, {}).setdefault(commit, {})
                        place.setdefault(structure["name"], {})[method] = [
                            finite(by_point.get(point, (None,))[0]) for point in structure["points"]
                        ]
    machines = {
        result.params["machine"]: {
            name: result.params.get(name, "") for name in ("cpu", "num_cpu", "ram", "os", "arch")
        }
        for result in results
    }
    return {
        "project": config.project,
        "commits": known,
        "machines": machines,
        "structures": shown,
        "values": values,
        "regressions": regressions(benchmarks, figures, order),
        "peers": peers,
    }


def finite(value):
    """Seven digits of it; None where it failed or was skipped."""
    return None if value is None or not math.isfinite(value) else float(f"{value:.7g}")


def page(figures):
    """The page, its figures inside it."""
    data = json.dumps(figures, ensure_ascii=True, separators=(",", ":"))
    text = (HERE / "page.html").read_text("utf-8")
    return text.replace("$figures", data.replace("<", "\\u003c"))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", type=Path, default=Path("asv.conf.json"))
    parser.add_argument("--no-publish", action="store_true", help="our page only")
    options = parser.parse_args()
    config = load_config(options.config)
    suite, results = Path(config.benchmark_dir), Path(config.results_dir)
    reference = suite / "reference"
    lay(reference / "results", results)
    described = io.StringIO()
    list_benchmarks(str(suite), described)  # as they are now, whatever the last run knew
    Benchmarks(config, json.loads(described.getvalue())).save()
    if not options.no_publish:
        asv = [sys.executable, "-m", "asv", "--config", str(options.config), "publish"]
        subprocess.run(asv, check=True)
    peers = reference / "peers.json"
    told = json.loads(peers.read_text()) if peers.exists() else None
    target = Path(config.html_dir) / "dashboard.html"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(page(gather(config, discover(root=suite), told)), "utf-8")
    print(f"file://{target.resolve()}")


def lay(reference, results):
    """The reference's files among the results, but never over one that is there."""
    for source in reference.rglob("*.json"):
        target = results / source.relative_to(reference)
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)


if __name__ == "__main__":
    main()
