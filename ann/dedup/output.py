"""An output folder that is there whole or not at all.

What is written goes into a hidden folder beside it, which takes the output's name at the very end.
With `force` a former output steps aside for that moment, and goes only when the new one stands. A
folder is a former output if it holds what this command writes and nothing else; nothing else is
ever replaced. What a process that was killed outright leaves of a hidden folder, which nobody holds
any more, goes when the next run writes there.
"""

import json
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from ann.dedup.locks import held
from ann.dedup.settings import InputError

SUMMARY = "summary.json"
REPORT = {"report.html", "report.json"}
CONTENTS = {
    "kept",
    "annotated",
    "kept.txt",
    "clusters.parquet",
    "known.parquet",
    "pairs.parquet",
    SUMMARY,
    *REPORT,
}
MADE_BY = {"made_by": "tractable dedup"}  # in summary.json


def resolve(output: Path) -> Path:
    """Where the output will really be, links followed."""
    target = Path(os.path.realpath(output))
    if os.path.ismount(target):
        raise InputError(
            f"{target} is a mount point, which cannot be replaced: name a folder in it"
        )
    return target


def is_output(folder: Path) -> bool:
    """Whether this command made a folder, and nobody has put anything else into it."""
    try:
        if not {path.name for path in folder.iterdir()} <= CONTENTS:
            return False
        summary: Any = json.loads((folder / SUMMARY).read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(summary, dict) and summary.items() >= MADE_BY.items()


def check_apart(inputs: Sequence[str], target: Path) -> None:
    """Refuse to replace what is read."""
    for argument in inputs:
        path = Path(os.path.realpath(argument))
        if argument != "-" and path.is_relative_to(target) and path.exists():
            raise InputError(f"{argument} lies inside the output {target}")


@contextmanager
def spool(folder: Path | None, inputs: Sequence[str]) -> Iterator[IO[bytes] | None]:
    """A file for standard input, if that is read and what stays of it is written."""
    if folder is None or "-" not in inputs:
        yield None
        return
    import tempfile

    with tempfile.TemporaryFile(dir=folder) as file:
        yield file


@contextmanager
def output_folder(target: Path | None, force: bool) -> Iterator[Path | None]:
    """A new folder that becomes `target` if all goes well, and vanishes if not."""
    if target is None:
        yield None
        return
    remove_left(target)
    check_output(target, force)
    fresh = target.with_name(f".{target.name}.{os.urandom(4).hex()}.partial")
    former = fresh.with_suffix(".former")
    lock = ExitStack()
    try:  # before there is anything that an interrupt could leave behind
        with write_errors(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            fresh.mkdir(0o700)
            lock.enter_context(held(fresh))
        yield fresh
        check_output(target, force)  # it may have appeared since
        with write_errors(target):
            fresh.chmod(0o777 & ~_umask())  # so far it lets nobody else in
            _replace(fresh, target, former)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
        if target.exists():
            shutil.rmtree(former, ignore_errors=True)
        lock.close()


def remove_left(target: Path) -> None:
    """Throw away what dead processes left; an output that had stepped aside returns."""
    ours = re.compile(re.escape(f".{target.name}.") + r"[0-9a-f]{8}\.(partial|former)")
    for path in target.parent.iterdir() if target.parent.is_dir() else ():
        if not ours.fullmatch(path.name):
            continue
        partial = path.with_suffix(".partial")
        with suppress(OSError), held(partial if partial.exists() else path):
            if path.suffix == ".former" and not target.exists():
                path.rename(target)
            elif path.exists():
                shutil.rmtree(path, ignore_errors=True)


def check_output(target: Path, force: bool) -> None:
    """Refuse to write over anything but a former output, and over that unless forced."""
    if not target.exists():
        return
    if not target.is_dir():
        raise InputError(f"{target} is a file; the output is a folder")
    if any(target.iterdir()):
        if not is_output(target):
            raise InputError(
                f"{target} is no output of this command and is not replaced: name another folder"
            )
        if not force:
            raise InputError(f"{target} exists; --force replaces it")


def _replace(fresh: Path, target: Path, former: Path) -> None:
    """Give the new folder its name; whatever happens, an output stands there afterwards."""
    try:
        if target.exists() and any(target.iterdir()):
            target.rename(former)
        fresh.rename(target)
    except BaseException:
        if former.exists() and not target.exists():
            former.rename(target)
        raise


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


@contextmanager
def write_errors(target: Path) -> Iterator[None]:
    """What the system refuses becomes one line that names the output."""
    try:
        yield
    except OSError as error:
        raise InputError(f"cannot write {target}: {error.strerror or error}") from error
