"""The near-duplicate job against the fixed baseline, interleaved: medians and ratios.

Ours reads the file, verifies every pair and writes the cleaned output; the baseline
(dedup_baseline.py) flags rows and stops there. As whole commands also those that write a cleaned
file: rensa with exact verification (dedup_rensa.py), and gaoya, which verifies nothing
(dedup_gaoya.py), where it is installed. Of those the processor's seconds are told, too.

    python benchmarks/peers/dedup.py FILE.jsonl[.gz] [--repeat 5] [--threads N]
"""

import argparse
import gzip
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from itertools import count
from pathlib import Path

from dedup_baseline import duplicate_flags

from ann.dedup.job import run
from ann.dedup.settings import Settings, available_threads

HERE = Path(__file__).parent


def medians(jobs: dict[str, Callable[[], object]], repeat: int) -> dict[str, float]:
    """Median seconds of each job, taken in turns so that a noisy machine is noisy for all."""
    seconds: dict[str, list[float]] = {name: [] for name in jobs}
    for _ in range(repeat):
        for name, job in jobs.items():
            start = time.perf_counter()
            job()
            seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in seconds.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--threads", type=int, default=available_threads())
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rows, out = Path(folder, "rows.jsonl"), Path(folder, "out")
        opened = gzip.open if options.file.suffix == ".gz" else open
        with opened(options.file, "rb") as packed, rows.open("wb") as plain:
            shutil.copyfileobj(packed, plain)
        settings = Settings(threads=options.threads)
        command = Path(sys.executable).with_name("tractable")
        ours = [command, "dedup", rows, "-o", out, "--force", f"--threads={options.threads}"]
        theirs = [sys.executable, HERE / "dedup_baseline.py", rows]

        def whole(arguments: list[object]) -> Callable[[], object]:
            words = [str(argument) for argument in arguments]
            return lambda: subprocess.run(words, check=True, stdout=subprocess.DEVNULL)

        print(f"{rows.stat().st_size / 1e6:.1f} MB, {options.threads} threads for ours")
        runs = count()  # each into a new folder, as the baseline has no former output to remove

        def once(settings: Settings) -> Callable[[], object]:
            return lambda: run([str(rows)], settings, output=Path(folder, f"run{next(runs)}"))

        jobs = {
            "ours": once(settings),
            "ours, lsh": once(replace(settings, engine="lsh")),
            "baseline": lambda: duplicate_flags(str(rows)),
        }
        for job in jobs.values():
            job()  # imports and the page cache
        median = medians(jobs, options.repeat)
        print("in one process", told(median))

        cleaned = Path(folder, "cleaned.jsonl")
        commands = {
            "ours": whole(ours),
            "ours, lsh": whole([*ours, "--engine", "lsh"]),
            "baseline": whole(theirs),
            "rensa": whole([sys.executable, HERE / "dedup_rensa.py", rows, cleaned]),
        }
        if find_spec("gaoya"):
            commands["gaoya"] = whole([sys.executable, HERE / "dedup_gaoya.py", rows, cleaned])
        for job in commands.values():
            job()
        spent = dict.fromkeys(commands, 0.0)

        def counted(name: str) -> Callable[[], object]:
            def job() -> None:
                before = resource.getrusage(resource.RUSAGE_CHILDREN)
                commands[name]()
                after = resource.getrusage(resource.RUSAGE_CHILDREN)
                spent[name] += after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime

            return job

        median = medians({name: counted(name) for name in commands}, options.repeat)
        print("whole commands", told(median))
        print("processor", told({name: total / options.repeat for name, total in spent.items()}))


def told(seconds: dict[str, float]) -> str:
    """Each with its ratio to ours."""
    return "; ".join(
        f"{name} {value:.3f} s ({value / seconds['ours']:.1f} x)" for name, value in seconds.items()
    )


if __name__ == "__main__":
    main()
