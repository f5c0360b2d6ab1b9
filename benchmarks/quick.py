"""Every benchmark once, in this process: do they run, and are errors and bytes what they were?

    python -m benchmarks.quick [NAME ...]   those whose names contain a NAME
    python -m benchmarks.quick --accept     take today's errors and bytes for right

Times of single calls say little and are not judged. What `track_` methods return follows from the
seeds alone, so that it is compared with `accepted.json`: what is more than FACTOR above it fails,
as do an import that breaks, a benchmark that raises, and a class of which no point can run. A value
that is new is told, and accepted by whoever adds the benchmark.
"""

import argparse
import contextlib
import io
import json
import math
import sys
import time
import traceback
from itertools import groupby, product
from pathlib import Path

from asv_runner._aux import update_sys_path
from asv_runner.discovery import disc_benchmarks

FACTOR = 1.02
HERE = Path(__file__).parent
ACCEPTED = HERE / "accepted.json"
ONCE = type("Once", (), {"number": 1, "repeat": 1, "rounds": 1, "warmup_time": 0})


def discover(names=(), root=HERE):
    """The suite's benchmarks, those of a class together."""
    update_sys_path(str(root))
    found = disc_benchmarks(str(root))
    return [b for b in found if not names or any(name in b.name for name in names)]


def points(benchmark):
    """The names of its parameters' combinations."""
    return [", ".join(point) for point in product(*benchmark.params)]


def run(benchmark, index):
    """What asv would record of one combination; NaN where it is skipped."""
    benchmark._attr_sources.insert(0, ONCE)
    if benchmark._params:
        benchmark.set_param_idx(index)
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # asv tells of what is skipped
            if benchmark.do_setup():
                return math.nan
            value = benchmark.do_run()
        return value["samples"][0] if isinstance(value, dict) else value
    finally:
        benchmark.do_teardown()


def run_all(benchmarks):
    """The values of each, by combination, and what went wrong."""
    values, faults = {}, []
    for name, group in groupby(benchmarks, key=lambda b: b.name.rpartition(".")[0]):
        start, ran = time.perf_counter(), 0
        for benchmark in group:
            found = values[benchmark.name] = {}
            for index, point in enumerate(points(benchmark)):
                try:
                    found[point] = run(benchmark, index)
                except Exception:
                    faults.append(f"{benchmark.name}({point})\n{traceback.format_exc()}")
                    found[point] = None
                ran += found[point] is None or not math.isnan(found[point])
        if not ran:
            faults.append(f"{name}: every combination was skipped")
        print(f"{name:32}{ran:5} points {time.perf_counter() - start:6.2f} s", flush=True)
    return values, faults


def tracked(benchmarks, values):
    """What the gate judges: the finite values of track_ methods."""
    kept = [b.name for b in benchmarks if b.type == "track" and getattr(b, "gated", True)]
    return {
        name: {p: v for p, v in values[name].items() if v is not None and not math.isnan(v)}
        for name in kept
    }


def judge(found, accepted):
    """Two lists of sentences: what is worse than accepted, and what to accept."""
    worse, news = [], []
    for name, values in found.items():
        for point, value in values.items():
            before = accepted.get(name, {}).get(point)
            told = f"{name}({point}): {value:.6g}"
            if before is None:
                news.append(f"{told}, new")
            elif value > before * FACTOR:
                worse.append(f"{told}, {value / before:.3f} x the accepted {before:.6g}")
            elif value < before / FACTOR:
                news.append(f"{told}, better than the accepted {before:.6g}")
    return worse, news


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--accept", action="store_true", help="write accepted.json")
    options = parser.parse_args()
    start = time.perf_counter()
    benchmarks = discover(options.names)
    values, faults = run_all(benchmarks)
    found = tracked(benchmarks, values)
    accepted = json.loads(ACCEPTED.read_text()) if ACCEPTED.exists() else {}
    if options.accept:
        known = accepted if options.names else {}  # what is gone goes, if all were run
        ACCEPTED.write_text(json.dumps(known | found, indent=1, sort_keys=True) + "\n")
    worse, news = ([], []) if options.accept else judge(found, accepted)
    for line in news:
        print("to accept:", line)
    for line in faults + worse:
        print("FAILED:", line, file=sys.stderr)
    count = sum(map(len, values.values()))
    print(f"{count} points in {time.perf_counter() - start:.1f} s;", end=" ")
    print(f"{sum(map(len, found.values()))} errors and sizes, {len(worse)} worse")
    if news:
        print("`make bench-accept` takes today's values")
    return 1 if faults or worse or not count else 0


if __name__ == "__main__":
    sys.exit(main())
