"""`tractable explain` and `tractable tune`: by counting, and by running what was predicted."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

import ann
import tractable
from ann.bands import choose_bands, s_curve
from ann.dedup import tuning
from ann.dedup.explaining import explain
from ann.dedup.settings import Settings

FIRST = "The quick brown fox jumps over the lazy dog, and the dog sleeps on."
SECOND = "The quick red fox jumps over the lazy dog and the dog sleeps on!"


@pytest.fixture
def tell():
    """Runs a command of `tractable` in this process."""

    def run(*arguments):
        result = CliRunner().invoke(tractable.main, list(map(str, arguments)))
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return run


@pytest.mark.parametrize(("unit", "ngram"), [("word", 1), ("word", 3), ("char", 4)])
def test_an_explanation_counts_as_the_oracle_does(unit, ngram, oracle):
    told = explain(("a", "b"), (FIRST, SECOND), Settings(unit=unit, ngram=ngram, threshold=0.5))
    a, b = (oracle.shingle_set(text, ngram, unit) for text in (FIRST, SECOND))
    assert told.shingles == (len(a), len(b))
    assert told.common == len(a & b)
    assert told.jaccard == oracle.jaccard(a, b)
    assert told.contained == (len(a & b) / len(a), len(a & b) / len(b))
    assert told.near_duplicates == (oracle.jaccard(a, b) >= 0.5)
    assert abs(told.estimate - told.jaccard) <= 5 * told.error  # false alarm < 1e-6
    assert told.found == s_curve(told.jaccard, told.bands, told.rows)


def test_the_bands_that_meet_are_those_of_the_index(corpus):
    """A pair is among the candidates of an index of the same parameters if one of its bands is."""
    texts = [text for text in corpus if text][:60]
    signatures = ann.TextSketcher().sketch(texts, shingles=False)
    index = ann.MinHashLSH(threshold=0.8, recall=0.99)
    index.add(signatures)
    for i in range(0, 60, 7):
        near = set(index.query(signatures[i]))
        for j in range(60):
            told = explain(("a", "b"), (texts[i], texts[j]), Settings())
            assert (j in near) == bool(told.bands_met and told.shingles[0])


def test_empty_documents_resemble_nothing():
    told = explain(("a", "b"), ("", "..."), Settings())
    assert (told.jaccard, told.bands_met, told.near_duplicates) == (0, [], False)


def test_explain_two_files(write, tell):
    a, b = write("a.txt", FIRST), write("b.txt", SECOND)
    shown = tell("explain", a, b, "--ngram", "2", "--threshold", "0.6").stdout
    assert shown.startswith(f"{a} and {b}\n  Similarity  0.7333: of 15 word 2-grams 11 in both")
    assert "near-duplicates (threshold 0.6)" in shown
    assert "[-brown-]" in shown.replace(" -]", "-]")
    assert "{+red+}" in shown.replace(" +}", "+}")
    told = json.loads(tell("explain", a, b, "--json").stdout)
    assert told["settings"]["ngram"] == 5
    kinds = [part["kind"] for part in told["differences"]]
    assert kinds == ["same", "other", "same"]


def test_explain_two_rows(write, tell, json_lines, tmp_path):
    path = write("rows.jsonl", json_lines([FIRST, "other", SECOND], key=["x", 7, "z"]))
    by_row = json.loads(tell("explain", 0, 2, "--in", path, "--json").stdout)
    by_id = json.loads(tell("explain", "x", "z", "--in", path, "--id", "key", "--json").stdout)
    assert by_row == by_id | {"names": ["0", "2"]}
    expected = explain(("0", "2"), (FIRST, SECOND), Settings())
    assert by_row["jaccard"] == expected.jaccard
    folder = write("texts/a.txt", FIRST).parent
    write("texts/b/c.txt", SECOND)
    by_path = json.loads(tell("explain", "a.txt", "b/c.txt", "--in", folder, "--json").stdout)
    assert by_path["jaccard"] == expected.jaccard
    same = json.loads(tell("explain", 1, 1, "--in", path, "--json").stdout)
    assert same["jaccard"] == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["0", "9", "--in", "rows.jsonl"], "'9' among 2 documents, numbered from 0: for an id"),
        (
            ["rows.jsonl", "a.txt"],
            "rows.jsonl holds rows: name two of them, and the file with --in",
        ),
        (["a.txt", "."], "is a folder: name two files"),
        (["a.txt", "none.txt"], "none.txt does not exist"),
        (["a.txt", "a.txt", "--id", "x"], "name what holds them with --in"),
        (["a.txt", ""], "the path is empty"),
        (["a.txt", "a.txt", "--num-perm", "2"], "raise --num-perm or lower --recall"),
        (["a.txt", "a.txt", "--threshold", "nan"], "threshold must be above 0"),
    ],
)
def test_what_explain_refuses(arguments, message, write, tell, json_lines, tmp_path, monkeypatch):
    write("rows.jsonl", json_lines(["a", "b"]))
    write("a.txt", "a")
    monkeypatch.chdir(tmp_path)
    result = tell("explain", *arguments)
    assert result.exit_code in (1, 2)
    assert message in " ".join(result.stderr.split())


def test_a_plan_predicts_what_happens(write, tell, json_lines, corpus):
    """On all documents the candidates are those of the search itself; on four times as many of
    the same kind, each standing for another draw, sixteen times as many are predicted."""
    path = write("rows.jsonl", json_lines(corpus))
    told = json.loads(tell("tune", path, "--json", "--threads", 1).stdout)
    assert told["documents"] == told["sampled"] == len(corpus)
    assert [choice["num_perm"] for choice in told["choices"]] == [64, 128, 256, 512]
    for choice in told["choices"]:
        stats = ann.deduplicate(corpus, num_perm=choice["num_perm"], engine="lsh").stats
        bands = choose_bands(0.8, 0.99, choice["num_perm"])
        assert (choice["bands"], choice["rows"]) == bands == (stats.bands, stats.rows)
        predicted = choice["candidates_per_million"] * len(corpus) / 1e6
        assert predicted == pytest.approx(stats.candidates)
        assert choice["recall"] >= 0.99
        assert all(seconds >= 0 for seconds in choice["seconds"].values())
    more = json.loads(tell("tune", path, "--json", "--documents", 4 * len(corpus)).stdout)
    for choice, other in zip(told["choices"], more["choices"], strict=True):
        ratio = other["candidates_per_million"] / choice["candidates_per_million"]
        assert ratio == pytest.approx(4)
        assert other["memory"] == 4 * choice["memory"]
    totals = [sum(choice["seconds"].values()) for choice in told["choices"]]
    assert told["chosen"] == int(np.argmin(totals))


def test_a_plan_keeps_to_a_budget(write, tell, json_lines, corpus):
    path = write("rows.jsonl", json_lines(corpus))
    least = json.loads(tell("tune", path, "--json").stdout)["choices"][0]["memory"]
    told = json.loads(tell("tune", path, "--memory", f"{least + 1:.0f}", "--json").stdout)
    assert told["chosen"] == 0
    refused = tell("tune", path, "--memory", "1kB")
    assert "of memory at least" in refused.stderr
    assert "is no size" in " ".join(tell("tune", path, "--memory", "much").stderr.split())
    told = json.loads(tell("tune", path, "--documents", "1e9", "--json").stdout)
    assert told["documents"] == 10**9
    assert "no number of documents" in tell("tune", path, "--documents", "1").stderr
    assert "--engine auto may take exact" in tell("tune", path).stdout


def test_a_plan_as_people_read_it(write, tell, json_lines, corpus):
    path = write("rows.jsonl", json_lines(corpus))
    shown = tell(
        "tune", path, "--threshold", "0.5", "--ngram", "3", "--documents", "1000000"
    ).stdout
    assert shown.startswith(f"1,000,000 documents like the {len(corpus)} of the sample\n")
    assert shown.count("<- least time") == 1
    assert "--threshold 0.5 --ngram 3" in shown
    assert "1.0  1.0000  " + 40 * "#" in shown


def test_a_sample_is_drawn_evenly(write, json_lines, monkeypatch):
    """Each of 400 rows is in a sample of 100 with probability 1/4: over the rows' four quarters the
    counts are within five standard deviations of a hypergeometric draw (false alarm < 1e-5)."""
    from ann.cli_look import opened

    path = write("rows.jsonl", json_lines([str(row) for row in range(400)]))
    texts, documents, _ = tuning.sample_texts(opened((str(path),), "fail"), 100)
    assert (len(texts), documents, len(set(texts))) == (100, 400, 100)
    quarters = np.bincount(np.array(texts, dtype=np.int64) // 100, minlength=4)
    assert abs(quarters - 25).max() <= 5 * np.sqrt(100 * 0.25 * 0.75 * 300 / 399)


def test_a_sample_of_the_beginnings_tells_how_many_there_are(write, json_lines, monkeypatch):
    from ann.cli_look import opened
    from ann.dedup import jsonl

    monkeypatch.setattr(jsonl, "BLOCK", 1000)
    paths = [
        write(f"{name}.jsonl", json_lines([f"{name} {row:06}" for row in range(rows)]))
        for name, rows in (("a", 3000), ("b", 1000))
    ]
    sources = opened(tuple(map(str, paths)), "fail")
    budget = sum(source.size for source in sources) // 4
    texts, documents, _ = tuning.sample_texts(sources, budget=budget)
    assert documents == pytest.approx(4000, rel=0.05)
    assert 1000 <= len(texts) <= 1200
    assert 0.2 < sum(text.startswith("b") for text in texts) / len(texts) < 0.3


@pytest.mark.parametrize("engine", ["lsh", "exact", "auto"])
def test_a_dry_run_says_what_a_run_then_does(engine, write, json_lines, corpus, tell, tmp_path):
    path, out = write("rows.jsonl", json_lines(corpus)), tmp_path / "out"
    options = ["dedup", path, "--engine", engine, "-o", out, "--report", "--annotate"]
    told = json.loads(tell(*options, "--dry-run", "--json").stdout)
    assert not out.exists()
    assert (told["files"], told["input_bytes"]) == (1, path.stat().st_size)
    assert told["plan"]["documents"] == told["plan"]["sampled"] == len(corpus)
    ran = json.loads(tell(*options, "--json").stdout)
    predicted = told["plan"]["candidates_per_million"] * len(corpus) / 1e6
    assert predicted == pytest.approx(ran["candidates"])
    names = {path.name + "/" * path.is_dir() for path in out.iterdir()}
    assert names == set(told["writes"])
    shown = tell(*options[:-1], "--force", "--dry-run").stdout
    assert f"about {len(corpus)} documents" in shown
    assert "Would write   kept/, clusters.parquet, pairs.parquet, summary.json, report" in shown
    assert ran["settings"]["engine"] == told["plan"]["settings"]["engine"]
    assert ("exact join" in shown) == (ran["settings"]["engine"] == "exact")
    assert {path.name for path in out.iterdir()} == {name.rstrip("/") for name in names}


@pytest.mark.parametrize("rows", [0, 1])
def test_a_dry_run_of_nothing_is_a_plan(rows, write, json_lines, tell):
    path = write("few.jsonl", json_lines(["some words"] * rows))
    assert (
        json.loads(tell("dedup", path, "--dry-run", "--json").stdout)["plan"]["documents"] == rows
    )
    assert f"about {rows} document" in tell("dedup", path, "--dry-run").stdout


def test_a_dry_run_takes_the_engine_of_the_run(write, json_lines, corpus, tell, monkeypatch):
    """From the same documents by the same estimate, though those that follow are unlike them."""
    from ann.dedup import engines, jsonl

    monkeypatch.setattr(engines, "SAMPLE", 300)
    monkeypatch.setattr(jsonl, "BLOCK", 20_000)
    path = write("rows.jsonl", json_lines([*corpus, *(" ".join(corpus[:20]) for _ in range(200))]))
    plan = json.loads(tell("dedup", path, "--json").stdout)["plan"]
    assert plan["sampled"] < len(corpus)
    told = json.loads(tell("dedup", path, "--dry-run", "--json").stdout)
    assert (told["plan"]["settings"]["engine"], told["why"]) == (plan["engine"], plan["why"])
    monkeypatch.setattr("ann.dedup.options.LEAST", 0)
    monkeypatch.setattr("ann.dedup.stages.check_memory", lambda *_: None)
    plan = json.loads(tell("dedup", path, "--memory", "16MB", "--json").stdout)["plan"]
    told = json.loads(tell("dedup", path, "--memory", "16MB", "--dry-run", "--json").stdout)
    assert told["plan"]["settings"]["engine"] == plan["engine"]


def test_a_dry_run_refuses_what_a_run_would(write, json_lines, tell, tmp_path):
    path = write("rows.jsonl", json_lines(["a", "b"]))
    (tmp_path / "mine").mkdir()
    write("mine/x", "precious")
    for arguments, message in (
        (["-"], "standard input can be read only once"),
        ([path, "-o", tmp_path / "mine"], "is no output of this command"),
        ([path, "--report"], "--report needs an output folder"),
        ([path, "--text", "body"], "no field 'body'"),
    ):
        result = tell("dedup", *arguments, "--dry-run")
        assert result.exit_code == 1
        assert message in result.stderr


@pytest.mark.parametrize(
    ("written", "count"),
    [("800", 800), ("2GB", 2 * 10**9), ("1.5 GiB", 3 << 29), ("5k", 5000), ("1tb", 10**12)],
)
def test_sizes(written, count):
    from ann.dedup.options import size

    assert size(None, None, written) == count


def test_engines_by_budgets(write, tell, json_lines, corpus):
    """The same figures as `tune`; exact where there is time for it; all of it scaled to n."""
    path = write("rows.jsonl", json_lines(corpus))
    run = ("plan", "dedup", path, "--documents", "1e6", "--json")
    told = json.loads(tell(*run).stdout)
    by_name = {each["name"]: each for each in told["candidates"]}
    assert set(by_name) == {"exact", "lsh"}
    assert by_name["exact"]["exact"]
    tuned = json.loads(tell("tune", path, "--documents", "1e6", "--json").stdout)
    chosen = by_name["lsh"]["parameters"]["num_perm"]
    same = next(choice for choice in tuned["choices"] if choice["num_perm"] == chosen)
    costs = by_name["lsh"]["costs"]
    assert costs["pairs"]["mid"] == pytest.approx(same["candidates_per_million"])
    assert costs["memory"]["mid"] == same["memory"]
    in_time = json.loads(tell(*run, "--within", "100h", "--memory", "100GB").stdout)
    assert in_time["choice"] == "exact"
    nothing = tell(*run, "--memory", "1kB")
    assert nothing.exit_code == 1
    assert json.loads(nothing.stdout)["choice"] is None
    shown = tell(*run[:-1], "--memory", "1kB").stdout
    assert "a document takes" in shown
    assert "two documents at least" in tell("plan", "dedup", write("one.txt", "a")).stderr
