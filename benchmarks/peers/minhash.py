"""Text to signatures, and token lists to signatures: ours against rensa and datasketch.

    python benchmarks/peers/minhash.py [--rounds N] [FILE.jsonl[.gz] ...]

One thread, K = 128, word-5-grams of case-folded text. The corpora: the texts of the files named,
the standard library's own sources, and made-up text in Cyrillic and in Chinese characters.
Everything lies in memory before the clock starts, which counts processor time, since others may
share the machine. Rounds are interleaved in both orders, medians compared; datasketch, far slower,
gets every 40th document and three rounds. Token lists are made anew for every run of each tool: a
user sketches them once, and CPython keeps UTF-8 that a tool asked for inside a str of other than
ASCII, so that a second run would find it there.
"""

import argparse
import gzip
import json
import os
import random
import re
import sysconfig
import time
from functools import partial
from pathlib import Path

os.environ["RAYON_NUM_THREADS"] = "1"  # rensa would take every core; before it is imported

import datasketch
import pyarrow as pa
import rensa
from race import race

from ann import TextSketcher
from sketches import _cpu, minhash_matrix

K, N = 128, 5
WORD = re.compile(r"\w+")


def shingles(text):
    words = WORD.findall(text.lower())
    return [" ".join(words[i : i + N]) for i in range(max(1, len(words) - N + 1))]


def corpora(files):
    for name in files:
        read = gzip.open if name.endswith(".gz") else open
        with read(name, "rt", encoding="utf-8") as lines:
            yield Path(name).name, [json.loads(line)["text"] for line in lines]
    root = Path(sysconfig.get_path("stdlib"))
    paths = [p for p in sorted(root.rglob("*.py")) if "site-packages" not in p.parts]
    yield "standard library", [p.read_text("utf-8", "replace") for p in paths]
    rng = random.Random(9001)
    cyrillic = [chr(c) for c in range(0x430, 0x450)]
    words = ["".join(rng.choices(cyrillic, k=rng.randint(2, 11))) for _ in range(20_000)]
    yield "Cyrillic", [" ".join(rng.choices(words, k=150)) for _ in range(8_000)]
    han = [chr(c) for c in range(0x4E00, 0x9000)]
    words = ["".join(rng.choices(han, k=rng.randint(3, 20))) for _ in range(20_000)]
    yield "Chinese", ["\uff0c".join(rng.choices(words, k=40)) for _ in range(8_000)]


def compare(name, texts, rounds):
    megabytes = sum(len(t.encode()) for t in texts) / 1e6
    column, sketcher = pa.array(texts), TextSketcher(K, N)
    digest = partial(minhash_matrix, num_perm=K)
    rensa_digest = partial(rensa.RMinHash.digest_matrix_from_token_sets, num_perm=K, seed=42)
    clocked = partial(race, clock=time.process_time)

    def tokens():
        return [shingles(t) for t in texts]

    def datasketch_digest(sets):
        for items in sets:
            datasketch.MinHash(K).update_batch([item.encode() for item in items])

    fused, listed, whole = clocked(
        rounds,
        lambda: sketcher.sketch(column, shingles=False),
        lambda: sketcher.sketch(texts, shingles=False),
        lambda: rensa_digest(tokens()),
    )
    ours, theirs = clocked(rounds, digest, rensa_digest, fresh=tokens)
    ours_some, datasketch_seconds = clocked(
        3, digest, datasketch_digest, fresh=lambda: [shingles(t) for t in texts[::40]]
    )
    print(
        f"{name:20}{megabytes:6.1f} MB{megabytes / fused:9.0f}{megabytes / listed:9.0f}"
        f"{megabytes / whole:9.0f}{whole / fused:8.1f} x   {theirs / ours:9.2f} x"
        f"{datasketch_seconds / ours_some:12.0f} x"
    )


def main():
    options = argparse.ArgumentParser()
    options.add_argument("files", nargs="*")
    options.add_argument("--rounds", type=int, default=7)
    given = options.parse_args()
    print(f"instruction set: {_cpu.isa()}")
    print(f"{'':29}   text to signatures, MB/s              from token lists, ratio to")
    print(
        f"{'corpus':20}{'size':>9}{'Arrow':>9}{'list':>9}{'re+rensa':>9}{'ratio':>10}   "
        f"{'rensa':>11}{'datasketch':>14}"
    )
    for name, texts in corpora(given.files):
        compare(name, texts, given.rounds)


if __name__ == "__main__":
    main()
