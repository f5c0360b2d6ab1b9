"""Near neighbours and near duplicates."""

from typing import TYPE_CHECKING, Any

import sketches  # noqa: F401  (first: in an unbuilt tree it says what to run)
from ann.bands import choose_bands, s_curve
from ann.dedup import deduplicate
from ann.exact import Exact
from ann.hnsw import HNSW
from ann.ivf import IVF
from ann.lsh import MinHashLSH
from ann.text import TextSketcher, shingle

if TYPE_CHECKING:
    from ann.planning import plan

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


def __getattr__(name: str) -> Any:
    """`plan` is imported when it is asked for: all of `costs` comes with it."""
    if name != "plan":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from ann.planning import plan

    return plan
