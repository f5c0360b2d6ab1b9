"""Measure two commits in turn, and say what became worse from the one to the other.

    python -m benchmarks.dashboard.compare BASE HEAD [--bench REGEX] [--no-run]

asv builds each in an environment of its own and runs the suite on both, round by round in turns, so
that a noisy machine is noisy for both. The exit status is 1 where something is worse by what
`history` calls worse, and 2 where there is nothing to compare.
"""

import argparse
import subprocess
import sys
from pathlib import Path

from asv.results import iter_results

from ..quick import discover
from .history import git, load_config, regressions, series


def measure(config, hashes, bench):
    command = [sys.executable, "-m", "asv", "--config", str(config), "run", "HASHFILE:-"]
    command += ["--interleave-rounds", "--show-stderr", *(f"--bench={name}" for name in bench)]
    # HEAD first: asv imports the suite there to list it, which need not go with an older library;
    # its status tells of benchmarks that fail, as those do that the older commit lacks
    subprocess.run(command, input="\n".join(reversed(hashes)), text=True, check=False)


def amount(value, unit):
    return "failed" if value is None else f"{value:.4g} {unit}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("base")
    parser.add_argument("head")
    parser.add_argument("--bench", action="append", default=[], metavar="REGEX")
    parser.add_argument("--config", type=Path, default=Path("asv.conf.json"))
    parser.add_argument("--no-run", action="store_true", help="compare what was measured before")
    options = parser.parse_args()
    config = load_config(options.config)
    try:
        hashes = [
            git(config.repo, "rev-parse", "--verify", f"{name}^{{commit}}").strip()
            for name in (options.base, options.head)
        ]
    except subprocess.CalledProcessError as error:
        sys.exit(f"{error.stderr.strip()}: BASE and HEAD must name commits")
    if not options.no_run:
        measure(options.config, hashes, options.bench)
    benchmarks = discover(root=config.benchmark_dir)
    figures = series(benchmarks, iter_results(config.results_dir))
    compared = sum(
        len(by_commit[hashes[0]].keys() & by_commit[hashes[1]].keys())
        for by_name in figures.values()
        for by_commit in by_name.values()
        if by_commit.keys() >= set(hashes)
    )
    if not compared:
        print("nothing was measured for both commits", file=sys.stderr)
        return 2
    worse = regressions(benchmarks, figures, hashes)
    for row in worse:
        ratio = "" if row["after"] is None else f"{row['after'] / row['before']:.2f} x: "
        print(
            f"worse: {row['benchmark']}({row['point']}) {ratio}"
            f"{amount(row['before'], row['unit'])} -> {amount(row['after'], row['unit'])}"
        )
    print(f"{compared} points compared, {len(worse)} worse")
    return 1 if worse else 0


if __name__ == "__main__":
    sys.exit(main())
