"""Make the figures and the pictures of docs/costs-story.md, on this machine.

    python docs/pictures/draw.py FOLDER [sizes]

Profiles the near-duplicate job, with both of its engines, over a corpus of this Python's own files
(benchmarks/corpus.py), places kernels under the roof, and prints what the story quotes.
"""

import json
import sys
import time
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from statistics import median

import msgspec
import numpy as np

import costs
from ann import deduplicate
from ann.dedup import memory
from ann.dedup.running import Clock
from costs.plots import draw_crossover
from sketches import HyperLogLog, MinHash, _probe
from sketches.hashing import hash64

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))
import corpus  # noqa: E402

SIZES = [500, 800, 1250, 2000, 3200, 5000, 8000, 12500, 20000]
ROUNDS = 3
SEED = 9001


class StageClock(Clock):
    """The job's clock, whose stages are those of a pipeline also."""

    def __init__(self, pipeline):
        super().__init__()
        self.pipeline = pipeline

    @contextmanager
    def __call__(self, stage):
        with super().__call__(stage), self.pipeline.stage(stage):
            yield


def job(pipeline, lines, engine, decode=json.loads):
    """The job on lines of the corpus, in memory, on one thread."""
    memory.Clock = lambda: StageClock(pipeline)
    with pipeline.stage("job", n=len(lines)):
        with pipeline.stage("parse"):
            texts = [decode(line)["text"] for line in lines]
        deduplicate(texts, engine=engine, threads=1)


def profile(sizes, lines):
    """A pipeline for each engine; rounds and engines take turns. Processor time, for the machine
    has other users."""
    pipelines = {engine: costs.Pipeline(clock="cpu") for engine in ("lsh", "exact")}
    for engine, pipeline in pipelines.items():
        job(pipeline, lines[: sizes[0]], engine)
        pipeline.clear()
    for _ in range(ROUNDS):
        for n in sizes:
            for engine, pipeline in pipelines.items():
                job(pipeline, lines[:n], engine)
    return pipelines


def really(lines, rounds=9):
    """The parser really replaced, beside what was predicted of that."""
    old, new = costs.Pipeline(clock="cpu"), costs.Pipeline(clock="cpu")
    for pipeline in (old, new):
        job(pipeline, lines, "lsh")
        pipeline.clear()
    for _ in range(rounds):
        job(old, lines, "lsh")
        job(new, lines, "lsh", msgspec.json.decode)

    def middle(pipeline, stage):
        return median(s.end - s.start for s in pipeline.spans if s.name == stage)

    factor = middle(old, "parse") / middle(new, "parse")
    predicted = old.report().what_if("parse", factor)
    measured = middle(old, "job") / middle(new, "job")
    print(f"msgspec parses {factor:.2f} x as fast: the whole {predicted:.2f} x predicted,", end=" ")
    print(f"{measured:.2f} x measured, error {abs(predicted - measured) / measured:.1%}")


def whole(pipeline):
    """A fit of the whole job."""
    runs = [span for span in pipeline.spans if span.name == "job"]
    return costs.fit_times([s.n for s in runs], [(s.end - s.start) * 1e-9 for s in runs])


def best(function, rounds=15):
    found = []
    for _ in range(rounds):
        start = time.perf_counter()
        function()
        found.append(time.perf_counter() - start)
    return min(found)


def kernels(roofline):
    """Ours under the roof of integers. Operations are counted in the sources: 28 for a key of 8
    bytes (csrc/murmur3.h), 8 for a dart, one an element once slots are full (csrc/minhash.h), some
    6 for a hash taken into HyperLogLog."""
    integers = "vector i64"
    keys = np.random.default_rng(SEED).integers(0, 2**63, 1 << 21)
    hashes = hash64(keys)
    small = keys[: 1 << 13]
    inside = best(lambda: [_probe.drain(small) for _ in range(64)])
    roofline.place(
        "hash, from L2",
        28 * 64 * len(small),
        8 * 64 * len(small),
        inside,
        working_set=small.nbytes,
        peak=integers,
    )
    spent = best(lambda: _probe.drain(keys))
    roofline.place("hash, fused", 28 * len(keys), keys.nbytes, spent, level="DRAM", peak=integers)
    minhash = MinHash()
    spent = best(lambda: minhash.update_hashes(hashes))
    roofline.place("MinHash", 8 * len(keys), hashes.nbytes, spent, level="DRAM", peak=integers)
    hll = HyperLogLog()
    spent = best(lambda: hll.update_hashes(hashes))
    roofline.place("HyperLogLog", 6 * len(keys), hashes.nbytes, spent, level="DRAM", peak=integers)
    a, b, c = (np.random.default_rng(i).random(1 << 24) for i in range(3))
    spent = best(lambda: np.add(a, b, out=c))
    roofline.place("numpy a + b", len(a), 24 * len(a), spent, level="DRAM")
    m = np.random.default_rng(0).random((768, 768))
    spent = best(lambda: m @ m)
    product = 2 * 768**3, 3 * m.nbytes, spent
    roofline.place("matrix product", *product, level="DRAM", peak="blas f64")
    for point in roofline.points:
        print(f"  {point}")


def main():
    folder = Path(sys.argv[1])
    sizes = [int(n) for n in sys.argv[2].split(",")] if len(sys.argv) > 2 else SIZES
    lines = list(islice(corpus.rows(corpus.paragraphs(), 0.2, SEED), sizes[-1]))
    print(f"{len(lines):,} documents, {sum(map(len, lines)) / 1e6:.0f} MB\n")
    pipelines = profile(sizes, lines)
    report = pipelines["lsh"].report(at=[1e6, 1e8])
    print(report)
    for stage, factor in (("sketch", 2), ("verify", 2), ("parse", 4)):
        gain = report.what_if(stage, factor)
        print(f"{stage} {factor} x as fast: the whole {gain:.2f} x")
    really(lines[:5000])
    again = costs.Pipeline(clock="cpu")
    check = again.check("sketch", lambda: job(again, lines[:2000], "lsh"), rounds=7)
    print(f"by delays: {check}\n")
    found = costs.crossover(whole(pipelines["exact"]), whole(pipelines["lsh"]))
    print("f = exact, g = lsh:", found)
    f, g = whole(pipelines["exact"]), whole(pipelines["lsh"])
    print(f"  exact {f}: {f.formula}; at 1e7: {f.predict(1e7)}")
    print(f"  lsh   {g}: {g.formula}; at 1e7: {g.predict(1e7)}\n")
    roofline = costs.Roofline(costs.Machine.measure())
    print(roofline.machine)
    kernels(roofline)

    speedup = costs.usl_fit(
        [1, 18, 36, 72, 108, 144, 216],
        [64.9, 995.9, 1652.4, 1853.2, 1828.9, 1775.0, 1702.2],
        law="usl",
    )
    pictures = {
        "pipeline": report.plot(),
        "crossover": draw_crossover(f, g, found, names=("exact", "lsh")),
        "roofline": roofline.plot(),
        "speedup": speedup.plot(),
    }
    for name, axes in pictures.items():
        axes.figure.savefig(folder / f"{name}.svg", metadata={"Date": None})
        axes.figure.savefig(folder / f"{name}.png", dpi=90)
    (folder / "report.html").write_text(report.html(), encoding="utf-8")


if __name__ == "__main__":
    main()
