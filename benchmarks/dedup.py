"""The near-duplicate job on made-up documents with planted copies: seconds, and pairs missed."""

import numpy as np

from ann import deduplicate

from .common import Benchmark

WORDS, DOCUMENTS, COPIES = 300, 4_000, 1_000


class Deduplicate(Benchmark):
    """4,000 documents of 300 words, and edited copies of 1,000 of them.

    A copy has words replaced until its similarity to the original is near 0.87: above the threshold
    of 0.8, far enough to be found nearly always.
    """

    params = ([1, 2], ["lsh", "exact"])
    param_names = ("threads", "engine")
    version = "2"

    def setup(self, threads, engine):
        super().setup()
        vocabulary = np.array([f"word{i}" for i in range(20_000)])
        drawn = self.rng.integers(0, len(vocabulary), (DOCUMENTS, WORDS))
        edited = drawn[:COPIES].copy()
        for row in edited:  # four words, up to twenty of the 296 shingles: J >= 276 / 316
            row[self.rng.choice(WORDS, 4, replace=False)] = self.rng.integers(0, 20_000, 4)
        self.texts = [" ".join(vocabulary[row]) for row in np.concatenate([drawn, edited])]

    def time_deduplicate(self, threads, engine):
        deduplicate(self.texts, threads=threads, engine=engine)

    def track_planted_copies_missed(self, threads, engine):
        """The share of planted copies that stay, plus 1e-9: asv compares by ratios."""
        kept = deduplicate(self.texts, threads=threads, engine=engine).kept
        return float(kept[DOCUMENTS:].mean()) + 1e-9


class Boilerplate(Benchmark):
    """4,000 documents of 200 words, 3,200 of them with the same first 180: 5 M true pairs."""

    params = (["lsh", "exact"],)
    param_names = ("engine",)

    def setup(self, engine):
        super().setup()
        drawn = self.rng.integers(0, 2**31, (DOCUMENTS, 200))
        drawn[: DOCUMENTS * 4 // 5, :180] = np.arange(180)
        self.texts = [" ".join(f"w{word}" for word in row) for row in drawn.tolist()]

    def time_deduplicate(self, engine):
        deduplicate(self.texts, threads=1, engine=engine)

    def track_pairs_held(self, engine):
        """They are what takes the memory."""
        return deduplicate(self.texts, threads=1, engine=engine).stats.pairs
