"""The near-duplicate job on made-up documents with planted copies: seconds, and pairs missed."""

import json
import tempfile
import time
from functools import cache
from pathlib import Path

import numpy as np

from ann import deduplicate
from ann.dedup import DuplicateIndex
from ann.dedup.job import run
from ann.dedup.settings import Settings

from .common import NONE, Benchmark, rng

WORDS, DOCUMENTS, COPIES = 300, 1_500, 500


@cache
def copied():
    """Documents, and edited copies of some of them."""
    dice = rng()
    vocabulary = np.array([f"word{i}" for i in range(20_000)])
    drawn = dice.integers(0, len(vocabulary), (DOCUMENTS, WORDS))
    edited = drawn[:COPIES].copy()
    for row in edited:  # four words, up to twenty of the 296 shingles: J >= 276 / 316
        row[dice.choice(WORDS, 4, replace=False)] = dice.integers(0, 20_000, 4)
    return [" ".join(row) for row in vocabulary[np.concatenate([drawn, edited])].tolist()]


@cache
def boilerplate():
    drawn = rng().integers(0, 2**31, (DOCUMENTS, 200))
    drawn[: DOCUMENTS * 4 // 5, :180] = np.arange(180)
    return [" ".join(f"w{word}" for word in row) for row in drawn.tolist()]


class Deduplicate(Benchmark):
    """1,500 documents of 300 words, and edited copies of 500 of them.

    A copy has words replaced until its similarity to the original is near 0.87: above the threshold
    of 0.8, far enough to be found nearly always.
    """

    params = (["lsh", "exact"], [1, 2])
    param_names = ("engine", "threads")
    count = DOCUMENTS + COPIES
    timer = time.perf_counter

    def setup(self, engine, threads):
        self.texts = copied()

    def time_deduplicate(self, engine, threads):
        deduplicate(self.texts, threads=threads, engine=engine)

    def track_band_miss(self, engine, threads):
        """The share of planted copies that stay."""
        kept = deduplicate(self.texts, threads=threads, engine=engine).kept
        return max(NONE, float(kept[DOCUMENTS:].mean()))


class Boilerplate(Benchmark):
    """1,500 documents of 200 words, 1,200 of them with the same first 180: 0.7 M true pairs."""

    params = (["lsh", "exact"],)
    param_names = ("engine",)

    def setup(self, engine):
        self.texts = boilerplate()

    def time_deduplicate(self, engine):
        deduplicate(self.texts, threads=1, engine=engine)

    def track_pairs_held(self, engine):
        """They are what takes the memory."""
        return deduplicate(self.texts, threads=1, engine=engine).stats.pairs


class InFiles(Benchmark):
    """The same documents by way of a work folder, and an index of them that is asked about them."""

    def setup(self):
        self.folder = tempfile.TemporaryDirectory()
        self.rows = Path(self.folder.name, "rows.jsonl")
        self.rows.write_text("".join(json.dumps({"text": text}) + "\n" for text in copied()))
        self.index = DuplicateIndex(Path(self.folder.name, "index"))
        self.index.add(copied()[:DOCUMENTS])

    def teardown(self):
        self.folder.cleanup()

    def time_work(self):
        run([str(self.rows)], Settings(), work=Path(self.folder.name, "work"), restart=True)

    def time_query(self):
        self.index.query(copied()[DOCUMENTS:])

    def track_index_bytes(self):
        return self.index.stats()["bytes"]
