"""Near neighbours and near duplicates."""

import sketches  # noqa: F401  (first: in an unbuilt tree it says what to run)
from ann.bands import choose_bands, s_curve
from ann.dedup import deduplicate
from ann.exact import Exact
from ann.hnsw import HNSW
from ann.ivf import IVF
from ann.lsh import MinHashLSH
from ann.planning import plan
from ann.text import TextSketcher, shingle

__all__ = [
    "HNSW",
    "IVF",
    "Exact",
    "MinHashLSH",
    "TextSketcher",
    "choose_bands",
    "deduplicate",
    "plan",
    "s_curve",
    "shingle",
]
