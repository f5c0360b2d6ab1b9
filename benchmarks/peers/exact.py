"""Exact search: ours beside faiss Flat and numpy's own multiplication, in one run.

    python benchmarks/peers/exact.py SET [--data DIR] [--sift FILE.npy] [--rounds N]

SET is that of vectors.py. One thread each, k = 10. Rounds are interleaved and medians compared: a
query a call, batches of 200 and of 1,000. What bounds the single query is the memory: the same
bytes, read and summed by the loop of `costs` on buffers of its own, go round with the others. Every
answer is compared with that of faiss before the clock starts (ties aside).
"""

import argparse
import os
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"  # before numpy

import faiss
import numpy as np
from race import race
from vectors import vectors

from ann import Exact
from costs import _measure
from sketches import _cpu

K, SINGLE = 10, 20  # queries answered one a call


def ours(base, metric, **options):
    index = Exact(base.shape[1], metric, **options)
    index.add(base)
    return index


def multiplied(base, queries):
    """What a numpy user writes: one product, and a partition of it. l2 only."""
    norms = np.einsum("ij,ij->i", base, base)

    def search(rows):
        met = norms - 2 * (rows @ base.T)
        return np.argpartition(met, K, axis=1)[:, :K]

    return search


def check(ids, distances, theirs):
    scale = np.abs(theirs).max()
    assert np.allclose(distances, theirs, rtol=1e-3, atol=1e-5 * scale), "another answer"


def compare(name, base, queries, metric, rounds):
    floats, asked = base.astype(np.float32), queries.astype(np.float32)
    kind = faiss.IndexFlatL2 if metric == "l2" else faiss.IndexFlatIP
    flat = kind(base.shape[1])
    flat.add(floats)
    indexes = {"float32, prefilter": (ours(floats, metric), asked)}
    indexes["float32"] = (ours(floats, metric, prefilter=False), asked)
    if base.dtype == np.uint8:
        indexes["uint8"] = (ours(base, metric), queries)
    theirs = flat.search(asked[:50], K)[0]
    for index, rows in indexes.values():
        ids, distances = index.search(rows[:50], K, threads=1)
        check(ids, distances if metric == "l2" else 1 - distances, theirs)
    print(f"\n{name}: {len(base):,} x {base.shape[1]}, {metric}, instruction set {_cpu.isa()}")
    single(flat, indexes, asked, floats.nbytes, rounds)
    for many in (200, 1000):
        batch(flat, indexes, asked[:many], floats, metric, rounds)


def single(flat, indexes, asked, nbytes, rounds):
    buffers = _measure.Buffers(nbytes)

    def read():
        for _ in range(SINGLE):
            buffers.run("read", _cpu.isa(), nbytes, 1)

    def one_by_one(search, rows):
        return lambda: [search(row[None]) for row in rows[:SINGLE]]

    runs = {
        "plain read of float32": read,
        "faiss Flat": one_by_one(lambda q: flat.search(q, K), asked),
    }
    for name, (index, rows) in indexes.items():
        runs[name] = one_by_one(lambda q, index=index: index.search(q, K, threads=1), rows)
    spent = dict(zip(runs, race(rounds, *runs.values()), strict=True))
    print(f"{'a query a call':28}{'ms':>9}{'GB/s of float32':>18}{'x faiss':>10}{'x a read':>10}")
    for name, seconds in spent.items():
        each = seconds / SINGLE
        print(
            f"{name:28}{1e3 * each:9.2f}{nbytes / each / 1e9:18.1f}"
            f"{spent['faiss Flat'] / seconds:10.2f}{spent['plain read of float32'] / seconds:10.2f}"
        )


def batch(flat, indexes, asked, floats, metric, rounds):
    many = len(asked)
    runs = {"faiss Flat": lambda: flat.search(asked, K)}
    if metric == "l2" and many * len(floats) < 1e8:
        product = multiplied(floats, asked)
        runs["numpy: product, partition"] = lambda: product(asked)
    for name, (index, rows) in indexes.items():
        runs[name] = lambda index=index, rows=rows[:many]: index.search(rows, K, threads=1)
    spent = dict(zip(runs, race(rounds, *runs.values()), strict=True))
    print(f"{f'{many:,} queries a call':28}{'queries/s':>9}{'GFLOP/s':>18}{'x faiss':>10}")
    for name, seconds in spent.items():
        work = 2 * many * floats.size / seconds / 1e9
        print(f"{name:28}{many / seconds:9.0f}{work:18.1f}{spent['faiss Flat'] / seconds:10.2f}")


def main():
    options = argparse.ArgumentParser()
    options.add_argument("set")
    options.add_argument("--data", type=Path, default=Path("../shared/data/ann"))
    options.add_argument("--sift", type=Path, default=Path("sift.npy"))
    options.add_argument("--rounds", type=int, default=7)
    given = options.parse_args()
    faiss.omp_set_num_threads(1)
    base, queries, metric = vectors(given.set, given.data, given.sift)
    compare(given.set, base, queries, metric, given.rounds)


if __name__ == "__main__":
    main()
