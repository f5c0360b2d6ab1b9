"""Ours against Apache DataSketches' Python package: rounds interleaved, medians of processor time.

    python benchmarks/peers/counting.py [rounds]

Its Count-Min and frequent items take one item a call, so their loops run over fewer items; rates
are items a second. Words are those of the standard library's sources. The limit for a table that no
cache holds is a loop in C, compiled here, that increments 32-bit counters at random places known
beforehand, four for an item.
"""

import ctypes
import re
import subprocess
import sys
import sysconfig
import tempfile
import time
from pathlib import Path

import datasketches
import numpy as np
import pyarrow as pa
from race import race

from sketches import CountMin, CountSketch, SparkCountMin, TopK

ROUNDS = 9
COUNT = 1 << 21
FEW = 100_000  # for those that take one item a call
INCREMENTS = """
#include <stdint.h>
#include <stddef.h>
void increments(uint32_t *cells, const uint32_t *at, size_t n) {
    for (size_t i = 0; i < n; i++) cells[at[i]]++;
}
"""


def words():
    folder = Path(sysconfig.get_path("stdlib"))
    text = "".join(path.read_text(errors="replace") for path in sorted(folder.glob("*.py")))
    return re.findall(r"\w+", text)


def show(name, seconds, count, peer=None):
    line = f"{name:42}{count / seconds / 1e6:8.1f} M/s"
    print(line + (f"   {peer / FEW / (seconds / count):6.1f} x DataSketches" if peer else ""))


def timed(*runs):
    """By processor time, as others may share the machine; all here run on one thread."""
    return race(ROUNDS, *runs, clock=time.process_time)


def loop(update, items):
    for item in items:
        update(item)


def tables(rng, texts):
    numbers = rng.integers(-(2**63), 2**63, COUNT)
    few, few_texts = numbers[:FEW].tolist(), texts[:FEW].to_pylist()
    plain, tight = CountMin(65536, 4), CountMin(65536, 4, conservative=True)
    signed, spark = CountSketch(65536, 4), SparkCountMin(65536, 4, 1)
    theirs = datasketches.count_min_sketch(4, 65536)
    runs = (
        lambda: plain.update(numbers),
        lambda: plain.estimate(numbers),
        lambda: plain.update(texts),
        lambda: plain.estimate(texts),
        lambda: tight.update(numbers),
        lambda: signed.update(numbers),
        lambda: signed.estimate(numbers),
        lambda: spark.update(numbers),
        lambda: loop(theirs.update, few),
        lambda: loop(theirs.update, few_texts),
        lambda: loop(theirs.get_estimate, few),
    )
    spent = timed(*runs)
    update, strings, ask = spent[-3:]
    print(f"4 x 65,536 counters; {COUNT:,} different numbers, {len(texts):,} strings of 19 bytes")
    show("CountMin, int64", spent[0], COUNT, update)
    show("CountMin, int64, estimate", spent[1], COUNT, ask)
    show("CountMin, strings", spent[2], len(texts), strings)
    show("CountMin, strings, estimate", spent[3], len(texts))
    show("conservative, int64", spent[4], COUNT)
    show("CountSketch, int64", spent[5], COUNT)
    show("CountSketch, int64, estimate", spent[6], COUNT)
    show("SparkCountMin, int64", spent[7], COUNT)
    show("DataSketches, int64, one by one", update, FEW)
    show("DataSketches, strings, one by one", strings, FEW)


def out_of_cache(rng):
    numbers = rng.integers(-(2**63), 2**63, COUNT)
    large = CountMin(1 << 22, 4)
    cells = np.zeros(large.width * 4, np.uint32)
    at = rng.integers(0, len(cells), 4 * COUNT, np.uint32)
    with tempfile.TemporaryDirectory() as folder:
        source, library = f"{folder}/increments.c", f"{folder}/increments.so"
        Path(source).write_text(INCREMENTS)
        subprocess.run(["cc", "-O3", "-shared", "-fPIC", source, "-o", library], check=True)
        increments = ctypes.CDLL(library).increments
        pointers = [ctypes.c_void_p(array.ctypes.data) for array in (cells, at)]
        limit, update, estimate = timed(
            lambda: increments(*pointers, ctypes.c_size_t(len(at))),
            lambda: large.update(numbers),
            lambda: large.estimate(numbers),
        )
    print(f"\n4 x 2^22 counters, {large.nbytes >> 20} MiB")
    show("CountMin, int64", update, COUNT)
    show("CountMin, int64, estimate", estimate, COUNT)
    show("limit: increments alone, a quarter of", limit, COUNT)
    print(f"{'':42}{100 * limit / update:7.0f} % of the limit")


def heavy_hitters(rng):
    stream, text = rng.zipf(1.1, 10_000_000).astype(np.int64), words()
    column = pa.array(text)
    few, few_text = stream[:FEW].tolist(), text[:FEW]

    def ours(batch):
        TopK(1000).update(batch)

    def theirs(make, batch):
        loop(make(13).update, batch)  # 2^13 slots, as many as ours

    numbers, strings, lists, longs, peer = timed(
        lambda: ours(stream),
        lambda: ours(column),
        lambda: ours(text),
        lambda: theirs(datasketches.frequent_items_sketch, few),
        lambda: theirs(datasketches.frequent_strings_sketch, few_text),
    )
    print(f"\nTopK(1000): Zipf(1.1), {len(stream):,} numbers; {len(text):,} words")
    show("TopK, int64", numbers, len(stream), longs)
    show("TopK, words from Arrow", strings, len(text), peer)
    show("TopK, words in a list", lists, len(text), peer)
    show("DataSketches, frequent_items_sketch", longs, FEW)
    show("DataSketches, frequent_strings_sketch", peer, FEW)


if __name__ == "__main__":
    ROUNDS = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    generator = np.random.default_rng(20260301)
    decimals = np.abs(generator.integers(-(2**63), 2**63, COUNT // 2)).astype(str)
    tables(generator, pa.array(decimals))
    out_of_cache(generator)
    heavy_hitters(generator)
