"""benchmarks/truth.py on miniatures of its two formats, scored by hand."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

PATH = Path(__file__).parents[2] / "benchmarks" / "truth.py"
SPEC = importlib.util.spec_from_file_location("truth", PATH)
truth = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(truth)

ABSTRACT = "we study how the rain in spain falls mainly on the plain and what the plain makes of it"
OTHER = "a survey of methods by which sheep are counted in the dark by people who cannot sleep"
THIRD = "nothing in here has been said by anybody else at any time before or after this was said"
CORE = [  # core_id, title, abstract, labelled duplicates
    ("10", "Rain", ABSTRACT, ["11", "12"]),
    ("11", "Rain", ABSTRACT.replace("mainly", "mostly"), ["10", "12"]),
    ("12", "Rain", f"{ABSTRACT} indeed", ["10", "11"]),
    ("20", "Sheep", OTHER, ["21"]),
    ("21", "On counting", "the same study in other words, which no n-gram can tell", ["20"]),
    ("30", "Noise", THIRD, []),
    ("31", "Noise", THIRD, []),
    ("40", "Alone", "a text that stands alone and is left alone by everybody who reads it", []),
]


def core_rows():
    names = "core_id", "processed_title", "processed_abstract", "labelled_duplicates"
    return [dict(zip(names, row, strict=True)) for row in CORE]


@pytest.mark.parametrize("suffix", ["parquet", "jsonl"])
def test_core(suffix, tmp_path):
    """Found: {10, 11, 12} and {30, 31}. Marked: {10, 11, 12} and {20, 21}.

    10, 11, 12 are true positives, 30 and 31 false positives, 20 and 21 false negatives, 40 a true
    negative. Of 4 pairs found 3 are marked, of 4 marked 3 are found.
    """
    path = tmp_path / f"core.{suffix}"
    if suffix == "parquet":
        pq.write_table(pa.Table.from_pylist(core_rows()), path)
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in core_rows()))
    texts, marked = truth.core(path)
    assert texts[0] == f"rain {ABSTRACT}"
    assert marked == {(0, 1), (0, 2), (1, 2), (3, 4)}
    scores = truth.score("core", texts, marked)
    del scores["seconds"]
    assert scores == {
        "precision": 3 / 5,
        "recall": 3 / 5,
        "precision of the others": 1 / 3,
        "recall of the others": 1 / 3,
        "macro precision": (3 / 5 + 1 / 3) / 2,
        "accuracy": 4 / 8,
        "pair precision": 3 / 4,
        "pair recall": 3 / 4,
    }


ARTICLES = {
    "p1": ABSTRACT,
    "p2": ABSTRACT.upper(),
    "p3": f"special to the times {ABSTRACT}",
    "q1": OTHER,
    "q2": "sheep were counted elsewhere and by others with other results in other words",
    "r1": THIRD,
}


@pytest.mark.parametrize("form", ["json", "parquet"])
def test_news_copy(form, tmp_path):
    """Found: {p1, p2, p3}. Marked: that and {q1, q2}, of p by a chain of two pairs.

    3 pairs in both, 3 found, 4 marked, of 15: expected 3 * 4 / 15 = 0.8, the index is
    (3 - 0.8) / (3.5 - 0.8).
    """
    clusters = [0, 0, 0, 3, 3, 5]
    if form == "json":
        data, pairs = tmp_path / "test_inf_data.json", tmp_path / "full_test_gt.json"
        data.write_text(json.dumps({name: {"article": text} for name, text in ARTICLES.items()}))
        pairs.write_text(json.dumps([["p3", "p1"], ["p2", "p3"], ["q1", "q2"]]))
        texts, marked = truth.news_copy(data, pairs)
    else:
        path = tmp_path / "test.parquet"
        pq.write_table(pa.table({"article": list(ARTICLES.values()), "cluster": clusters}), path)
        texts, marked = truth.news_copy(path)
    assert texts == list(ARTICLES.values())
    assert marked == {(0, 1), (0, 2), (1, 2), (3, 4)}
    scores = truth.score("news-copy", texts, marked)
    assert scores["adjusted Rand index"] == pytest.approx((3 - 0.8) / (3.5 - 0.8))
    assert scores["pair precision"] == 1
    assert scores["pair recall"] == 3 / 4


def test_the_adjusted_rand_index_by_counting_all_pairs():
    rng = np.random.default_rng(5)
    for n in (2, 5, 30):
        a, b = rng.integers(0, 4, (2, n))
        i, j = np.triu_indices(n, 1)
        in_a, in_b = a[i] == a[j], b[i] == b[j]
        expected = in_a.sum() * in_b.sum() / len(i)
        most = (in_a.sum() + in_b.sum()) / 2
        if most != expected:
            index = ((in_a & in_b).sum() - expected) / (most - expected)
            assert truth.adjusted_rand_index(a, b) == pytest.approx(index)
    assert truth.adjusted_rand_index([1, 1, 2], ["x", "x", "y"]) == 1
    assert truth.adjusted_rand_index([1, 2, 3], [4, 5, 6]) == 1
