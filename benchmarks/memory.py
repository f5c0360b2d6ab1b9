"""The memory, the disk and the time that the near-duplicate job takes, by the number of documents.

Documents of a dozen lines of real text (code and prose that came with this Python), about 600
bytes; one in ten is a copy of an earlier one, with a few words in front or one in the middle. The
peak is that of the whole process as the system counts it, pages of mapped files included.

    python -m benchmarks.memory FOLDER [--documents 100000 1000000] [--memory 2GB] [--bits 8]
"""

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

from .corpus import paragraphs

LINES = 12  # a document
COPIES = 0.1
EARLIER = 200_000  # documents that copies are made of, a sample of all so far


def write_corpus(path: Path, documents: int) -> None:
    """The corpus as JSON Lines."""
    dice = random.Random(documents)
    lines = {line.strip() for part in paragraphs() for line in part.split("\n")}
    pool = [json.dumps(line)[1:-1] for line in sorted(lines) if 4 <= len(line.split()) <= 20]
    earlier: list[list[str]] = []
    with path.open("w") as file:
        for number in range(documents):
            if earlier and dice.random() < COPIES:
                parts = list(dice.choice(earlier))
                if number % 2:
                    parts.insert(0, "A copy, they say:")
                else:
                    parts[LINES // 2] += " edited"
            else:
                parts = dice.choices(pool, k=LINES)
                if len(earlier) < EARLIER:
                    earlier.append(parts)
                elif dice.random() < EARLIER / number:
                    earlier[dice.randrange(EARLIER)] = parts
            file.write('{"text": "' + " \\n".join(parts) + '"}\n')


def run(words: list[str]) -> tuple[float, int]:
    """Seconds, and the peak of memory in bytes."""
    start = time.perf_counter()
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"failed: {' '.join(words)}")
    unit = 1 if sys.platform == "darwin" else 1024
    return time.perf_counter() - start, usage.ru_maxrss * unit


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--documents", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--memory")
    parser.add_argument("--bits", default="32")
    options = parser.parse_args()
    for documents in options.documents:
        rows, work, out = (options.folder / name for name in ("rows.jsonl", "work", "out"))
        options.folder.mkdir(parents=True, exist_ok=True)
        write_corpus(rows, documents)
        command = str(Path(sys.executable).with_name("tractable"))
        words = [command, "dedup", str(rows), "-o", str(out), "--force", "--bits", options.bits]
        if options.memory:
            words += ["--memory", options.memory, "--work", str(work), "--restart"]
        seconds, peak = run(words)
        told = json.loads((out / "summary.json").read_text())
        stage = ", ".join(f"{name} {value:.1f}" for name, value in told["seconds"].items())
        size = rows.stat().st_size
        print(
            f"{documents:,} documents, {size / 1e9:.2f} GB: peak {peak / 1e9:.2f} GB,"
            f" {seconds:.1f} s, {size / seconds / 1e6:.0f} MB/s ({stage});"
            f" {told['removed']:,} removed, {told['candidates']:,} candidates"
        )
        if work.exists():
            shingles = (work / "sketch" / "shingles.bin").stat().st_size
            files = sum(path.stat().st_size for path in work.rglob("*") if path.is_file())
            each = (files - shingles) / documents
            print(
                f"  disk: {each:.0f} bytes a document, and {shingles / documents:.0f} of shingles"
            )
            shutil.rmtree(work)
        rows.unlink()
        shutil.rmtree(out)


if __name__ == "__main__":
    main()
