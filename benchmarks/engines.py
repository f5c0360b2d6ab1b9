"""Where the exact engine of the near-duplicate job is cheaper than LSH, and what decides it.

Both engines search the first N documents of a file on one thread; seconds are of the processor, so
that a busy machine matters little. Reading and the text's pass into shingles, which both need, are
left out. Beside them stands what `ann.dedup.engines` estimates from the first documents, and at the
end what a unit of each kind of work took: the constants of that module.

    python benchmarks/engines.py FILE.jsonl [--documents 1000 10000 100000]
"""

import argparse
import json
import time
from itertools import islice
from pathlib import Path

import numpy as np

from ann import TextSketcher, _pairs, deduplicate
from ann._join import Join
from ann.dedup.arrays import Batch
from ann.dedup.columns import text_sizes
from ann.dedup.engines import make_plan, sampled
from ann.dedup.settings import Settings
from ann.dedup.sketching import sketch_batch

CASES = [  # threshold, unit, ngram
    (0.8, "word", 5),
    (0.5, "word", 5),
    (0.8, "word", 3),
    (0.7, "char", 8),
    (0.7, "char", 3),
    (0.5, "char", 3),
]


def seconds(call, *arguments, **options):
    """What a call returns, and the processor's seconds."""
    start = time.process_time()
    value = call(*arguments, **options)
    return value, time.process_time() - start


def compare(texts, threshold, unit, ngram):
    """Print one line: both engines, measured and estimated."""
    sketcher = TextSketcher(ngram=ngram, unit=unit)
    (offsets, shingles), spent = seconds(sketcher.shingles, texts)
    spent += seconds(_pairs.text_keys, offsets, shingles)[1]
    parameters = {"threshold": threshold, "unit": unit, "ngram": ngram}
    took, stats = {}, {}
    for engine in ("exact", "lsh"):
        result, whole = seconds(deduplicate, texts, engine=engine, threads=1, **parameters)
        took[engine], stats[engine] = whole - spent, result.stats
    head = texts[: sampled(text_sizes(texts[:10_000]))]
    batch = Batch(head, text_sizes(head))
    sketched = sketch_batch(batch, Settings(**parameters, engine="lsh"))
    plan = make_plan([sketched], int(batch.sizes.sum()), len(texts), Settings(**parameters))
    print(
        f"{len(texts):9,} {threshold:4} {unit:>5} {ngram:2}"
        + "".join(
            f" | {took[engine]:8.2f} {getattr(plan, engine).seconds:8.2f}"
            f" {stats[engine].candidates:11,} {getattr(plan, engine).candidates:11,}"
            for engine in ("exact", "lsh")
        )
        + f" | {plan.engine}",
        flush=True,
    )


def measure(texts, threshold, unit, ngram):
    """Seconds, and the counts they are for: rows of a system of equations."""
    sketcher = TextSketcher(ngram=ngram, unit=unit)
    (offsets, shingles), plain = seconds(sketcher.shingles, texts)
    (signatures, _, _), signed = seconds(sketcher.sketch, texts)
    keys, banded = seconds(_pairs.band_keys, signatures, 16, 6)
    skip = np.diff(offsets) == 0
    _, walked = seconds(lambda: list(_pairs.CandidatePairs(keys, skip, 2)))
    n = len(texts)
    sizes, outlines = np.zeros(n, np.int64), np.zeros((n, _pairs.OUTLINE), np.uint64)
    rows = np.arange(n, dtype=np.uint32)
    _, ordered = seconds(_pairs.distinct_sets, offsets, shingles, rows, sizes, outlines)
    join, spent = seconds(Join, offsets[:-1], sizes, shingles, outlines, threshold)
    ordered += spent + seconds(join.count)[1] + seconds(join.order, 0, len(join))[1]
    ordered += seconds(join.index)[1]
    (a, b, _, compared, looked), searched = seconds(join.pairs, 0, len(join))
    merged = int(sizes[a].sum() + sizes[b].sum())
    return {
        "ORDER": ordered / len(shingles),
        "SIGN": (signed - plain) / len(shingles),
        "BAND": (banded + walked) / keys.size,
        "search": (searched, looked, compared, merged),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--documents", type=int, nargs="+", default=[1000, 10_000, 100_000])
    options = parser.parse_args()
    with options.file.open(encoding="utf-8") as lines:
        texts = [json.loads(line)["text"] for line in islice(lines, max(options.documents))]
    print("documents    t  unit  n | exact s estimate  candidates    estimate | lsh s ...  | taken")
    for documents in options.documents:
        for case in CASES:
            compare(texts[:documents], *case)
    found = [measure(texts[: min(options.documents[-1], 20_000)], *case) for case in CASES]
    for name in ("ORDER", "SIGN", "BAND"):
        print(name, *(f"{row[name] * 1e9:.1f}" for row in found), "ns")
    work = np.array([row["search"] for row in found])
    cost = np.linalg.lstsq(work[:, 1:] / work[:, :1], np.ones(len(work)), rcond=None)[0]
    print("LOOK, COMPARE, MERGE", *(f"{value * 1e9:.2f}" for value in cost), "ns")


if __name__ == "__main__":
    main()
