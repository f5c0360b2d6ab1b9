"""The index of documents seen before: what it finds, and that nothing can corrupt it."""

import json
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

import ann
import tractable
from ann.dedup import DuplicateIndex, indexing
from ann.dedup import index as index_module
from ann.dedup.index import open_index
from ann.dedup.job import Reading
from ann.dedup.settings import InputError, Settings


@pytest.fixture
def files(write, json_lines, corpus):
    """Two halves of the corpus, and which rows of each hold words."""
    half = len(corpus) // 2
    parts = corpus[:half], corpus[half:]
    return [
        write(f"{name}.jsonl", json_lines(part, id=[f"{name}{i}" for i in range(len(part))]))
        for name, part in zip(("old", "new"), parts, strict=True)
    ]


def index(*words, code=0):
    """Runs `tractable index`; what it printed."""
    result = CliRunner().invoke(tractable.main, ["index", *map(str, words)])
    assert result.exit_code == code, result.output
    return result.stdout if code == 0 else result.stderr


def found(folder, path):
    lines = map(json.loads, index("query", folder, path, "--id", "id").splitlines())
    return {(line["id"], line["match"]): line["jaccard"] for line in lines}


def expected(corpus, oracle, threshold=0.8):
    half = len(corpus) // 2
    return {
        (f"new{b - half}", f"old{a}"): similarity
        for (a, b), similarity in oracle.brute_force(corpus, threshold).items()
        if a < half <= b
    }


def test_what_resembles_a_document_is_found(files, corpus, oracle, tmp_path):
    folder = tmp_path / "index"
    told = json.loads(index("add", folder, files[0], "--id", "id", "--json"))
    words = sum(bool(oracle.shingle_set(text)) for text in corpus[: len(corpus) // 2])
    assert (told["added"], told["documents"]) == (words, words)
    truth, pairs = expected(corpus, oracle), found(folder, files[1])
    assert len(truth) > 100
    assert {pair: pytest.approx(value) for pair, value in pairs.items()}.items() <= truth.items()
    assert len(pairs) >= 0.99 * len(truth)
    itself = found(folder, files[0])
    assert all(itself[f"old{i}", f"old{i}"] == 1.0 for i in (1, 5, 20) if corpus[i])


def test_batches_and_merges_hold_what_one_addition_holds(
    files, corpus, write, json_lines, tmp_path, monkeypatch
):
    whole, parts, other = (tmp_path / name for name in ("whole", "parts", "other"))
    index("add", whole, files[0], "--id", "id")
    lines = files[0].read_bytes().splitlines(keepends=True)
    monkeypatch.setattr(indexing, "SEGMENT", 20_000)
    monkeypatch.setattr("ann.dedup.jsonl.BLOCK", 5_000)
    monkeypatch.setattr(index_module, "PAIRS", 50)
    monkeypatch.setattr(index_module, "PIECE", 1000)
    for i, folder in enumerate((parts, parts, other)):
        third = len(lines) // 3 + 1
        piece = write("piece.jsonl", lines[i * third : (i + 1) * third])
        index("add", folder, piece, "--id", "id")
    told = json.loads(index("stats", parts, "--check", "--json"))
    assert told["segments"] > 3
    truth = found(whole, files[1])
    assert found(parts, files[1]).items() < truth.items()
    told = json.loads(index("merge", parts, other, "--json"))
    assert told["segments"] == 1
    assert told["documents"] == len(open_index(whole))
    assert found(parts, files[1]) == truth
    assert len(list((parts / "segments").iterdir())) == 1
    a, b = (sorted(map(open_index(at).id_of, range(told["documents"]))) for at in (whole, parts))
    assert a == b
    before = sorted(path.name for path in parts.rglob("*"))
    index("merge", parts)  # which has nothing to do
    assert sorted(path.name for path in parts.rglob("*")) == before


def test_an_index_keeps_its_parameters(files, tmp_path):
    folder = tmp_path / "index"
    index("add", folder, files[0], "--threshold", 0.7, "--ngram", 3)
    index("add", folder, files[1])
    index("add", folder, files[1], "--ngram", 3, "--again")
    refusal = index("add", folder, files[1], "--ngram", 5, code=1)
    assert "is an index of other parameters: --ngram was 3 and is 5" in refusal
    other = tmp_path / "other"
    index("add", other, files[0])
    assert "threshold was 0.8 and is 0.7" in index("merge", folder, other, code=1)
    told = json.loads(index("stats", folder, "--json"))
    assert told["parameters"]["threshold"] == 0.7
    assert "bands of" in index("stats", folder)


ADD = """
import sys
from pathlib import Path
from ann.dedup import indexing
from ann.dedup.job import Reading
indexing.SEGMENT = 10_000
for path in sys.argv[2:]:
    indexing.add(Path(sys.argv[1]), Reading([path]), {}, 1, lambda *told: None, True)
"""


def test_processes_that_add_at_once_take_turns(files, tmp_path):
    folder = tmp_path / "index"
    command = [sys.executable, "-c", ADD, folder, *files, *files]
    with ThreadPoolExecutor(3) as pool:
        runs = [pool.submit(subprocess.run, command, check=True) for _ in range(2)]
        for _ in range(20):
            if (folder / "index.json").exists():
                indexing.merge(folder, [])
        for run in runs:
            run.result()
    once = tmp_path / "once"
    indexing.add(once, Reading([str(files[0]), str(files[1])]), {}, 1, lambda *told: None)
    assert len(open_index(folder)) == 4 * len(open_index(once))
    assert indexing.stats(folder, True)["checked"]


def test_an_addition_that_fails_leaves_the_index_as_it_was(files, write, tmp_path):
    folder = tmp_path / "index"
    index("add", folder, files[0])
    before = sorted(path.name for path in folder.rglob("*"))
    bad = write("bad.jsonl", [files[1].read_bytes(), "not JSON\n"])
    assert "not JSON" in index("add", folder, bad, code=1)
    assert sorted(path.name for path in folder.rglob("*")) == before
    (folder / "segments" / "dead").mkdir()  # what a killed process leaves
    documents = len(open_index(folder))
    index("merge", folder)
    assert len(open_index(folder)) == documents
    assert sorted(path.name for path in folder.rglob("*")) == before


def test_of_two_merges_at_once_one_wins(files, tmp_path):
    folder = tmp_path / "index"
    index("add", folder, files[0])
    index("add", folder, files[1])
    opened = open_index(folder)

    def late():
        with index_module.Adding(folder, opened.settings) as adding:
            adding.join(opened.segments)
            index("merge", folder)
            adding.publish([segment.folder.name for segment in opened.segments])

    with pytest.raises(InputError, match="has been merged meanwhile"):
        late()
    assert len(open_index(folder)) == len(opened)
    assert len(list((folder / "segments").iterdir())) == 1


def test_damage_is_noticed(files, tmp_path):
    folder = tmp_path / "index"
    assert "is no index: `tractable index add` makes one" in index("stats", folder, code=1)
    index("add", folder, files[0])
    (segment,) = (folder / "segments").iterdir()
    for path in sorted(segment.iterdir()):
        content = path.read_bytes()
        path.write_bytes(bytes([content[0] ^ 1]) + content[1:])
        assert f"{path.name} is damaged" in index("stats", folder, "--check", code=1)
        path.write_bytes(content[:-1])
        assert "damaged" in index("stats", folder, code=1)
        path.unlink()
        assert f"{path.name} is missing" in index("query", folder, files[1], code=1)
        path.write_bytes(content)
    index("stats", folder, "--check")
    manifest = folder / "index.json"
    told = manifest.read_text()
    for text, reason in (
        (told.replace('"format": 1', '"format": 9'), "another version"),
        (told.replace("tractable index", "else"), "is no index"),
        (told[:-5], "cannot read"),
        ("[]", "is no index"),
    ):
        manifest.write_text(text)
        assert reason in index("stats", folder, code=1)
    shutil.rmtree(folder / "segments")
    manifest.unlink()
    (folder / "thesis.txt").write_text("precious")
    assert "is no index and not empty" in index("add", folder, files[0], code=1)


def test_ids_of_rows_without_a_column_of_ids(files, write, tmp_path):
    folder = tmp_path / "index"
    write("texts/a.txt", "one two three four five six seven")
    index("add", folder, tmp_path / "texts")
    one = write("rows.jsonl", '{"text": "one two three four five six seven"}\n')
    index("add", folder, one, "--again")
    lines = map(json.loads, index("query", folder, tmp_path / "texts").splitlines())
    assert [line["match"] for line in lines] == ["a.txt", "rows.jsonl:0"]


def test_an_empty_index_and_empty_documents(write, tmp_path):
    folder, empty = tmp_path / "index", write("rows.jsonl", '{"text": ""}\n{"text": null}\n')
    told = json.loads(index("add", folder, empty, "--json"))
    assert (told["added"], told["empty"], told["documents"]) == (0, 2, 0)
    assert index("query", folder, empty) == ""
    nothing = open_index(folder).matches(
        np.zeros((2, 16), np.uint64), np.zeros(2, np.bool_), lambda row: np.empty(0), 0.8
    )
    assert len(nothing.rows) == 0
    assert open_index(folder).settings == Settings()
    with pytest.raises(IndexError):
        open_index(folder).id_of(0)
    with pytest.raises(InputError, match="is no index"):
        open_index(tmp_path)


def test_what_an_index_has_is_removed_from_a_job(files, corpus, oracle, tmp_path, monkeypatch):
    folder, out, work = (tmp_path / name for name in ("index", "out", "work"))
    index("add", folder, files[0], "--id", "id")
    words = ["dedup", files[1], "--id", "id", "--against", folder]

    def job(*options, code=0):
        result = CliRunner().invoke(tractable.main, list(map(str, [*words, *options])))
        assert result.exit_code == code, result.output
        return result

    told = json.loads(job("-o", out, "--json").stdout)
    known = pq.read_table(out / "known.parquet").to_pydict()
    likest = {}
    for (new, _), value in found(folder, files[1]).items():
        likest[new] = max(likest.get(new, 0), value)
    assert dict(zip(known["id"], known["jaccard"], strict=True)) == likest
    assert told["known"] == len(likest) > 50
    new = corpus[len(corpus) // 2 :]
    rest = [None if f"new{i}" in likest else text for i, text in enumerate(new)]
    kept = ann.deduplicate(rest).kept
    lines = files[1].read_bytes().splitlines(keepends=True)
    stay = [x for i, x in enumerate(lines) if kept[i] and f"new{i}" not in likest]
    assert (out / "kept" / "new.jsonl").read_bytes() == b"".join(stay)
    assert told["kept"] == len(stay)
    assert told["empty"] == sum(not oracle.shingle_set(text) for text in new)
    assert "removed that the index has already" in job().stdout

    monkeypatch.setattr("ann.dedup.stages.PART", 20_000)
    monkeypatch.setattr("ann.dedup.jsonl.BLOCK", 5_000)
    job("-o", tmp_path / "again", "--work", work)
    for name in ("known.parquet", "kept/new.jsonl", "clusters.parquet", "pairs.parquet"):
        assert (tmp_path / "again" / name).read_bytes() == (out / name).read_bytes()
    assert "ngram was 5 and is 4" in job("--ngram", 4, code=1).stderr
    index("add", folder, files[1])
    assert "index was" in job("--work", work, code=1).stderr


def test_what_comes_again_is_noticed(files, tmp_path):
    folder = tmp_path / "index"
    index("add", folder, files[0])
    refusal = index("add", folder, files[0], code=1)
    assert f"is in {folder} already, added as {files[0]}: nothing was added; --again" in refusal
    other = tmp_path / "renamed.jsonl"
    other.write_bytes(files[0].read_bytes())
    assert "renamed.jsonl is in" in index("add", folder, other, code=1)
    before = DuplicateIndex(folder).stats()["documents"]
    index("merge", folder)
    index("add", folder, files[0], "--again")
    assert DuplicateIndex(folder).stats()["documents"] == 2 * before
    elsewhere = tmp_path / "elsewhere"
    index("add", elsewhere, files[1])
    index("merge", folder, elsewhere)
    assert "already" in index("add", folder, files[1], code=1)


def test_an_index_from_python(corpus, tmp_path, oracle):
    seen = DuplicateIndex(tmp_path / "index", threshold=0.7, recall=0.999)
    assert len(seen) == 0
    half = len(corpus) // 2
    old, new = corpus[:half], corpus[half:]
    full = sum(bool(oracle.shingle_set(text)) for text in old)
    assert seen.add(old) == len(seen) == full
    with pytest.raises(InputError, match=r"what is given is in .* already"):
        seen.add(old)
    found = seen.query(new)
    truth = oracle.brute_force(corpus, 0.7)
    expected = {(b - half, str(a)): s for (a, b), s in truth.items() if a < half <= b}
    got = dict(zip(zip(found.rows.tolist(), found.ids, strict=True), found.similarity, strict=True))
    assert got.items() <= expected.items()
    assert len(got) > 0.99 * len(expected) > 0
    assert (np.diff(found.rows) >= 0).all()
    other = DuplicateIndex(tmp_path / "other", threshold=0.7, recall=0.999)
    other.add(
        pa.table({"body": new, "key": [f"k{i}" for i in range(len(new))]}), text="body", id="key"
    )
    seen.merge(other)
    assert seen.stats(check=True)["segments"] == 1
    assert set(seen.query([*new[:3], "nothing at all"]).ids) <= {
        f"k{i}" for i in range(len(new))
    } | {str(i) for i in range(half)}
    with pytest.raises(InputError, match=r"--threshold was 0.7 and is 0.8"):
        DuplicateIndex(tmp_path / "index", threshold=0.8)


def test_an_index_and_containment_do_not_go_together(files, tmp_path, command):
    folder = tmp_path / "index"
    index("add", folder, files[0])
    refused = command(files[1], "--against", folder, "--measure", "containment")
    assert refused.exit_code == 1
    assert "--against does not go with --measure containment" in refused.stderr


@pytest.mark.parametrize("keep", ["newest:when", "priority:where=b,a", "one-per:where"])
def test_an_index_goes_with_a_column_to_keep_by(keep, corpus, write, json_lines, tmp_path, summary):
    when = [str(2000 + i % 20) for i in range(len(corpus))]
    where = ["ab"[i % 2] for i in range(len(corpus))]
    old = write("old.jsonl", json_lines(corpus[:50]))
    new = write("new.jsonl", json_lines(corpus, when=when, where=where))
    index("add", tmp_path / "index", old)
    told = summary(new, "--against", tmp_path / "index", "--keep", keep, "-o", tmp_path / "out")
    known = pq.read_table(tmp_path / "out" / "known.parquet")["row"].to_pylist()
    assert set(range(50)) - set(known) <= {
        i for i in range(50) if not (corpus[i] or "").strip(". ")
    }
    rest = ["" if row in known else text for row, text in enumerate(corpus)]
    plain = write("rest.jsonl", json_lines(rest, when=when, where=where))
    assert summary(plain, "--keep", keep)["removed"] == told["removed"] - told["known"]
