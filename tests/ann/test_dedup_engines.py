"""The choice of an engine, documents inside documents, and links by chains."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

import ann
from ann._join import components
from ann.dedup import InputError, engines, linking
from ann.dedup.settings import Settings
from ann.dedup.words import byte_count


def found(result):
    a, b, similarity = result.pairs
    return dict(zip(zip(a.tolist(), b.tolist(), strict=True), similarity.tolist(), strict=True))


def test_the_cheaper_engine_is_taken_and_says_why(corpus, monkeypatch):
    plan = ann.deduplicate(corpus).stats.plan
    assert (plan.engine, plan.documents, plan.sampled) == ("exact", len(corpus), len(corpus))
    assert plan.why.startswith("it finds every pair")
    monkeypatch.setattr(engines, "available_memory", lambda: 2 * plan.exact.bytes - 2)
    plan = ann.deduplicate(corpus).stats.plan
    assert (plan.engine, plan.why) == (
        "lsh",
        f"exact would not fit in {byte_count(plan.exact.bytes - 1)}",
    )
    monkeypatch.undo()
    monkeypatch.setattr(engines, "WORTH", -1.0)
    result = ann.deduplicate(corpus)
    assert (result.stats.plan.engine, result.stats.settings.engine) == ("lsh", "lsh")
    assert "exact would make the job" in result.stats.plan.why
    asked = ann.deduplicate(corpus, engine="lsh").stats.plan
    assert (asked.engine, asked.why, asked.exact) == ("lsh", "as asked", None)


def test_the_size_of_the_corpus_is_estimated_from_what_was_read(corpus, monkeypatch):
    monkeypatch.setattr(engines, "SAMPLE", 300)
    monkeypatch.setattr("ann.dedup.memory.ROWS_A_BATCH", 100)
    plan = ann.deduplicate(corpus).stats.plan
    assert plan.sampled == 300
    assert 0.8 * len(corpus) < plan.documents < 1.25 * len(corpus)
    plan = ann.deduplicate(text for text in corpus).stats.plan
    assert (plan.engine, plan.why) == ("lsh", "the size of the input is not known")


@pytest.mark.parametrize("texts", [[], ["", "..."], [None]])
def test_nothing_to_compare(texts):
    assert ann.deduplicate(texts).stats.plan.why == "there is nothing to compare"


def test_estimates_count_what_the_search_counts(corpus):
    for engine in ("exact", "lsh"):
        stats = ann.deduplicate(corpus, engine=engine).stats
        plan = ann.deduplicate(corpus).stats.plan
        assert getattr(plan, engine).candidates == stats.candidates


def test_the_engine_is_in_the_summary(corpus, command, write, json_lines, tmp_path):
    path = write("rows.jsonl", json_lines(corpus))
    told = json.loads(command(path, "--json").output)
    assert told["plan"]["engine"] == told["settings"]["engine"] == "exact"
    assert told["plan"]["exact"]["candidates"] == told["candidates"]
    assert "Engine  exact: it finds every pair" in command(path).output
    assert "Engine" not in command(path, "--engine", "lsh").output
    shown = command(write("tiny.jsonl", json_lines(["some words"]))).output
    assert "Engine  exact: it finds every pair, and makes the job no longer\n" in shown


def contained(texts, threshold, oracle):
    """All pairs of which one holds at least so much of the other, by brute force."""
    sets = [oracle.shingle_set(text) for text in texts]
    pairs = {}
    for b, many in enumerate(sets):
        for a in range(b):
            least = min(len(many), len(sets[a]))
            if least and len(sets[a] & many) >= threshold * least:
                pairs[a, b] = len(sets[a] & many) / least
    return pairs


@pytest.mark.parametrize("threshold", [0.3, 0.8, 1.0])
def test_documents_inside_documents(threshold, oracle):
    texts = oracle.make_corpus(5, 60)
    words = [text.split() for text in texts if text]
    rng = np.random.default_rng(5)
    for row in range(0, 60, 2):  # quoted in full in a longer one, before or after it
        texts.insert(int(rng.integers(len(texts))), " ".join(words[row] + words[row + 1]))
    result = ann.deduplicate(texts, measure="containment", threshold=threshold)
    truth = contained(texts, threshold, oracle)
    assert found(result) == truth
    assert result.stats.plan.engine == "exact"
    sizes = [len(oracle.shingle_set(text)) for text in texts]
    removed = np.flatnonzero(~result.kept)
    assert len(removed) > 60
    for row in removed:  # the longer one stays, and holds it
        other = result.representative[row]
        assert result.kept[other]
        assert sizes[other] >= sizes[row]
        assert result.similarity[row] == truth[tuple(sorted((row, other)))]
    kept = set(np.flatnonzero(result.kept).tolist())
    assert not any(a in kept and b in kept for a, b in truth)


def test_columns_are_named_for_the_measure(command, write, json_lines, tmp_path):
    path = write("rows.jsonl", json_lines(["one two three four five six seven"] * 2))
    command(path, "-o", tmp_path / "out", "--measure", "containment")
    pairs = pq.read_schema(tmp_path / "out/pairs.parquet").names
    clusters = pq.read_schema(tmp_path / "out/clusters.parquet").names
    assert pairs == ["a", "b", "a_row", "b_row", "containment"]
    assert clusters == ["id", "row", "cluster", "kept", "containment", "reason"]


def test_containment_has_no_signatures(command, write):
    with pytest.raises(InputError, match="containment needs the engine exact"):
        Settings(measure="containment", engine="lsh")
    path = write("rows.jsonl", '{"text": "one"}\n')
    told = command(path, "--measure", "containment", "--engine", "lsh")
    assert (told.exit_code, "no signature can promise" in told.output) == (1, True)
    told = command(path, "--measure", "containment", "--recall", "0.999999999", "--num-perm", 1)
    assert "of containment >= 0.8" in told.output


EDGES = st.lists(st.tuples(st.integers(0, 14), st.integers(0, 14)))


@given(EDGES)
def test_components_are_what_is_connected(edges):
    group = list(range(15))
    for _ in range(15):
        for a, b in edges:
            group[a] = group[b] = min(group[a], group[b])
    a, b = np.array(edges, np.int64).reshape(-1, 2).T
    assert components(15, a, b).tolist() == group


def test_components_of_documents_that_are_not_there():
    with pytest.raises(ValueError, match="beyond"):
        components(2, [0], [2])
    with pytest.raises(ValueError, match="one length"):
        components(2, [0], [])


def chain(length):
    """Windows of 100 words that move on by two: each resembles the next few."""
    words = [f"w{i}" for i in range(100 + 2 * length)]
    return [" ".join(words[2 * i : 2 * i + 100]) for i in range(length)]


@pytest.mark.parametrize("engine", ["lsh", "exact"])
def test_chains_are_merged_only_when_asked(engine, oracle):
    texts = [*chain(40), "quite another text altogether, of seven words"]
    apart = ann.deduplicate(texts, engine=engine)
    assert 5 < apart.stats.clusters < 20
    merged = ann.deduplicate(texts, engine=engine, link="transitive")
    assert merged.representative.tolist() == [0] * 40 + [40]
    assert merged.stats.giants == []
    assert found(merged) == found(apart)
    sets = [oracle.shingle_set(text) for text in texts]
    assert merged.similarity[39] < 0.2  # to the one it is connected with, not to its neighbour
    assert merged.similarity[20] == oracle.jaccard(sets[0], sets[20])
    assert merged.similarity[1] == oracle.jaccard(sets[0], sets[1])


def test_a_giant_is_reported_and_not_merged(monkeypatch, command, write, json_lines):
    monkeypatch.setattr(linking, "GIANT", 30)
    texts = chain(40) + [text.replace("w", "x") for text in chain(30)]
    apart = ann.deduplicate(texts)
    merged = ann.deduplicate(texts, link="transitive", keep="longest")
    assert merged.stats.giants == [40]
    assert (merged.representative[40:] == merged.representative[40]).all()
    assert apart.representative[:40].tolist() == ann.deduplicate(texts[:40]).representative.tolist()
    chosen = merged.representative[:40]
    assert (merged.similarity[:40] >= 0.8).all()
    assert len(set(chosen.tolist())) > 5
    path = write("rows.jsonl", json_lines(texts))
    assert "1 group of up to 40 documents hang" in command(path, "--link", "transitive").output
