"""The work folder: what a long run has done so far, so that a killed one goes on from there.

    WORK/work.json     what is being done: format, versions, and by stage its parameters and, once
                       it is done, its counts
    WORK/inputs.json   the input files: path, size, time of modification
    WORK/lock          locked while a process is at work; the system lets go of it when that dies
    WORK/sketch/       a store (see `store`): signatures, sets of shingles, fingerprints, sizes, ids
    WORK/pairs/        leaders of copies, verified pairs
    WORK/cluster/      who represents whom, and the pairs as they are listed

A stage writes into its own folder only and reads those before it. It is done when work.json says
so; that file is replaced as a whole, after the files of the stage are on the disk. The one stage
that takes hours, `sketch`, is journaled part by part, and a killed run loses one part of it at
most; what a killed run leaves of the other stages is thrown away and made again.

What is found in a folder is gone on with only if it is the same work: the same input files by
size and time, the same parameters, the same program. Anything else is refused, and the reason is
named, with the command and the option to change. Threads, memory and output are no part of the
work: they may change between runs.
"""

import fcntl
import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ann import text
from ann.dedup.settings import InputError
from ann.dedup.store import read_notes
from sketches import minhash

STAGES = ("sketch", "pairs", "cluster")
MANIFEST = "work.json"
INPUTS = "inputs.json"
LOCK = "lock"
MADE_BY = "tractable work folder"
FORMAT = 1
Files = Sequence[tuple[str, int, int]]  # path, size, time of modification in nanoseconds


def programs() -> dict[str, Any]:
    """All that decides, besides input and parameters, what a file of the folder means."""
    from importlib.metadata import version  # which imports the modules for e-mail

    return {
        "made_by": MADE_BY,
        "format": FORMAT,
        "tractable": version("tractable"),
        "text": text.ALGORITHM,
        "minhash": minhash.ALGORITHM,
    }


def is_work(folder: Path) -> bool:
    """Whether a folder is one of these."""
    try:
        found: Any = json.loads((folder / MANIFEST).read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(found, dict) and found.get("made_by") == MADE_BY


class Work:
    """One work folder, locked by this process."""

    def __init__(self, folder: Path, manifest: dict[str, Any]) -> None:
        self.folder = folder
        self.former = ""  # what a former run has left, in words
        self._manifest = manifest

    def parameters(self, stage: str) -> dict[str, Any] | None:
        """What a stage was begun with; None if it was not."""
        entry = self._manifest["stages"].get(stage)
        return None if entry is None else entry["parameters"]

    def counts(self, stage: str) -> dict[str, Any] | None:
        """What a stage has counted; None while it is not done."""
        entry = self._manifest["stages"].get(stage)
        return None if entry is None else entry["counts"]

    def done(self, stage: str) -> dict[str, Any]:
        """What a finished stage was begun with."""
        parameters = self.parameters(stage)
        if parameters is None or self.counts(stage) is None:
            command = f"tractable {stage} {self.folder}"
            if stage == "sketch":
                command = f"tractable sketch INPUT... --work {self.folder}"
            raise InputError(
                f"{self.folder} holds no finished {stage} stage: `{command}` comes first"
            )
        return parameters

    def begin(self, stage: str, parameters: dict[str, Any], *, replace: bool = False) -> bool:
        """Whether there is anything to do: False if the stage is done already.

        Parameters that differ from those it was begun with are refused, or with `replace` the
        stage and those after it are thrown away.
        """
        for earlier in STAGES[: STAGES.index(stage)]:
            self.done(earlier)
        former = self.parameters(stage)
        if former is not None:
            changes = differences(former, parameters, option)
            if not changes and self.counts(stage) is not None:
                return False
            if changes and not replace:
                anew = "--restart starts over"
                if stage != STAGES[0]:
                    anew = f"`tractable {stage} {self.folder}` takes new ones and keeps what came"
                    anew += " before; --restart starts over"
                raise InputError(
                    f"{self.folder} holds work of other parameters ({stage}: {changes}). Repeat"
                    f" the former; {anew}"
                )
        if former is None or changes:
            self.discard(stage)
            self._manifest["stages"][stage] = {"parameters": parameters, "counts": None}
            self._save()
        return True

    def tell(self) -> str:
        """What a former run has left, in words; nothing of a fresh folder."""
        told = []
        for stage in STAGES:
            if self.counts(stage) is not None:
                told.append(f"{stage} is done")
            elif self.parameters(stage) is not None and stage == STAGES[0]:
                notes = read_notes(self.folder / stage)
                rows = notes[-1]["rows"] if notes else 0
                told.append(f"{stage} has {rows:,} documents and goes on")
            elif self.parameters(stage) is not None:
                told.append(f"{stage} was not finished and is made again")
        return f"Going on in {self.folder}: {', '.join(told)}" if told else ""

    def finish(self, stage: str, counts: dict[str, Any]) -> None:
        """Its files are whole."""
        self._manifest["stages"][stage]["counts"] = counts
        self._save()

    def discard(self, first: str) -> None:
        """Throw a stage away, and those that were made from it."""
        gone = STAGES[STAGES.index(first) :]
        if any(self._manifest["stages"].pop(stage, None) for stage in gone):
            self._save()  # before the files go
        for stage in gone:
            shutil.rmtree(self.folder / stage, ignore_errors=True)

    def same_inputs(self, files: Files) -> None:
        """Note the input files, or refuse those that are not what they were."""
        path = self.folder / INPUTS
        listed = [list(file) for file in files]
        if not path.exists():
            write_whole(path, json.dumps(listed))
            return
        former = {name: state for name, *state in json.loads(path.read_bytes())}
        for name, *state in listed:
            if name not in former:
                raise InputError(f"{name} is new since {self.folder} was begun; {RESTART}")
            if former.pop(name) != state:
                raise InputError(f"{name} has changed since {self.folder} was begun; {RESTART}")
        if former:
            raise InputError(f"{next(iter(former))} was an input of {self.folder}; {RESTART}")

    def _save(self) -> None:
        write_whole(self.folder / MANIFEST, json.dumps(self._manifest, indent=1) + "\n")


RESTART = "start over with --restart, of `tractable dedup` or `tractable sketch`"
OPTIONS = {"skip_bad": "--on-error", "globs": "--glob", "num_perm": "--num-perm"}
NO_OPTIONS = ("inputs", "index", "seed")


def differences(
    former: dict[str, Any], now: dict[str, Any], named: Callable[[str], str] = str
) -> str:
    """What has changed, in words."""
    return ", ".join(
        f"{named(name)} was {former.get(name)!r} and is {now.get(name)!r}"
        for name in sorted({*former, *now})
        if former.get(name) != now.get(name)
    )


def option(name: str) -> str:
    """The option that sets a parameter, if one does."""
    return name if name in NO_OPTIONS else OPTIONS.get(name, f"--{name}")


@contextmanager
def open_work(folder: Path, *, restart: bool = False, create: bool = True) -> Iterator[Work]:
    """The work of a folder, for one process at a time."""
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file; the work folder is a folder")
    ours = is_work(folder)
    if not ours and (not create or (folder.exists() and set(os.listdir(folder)) - {LOCK})):
        raise InputError(f"{folder} is no work folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / LOCK).open("a")
    except OSError as error:
        raise InputError(f"cannot write {folder}: {error.strerror or error}") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise InputError(f"another process is at work in {folder}") from None
        fresh = programs() | {"stages": {}}
        manifest = json.loads((folder / MANIFEST).read_bytes()) if ours else fresh
        if restart or not ours:
            manifest = fresh
            (folder / INPUTS).unlink(missing_ok=True)
        work = Work(folder, manifest)
        if manifest is fresh:
            work.discard(STAGES[0])
            work._save()
        former = {name: manifest.get(name) for name in programs()}
        if changes := differences(former, programs()):
            raise InputError(f"{folder} was made by another program ({changes}); {RESTART}")
        work.former = work.tell()
        yield work


def remove_work(folder: Path) -> None:
    """Delete a work folder that is not needed any more."""
    shutil.rmtree(folder, ignore_errors=True)


def write_whole(path: Path, text: str) -> None:
    """A small file, there whole or as it was, whatever happens meanwhile."""
    fresh = path.with_name(path.name + ".new")
    with fresh.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
