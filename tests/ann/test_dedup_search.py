"""`ann.deduplicate` against a brute-force join, and what it promises."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import ann
from ann import _pairs
from ann.dedup import InputError, listing, memory

pl = pytest.importorskip("polars")
duckdb = pytest.importorskip("duckdb")

CONTAINERS = {
    "list": list,
    "generator": lambda texts: (text for text in texts),
    "numpy": lambda texts: np.array(texts, object),
    "arrow array": pa.array,
    "arrow chunked": lambda texts: pa.chunked_array([texts[:7], [], texts[7:]]),
    "arrow table": lambda texts: pa.table({"n": range(len(texts)), "text": texts}),
    "arrow dictionary": lambda texts: pa.table({"text": pa.array(texts).dictionary_encode()}),
    "arrow batch": lambda texts: pa.record_batch({"text": texts}),
    "arrow reader": lambda texts: pa.table({"text": texts}).to_reader(max_chunksize=50),
    "pandas frame": lambda texts: pd.DataFrame({"text": texts, "mixed": [1, "a"] * 300}),
    "pandas series": pd.Series,
    "polars frame": lambda texts: pl.DataFrame({"text": texts}),
    "polars series": lambda texts: pl.Series("x", texts),
}


def found(result):
    a, b, jaccard = result.pairs
    return dict(zip(zip(a.tolist(), b.tolist(), strict=True), jaccard.tolist(), strict=True))


def check(result, texts, oracle, threshold=0.8, **shingling):
    """Everything that holds whatever was found: precision 1, and no chains."""
    truth = oracle.brute_force(texts, threshold, **shingling)
    pairs = found(result)
    assert pairs.items() <= truth.items()
    assert list(pairs) == sorted(pairs)
    rows = np.arange(len(texts))
    stands_for = result.representative
    assert result.kept.tolist() == (stands_for == rows).tolist()
    assert result.kept[stands_for].all()
    for row in np.flatnonzero(~result.kept):
        pair = tuple(sorted((row, stands_for[row])))
        assert truth[pair] == result.similarity[row] >= threshold
    assert (result.similarity[result.kept] == 1).all()
    kept = set(np.flatnonzero(result.kept).tolist())
    assert not any(a in kept and b in kept for a, b in pairs)
    stats = result.stats
    assert (stats.documents, stats.pairs) == (len(texts), len(pairs))
    assert (stats.kept, stats.removed) == (len(kept), len(texts) - len(kept))
    return truth


@pytest.mark.parametrize("container", CONTAINERS)
def test_every_container_gives_the_same(container, corpus):
    texts = corpus[:600]
    expected = ann.deduplicate(texts)
    result = ann.deduplicate(CONTAINERS[container](texts))
    assert found(result) == found(expected)
    assert result.kept.tolist() == expected.kept.tolist()
    sizes = (text.encode() for text in texts if text)
    assert result.stats.bytes == sum(map(len, sizes)) == expected.stats.bytes


def test_pairs_of_an_arrow_table_are_those_of_the_exact_join(oracle):
    texts = oracle.make_corpus(11, 2000)[:5000]
    assert len(texts) > 4500
    result = ann.deduplicate(pa.table({"text": texts}), engine="lsh")
    truth = check(result, texts, oracle)
    assert len(truth) > 1000
    assert len(found(result)) >= 0.99 * len(truth)


@pytest.mark.parametrize(
    ("threshold", "shingling"),
    [(0.5, {"ngram": 3}), (0.7, {"unit": "char", "ngram": 8}), (1.0, {}), (0.9, {"ngram": 1})],
)
def test_other_thresholds_and_shingles(threshold, shingling, corpus, oracle):
    result = ann.deduplicate(corpus, threshold=threshold, engine="lsh", **shingling)
    truth = check(result, corpus, oracle, threshold, **shingling)
    assert len(found(result)) >= 0.98 * len(truth) > 100


@given(
    st.lists(st.text("ab c", max_size=12) | st.none(), max_size=30),
    st.sampled_from([0.3, 0.6, 1.0]),
    st.sampled_from(["first", "longest"]),
)
def test_small_documents(oracle, texts, threshold, keep):
    result = ann.deduplicate(texts, threshold=threshold, ngram=2, keep=keep)
    check(result, texts, oracle, threshold, ngram=2)


def test_recall_at_the_threshold_over_many_seeds():
    """4,000 pairs of similarity exactly 0.8 (80 of 100 words shared) are found with probability at
    least 0.99 each. If it were no more than that, this test would fail once in 10,000 seeds: the
    limit is 3.72 standard deviations below.
    """
    pairs, missed = 0, 0
    for seed in range(40):
        texts = []
        for family in range(100):
            shared = [f"s{family}x{i}" for i in range(80)]
            for side in "ab":
                texts.append(" ".join(shared + [f"{side}{family}x{i}" for i in range(10)]))
        result = ann.deduplicate(texts, ngram=1, seed=seed, engine="lsh")
        exact = {(row, row + 1): 0.8 for row in range(0, 200, 2)}
        assert found(result).items() <= exact.items()
        pairs += len(exact)
        missed += len(exact) - len(found(result))
    expected = 0.01 * pairs
    assert missed <= expected + 3.72 * np.sqrt(expected * 0.99)
    assert result.stats.recall_at_threshold >= 0.99


def test_nothing_depends_on_threads_or_batches(corpus, monkeypatch):
    expected = ann.deduplicate(corpus, threads=1, threshold=0.6)
    monkeypatch.setattr(memory, "ROWS_A_BATCH", 13)
    monkeypatch.setattr(_pairs, "BLOCK", 5)
    for threads in (1, 2, 5):
        result = ann.deduplicate(corpus, threads=threads, threshold=0.6)
        assert found(result) == found(expected)
        assert result.representative.tolist() == expected.representative.tolist()


def test_keeps_the_first_or_the_longest_and_breaks_ties_by_id():
    table = pa.table(
        {
            "text": [
                "a b c d e f",
                "A b c d e f!",
                "a, b, c, d, e, f",
                "A, b, c, d, e, f",
                "other",
            ],
            "id": ["z", "y", "x", "w", "v"],
        }
    )
    assert ann.deduplicate(table).representative.tolist() == [0, 0, 0, 0, 4]
    longest = ann.deduplicate(table, keep="longest")
    assert longest.representative.tolist() == [2, 2, 2, 2, 4]
    by_id = ann.deduplicate(table, keep="longest", id="id")
    assert by_id.representative.tolist() == [3, 3, 3, 3, 4]


def test_the_text_may_be_its_own_id():
    for table in (pa.table({"text": ["b a", "B A", "c"]}), pd.DataFrame({"text": ["b a", "B A"]})):
        longest = ann.deduplicate(table, id="text", keep="longest")
        assert longest.representative.tolist()[:2] == [1, 1]


def test_a_chain_of_resemblance_removes_only_what_resembles_the_kept_one(oracle):
    words = [f"w{i}" for i in range(120)]
    texts = [" ".join(words[i : i + 100]) for i in (0, 6, 12, 18)]
    result = ann.deduplicate(texts, ngram=1)
    check(result, texts, oracle, ngram=1)
    assert result.representative.tolist() == [0, 0, 2, 2]


def test_identical_documents_cost_one_and_are_listed_up_to_the_cap():
    texts = ["the same old words in all of them", "something else altogether, isn't it"] * 5000
    result = ann.deduplicate(texts)
    assert result.stats.candidates == 0
    assert result.representative.tolist() == [0, 1] * 5000
    each = listing.COPIES_LISTED * (listing.COPIES_LISTED - 1) // 2
    each += 5000 - listing.COPIES_LISTED
    assert result.stats.pairs == 2 * each
    assert result.stats.pairs + result.stats.pairs_unlisted == 2 * (5000 * 4999 // 2)
    assert set(np.unique(result.pairs.b)) == set(range(2, 10000))


def test_copies_meet_the_copies_of_what_resembles_them(oracle, monkeypatch):
    long = " ".join(f"w{i}" for i in range(100))
    texts = [long, long + " x", long.upper(), long + ", X", "", long]
    check(ann.deduplicate(texts), texts, oracle)
    assert len(found(ann.deduplicate(texts))) == 10
    monkeypatch.setattr(listing, "COPIES_LISTED", 1)
    result = ann.deduplicate(texts)
    assert list(found(result)) == [(0, 1), (0, 2), (0, 5), (1, 3)]
    assert result.stats.pairs_unlisted == 6


def test_copies_of_many_alike_are_listed_within_a_budget(monkeypatch):
    """10 variants of a text, 12 copies each: 7,140 true pairs, of which 45 are found as such."""
    words = [f"w{i}" for i in range(100)]
    variants = [" ".join([*words, str(i)]) for i in range(10)]
    for budget, most in ((7140, 12), (7139, 6), (46, 1), (0, 1)):
        monkeypatch.setattr(listing, "PAIRS_LISTED", budget)
        monkeypatch.setattr(listing, "COPIES_LISTED", 12 if most == 12 else 48)
        result = ann.deduplicate(variants * 12)
        listed = 45 * most * most + 10 * most * (most - 1) // 2 + 10 * (12 - most)
        assert result.stats.pairs == listed
        assert result.stats.pairs + result.stats.pairs_unlisted == 120 * 119 // 2
        assert (result.pairs.similarity >= 0.8).all()
        assert result.kept.sum() == 1


def test_empty_documents_are_kept_and_resemble_nothing():
    result = ann.deduplicate(["", "", None, "?!", "word", "word"])
    assert result.kept.tolist() == [True] * 5 + [False]
    assert result.stats.empty == 4


@pytest.mark.parametrize("container", [name for name in CONTAINERS if name != "generator"])
def test_filter_returns_what_it_was_given(container, corpus):
    texts = corpus[:600]
    data = CONTAINERS[container](texts)
    result = ann.deduplicate(data)
    if container == "arrow reader":
        data = CONTAINERS[container](texts).read_all()
    kept = result.filter(data)
    assert isinstance(kept, type(data))
    column = kept["text"] if hasattr(kept, "columns") else kept
    values = column.to_pylist() if hasattr(column, "to_pylist") else list(column)
    expected = [text for text, stays in zip(texts, result.kept, strict=True) if stays]
    assert [value if isinstance(value, str) else None for value in values] == expected
    with pytest.raises(InputError, match="rows, where the search had"):
        result.filter(texts[:-1])


def test_filter_of_what_has_no_rows_to_pick_from():
    table = pa.table({"text": ["a b", "c", "A b"]})
    result = ann.deduplicate(table)
    expected = table.slice(0, 2)
    assert result.filter(table.to_reader()).equals(expected)
    assert result.filter(duckdb.arrow(table)).equals(expected)
    with pytest.raises(TypeError, match="collect"):
        result.filter(pl.LazyFrame({"text": ["a"]}))


def test_clusters_and_repr():
    result = ann.deduplicate(["a b c", "x y z", "x y z", "a b c", "x y z", "q"])
    assert [(c.kept, c.removed.tolist()) for c in result.largest(5)] == [(1, [2, 4]), (0, [3])]
    assert result.clustered.tolist() == [0, 3, 1, 2, 4]
    assert repr(result).startswith("<Result: 6 documents, 3 kept, 3 removed in 2 clusters;")


def test_progress_is_told_and_nothing_is_left_of_nothing(corpus):
    told = []
    ann.deduplicate(corpus, progress=lambda *call: told.append(call))
    assert ("read", len(corpus), len(corpus)) in told
    for nothing in ([], pa.table({"text": pa.array([], pa.string())}), pd.DataFrame({"text": []})):
        result = ann.deduplicate(nothing)
        assert result.stats.documents == len(result.kept) == len(result.pairs.a) == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"threshold": 0}, "threshold must be above 0"),
        ({"threshold": 1.1}, "threshold must be above 0"),
        ({"threshold": float("nan")}, "threshold must be above 0"),
        ({"recall": 1}, "recall must lie between"),
        ({"recall": 0.999999, "num_perm": 4}, "num_perm=4 reaches a recall of"),
        ({"ngram": 0}, "ngram must be at least 1"),
        ({"ngram": 1000}, "ngram must be 1 .. 256"),
        ({"unit": "line"}, "unit must be one of"),
        ({"keep": "last"}, "keep must be first, longest"),
        ({"threads": 0}, "threads must be at least 1"),
        ({"id": "n"}, "a list has none"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(InputError, match=message):
        ann.deduplicate(["a", "b"], **options)


@pytest.mark.parametrize(
    ("data", "options", "error", "message"),
    [
        ("text", {}, TypeError, "pass a list"),
        (b"text", {}, TypeError, "pass a list"),
        (None, {}, TypeError, "None holds no documents"),
        (3, {}, TypeError, "cannot take documents from type int"),
        ({"text": ["a"]}, {}, TypeError, r"pass pyarrow.table\(data\), or a list"),
        (pl.LazyFrame({"text": ["a"]}), {}, TypeError, r"pass what its collect\(\) gives"),
        (["a"], {"threshold": "0.8"}, TypeError, "threshold must be a number, not '0.8'"),
        (["a"], {"ngram": 2.5}, TypeError, "ngram must be a whole number, not 2.5"),
        (["a"], {"threads": "2"}, TypeError, "threads must be a whole number, not '2'"),
        (["a", 3], {}, TypeError, "document 1 is no str: its type is int"),
        (["a", "\ud800"], {}, InputError, "document 1 holds a lone surrogate"),
        (pa.table({"body": ["a"]}), {}, InputError, "no column 'text'; its columns are 'body'"),
        (pd.DataFrame({"body": ["a"]}), {}, InputError, "no column 'text'; its columns are 'body'"),
        (pa.table({"text": [1]}), {}, InputError, "column 'text' holds int64, not text"),
        (pa.table({"text": ["a"], "i": [[1]]}), {"id": "i"}, InputError, "ids are text or"),
        (pa.table({"text": ["a"], "i": [None]}), {"id": "i"}, InputError, "is null in row 0"),
        (
            pa.table([["a"], ["b"]], names=["text", "text"]),
            {},
            InputError,
            "has 2 columns named 'text'",
        ),
        (
            pd.DataFrame([["a", "b"]], columns=["text", "text"]),
            {},
            InputError,
            "has 2 columns named 'text'",
        ),
        (pa.array(["a"]), {"id": "i"}, InputError, "a StringArray has none"),
    ],
)
def test_bad_data(data, options, error, message):
    with pytest.raises(error, match=message):
        ann.deduplicate(data, **options)
