"""report.json: what a run found, as the figures that its page draws.

    summary       the content of summary.json
    similarity    verified pairs by Jaccard similarity: `edges` (n + 1), `pairs` (n), `identical`
    s_curve       the probability that a pair becomes a candidate: `jaccard`, `probability`
    sizes         clusters by size: `from`, `to`, `clusters`, `documents`
    largest       the largest clusters: `id`, `size`, `members` (some: `id`, `jaccard`), `text`
    samples       removed documents beside the one kept: `kept`, `removed`, `jaccard`, `differences`

Samples are spread evenly over the similarities, one a cluster: those right at the threshold tell
whether it is the right one.
"""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from ann.bands import s_curve
from ann.dedup.differences import differences
from ann.dedup.result import Result

if TYPE_CHECKING:
    from ann.dedup.job import Outcome

Texts = Callable[[Iterable[int]], dict[int, str]]

BINS = 20  # of the histogram, at most
STEPS = 0.001, 0.002, 0.005, 0.01, 0.02, 0.05  # widths of a bin
CURVE = np.linspace(0, 1, 101)
CLUSTERS, MEMBERS = 10, 8  # shown of the largest
SAMPLES = 12
BEGINNING = 300  # characters shown of a cluster's text


def figures(outcome: "Outcome", texts: Texts) -> dict[str, Any]:
    """Everything, ready for JSON; `texts` gives the texts of rows."""
    result = outcome.result
    largest = result.largest(CLUSTERS)
    samples = sample_rows(result)
    read = texts(
        {cluster.kept for cluster in largest}
        | set(samples.tolist())
        | set(result.representative[samples].tolist())
    )
    return {
        "summary": outcome.as_dict(),
        "similarity": similarity(result),
        "s_curve": curve(result),
        "sizes": sizes(result),
        "largest": [
            {
                "id": _id(outcome, cluster.kept),
                "size": len(cluster.removed) + 1,
                "lowest": float(result.similarity[cluster.removed].min()),
                "members": [
                    {"id": _id(outcome, row), "jaccard": float(result.similarity[row])}
                    for row in cluster.removed[:MEMBERS]
                ],
                "text": read[cluster.kept][:BEGINNING],
            }
            for cluster in largest
        ],
        "samples": [_sample(outcome, int(row), read) for row in samples],
    }


def _id(outcome: "Outcome", row: int) -> Any:
    """An id as JSON holds it."""
    return outcome.ids[row] if outcome.ids.dtype == object else int(outcome.ids[row])


def _sample(outcome: "Outcome", row: int, texts: dict[int, str]) -> dict[str, Any]:
    result = outcome.result
    kept = int(result.representative[row])
    found = differences(texts[kept], texts[row], result.stats.settings.unit)
    return {
        "kept": _id(outcome, kept),
        "removed": _id(outcome, row),
        "jaccard": float(result.similarity[row]),
        "differences": [
            {"kind": part.kind, "units": part.units}
            | ({} if part.kind == "gap" else {"kept": part.a, "removed": part.b})
            for part in found
        ],
    }


def sample_rows(result: Result, most: int = SAMPLES) -> Any:
    """Removed rows that are no copies: the least similar one of each cluster, evenly spread."""
    rows = np.flatnonzero(result.similarity < 1)
    rows = rows[np.lexsort((rows, result.similarity[rows]))]
    _, first = np.unique(result.representative[rows], return_index=True)
    rows = rows[np.sort(first)]
    if len(rows) <= most:
        return rows
    return rows[np.round(np.linspace(0, len(rows) - 1, most)).astype(np.int64)]


def similarity(result: Result) -> dict[str, Any]:
    """Verified pairs by similarity, from the threshold to 1."""
    threshold = result.stats.settings.threshold
    below = result.pairs.similarity[result.pairs.similarity < 1]
    step = next((step for step in STEPS if step * BINS >= 1 - threshold), STEPS[-1])
    first = np.floor(threshold / step + 1e-9) * step
    count = max(1, int(np.ceil((1 - first) / step - 1e-9)))
    edges = np.append(first + step * np.arange(count), 1.0).round(6)
    pairs, _ = np.histogram(below, edges)
    return {
        "edges": edges.tolist(),
        "pairs": pairs.tolist(),
        "identical": len(result.pairs.similarity) - len(below) + result.stats.pairs_unlisted,
    }


def curve(result: Result) -> dict[str, Any]:
    """The S-curve of this search."""
    stats = result.stats
    found = s_curve(CURVE, stats.bands, stats.rows)
    if stats.settings.engine == "exact":
        found = (stats.settings.threshold <= CURVE).astype(float)
    return {
        "threshold": stats.settings.threshold,
        "recall": stats.recall_at_threshold,
        "bands": stats.bands,
        "rows": stats.rows,
        "jaccard": CURVE.round(6).tolist(),
        "probability": found.round(6).tolist(),
    }


def sizes(result: Result) -> list[dict[str, int]]:
    """Clusters by size, in powers of two: 2, 3-4, 5-8, ..."""
    others = result.representative != np.arange(len(result.kept))
    members = np.unique(result.representative[others], return_counts=True)[1] + 1
    bins = np.ceil(np.log2(members)).astype(np.int64)
    return [
        {
            "from": 2 ** (k - 1) + 1,
            "to": 2**k,
            "clusters": int((bins == k).sum()),
            "documents": int(members[bins == k].sum()),
        }
        for k in range(1, int(bins.max(initial=0)) + 1)
    ]
