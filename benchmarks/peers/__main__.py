"""All peers side by side in one run: speed at equal error and equal threads, with bytes.

    python benchmarks/peers [--only sketches|dedup|ann|costs] [--json] [--rounds 9] [--threads 1]
    python benchmarks/peers --show benchmarks/reference/peers.json

Each contest sets one task. Its entries take turns, every other round in reverse order, so that a
noisy machine is noisy for all; the table gives medians, the quartiles of the rounds, and how many
times as long as ours each took. On one thread the processor's seconds count, since others may share
the machine. The contests are in `*_contests.py`, the long forms with every setting in the scripts
beside them.

What would be unfair is refused: a library that was told of another number of threads ends the run,
one that keeps more cores busy than were agreed is not timed (and the exit status is 1), and where
an entry's error is not that of ours, no ratio is given. A peer that is not installed is listed as
such.
"""

import argparse
import importlib
import json
import os
import platform
import sys
from datetime import date
from pathlib import Path
from typing import Any

AREAS = ("sketches", "dedup", "ann", "costs")
POOLS = (  # what the libraries read, each once, when it is imported
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "POLARS_MAX_THREADS",
    "RAYON_NUM_THREADS",
)


def check_pools(threads: int) -> None:
    """Agree on the threads of every pool, before anything is imported."""
    for name in POOLS:
        told = os.environ.setdefault(name, str(threads))
        if told != str(threads):
            sys.exit(f"refused: {name}={told}, but {threads} a system was agreed; unset it")


def cpu() -> str:
    """The processor's name."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or platform.machine()


def rate(value: float) -> str:
    for unit, by in (("M/s", 1e6), ("k/s", 1e3)):
        if value >= by:
            return f"{value / by:.3g} {unit}"
    return f"{value:.3g} /s"


def times(ratio: float) -> str:
    return f"{ratio:.1f} x as fast" if ratio < 10 else f"{ratio:.0f} x as fast"


def markdown(told: dict[str, Any]) -> str:
    """Tables for the docs."""
    threads = f"{told['threads']} thread{'s' * (told['threads'] > 1)} each"
    lines = [f"{told['date']}, {told['cpu']}, Python {told['python']}, {threads}"]
    title = None
    for row in told["rows"]:
        if row["contest"] != title:
            title = row["contest"]
            lines += ["", f"**{title}**", ""]
            lines += [f"| | parameters | {row['error_is']} | bytes | speed (quartiles) | ours is |"]
            lines += ["|---|---|---|---|---|---|"]
        name = f"{row['name']} {row['version'] or ''}".strip()
        if "per_second" not in row:
            lines.append(f"| {name} | {row['parameters']} | | | {row['status']} | |")
            continue
        (speed,) = row["per_second"].values()
        low, high = row["quartiles"]
        size = "" if row["nbytes"] is None else f"{row['nbytes']:,}"
        ratio = times(row["ratio"]) if "ratio" in row else row["status"]
        lines.append(
            f"| {name} | {row['parameters']} | {row['error']:.3g} | {size} "
            f"| {rate(speed)} ({rate(low)} to {rate(high)}) | {ratio} |"
        )
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", choices=AREAS)
    parser.add_argument("--json", action="store_true", help="instead of Markdown tables")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=1, help="of every system [1]")
    parser.add_argument("--show", type=Path, metavar="JSON", help="the tables of a former run")
    options = parser.parse_args()
    if options.show:
        print(markdown(json.loads(options.show.read_text())))
        return 0
    if options.rounds < 3 or options.threads < 1:
        parser.error("at least 3 rounds, and 1 thread")
    check_pools(options.threads)
    sys.path.insert(1, str(Path(__file__).parents[2]))  # for the asv suite, whose data they share
    rows = []
    for area in AREAS:
        if options.only in (None, area):
            module = importlib.import_module(f"{area}_contests")
            for contest in module.contests(options.threads):
                print(contest.title, file=sys.stderr, flush=True)
                rows += contest.hold(options.rounds, options.threads)
    told = {
        "date": date.today().isoformat(),
        "cpu": cpu(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "threads": options.threads,
        "rounds": options.rounds,
        "rows": rows,
    }
    print(json.dumps(told, indent=1) if options.json else markdown(told))
    return int(any(row["status"].startswith("refused") for row in rows))


if __name__ == "__main__":
    sys.exit(main())
