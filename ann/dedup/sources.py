"""What the arguments of the command stand for: files, folders, standard input.

A file is read as its name says: rows of JSON Lines, CSV or Parquet, else one document of text. A
folder stands for the files in it that the globs choose; they are all rows or all text, so that a
shard of rows is never taken for one long document by accident.

Globs are those of ripgrep and git: a pattern without a slash matches a name at any depth, one
with a slash the path below the folder; `**` crosses folders; `!` excludes; the last that matches
decides. Hidden files, links and former outputs inside a folder are passed over.
"""

import os
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePath
from typing import IO, Any, Protocol

from ann.dedup.arrays import Batch, Int64s, Progress
from ann.dedup.jsonl import JsonLines
from ann.dedup.output import is_output
from ann.dedup.settings import InputError
from ann.dedup.streams import Original, Piped
from ann.dedup.tables import Csv, Parquet
from ann.dedup.textfiles import ADVICE, TextFiles, is_binary
from ann.dedup.unusable import Unusable
from ann.dedup.work import is_work
from ann.dedup.writing import Written
from sketches._files import CODECS

FORMATS: dict[str, type[JsonLines | Csv | Parquet]] = {
    ".jsonl": JsonLines,
    ".ndjson": JsonLines,
    ".json": JsonLines,  # as C4 and many a dump ship
    ".csv": Csv,
    ".parquet": Parquet,
}
OTHERS = {  # files that would be taken for text, or for nothing, and what to do about them
    ".tsv": "convert it to CSV",
    ".bz2": "unpack it (rows may come by standard input: bzcat FILE | tractable dedup -)",
    ".xz": "unpack it (rows may come by standard input: xzcat FILE | tractable dedup -)",
    **dict.fromkeys(CODECS, "unpack it: text is not read from compressed files"),
}
TOKEN = re.compile(r"\*\*/|/\*\*$|\*|\?|\[!?[^]]+\]|\{[^}]*\}|.", re.DOTALL)


class Source(Protocol):
    """Documents that can be read once and then be copied out, by row."""

    label: str
    name: str  # of the file of rows that it becomes; empty for text files
    placed: bool  # whether its batches say where their rows are found again
    rows: int
    invalid: int

    @property
    def originals(self) -> list[Original]: ...
    @property
    def size(self) -> int: ...
    def batches(self, advance: Callable[[int], None]) -> Iterator[Batch]: ...
    def values(self, name: str, places: Int64s) -> list[Any]: ...
    def write(self, rows: Written, folder: Path) -> None: ...


TOLD = ("rows", "invalid", "binary")  # what a source has counted when it was read


def remember(source: Source) -> dict[str, int]:
    """What a later run must know of a source that was read."""
    return {name: getattr(source, name, 0) for name in TOLD}


def recall(source: Source, told: dict[str, int]) -> None:
    """Make a source what it was when `remember` was asked: it need not be read again."""
    for name, value in told.items():
        setattr(source, name, value)


def each_batch(
    sources: Sequence[Source], unusable: Unusable, progress: Progress, begun: int = 0
) -> Iterator[tuple[int, Batch | None]]:
    """The batches of the sources from number `begun` on, in order; None where one has ended.

    A source of which nothing can be used is refused, though bad rows are skipped.
    """
    total = sum(source.size for source in sources)
    before = sum(source.size for source in sources[:begun])
    for number, source in enumerate(sources[begun:], begun):

        def advance(told: int, before: int = before) -> None:
            progress("read", before + told, total)

        skipped = unusable.count
        for batch in source.batches(advance):
            yield number, batch
        if unusable.count > skipped and not source.rows:
            raise InputError(f"nothing of {source.label} can be used; the last: {unusable.last}")
        before += source.size
        yield number, None


def open_sources(
    arguments: Sequence[str],
    *,
    globs: Sequence[str],
    text: str,
    id: str | None,
    unusable: Unusable,
    copy: bool,
    output: Path | None,
    spool: IO[bytes] | None,
) -> list[Source]:
    """The sources in the order of the arguments; a file named twice is read once.

    Parameters
    ----------
    output : Path, optional
        The folder to be written: never read, though it may lie inside an input.
    spool : file, optional
        Where standard input is kept for its second reading.
    """
    if globs and not any(os.path.isdir(argument) for argument in arguments):
        raise InputError("--glob chooses files of a folder, and no input is a folder")
    found: dict[str, Path | None] = {}  # by where it really lies; None: standard input
    for argument in arguments:
        if argument == "-":
            found["-"] = None
            continue
        for path in _files(Path(argument), globs, output, unusable):
            found.setdefault(os.path.realpath(path), path)
    paths = [path for path in found.values() if path is not None]
    rows = [path for path in paths if row_format(path)]
    if rows and len(rows) < len(paths):
        others = [path for path in paths if not row_format(path)]
        other = next((path for path in others if not is_binary(path)), None)
        if other is None:
            raise InputError(
                f"{rows[0]} holds rows and {others[0]} is binary: choose the rows of a folder, such"
                f" as --glob '{_like(rows[0])}'"
            )
        raise InputError(
            f"{rows[0]} holds rows and {other} is text: give them to separate runs, or choose from"
            f" a folder, such as --glob '{_like(rows[0])}' for the rows or"
            f" --glob '{_like(other)}' for the text"
        )
    base = _common_folder([Path(argument) for argument in arguments if argument != "-"])
    named: dict[str, Path | None] = {}
    for path in paths:
        name = os.path.relpath(path, base)
        if name in named:
            raise InputError(f"{path} and {named[name]} would both be kept as {name}")
        named[name] = path
    if paths and not rows:
        if "-" in arguments:
            raise InputError("standard input holds rows: do not mix it with text files")
        if id is not None:
            raise InputError("--id names a column, and text files have none")
        by_name = {os.path.realpath(argument) for argument in arguments}
        files = {name: path for name, path in named.items() if path is not None}
        return [TextFiles(files, by_name & found.keys(), unusable, copy)]
    if copy:
        raise InputError("--copy is for text files; kept rows are always written")
    sources: list[Source] = []
    for file in found.values():
        if file is not None:
            kind, name = FORMATS[row_format(file)], os.path.relpath(file, base)
            sources.append(kind(Original(file), name, text, id, unusable))
            continue
        name = "stdin.jsonl"
        while name in named:
            name = f"piped-{name}"
        sources.append(JsonLines(Piped(spool), name, text, id, unusable))
    return sources


def row_format(path: PurePath) -> str:
    """The suffix that says how rows are stored, or nothing for text."""
    *_, first, last = ["", "", *(suffix.lower() for suffix in path.suffixes)]
    packed = last in CODECS and first != ".parquet"
    suffix = first if packed else last
    return suffix if suffix in FORMATS else ""


def _like(path: Path) -> str:
    """A glob for the files of the kind of this one."""
    packed = row_format(path) not in ("", path.suffix.lower())
    return "*" + "".join(path.suffixes[-2 if packed else -1 :]) if path.suffix else path.name


def _common_folder(arguments: list[Path]) -> str:
    """What names are relative to: the folder that holds all arguments."""
    folders = [path if path.is_dir() else path.parent for path in arguments]
    return os.path.commonpath([os.path.abspath(folder) for folder in folders]) if folders else ""


def _files(
    argument: Path, globs: Sequence[str], output: Path | None, unusable: Unusable
) -> list[Path]:
    """The files an argument stands for."""
    if not argument.is_dir():
        check_file(argument)
        return [argument]
    verdict = _judge(globs)
    wanted = (True,) if any(not glob.startswith("!") for glob in globs) else (True, None)
    files = []

    def refuse(error: OSError) -> None:
        unusable.meet(error.filename, "", f"cannot read {error.filename}: {error.strerror}")

    for folder, folders, names in os.walk(argument, onerror=refuse):
        here = Path(folder)
        below = here.relative_to(argument).as_posix()
        prefix = "" if below == "." else below + "/"
        folders[:] = [
            name
            for name in folders
            if not name.startswith(".")
            and verdict(prefix + name) is not False
            and Path(os.path.realpath(here / name)) != output
            and not is_output(here / name)
            and not is_work(here / name)
        ]
        for name in names:
            path = here / name
            if name.startswith(".") or verdict(prefix + name) not in wanted:
                continue
            if path.is_file() and not path.is_symlink():
                files.append(path)
    if not files:
        raise InputError(f"no file in {argument}" + (" matches the globs" if globs else ""))
    return sorted(files)


def check_file(path: Path) -> None:
    """Refuse a file named as an input that cannot be what was meant."""
    if not path.exists():
        raise InputError(f"{path} does not exist")
    if not path.is_file():
        raise InputError(f"{path} is a pipe or a device: give - and redirect it to standard input")
    advice = OTHERS.get(path.suffix.lower())
    if advice and not row_format(path):
        raise InputError(f"cannot read {path}: {advice}. {ADVICE}")


def _judge(globs: Sequence[str]) -> Callable[[str], bool | None]:
    """Whether the last glob that matches a path includes or excludes it; None: none matches."""
    rules = [(not glob.startswith("!"), _regex(glob.removeprefix("!"))) for glob in globs]

    def verdict(path: str) -> bool | None:
        return next((include for include, regex in reversed(rules) if regex.fullmatch(path)), None)

    return verdict


def _regex(glob: str) -> re.Pattern[str]:
    """A glob as a regular expression for paths with slashes."""
    anchored = "/" in glob.rstrip("/")
    parts = [] if anchored else ["(?:.*/)?"]
    for token in TOKEN.findall(glob.strip("/")):
        if token == "**/":
            parts.append("(?:.*/)?")
        elif token == "/**":
            parts.append("(?:/.*)?")
        elif token in ("*", "?"):
            parts.append("[^/]" + token.replace("?", ""))
        elif token[0] == "[" and len(token) > 1:
            parts.append(token.replace("[!", "[^", 1).replace("\\", "\\\\"))
        elif token[0] == "{" and len(token) > 1:
            choices = token[1:-1].split(",")
            parts.append("(?:" + "|".join(_regex("/" + choice).pattern for choice in choices) + ")")
        else:
            parts.append(re.escape(token))
    try:
        return re.compile("".join(parts), re.DOTALL)
    except re.error:
        raise InputError(f"cannot understand the glob {glob!r}") from None
