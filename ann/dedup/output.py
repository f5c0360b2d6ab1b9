"""The folder that is written: all or nothing.

Everything goes into a hidden folder beside OUT, `.OUT.PID.partial`, that takes its name at the
very end: a broken run leaves no output, and with `force` the former one stays until the new one
is whole. A process that is killed outright leaves its hidden folder, and the next run to the same
OUT removes it.
"""

import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from ann.dedup.settings import InputError

SUMMARY = "summary.json"
MARKS = (SUMMARY, "clusters.parquet", "pairs.parquet")  # what every output has


def is_output(folder: Path) -> bool:
    """Whether a folder was written by this command."""
    return all((folder / name).is_file() for name in MARKS)


@contextmanager
def spool(folder: Path | None, inputs: Sequence[str]) -> Iterator[IO[bytes] | None]:
    """A file for standard input, if that is read and what stays of it is written."""
    if folder is None or "-" not in inputs:
        yield None
        return
    with tempfile.TemporaryFile(dir=folder) as file:
        yield file


@contextmanager
def new_folder(target: Path | None, force: bool) -> Iterator[Path | None]:
    """A new folder that becomes `target` if all goes well, and vanishes if not."""
    if target is None:
        yield None
        return
    _check_target(target, force)
    fresh = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        with write_errors(target):
            _remove_leftovers(target)
            fresh.mkdir(parents=True)
        yield fresh
        with write_errors(target):
            _replace(fresh, target)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def check_apart(inputs: Sequence[str], target: Path) -> None:
    """Refuse to replace what is read."""
    for argument in inputs:
        path = Path(os.path.abspath(argument))
        if argument != "-" and path.is_relative_to(target) and path.exists():
            raise InputError(f"{argument} lies inside the output {target}")


def _check_target(target: Path, force: bool) -> None:
    """Refuse to write over anything but a former output, and over that unless forced."""
    if not target.exists():
        return
    if not target.is_dir():
        raise InputError(f"{target} is a file; the output is a folder")
    if any(target.iterdir()):
        if not is_output(target):
            raise InputError(
                f"{target} is no output of this command: it is not replaced, not even with --force"
            )
        if not force:
            raise InputError(f"{target} exists; --force replaces it")


def _remove_leftovers(target: Path) -> None:
    """Remove the hidden folders of processes that are no more."""
    leftover = re.compile(rf"\.{re.escape(target.name)}\.([0-9]{{1,9}})\.partial")
    for path in target.parent.iterdir() if target.parent.is_dir() else ():
        match = leftover.fullmatch(path.name)
        if match and path.is_dir() and not path.is_symlink() and not _runs(int(match[1])):
            shutil.rmtree(path, ignore_errors=True)


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _replace(fresh: Path, target: Path) -> None:
    """Give the new folder its name; a former one goes only once that is done."""
    if not target.exists():
        fresh.rename(target)
        return
    former = fresh.with_suffix(".former")
    target.rename(former)
    try:
        fresh.rename(target)
    except BaseException:
        former.rename(target)
        raise
    shutil.rmtree(former)


@contextmanager
def write_errors(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InputError(f"cannot write {target}: {error.strerror or error}") from error
