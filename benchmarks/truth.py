"""The near-duplicate job against what people say: CORE 2020 and NEWS-COPY, if you have them.

    python benchmarks/truth.py core core.parquet               # or .jsonl
    python benchmarks/truth.py news-copy test.parquet          # or .jsonl
    python benchmarks/truth.py news-copy DATA.json PAIRS.json  # as its authors ship it

CORE needs the columns core_id, processed_title, processed_abstract and labelled_duplicates,
NEWS-COPY article and cluster.

Two ways to score. text-dedup's, so that its published figures compare: on CORE each document is
one case, right if all its labelled duplicates are in its cluster (or there are none, and it is
alone); what it prints as "Macro F1" is the mean of two precisions, called that here. On NEWS-COPY
the adjusted Rand index of the clusters. Both take clusters as closed by chains. And beside it what
it hides: of the pairs that were found the share that people mark (precision), and of those that
people mark the share that was found (recall).

Threshold and n-grams are text-dedup's choices for each set, unless given; words are cut as the job
cuts them.
"""

import argparse
import json
import time
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from ann import deduplicate

CHOICES = {
    "core": {"threshold": 0.5, "ngram": 2, "num_perm": 256},
    "news-copy": {"threshold": 0.45, "ngram": 2, "num_perm": 256},
}
Pairs = set[tuple[int, int]]


def read_rows(path: Path) -> list[dict[str, Any]]:
    """The rows of a Parquet file, or of JSON Lines."""
    if path.suffix == ".parquet":
        import pyarrow.parquet

        rows: list[dict[str, Any]] = pyarrow.parquet.read_table(path).to_pylist()
        return rows
    with path.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def core(path: Path) -> tuple[list[str], Pairs]:
    """Texts, and the pairs that people mark."""
    rows = read_rows(path)
    number = {str(row["core_id"]): place for place, row in enumerate(rows)}
    texts = [f"{row['processed_title']} {row['processed_abstract']}".lower() for row in rows]
    marked = {
        ordered(place, number[str(other)])
        for place, row in enumerate(rows)
        for other in row["labelled_duplicates"] or ()
        if str(other) in number
    }
    return texts, marked


def news_copy(path: Path, pairs: Path | None = None) -> tuple[list[str], Pairs]:
    """Texts, and the pairs within the clusters that people mark."""
    if pairs is None:
        rows = read_rows(path)
        labels = [row["cluster"] for row in rows]
    else:
        articles = json.loads(path.read_text("utf-8"))
        rows = list(articles.values())
        number = {name: place for place, name in enumerate(articles)}
        edges = json.loads(pairs.read_text("utf-8"))
        labels = closed(len(rows), ((number[a], number[b]) for a, b in edges)).tolist()
    return [row["article"] for row in rows], pairs_within(labels)


def ordered(a: int, b: int) -> tuple[int, int]:
    return (a, b) if a < b else (b, a)


def closed(n: int, pairs: Iterable[tuple[int, int]]) -> Any:
    """The cluster of each document where resemblance is passed on along chains."""
    parent = list(range(n))

    def root(row: int) -> int:
        while parent[row] != row:
            parent[row] = row = parent[parent[row]]
        return row

    for a, b in pairs:
        low, high = ordered(root(a), root(b))
        parent[high] = low
    return np.array([root(row) for row in range(n)], np.int64)


def members(labels: Iterable[Any]) -> list[list[int]]:
    """The documents of each cluster."""
    found: dict[Any, list[int]] = defaultdict(list)
    for row, label in enumerate(labels):
        found[label].append(row)
    return list(found.values())


def pairs_within(labels: Iterable[Any]) -> Pairs:
    return {
        (a, b) for cluster in members(labels) for i, b in enumerate(cluster) for a in cluster[:i]
    }


def partners(n: int, pairs: Pairs) -> list[set[int]]:
    """Of each document those it is in a pair with."""
    found: list[set[int]] = [set() for _ in range(n)]
    for a, b in pairs:
        found[a].add(b)
        found[b].add(a)
    return found


def share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


def pair_scores(found: Pairs, marked: Pairs) -> dict[str, float]:
    """True precision and recall."""
    both = len(found & marked)
    return {"pair precision": share(both, len(found)), "pair recall": share(both, len(marked))}


def document_scores(n: int, found: Pairs, marked: Pairs) -> dict[str, float]:
    """text-dedup's scores on CORE, a document a case; `found`: all pairs within a cluster."""
    true_positive = false_positive = true_negative = false_negative = same = 0
    for predicted, wanted in zip(partners(n, found), partners(n, marked), strict=True):
        same += predicted == wanted
        if not predicted:
            true_negative += not wanted
            false_negative += bool(wanted)
        elif wanted and wanted <= predicted:
            true_positive += 1
        else:
            false_positive += 1
    precision = share(true_positive, true_positive + false_positive)
    others = share(true_negative, true_negative + false_negative)
    return {
        "precision": precision,
        "recall": share(true_positive, true_positive + false_negative),
        "precision of the others": others,
        "recall of the others": share(true_negative, true_negative + false_positive),
        "macro precision": (precision + others) / 2,
        "accuracy": share(same, n),
    }


def adjusted_rand_index(a: Any, b: Any) -> float:
    """Agreement of two clusterings: 1 the same, 0 what chance gives (Hubert, Arabie 1985)."""

    def pairs(counts: Any) -> int:
        return int((counts * (counts - 1) // 2).sum())

    _, rows = np.unique(np.asarray(a), return_inverse=True)
    _, columns = np.unique(np.asarray(b), return_inverse=True)
    _, cells = np.unique(rows * (columns.max(initial=0) + 1) + columns, return_counts=True)
    both, in_a, in_b = pairs(cells), pairs(np.bincount(rows)), pairs(np.bincount(columns))
    expected = share(in_a * in_b, pairs(np.array([len(rows)])))
    most = (in_a + in_b) / 2
    return 1.0 if most == expected else (both - expected) / (most - expected)


def score(name: str, texts: list[str], marked: Pairs, **options: Any) -> dict[str, float]:
    """Search, and score what was found."""
    start = time.perf_counter()
    result = deduplicate(texts, **(CHOICES[name] | options))
    seconds = time.perf_counter() - start
    a, b, _ = result.pairs
    verified = set(zip(a.tolist(), b.tolist(), strict=True))
    labels = closed(len(texts), verified)
    if name == "core":
        scores = document_scores(len(texts), pairs_within(labels.tolist()), marked)
    else:
        scores = {"adjusted Rand index": adjusted_rand_index(closed(len(texts), marked), labels)}
    return scores | pair_scores(verified, marked) | {"seconds": seconds}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("set", choices=CHOICES)
    parser.add_argument("files", type=Path, nargs="+")
    parser.add_argument("--threshold", type=float)
    parser.add_argument("--ngram", type=int)
    parser.add_argument("--num-perm", type=int)
    given = parser.parse_args()
    read = core if given.set == "core" else news_copy
    texts, marked = read(*given.files)
    chosen = {name: getattr(given, name) for name in ("threshold", "ngram", "num_perm")}
    scores = score(
        given.set, texts, marked, **{name: value for name, value in chosen.items() if value}
    )
    print(f"{len(texts):,} documents, {len(marked):,} marked pairs")
    for name, value in scores.items():
        print(f"{name:24} {value:.4f}")


if __name__ == "__main__":
    main()
