"""Engines, and corpora in which half of all documents share one boilerplate."""

import numpy as np
import pytest

import ann
from ann.dedup import figures, verifying

ENGINES = ["lsh", "exact"]


def found(result):
    a, b, jaccard = result.pairs
    return dict(zip(zip(a.tolist(), b.tolist(), strict=True), jaccard.tolist(), strict=True))


@pytest.mark.parametrize(
    ("threshold", "shingling"),
    [(0.8, {}), (0.5, {"ngram": 3}), (0.7, {"unit": "char", "ngram": 8}), (1.0, {}), (0.2, {})],
)
def test_the_exact_engine_finds_every_pair(threshold, shingling, corpus, oracle):
    truth = oracle.brute_force(corpus, threshold, **shingling)
    for threads in (1, 3):
        result = ann.deduplicate(
            corpus, threshold=threshold, engine="exact", threads=threads, **shingling
        )
        assert found(result) == truth
        kept = set(np.flatnonzero(result.kept).tolist())
        assert not any(a in kept and b in kept for a, b in truth)
    assert (result.stats.bands, result.stats.recall_at_threshold) == (0, 1)
    curve = figures.curve(result)
    at = np.array(curve["jaccard"])
    assert curve["probability"] == (at >= threshold).tolist()


def boilerplate(documents, shared, own, seed=1):
    """Texts of which the first half share `shared` words in a row, and a hundred edited copies."""
    rng = np.random.default_rng(seed)
    common = [f"b{i}" for i in range(shared)]
    texts = []
    for row in range(documents):
        words = [f"w{word}" for word in rng.integers(0, 2**31, own)]
        head = common if row < documents // 2 else [f"w{w}" for w in rng.integers(0, 2**31, shared)]
        texts.append(head + words)
    copies = [list(texts[row]) for row in range(documents - 100, documents)]
    for copy in copies:
        copy[len(copy) // 2] = "edited"
    return [" ".join(words) for words in texts + copies]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("keep", ["first", "longest"])
def test_a_boilerplate_above_the_threshold_is_one_cluster(engine, keep, oracle):
    """Above 0.8 to one another: 4.5 million true pairs, of which 2,999 are wanted."""
    texts = boilerplate(6000, 180, 16)
    texts[1234] += " and a little more"
    result = ann.deduplicate(texts, engine=engine, keep=keep)
    chosen = 1234 if keep == "longest" else 0
    assert (result.representative[:3000] == chosen).all()
    assert 3000 <= result.stats.crowded < 3100  # a few share a bucket of the index by chance
    sets = [oracle.shingle_set(texts[row]) for row in (chosen, 17)]
    assert result.similarity[17] == oracle.jaccard(*sets)
    pairs = found(result)
    assert all(pairs[tuple(sorted((chosen, row)))] >= 0.8 for row in range(3000) if row != chosen)
    assert len(pairs) < 30_000
    assert not result.kept[6000:].any() or keep == "longest"
    assert result.stats.clusters == 101


@pytest.mark.parametrize("engine", ENGINES)
def test_a_boilerplate_below_the_threshold_joins_nothing(engine):
    """At 0.74 to one another many meet in a band, and none is removed for it."""
    result = ann.deduplicate(boilerplate(4000, 160, 30), engine=engine)
    assert result.kept[:2000].all()
    assert not result.kept[4000:].any()
    assert result.stats.crowded == 0


def test_pairs_beyond_all_use_are_not_held(monkeypatch):
    """Ten clusters of 200 have 199,000 pairs: none of them a crowd, until they are too many."""
    texts = [
        text
        for cluster in range(10)
        for text in boilerplate(400, 180, 16)[:200]
        for text in [text.replace(" b", f" c{cluster}x")]
    ]
    every = ann.deduplicate(texts, engine="exact")
    assert (every.stats.crowded, every.stats.clusters) == (0, 10)
    assert every.stats.pairs > 190_000
    monkeypatch.setattr(verifying, "PAIRS_HELD", 50_000)
    for engine in ENGINES:
        few = ann.deduplicate(texts, engine=engine)
        assert few.stats.crowded == 2000
        assert few.stats.pairs < 50_000
        np.testing.assert_array_equal(few.representative, every.representative)
        np.testing.assert_array_equal(few.similarity, every.similarity)
