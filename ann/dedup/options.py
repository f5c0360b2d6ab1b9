"""The options of the commands, each said once: a command takes those of its stages."""

import json
import re
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import click

from ann.dedup.words import counted
from ann.dedup.writing import FORMATS
from sketches._command import named as named
from sketches._command import printed, progress_bar

if TYPE_CHECKING:
    from ann.dedup.arrays import Progress
    from ann.dedup.settings import Settings

LEAST = 400_000_000  # bytes of memory: Python, NumPy, Arrow, and some batches with their sketches

Command = TypeVar("Command", bound=Callable[..., Any])


def together(*options: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """Several options as one decorator, shown in this order."""

    def add(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return add


INPUTS = click.argument("inputs", metavar="INPUT...", nargs=-1, required=True, callback=named)
READING = together(
    click.option(
        "--glob",
        "globs",
        metavar="PATTERN",
        multiple=True,
        help="Which files of a folder; a leading ! excludes. May be given again.",
    ),
    click.option(
        "--text", default="text", show_default=True, metavar="COL", help="Column of text."
    ),
    click.option("--id", metavar="COL", help="Column of ids.  [default: the row number]"),
    click.option(
        "--on-error",
        type=click.Choice(["fail", "skip"]),
        default="fail",
        show_default=True,
        help="What to do about a row or a file that cannot be used.",
    ),
)
NGRAM = click.option(
    "--ngram", type=click.IntRange(1, 256), default=5, show_default=True, help="Units a shingle."
)
UNIT = click.option(
    "--unit",
    type=click.Choice(["word", "char"]),
    default="word",
    show_default=True,
    help="What a shingle is made of; char for languages without spaces, with --ngram 3.",
)
SHINGLES = together(
    NGRAM,
    UNIT,
    click.option(
        "--num-perm",
        type=click.IntRange(1, 65536),
        default=128,
        show_default=True,
        help="MinHash slots.",
    ),
    click.option(
        "--bits",
        type=click.Choice([8, 16, 32]),
        default=32,
        show_default=True,
        help="Bits of a slot that are kept: 8 make a quarter of the signatures in a work folder.",
    ),
)
BANDS = together(
    click.option(
        "--threshold",
        type=click.FloatRange(0, 1, min_open=True),
        default=0.8,
        show_default=True,
        help="Jaccard similarity from which on documents are near-duplicates.",
    ),
    click.option(
        "--recall",
        type=click.FloatRange(0, 1, min_open=True, max_open=True),
        default=0.99,
        show_default=True,
        help="Least probability of finding a pair right at the threshold.",
    ),
)
SEARCH = together(
    BANDS,
    click.option(
        "--engine",
        type=click.Choice(["auto", "lsh", "exact"]),
        default="auto",
        show_default=True,
        help="Find pairs by MinHash, as surely as --recall says, or all of them by a join; auto"
        " takes exact where it fits and makes the job a quarter longer at most.",
    ),
    click.option(
        "--measure",
        type=click.Choice(["jaccard", "containment"]),
        default="jaccard",
        show_default=True,
        help="What is common to two documents, of both together or of the smaller one.",
    ),
)
CHOICE = together(
    click.option(
        "--keep",
        metavar="POLICY",
        default="first",
        show_default=True,
        help="Which of a cluster stays: first, longest, newest:COL, oldest:COL, highest:COL,"
        " lowest:COL, priority:COL=a,b,c or one-per:COL; ties by id.",
    ),
    click.option(
        "--link",
        type=click.Choice(["representative", "transitive"]),
        default="representative",
        show_default=True,
        help="Remove what resembles a document that is kept, or all that chains of it lead to.",
    ),
)
OUTPUT = together(
    click.option("-o", "--output", metavar="FOLDER", callback=named, help="Folder to write."),
    click.option("--force", is_flag=True, help="Replace a former output."),
    click.option("--copy", is_flag=True, help="Copy the text files that stay to OUTPUT/kept."),
    click.option("--report", is_flag=True, help="Write OUTPUT/report.html and report.json, too."),
    click.option(
        "--annotate",
        is_flag=True,
        help="Write all rows, with columns that say what was found, instead of removing any.",
    ),
    click.option(
        "--format",
        type=click.Choice(FORMATS),
        help="Format of the rows that are written.  [default: as they came]",
    ),
)
DRY_RUN = click.option(
    "--dry-run", is_flag=True, help="Say what would be done, and what that would take; do nothing."
)


def size(context: click.Context, parameter: click.Parameter, value: str | None) -> int | None:
    """A number of bytes: 2GB, 500MB, 1.5GiB."""
    if value is None:
        return None
    found = re.fullmatch(r"([0-9.]+) ?([kMGT]?)(i?)B?", value.strip(), re.IGNORECASE)
    try:
        number = float(found[1]) if found else 0.0
    except ValueError:
        number = 0.0
    if not found or number <= 0:
        raise click.BadParameter(f"{value!r} is no size, such as 2GB or 500MB")
    return int(number * (1024 if found[3] else 1000) ** " kmgt".index(found[2].lower() or " "))


def enough(context: click.Context, parameter: click.Parameter, value: str | None) -> int | None:
    """A number of bytes in which a run can work at all."""
    found = size(context, parameter, value)
    if found is not None and found < LEAST:
        raise click.BadParameter(
            f"{value!r} is {counted(found, 'byte')}, too few to run in: give 400MB at least, such"
            " as 2GB or 500MB"
        )
    return found


MEMORY = click.option(
    "--memory",
    metavar="SIZE",
    callback=enough,
    help="Memory to stay within, such as 2GB.  [default: half of the machine's]",
)
RESTART = click.option(
    "--restart", is_flag=True, help="Throw away what the work folder holds, and start over."
)
THREADS = click.option("--threads", type=click.IntRange(1), help="Threads.  [default: all cores]")
JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


def settings_of(threads: int | None, **parameters: Any) -> "Settings":
    """The parameters, checked; a recall out of reach is refused in the words of the command."""
    from ann.dedup.settings import InputError, Settings, available_threads
    from ann.dedup.sketching import bands_of

    settings = Settings(**parameters, threads=threads or available_threads())
    if settings.engine == "exact" or settings.measure == "containment":
        return settings
    try:
        bands_of(settings)
    except InputError as error:
        message = str(error).replace("num_perm", "--num-perm").replace("the recall", "--recall")
        raise click.ClickException(message) from None
    return settings


def announce(line: str) -> None:
    """A line for people to see at once, apart from what a command prints in the end."""
    click.echo(line, err=True)


def show(told: Any, as_json: bool, summary: Callable[[Any], str]) -> None:
    """Print what a command has to tell."""
    if as_json:
        text = json.dumps(told if isinstance(told, dict) else told.as_dict())
    else:
        text = summary(told)
    printed(text)


@contextmanager
def running() -> Iterator["Progress"]:
    """Around the work of a command: a bar, errors in one line, SIGTERM like Ctrl-C."""
    from ann.dedup.settings import InputError

    try:
        with _terminable(), progress_bar() as progress:
            yield progress
    except InputError as error:
        raise click.ClickException(str(error)) from error
    except MemoryError:
        raise click.ClickException(
            "out of memory: --threshold or --ngram raised leaves fewer pairs; --num-perm lowered,"
            " or fewer documents at once, take less"
        ) from None


@contextmanager
def _terminable() -> Iterator[None]:
    """SIGTERM unwinds like Ctrl-C, so that no half-written output stays."""

    def leave(number: int, frame: object) -> NoReturn:
        sys.exit(128 + number)

    former = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, former)
