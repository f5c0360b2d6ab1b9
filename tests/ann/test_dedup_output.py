"""The output folder: whole or not at all, and never in the place of anything else."""

import json
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ann.dedup import output
from ann.dedup.job import run
from ann.dedup.settings import InputError, Settings


@pytest.fixture
def rows(tmp_path):
    path = tmp_path / "in" / "rows.jsonl"
    path.parent.mkdir()
    path.write_text("".join(f'{{"text": "row number {i} of them all"}}\n' for i in range(50)))
    return path


def job(rows, target, **options):
    return run([str(rows)], Settings(threads=1), output=Path(target), **options)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_foreign_folder_is_never_replaced(rows, tmp_path):
    for extra in ({"summary.json": "{}"}, {"summary.json": "[]"}, {"thesis.txt": "precious"}):
        folder = tmp_path / "mine"
        folder.mkdir()
        for name, content in extra.items():
            (folder / name).write_text(content)
        for force in (False, True):
            with pytest.raises(InputError, match="is no output of this command"):
                job(rows, folder, force=force)
        assert names(folder) == sorted(extra)
        shutil.rmtree(folder)
    job(rows, folder)
    (folder / "notes.txt").write_text("precious")
    with pytest.raises(InputError, match="is no output"):
        job(rows, folder, force=True)
    assert (folder / "notes.txt").read_text() == "precious"


def test_a_former_output_is_replaced_when_forced(rows, tmp_path):
    target = tmp_path / "out"
    target.mkdir()  # an empty folder is as good as none
    job(rows, target)
    assert (target / "kept" / "rows.jsonl").read_bytes() == rows.read_bytes()
    with pytest.raises(InputError, match="--force replaces it"):
        job(rows, target)
    rows.write_text('{"text": "another"}\n')
    job(rows, target, force=True)
    assert json.loads((target / "summary.json").read_text())["documents"] == 1
    assert names(tmp_path) == ["in", "out"]
    assert target.stat().st_mode == (tmp_path / "in").stat().st_mode


@pytest.mark.parametrize("force", [False, True])
def test_what_appears_during_the_run_is_kept(rows, tmp_path, force):
    target = tmp_path / "out"

    def appear(stage, done, total):
        if not target.exists():
            target.mkdir()
            (target / "precious").write_text("x")

    with pytest.raises(InputError, match="is no output"):
        job(rows, target, force=force, progress=appear)
    assert names(target) == ["precious"]
    assert names(tmp_path) == ["in", "out"]


@pytest.mark.parametrize("at", ["former", "fresh", "after"])
def test_an_interrupt_while_folders_change_places(rows, tmp_path, monkeypatch, at):
    """Ctrl-C between the two renames, or after them: the old output or the new, and no rest."""
    target = tmp_path / "out"
    job(rows, target)
    before = (target / "kept" / "rows.jsonl").read_bytes()
    rows.write_text('{"text": "another"}\n')
    rename, calls = Path.rename, []

    def interrupted(self, to):
        calls.append(Path(to).suffix)
        if at == "fresh" and len(calls) == 2:
            raise KeyboardInterrupt
        result = rename(self, to)
        if (at, len(calls)) in (("former", 1), ("after", 2)):
            raise KeyboardInterrupt
        return result

    monkeypatch.setattr(Path, "rename", interrupted)
    with pytest.raises(KeyboardInterrupt):
        job(rows, target, force=True)
    assert names(tmp_path) == ["in", "out"]
    stands = (target / "kept" / "rows.jsonl").read_bytes()
    assert stands == (rows.read_bytes() if at == "after" else before)


def test_links_are_followed(rows, tmp_path):
    real, link = tmp_path / "real", tmp_path / "link"
    link.symlink_to(real)
    job(rows, link)
    assert link.is_symlink()
    assert names(real) == ["clusters.parquet", "kept", "pairs.parquet", "summary.json"]
    job(rows, link, force=True)
    assert link.is_symlink()
    into = tmp_path / "into.jsonl"
    into.symlink_to(real / "kept" / "rows.jsonl")
    with pytest.raises(InputError, match="lies inside the output"):
        job(into, real, force=True)
    assert into.read_bytes() == rows.read_bytes()


def test_a_mount_point_is_refused_before_the_work(rows, tmp_path, monkeypatch):
    monkeypatch.setattr(os.path, "ismount", lambda path: True)
    with pytest.raises(InputError, match="mount point"):
        output.resolve(tmp_path / "out")


def test_a_full_disk_leaves_nothing(rows, tmp_path):
    """A limit on the size of files stands in for the disk: the system itself refuses to write."""
    rows.write_text("".join(f'{{"text": "{"word " * 50}{i}"}}\n' for i in range(2000)))
    code = (
        "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "import tractable; tractable.main(prog_name='tractable')"
    )
    result = subprocess.run(
        [sys.executable, "-c", code, "dedup", rows, "--threshold", "1", "-o", tmp_path / "out"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000)),
    )
    assert result.returncode == 1
    assert result.stderr.startswith("Error: cannot write ")
    assert names(tmp_path) == ["in"]


def test_a_swapped_input_is_noticed(rows, tmp_path):
    """Another file of the same size and time under the same name."""
    other = tmp_path / "other"
    other.write_bytes(rows.read_bytes().replace(b"them", b"then"))

    def swap(stage, done, total):
        if stage == "write" and other.exists():  # after the tables, before the rows
            status = rows.stat()
            os.utime(other, ns=(status.st_atime_ns, status.st_mtime_ns))
            other.rename(rows)

    with pytest.raises(InputError, match="changed while it was read"):
        job(rows, tmp_path / "out", progress=swap)
    assert names(tmp_path) == ["in"]
