"""Near-duplicate jobs from a file of JSON Lines to a cleaned file, in one process each.

The documents are those of the asv suite: 500 of 2,000 are edited copies, of similarity 0.87 or
more. A job's error is the share of them that stay, and it is unfair where that differs by more than
2 %. Which other rows go is compared in docs/dedup-compared.md.
"""

import json
import tempfile
from functools import cache
from itertools import count
from pathlib import Path

from contest import Contest, Entry, Task

from benchmarks.dedup import COPIES, DOCUMENTS, copied


@cache
def folder():
    return tempfile.TemporaryDirectory()


@cache
def rows():
    path = Path(folder().name, "rows.jsonl")
    lines = (json.dumps({"id": i, "text": text}) + "\n" for i, text in enumerate(copied()))
    path.write_text("".join(lines))
    return str(path)


def missed(path):
    """The share of the planted copies that a cleaned file still has."""
    with open(path, encoding="utf-8") as lines:
        return sum(json.loads(line)["id"] >= DOCUMENTS for line in lines) / COPIES


def ours(threads, engine):
    from ann.dedup.job import run
    from ann.dedup.settings import Settings

    runs = count()

    def clean():
        target = Path(folder().name, f"{engine}{next(runs)}")  # nothing to remove before it
        run([rows()], Settings(threads=threads, engine=engine), output=target)
        return target

    return Task(clean, len(copied()), lambda: missed(next(clean().rglob("*.jsonl"))))


def theirs(module):
    clean = __import__(module).clean
    target = str(Path(folder().name, f"{module}.jsonl"))
    return Task(lambda: clean(rows(), target), len(copied()), lambda: missed(target))


def contests(threads):
    return [
        Contest(
            "dedup",
            "Near-duplicates of 2,000 documents of 300 words, file to file",
            None,
            "time_deduplicate",
            "copies that stay",
            (
                Entry("tractable, exact", "tractable", "", lambda: ours(threads, "exact")),
                Entry("tractable, lsh", "tractable", "", lambda: ours(threads, "lsh")),
                Entry(
                    "rensa and exact check", "rensa", "K=128, 16 x 8", lambda: theirs("dedup_rensa")
                ),
                Entry("gaoya", "gaoya", "16 x 8", lambda: theirs("dedup_gaoya")),
            ),
            difference=0.02,
        )
    ]
