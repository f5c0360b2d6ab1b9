"""What a search hands back: which rows stay, whom they stand for, and how it went."""

from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from ann.bands import s_curve
from ann.dedup.arrays import NOTHING_KNOWN, Bools, Floats, Found, Int64s, Known, Pairs, Sketches
from ann.dedup.columns import filtered
from ann.dedup.engines import Plan
from ann.dedup.running import Clock
from ann.dedup.settings import InputError, Settings, need

Data = TypeVar("Data")


class Cluster(NamedTuple):
    """A kept row and the rows it stands for."""

    kept: int
    removed: Int64s


@dataclass(frozen=True)
class Stats:
    """Counts, costs and promises of one search."""

    documents: int
    empty: int
    short: int  # of a single shingle: at most `ngram` units
    invalid_utf8: int
    kept: int
    removed: int
    known: int  # of those removed, what an index had already
    clusters: int
    pairs: int
    pairs_unlisted: int
    candidates: int
    crowded: int
    giants: list[int]
    bytes: int
    bytes_removed: int
    bands: int
    rows: int
    recall_at_threshold: float
    settings: Settings
    plan: Plan
    seconds: dict[str, float]

    def as_dict(self) -> dict[str, Any]:
        """Everything, ready for JSON."""
        return asdict(self)


@dataclass(frozen=True, repr=False)
class Result:
    """The near-duplicates of a collection, by row.

    Attributes
    ----------
    kept : ndarray of bool
        True where the row stays.
    representative : ndarray of int64
        The row that stays in this one's place; its own number where it stays itself.
    similarity : ndarray of float64
        Exact Jaccard similarity of each row to its representative, 1.0 where it stays.
    cluster : ndarray of int64
        The row that stands for each one's cluster: the representative, but for the further rows
        that ``keep="one-per:..."`` keeps.
    reason : ndarray of int8
        Why each row stays or goes: the place in `ann.dedup.keeping.REASONS`.
    pairs : Pairs
        All verified pairs at or above the threshold: arrays `a`, `b` (a < b) and
        `similarity`.
        Of a group of identical documents the first hundred are listed pairwise; any further
        one is listed with the first alone, and `stats.pairs_unlisted` counts what is left out.
        Of `stats.crowded` documents, which have more than a thousand partners or so, only the
        pairs with whom they are represented by are sure to be there.
    stats : Stats
        Counts, parameters and seconds.
    """

    kept: Bools
    representative: Int64s
    similarity: Floats
    cluster: Int64s
    reason: npt.NDArray[np.int8]
    pairs: Pairs
    stats: Stats

    @property
    def clustered(self) -> Int64s:
        """The rows of all clusters of two or more, cluster after cluster, the kept one first."""
        rows = np.flatnonzero(self.reason)
        first = self.cluster[rows] == rows
        return rows[np.lexsort((rows, ~self.kept[rows], ~first, self.cluster[rows]))]

    @cached_property
    def _by_cluster(self) -> tuple[Int64s, Int64s]:
        """Removed rows ordered by (representative, row), and the representatives."""
        removed = np.flatnonzero(self.representative != np.arange(len(self.kept)))
        removed = removed[np.argsort(self.representative[removed], kind="stable")]
        return removed, np.unique(self.representative[removed])

    def largest(self, limit: int) -> list[Cluster]:
        """The largest clusters, then those kept first."""
        removed, kept = self._by_cluster
        owner = self.representative[removed]
        first = np.searchsorted(owner, kept)
        last = np.searchsorted(owner, kept, "right")
        chosen = np.argsort(first - last, kind="stable")[:limit]
        return [Cluster(int(kept[i]), removed[first[i] : last[i]]) for i in chosen]

    def filter(self, data: Data) -> Data:
        """The kept rows of `data`, in the kind of container it is.

        Arrow tables and arrays, pandas and polars frames and series and NumPy arrays come back
        as what they are, an Arrow stream and a DuckDB relation as an Arrow table; any other
        iterable comes back as a list.
        """
        rows: Any = data
        if type(data).__name__ == "LazyFrame":
            raise TypeError("a LazyFrame has no rows yet: pass what its collect() gives")
        relation = "duckdb" in type(data).__module__  # its filter takes SQL
        if hasattr(data, "__arrow_c_stream__") and (relation or not hasattr(data, "filter")):
            rows = need("pyarrow").table(data)
        if hasattr(rows, "__len__") and len(rows) != len(self.kept):
            raise InputError(f"{len(rows)} rows, where the search had {len(self.kept)}")
        stay: Any
        if hasattr(rows, "iloc"):  # pandas
            stay = rows.iloc[np.flatnonzero(self.kept)]
        elif isinstance(rows, np.ndarray):
            stay = rows[self.kept]
        elif type(rows).__module__.startswith("pyarrow"):
            stay = filtered(rows, self.kept)
        elif hasattr(rows, "filter"):  # polars
            stay = rows.filter(self.kept)
        else:
            stay = [item for item, kept in zip(rows, self.kept, strict=True) if kept]
        return stay  # type: ignore[no-any-return]

    def __repr__(self) -> str:
        s = self.stats
        return (
            f"<Result: {s.documents:,} documents, {s.kept:,} kept, {s.removed:,} removed in "
            f"{s.clusters:,} clusters; {s.pairs:,} pairs at Jaccard >= {s.settings.threshold:g}, "
            f"each found with probability >= {s.recall_at_threshold:.4f}>"
        )


def _recall(settings: Settings, sketches: Sketches) -> float:
    if settings.engine == "exact":
        return 1.0
    return float(s_curve(settings.threshold, sketches.bands, sketches.rows))


def make_result(
    sketches: Sketches,
    found: Found,
    settings: Settings,
    plan: Plan,
    clock: Clock,
    known: Known = NOTHING_KNOWN,
) -> Result:
    """Count what was found."""
    shingles = np.diff(sketches.offsets)
    linked = found.representative != np.arange(len(sketches.sizes))
    kept = ~linked
    kept[known.rows] = False
    stats = Stats(
        documents=len(kept),
        empty=int((shingles == 0).sum()) - len(known.rows),
        short=sketches.short,
        invalid_utf8=sketches.invalid,
        kept=int(kept.sum()),
        removed=int((~kept).sum()),
        known=len(known.rows),
        clusters=int(np.count_nonzero(np.bincount(found.representative[linked]))),
        pairs=len(found.pairs.a),
        pairs_unlisted=found.unlisted,
        candidates=found.candidates,
        crowded=found.crowded,
        giants=found.giants,
        bytes=int(sketches.sizes.sum()),
        bytes_removed=int(sketches.sizes[~kept].sum()),
        bands=sketches.bands,
        rows=sketches.rows,
        recall_at_threshold=_recall(settings, sketches),
        settings=settings,
        plan=plan,
        seconds=clock.seconds,
    )
    return Result(
        kept,
        found.representative,
        found.similarity,
        found.cluster,
        found.reason,
        found.pairs,
        stats,
    )
