"""A limit of memory changes where the arrays lie, and nothing else."""

import tempfile

import numpy as np
import pytest
from click.testing import CliRunner

import tractable
from ann import _pairs
from ann.dedup import arrays, banding, stages, verifying, work
from ann.dedup.arrays import Mapped
from ann.dedup.banding import BandWalk
from ann.dedup.job import run
from ann.dedup.settings import InputError, Settings
from ann.dedup.sketching import shortened
from ann.dedup.store import Store, read_store


@pytest.mark.parametrize("memory", [1, 3000, 1 << 30])
@pytest.mark.parametrize("most", [3, 1000])
def test_a_walk_by_ranges_finds_what_one_in_memory_finds(memory, most, monkeypatch):
    monkeypatch.setattr(banding, "PAIRS", 7)
    rng = np.random.default_rng(5)
    keys = rng.integers(0, 60, (300, 4), np.uint64) * np.uint64(2**58 + 1)
    keys[:40, 1] = 2**64 - 1
    skip = rng.random(300) < 0.2
    whole = _pairs.CandidatePairs(keys, skip, most)
    expected = {pair for a, b in whole for pair in zip(a.tolist(), b.tolist(), strict=True)}
    walk = BandWalk(np.ascontiguousarray(keys.T), skip, most, Mapped([], memory, None))
    met = [pair for a, b in walk for pair in zip(a.tolist(), b.tolist(), strict=True)]
    assert len(met) == len(set(met))
    assert set(met) == expected
    assert walk.crowded.tolist() == whole.crowded.tolist()


def test_a_limit_changes_nothing_but_the_place(corpus, write, json_lines, tmp_path, monkeypatch):
    rows = write("rows.jsonl", json_lines(corpus))
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    made = []
    monkeypatch.setattr(
        "ann.dedup.job.open_work",
        lambda folder, opened=work.open_work, **options: (
            made.append(folder) or opened(folder, **options)
        ),
        raising=True,
    )
    monkeypatch.setattr(stages, "check_memory", lambda *_: None)  # less than any process takes
    settings = Settings(engine="lsh")  # of itself, exact is for what memory holds
    free = run([str(rows)], settings).result
    assert made == []
    tight = run([str(rows)], settings, memory=100_000).result
    assert len(made) == 1  # with no output: a folder of its own, which is gone
    assert list(scratch.iterdir()) == []
    assert tight.representative.tolist() == free.representative.tolist()
    assert [side.tolist() for side in tight.pairs] == [side.tolist() for side in free.pairs]
    assert tight.stats.candidates == free.stats.candidates


def test_pages_are_let_go_and_read_again(tmp_path, monkeypatch):
    columns = {"a": ("<i8", ())}
    with Store(tmp_path, columns) as store:
        store.append({}, a=[np.arange(100_000)])
    array = read_store(tmp_path, columns)["a"]
    assert array.sum() == 99_999 * 50_000
    asked = []
    monkeypatch.setattr(arrays, "resident", lambda: asked.append(1) or 1 << 40)
    Mapped([array], 1 << 40, tmp_path).relieve()
    Mapped([array], 1 << 41, tmp_path).relieve()
    assert len(asked) == 2
    assert array.sum() == 99_999 * 50_000
    assert arrays.resident() > 0


@pytest.mark.parametrize("bits", [8, 16])
def test_fewer_bits_find_no_pair_less(bits, corpus, write, json_lines, tmp_path):
    rows = write("rows.jsonl", json_lines(corpus))
    options = {"work": tmp_path / "work"}
    whole = run([str(rows)], Settings()).result
    short = run([str(rows)], Settings(bits=bits), **options).result
    pairs = [set(zip(r.pairs.a.tolist(), r.pairs.b.tolist(), strict=True)) for r in (whole, short)]
    assert pairs[0] <= pairs[1]
    assert short.stats.candidates >= whole.stats.candidates
    slots = (tmp_path / "work" / "sketch" / "signatures.bin").stat().st_size
    assert slots == whole.stats.documents * 128 * bits // 8
    in_memory = run([str(rows)], Settings(bits=bits)).result
    assert [side.tolist() for side in in_memory.pairs] == [side.tolist() for side in short.pairs]
    with pytest.raises(InputError, match="bits must be 8, 16 or 32, not 4"):
        Settings(bits=4)


def test_what_is_equal_stays_equal_and_little_else_becomes_so():
    rng = np.random.default_rng(6)
    slots = rng.integers(0, 2**32, 100_000, np.uint32)
    assert shortened(slots, 32) is slots
    for bits in (8, 16):
        short = shortened(slots, bits)
        assert short.itemsize == bits // 8
        assert (shortened(slots.copy(), bits) == short).all()
        # false alarm < 1e-6: 5 sigma of a binomial share of 2^-bits
        same = (short[1:] == short[:-1]).mean()
        assert abs(same - 2.0**-bits) < 5 * (2.0**-bits / len(slots)) ** 0.5


@pytest.mark.parametrize("size", ["0", "-1GB", "two", "1.2.3GB", "GB", ""])
def test_a_size_that_is_none_is_refused(size, tmp_path):
    words = ["dedup", str(tmp_path), "--memory", size]
    result = CliRunner().invoke(tractable.main, words)
    assert result.exit_code == 2
    assert "is no size, such as 2GB or 500MB" in result.stderr


def test_sizes_are_understood():
    from ann.dedup.options import size

    told = {"2GB": 2 * 10**9, "500mb": 500 * 10**6, "1.5 GiB": 1610612736, "7": 7, "3k": 3000}
    assert {text: size(None, None, text) for text in told} == told


@pytest.mark.parametrize(
    "options", [{"engine": "lsh"}, {"engine": "exact"}, {"measure": "containment"}]
)
def test_a_limit_that_cannot_be_held_is_refused_with_one_that_can(
    options, write, json_lines, corpus, tmp_path, monkeypatch
):
    monkeypatch.setattr(stages, "BASE", 1_000_000)
    rows, work = write("rows.jsonl", json_lines(corpus)), tmp_path / "work"
    settings = Settings(**options)
    with pytest.raises(InputError, match=r"9\d\d documents cannot be searched in .* at least"):
        run([str(rows)], settings, work=work, memory=1_100_000)
    found = run([str(rows)], settings, work=work, memory=100_000_000).result  # goes on
    assert found.stats.pairs == run([str(rows)], settings).result.stats.pairs


@pytest.mark.parametrize("options", [{"link": "transitive"}, {"measure": "containment"}])
def test_files_give_what_memory_gives(options, write, json_lines, corpus, tmp_path, monkeypatch):
    monkeypatch.setattr(verifying, "ROWS_MADE", 50)
    monkeypatch.setattr(arrays, "resident", lambda: 1 << 62)  # lets go of every page at once
    rows = write("rows.jsonl", json_lines(corpus))
    settings = Settings(**options)
    filed = run([str(rows)], settings, work=tmp_path / "work").result
    plain = run([str(rows)], settings).result
    assert filed.representative.tolist() == plain.representative.tolist()
    assert filed.similarity.tolist() == plain.similarity.tolist()
