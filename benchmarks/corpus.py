"""A corpus of real text in any size: JSON Lines with planted copies, made from Python's own files.

Paragraphs of the standard library and of site-packages (code, comments, prose: up to 150 MB) are
drawn at random and strung together, so that documents share passages as those of the web do and
yet differ. A share of the documents are copies of an earlier one, edited in one of five ways: words
replaced, words deleted, a sentence put in front, two paragraphs swapped, or nothing but spacing.
A row says what it is: ``{"id", "text", "copy_of", "edit"}``.

    python benchmarks/corpus.py OUT.jsonl [--megabytes 1000 | --documents N] [--copies 0.2]

The same seed (``--seed``) and the same installed files give the same corpus.
"""

import argparse
import json
import random
import re
import sys
import sysconfig
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

KINDS = {".py", ".pyi", ".pyx", ".txt", ".rst", ".md", ".c", ".h", ".hpp", ".cpp", ".js", ".css"}
POOL = 150_000_000  # bytes of paragraphs held: enough for 1 GB in which each recurs a few times
PARAGRAPH = 40, 4000  # bytes, least and most: shorter is a bracket, longer is a table of data
RECENT = 20_000  # documents of which copies are made
WORD = re.compile(r"\w+")


def paragraphs() -> list[str]:
    """What lies between blank lines in the files of this Python, each once."""
    found: dict[str, None] = {}
    size = 0
    folders = dict.fromkeys(sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib"))
    paths = [
        path
        for folder in folders
        for path in sorted(Path(folder).rglob("*"))
        if path.suffix in KINDS and path.is_file()
    ]
    for path in paths:
        if size >= POOL:
            break
        for part in path.read_text("utf-8", "replace").split("\n\n"):
            part = part.strip("\n")
            if PARAGRAPH[0] <= len(part) <= PARAGRAPH[1] and part not in found:
                found[part] = None
                size += len(part)
    return list(found)


def edited(text: str, random: random.Random, pool: list[str]) -> tuple[str, str]:
    """A near-copy of a text, and how it was made."""
    edit = random.choice(["replace", "delete", "front", "swap", "spacing"])
    share = random.choice([0.002, 0.005, 0.01, 0.02, 0.04])
    if edit in ("replace", "delete"):

        def one(word: re.Match[str]) -> str:
            if random.random() >= share:
                return word[0]
            return "" if edit == "delete" else random.choice(("changed", "other", "x", "Zeile"))

        return WORD.sub(one, text), f"{edit} {share}"
    if edit == "front":
        return " ".join(random.choice(pool).split()[:12]) + "\n" + text, edit
    parts = text.split("\n\n")
    if edit == "swap" and len(parts) > 1:
        i, j = random.sample(range(len(parts)), 2)
        parts[i], parts[j] = parts[j], parts[i]
        return "\n\n".join(parts), edit
    return text.replace("\n\n", "\n \n"), "spacing"


def rows(pool: list[str], copies: float, seed: int) -> Iterator[str]:
    """Lines of the corpus, without end."""
    dice = random.Random(seed)
    recent: list[tuple[int, str]] = []
    number = 0
    while True:
        row: dict[str, object] = {"id": number}
        if recent and dice.random() < copies:
            of, text = dice.choice(recent)
            text, edit = edited(text, dice, pool)
            row |= {"text": text, "copy_of": of, "edit": edit}
        else:
            count = max(1, int(dice.lognormvariate(1.6, 0.8)))  # 5 in the middle, 40 at times
            text = "\n\n".join(dice.choices(pool, k=count))
            row |= {"text": text, "copy_of": None, "edit": None}
            if len(recent) < RECENT:
                recent.append((number, text))
            else:
                recent[dice.randrange(RECENT)] = number, text
        yield json.dumps(row, ensure_ascii=False) + "\n"
        number += 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--megabytes", type=float, default=1000)
    parser.add_argument("--documents", type=int, help="instead of --megabytes")
    parser.add_argument("--copies", type=float, default=0.2, help="share of documents [0.2]")
    parser.add_argument("--seed", type=int, default=9001)
    options = parser.parse_args()
    pool = paragraphs()
    size = documents = 0
    with options.out.open("wb") as out:
        for line in islice(rows(pool, options.copies, options.seed), options.documents):
            data = line.encode("utf-8", "replace")
            out.write(data)
            size, documents = size + len(data), documents + 1
            if options.documents is None and size >= options.megabytes * 1e6:
                break
    print(
        f"{documents:,} documents, {size / 1e6:,.0f} MB, from {len(pool):,} paragraphs"
        f" of {sum(map(len, pool)) / 1e6:,.0f} MB",
        file=sys.stderr,
    )


if __name__ == "__main__":
    main()
