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

    params = ([1, 2],)
    param_names = ("threads",)

    def setup(self, threads):
        super().setup()
        vocabulary = np.array([f"word{i}" for i in range(20_000)])
        drawn = self.rng.integers(0, len(vocabulary), (DOCUMENTS, WORDS))
        edited = drawn[:COPIES].copy()
        for row in edited:  # four words, up to twenty of the 296 shingles: J >= 276 / 316
            row[self.rng.choice(WORDS, 4, replace=False)] = self.rng.integers(0, 20_000, 4)
        self.texts = [" ".join(vocabulary[row]) for row in np.concatenate([drawn, edited])]

    def time_deduplicate(self, threads):
        deduplicate(self.texts, threads=threads)

    def track_planted_copies_missed(self, threads):
        """The share of planted copies that stay, plus 1e-9: asv compares by ratios."""
        kept = deduplicate(self.texts, threads=threads).kept
        return float(kept[DOCUMENTS:].mean()) + 1e-9
