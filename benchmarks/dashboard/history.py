"""What asv has recorded of the project's commits, and where it became worse.

Worse is what FACTORS say, against the best since the last step: times by 1.3, errors and bytes,
which follow from the seeds, by 1.02; of times the 99 % intervals must be apart too, where both were
sampled more than once. A step is named once, at the commit where it is first seen.
"""

import math
import subprocess
from pathlib import Path

from asv.config import Config

from ..quick import FACTOR, points

FACTORS = {"time": 1.3, "track": FACTOR}


def load_config(path):
    """asv's configuration, its paths absolute."""
    config = Config.load(str(path))
    for name in ("repo", "results_dir", "html_dir", "benchmark_dir"):
        setattr(config, name, str(Path(path).resolve().parent / getattr(config, name)))
    return config


def git(folder, *words):
    done = subprocess.run(["git", "-C", folder, *words], capture_output=True, text=True, check=True)
    return done.stdout


def commits(repository, hashes):
    """Those of the hashes that are in the repository, oldest first, with date and subject."""
    lines = git(repository, "log", "--all", "--topo-order", "--reverse", "--format=%H %ct %s")
    told = (line.split(" ", 2) for line in lines.splitlines())
    return [
        {"hash": name, "date": int(date), "subject": subject}
        for name, date, subject in told
        if name in hashes
    ]


def series(benchmarks, results):
    """{machine: {benchmark: {commit: {point: (value, its 99 % interval or None)}}}}"""
    suite = {benchmark.name: benchmark for benchmark in benchmarks}
    found = {}
    for result in results:
        machine = found.setdefault(result.params["machine"], {})
        for name in result.get_all_result_keys():
            if name not in suite or result.benchmark_version[name] != suite[name].version:
                continue
            params = result.get_result_params(name)
            values = result.get_result_value(name, params)
            stats = result.get_result_stats(name, params)
            known = points(suite[name])
            here = machine.setdefault(name, {}).setdefault(result.commit_hash, {})
            for point, value, stat in zip(names(params), values, stats, strict=True):
                if point in known:
                    here[point] = value, interval(stat)
    return found


def names(params):
    """As `points` has them, of the parameters that a result was stored with."""
    found = [""]
    for number, values in enumerate(params):
        found = [f"{a}, {b}" if number else b for a in found for b in values]
    return found


def interval(stat):
    """Of a value that was sampled more than once."""
    if not stat or stat.get("repeat", 1) < 2:
        return None
    return stat["ci_99_a"], stat["ci_99_b"]


def failed(value):
    return value is None


def skipped(value):
    return value is not None and math.isnan(value)


def steps(values, factor):
    """Where a series of (commit, (value, interval)) becomes worse: (from, to, before, after, now).

    `now` is what the last commit has, so that a reader sees what was mended since; None is failure.
    """
    found, best, at = [], None, None
    values = [(commit, entry) for commit, entry in values if not skipped(entry[0])]
    for commit, (value, span) in values:
        if best is None or failed(best[0]):
            if not failed(value):
                best, at = (value, span), commit
            continue
        apart = span is None or best[1] is None or span[0] > best[1][1]
        if failed(value) or (value > factor * best[0] and apart):
            found.append((at, commit, best[0], value, values[-1][1][0]))
            best = value, span
        elif value < best[0]:
            best = value, span
        at = commit
    return found


def regressions(benchmarks, figures, order):
    """The steps of all series, the latest first."""
    found = []
    for machine, by_name in figures.items():
        for benchmark in benchmarks:
            if not getattr(benchmark, "gated", True):
                continue
            by_commit = by_name.get(benchmark.name, {})
            for point in points(benchmark):
                values = [
                    (commit, by_commit[commit][point])
                    for commit in order
                    if point in by_commit.get(commit, {})
                ]
                factor = FACTORS["time" if benchmark.type == "time" else "track"]
                for step in steps(values, factor):
                    told = dict(zip(("from", "to", "before", "after", "now"), step, strict=True))
                    found.append(
                        told
                        | {"machine": machine, "benchmark": benchmark.name, "point": point}
                        | {"unit": benchmark.unit}
                    )
    place = {commit: number for number, commit in enumerate(order)}
    return sorted(found, key=lambda row: (-place[row["to"]], row["benchmark"]))
