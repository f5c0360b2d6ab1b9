"""The work folder: a run that is killed at any point is gone on with, to the same output."""

import fcntl
import json
import os
import random
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
from click.testing import CliRunner

import tractable
from ann.dedup import stages
from ann.dedup.job import run
from ann.dedup.locks import held
from ann.dedup.settings import InputError, Settings
from ann.dedup.store import Store, read_notes, read_store

PART = 20_000  # bytes of text: the corpus below has a dozen parts

# A run that kills itself once it has written so many bytes, in the middle of a write; a file that
# is replaced as a whole and a call of the progress count for some, too.
DYING = """
import os, signal, sys
from pathlib import Path
from ann.dedup import jsonl, stages, store, work
from ann.dedup.job import run
from ann.dedup.settings import Settings

left, part, how, rows, out, folder = int(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:]
stages.PART, jsonl.BLOCK = part, part // 4

def spend(cost):
    global left
    left -= cost
    if left < 0:
        os.kill(os.getpid(), signal.SIGKILL)

class Dying:
    def __init__(self, file):
        self.file = file
    def __getattr__(self, name):
        return getattr(self.file, name)
    def __enter__(self):
        return self
    def __exit__(self, *args):
        self.file.close()
    def write(self, data):
        if left < len(data):
            self.file.write(data[:left])
            self.file.flush()
        spend(len(data))
        return self.file.write(data)

opened, whole = store._open, work.write_whole
store._open = lambda path, end: Dying(opened(path, end))

def write_whole(path, text):
    spend(1000)
    whole(path, text)
    spend(1000)

work.write_whole = write_whole
progress, told, out, folder = lambda *told: spend(1000), [], Path(out), Path(folder)
if how == "dedup":
    run([rows], Settings(threads=2), output=out, id="id", work=folder,
        progress=progress, announce=told.append)
else:
    from ann.dedup import steps
    from ann.dedup.job import Reading, Writing
    steps.sketch(folder, Reading([rows], id="id"), {}, 2, False, progress, told.append)
    steps.pairs(folder, {}, None, 2, progress, told.append)
    steps.cluster(folder, {}, told.append)
    steps.apply(folder, Writing(out), 2, progress)
print(*told, file=sys.stderr)
print(left)
"""


@pytest.fixture
def rows(write, json_lines, corpus):
    names = [f"é{i}" for i in range(len(corpus))]
    return write("in/rows.jsonl", json_lines(corpus, id=names))


@pytest.fixture
def small_parts(monkeypatch):
    monkeypatch.setattr(stages, "PART", PART)


def contents(folder):
    """All that was written, but for the seconds it took."""
    files = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            files[str(path.relative_to(folder))] = path.read_bytes()
    told = json.loads(files.pop("summary.json"))
    told.pop("seconds")
    told["settings"].pop("threads")
    return files, told


def commands(*lines):
    """Runs commands that must succeed; what the last one printed."""
    for line in lines:
        result = CliRunner().invoke(tractable.main, list(map(str, line)))
        assert result.exit_code == 0, result.output
    return result.stdout


def dying(after, how, rows, out, folder):
    arguments = [str(x) for x in (after, PART, how, rows, out, folder)]
    command = [sys.executable, "-c", DYING, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def chain_of_deaths(rows, tmp_path, seed, share, how="dedup"):
    """Kill runs until one comes through, and compare it with an unbroken one; the deaths."""
    plenty = 10**9
    unbroken = dying(plenty, how, rows, tmp_path / "whole", tmp_path / "w")
    assert (unbroken.returncode, unbroken.stderr) == (0, "\n")
    spent = plenty - int(unbroken.stdout)
    rng = random.Random(seed)
    for deaths in range(100):
        after = rng.randrange(int(spent * share))
        done = dying(after, how, rows, tmp_path / "out", tmp_path / "work")
        if done.returncode == 0:
            assert f"Going on in {tmp_path / 'work'}: sketch" in done.stderr
            assert not list(tmp_path.glob(".out.*"))
            assert contents(tmp_path / "out") == contents(tmp_path / "whole")
            return deaths
        assert done.returncode == -9, done.stderr
        assert not (tmp_path / "out").exists()
    raise AssertionError("a run that is killed 100 times gets nowhere")


@pytest.mark.parametrize("how", ["dedup", "stages"])
def test_a_killed_run_is_gone_on_with_to_the_same_output(how, rows, tmp_path):
    assert chain_of_deaths(rows, tmp_path, 3, 0.5, how) >= 2
    run([str(rows)], Settings(), output=tmp_path / "memory", id="id")
    assert contents(tmp_path / "memory") == contents(tmp_path / "whole")


@pytest.mark.slow
@pytest.mark.parametrize("how", ["dedup", "stages"])
@pytest.mark.parametrize("seed", range(12))
def test_many_killed_runs(seed, how, rows, tmp_path):
    assert chain_of_deaths(rows, tmp_path, seed, 0.2, how) >= 4


def test_what_a_killed_run_left_beside_the_output_goes(rows, tmp_path):
    out = tmp_path / "out"
    left = [tmp_path / f".out.0123abc{k}.partial" for k in range(2)]
    others = [tmp_path / ".out.mine.partial", tmp_path / ".other.01234567.partial"]
    run([str(rows)], Settings(), output=out, id="id")
    for folder in (*left, *others, tmp_path / ".out.0123abc0.former"):
        folder.mkdir()
        (folder / "kept").mkdir()
    with held(left[1]):  # of a run that lives
        run([str(rows)], Settings(), output=out, id="id", force=True)
    assert [path.exists() for path in (*left, *others)] == [False, True, True, True]
    assert not (tmp_path / ".out.0123abc0.former").exists()
    out.rename(tmp_path / ".out.0123abc1.former")  # killed while they changed places
    with pytest.raises(InputError, match="--force replaces it"):
        run([str(rows)], Settings(), output=out, id="id")
    assert sorted(path.name for path in tmp_path.glob(".out*")) == [".out.mine.partial"]
    run([str(rows)], Settings(), output=out, id="id", force=True)


def test_a_kill_loses_one_part_of_the_sketching_at_most(rows, tmp_path, monkeypatch, small_parts):
    sketched = []

    def count(batch, *rest, sketch=stages.sketch_batch):
        sketched.append(len(batch.texts))
        return sketch(batch, *rest)

    monkeypatch.setattr(stages, "sketch_batch", count)
    monkeypatch.setattr("ann.dedup.jsonl.BLOCK", 5000)

    def stop(stage, done, total):
        if done > 0.7 * total:
            raise KeyboardInterrupt

    options = {"id": "id", "work": tmp_path / "work", "output": tmp_path / "out"}
    with pytest.raises(KeyboardInterrupt):
        run([str(rows)], Settings(), progress=stop, **options)
    notes = read_notes(tmp_path / "work" / "sketch")
    assert len(notes) > 3
    before, all_rows = notes[-1]["rows"], rows.read_bytes().count(b"\n")
    assert 0.5 * all_rows < before < all_rows
    sketched.clear()
    run([str(rows)], Settings(), **options)
    assert sum(sketched) == all_rows - before
    sketched.clear()
    run([str(rows)], Settings(), **options | {"output": tmp_path / "again"})
    assert sketched == []
    assert contents(tmp_path / "out") == contents(tmp_path / "again")


def test_stage_commands_make_what_dedup_makes(rows, tmp_path, small_parts):
    whole, work, out = tmp_path / "whole", tmp_path / "work", tmp_path / "out"
    options = "--threshold", 0.7, "--recall", 0.95
    commands(["dedup", rows, "-o", whole, "--id", "id", *options, "--keep", "longest"])
    commands(
        ["sketch", rows, "--work", work, "--id", "id"],
        ["pairs", work],
        ["cluster", work],
        ["pairs", work, *options],  # another threshold: the texts are not read again
        ["cluster", work, "--keep", "longest"],
        ["apply", work, "-o", out],
    )
    assert contents(out) == contents(whole)
    told = json.loads(commands(["pairs", work, *options, "--json"]))
    assert told["pairs"] > 100
    assert told["seconds"] == {}  # it was done already


def test_stages_come_in_their_order(rows, tmp_path, command):
    work = tmp_path / "work"

    def refusal(*words):
        result = CliRunner().invoke(tractable.main, list(map(str, words)))
        assert result.exit_code == 1
        return result.stderr

    assert "is no work folder" in refusal("pairs", work)
    commands(["sketch", rows, "--work", work])
    assert f"stage: `tractable pairs {work}` comes first" in refusal("cluster", work)
    assert "holds no finished pairs stage" in refusal("apply", work, "-o", tmp_path / "o")
    assert "cannot be read again" in refusal("sketch", "-", "--work", work)
    assert "lies inside the output" in refusal(
        *("dedup", rows, "--work", tmp_path / "w", "-o", rows.parent)
    )


def test_work_of_another_kind_is_refused_with_the_reason(rows, write, tmp_path):
    folder = tmp_path / "work"

    def again(settings=None, inputs=rows.parent, **options):
        options = {"id": "id", "work": folder, "output": tmp_path / "out", "force": True} | options
        run([str(inputs)], settings or Settings(), **options)

    again()
    with pytest.raises(InputError, match=r"sketch: --ngram was 5 and is 4\). Repeat .*; --restart"):
        again(Settings(ngram=4))
    with pytest.raises(
        InputError, match=r"--threshold was 0.8 and is 0.7\).* `tractable pairs /.*"
    ):
        again(Settings(threshold=0.7))
    with pytest.raises(
        InputError, match=r"--keep was 'first' and is 'longest'.*`tractable cluster"
    ):
        again(Settings(keep="longest"))
    with pytest.raises(InputError, match="--id was 'id' and is None"):
        again(id=None)
    with pytest.raises(InputError, match="inputs was"):
        again(inputs=rows)
    again(Settings(threads=3))  # which changes nothing
    other = write("in/other.jsonl", rows.read_bytes())
    with pytest.raises(InputError, match=r"other.jsonl is new since"):
        again()
    again(restart=True)
    os.utime(other, (1, 1))
    with pytest.raises(InputError, match=r"other.jsonl has changed since"):
        again()
    other.unlink()
    with pytest.raises(InputError, match=r"other.jsonl was an input of"):
        again()
    again(restart=True)
    manifest = folder / "work.json"
    manifest.write_text(manifest.read_text().replace("text.v1", "text.v0"))
    with pytest.raises(InputError, match=r"another program \(text was .*v0' and is .*v1'\); start"):
        again()
    again(restart=True)
    with (folder / "lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(InputError, match="another process is at work in"):
            again()


def test_a_folder_of_anything_else_is_left_alone(rows, tmp_path):
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "thesis.txt").write_text("precious")
    for restart in (False, True):
        with pytest.raises(InputError, match="is no work folder"):
            run([str(rows)], Settings(), work=folder, restart=restart)
    assert [path.name for path in folder.iterdir()] == ["thesis.txt"]
    with pytest.raises(InputError, match="is a file; the work folder is a folder"):
        run([str(rows)], Settings(), work=folder / "thesis.txt")


@pytest.mark.parametrize("kind", ["text", "parquet", "csv", "gz"])
def test_every_format_is_gone_on_with(kind, corpus, write, json_lines, tmp_path, small_parts):
    texts = [text or "" for text in corpus]
    source, options = tmp_path / "in", {"skip_bad": True}
    if kind == "text":
        for i, text in enumerate(texts[:300]):
            write(f"in/{i % 7}/{i}.txt", text)
        write("in/3/binary", b"\0")
        write("in/3/\udcff.txt", texts[0])
        options["copy"] = True
    elif kind == "gz":
        import gzip

        for name in "ab":
            lines = [*json_lines(texts), "not JSON\n", '{"text": "\\ud800"}\n', "\n"]
            data = "".join(lines).encode() + b'{"text": "\xff"}\n'
            write(f"in/{name}.jsonl.gz", gzip.compress(data))
    else:
        table = pa.table({"text": texts, "n": list(range(len(texts)))})
        source.mkdir()
        for name in "ab":
            if kind == "csv":
                pa.csv.write_csv(table, source / f"{name}.csv")
                with (source / f"{name}.csv").open("a") as file:
                    file.write("one,cell,too many\n")
            else:
                pa.parquet.write_table(table, source / f"{name}.parquet", row_group_size=100)
    run([str(source)], Settings(), output=tmp_path / "memory", **options)
    work = tmp_path / "in" / "work"  # which is passed over when the input is looked through

    def stop(stage, done, total):
        if done > 0.8 * total:
            raise KeyboardInterrupt

    options |= {"output": tmp_path / "out", "work": work}
    with pytest.raises(KeyboardInterrupt):
        run([str(source)], Settings(), progress=stop, **options)
    run([str(source)], Settings(), **options)
    assert contents(tmp_path / "out") == contents(tmp_path / "memory")


def test_a_long_run_keeps_its_work_beside_the_output(rows, tmp_path, monkeypatch, small_parts):
    monkeypatch.setattr("ann.dedup.job.LONG", 1000)
    hidden = tmp_path / ".out.work"

    def stop(stage, done, total):
        if done == total:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run([str(rows)], Settings(), output=tmp_path / "out", progress=stop)
    assert read_notes(hidden / "sketch")
    assert not (tmp_path / "out").exists()
    run([str(rows)], Settings(), output=tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "out"]


COLUMNS = {"a": ("<i8", ()), "b": ("<u4", (2,))}


def test_a_store_is_whole_up_to_its_journal(tmp_path):
    folder = tmp_path / "store"
    with Store(folder, COLUMNS) as store:
        store.append({"n": 1}, a=[np.arange(2), np.arange(3)], b=[np.ones((1, 2))])
        store.append({"n": 2}, a=[np.arange(4)])
    for name in ("a.bin", "b.bin", "journal.jsonl"):
        with (folder / name).open("ab") as file:
            file.write(b'{"ends"')  # what a killed process leaves
    assert read_notes(folder) == [{"n": 1}, {"n": 2}]
    columns = read_store(folder, COLUMNS)
    assert columns["a"].tolist() == [0, 1, 0, 1, 2, 0, 1, 2, 3]
    assert columns["b"].tolist() == [[1, 1]]
    with Store(folder, COLUMNS) as store:
        assert store.notes == [{"n": 1}, {"n": 2}]
        store.append({"n": 3}, b=[np.full((1, 2), 7)])
    assert read_store(folder, COLUMNS)["b"].tolist() == [[1, 1], [7, 7]]
    os.truncate(folder / "a.bin", 8)
    for opened in (Store, read_store):
        with pytest.raises(InputError, match="shorter than its journal says"):
            opened(folder, COLUMNS)


def test_every_parameter_belongs_to_a_stage_or_to_none():
    told = [name for names in stages.PARAMETERS.values() for name in names]
    assert sorted([*told, *stages.FREE]) == sorted(Settings.__dataclass_fields__)
