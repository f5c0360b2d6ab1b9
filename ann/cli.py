"""`tractable dedup`: find the near-duplicates in files, keep one of a kind."""

import json
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

if TYPE_CHECKING:
    from ann.dedup.arrays import Progress


def _named(context: click.Context, parameter: click.Parameter, value: Any) -> Any:
    """Refuse an empty path, such as an unset variable of the shell gives: it is no path."""
    if "" in (value if isinstance(value, tuple) else (value,)):
        raise click.BadParameter("the path is empty")
    return value


@click.command()
@click.argument("inputs", metavar="INPUT...", nargs=-1, required=True, callback=_named)
@click.option("-o", "--output", metavar="FOLDER", callback=_named, help="Folder to write.")
@click.option("--force", is_flag=True, help="Replace a former output.")
@click.option(
    "--glob",
    "globs",
    metavar="PATTERN",
    multiple=True,
    help="Which files of a folder; a leading ! excludes. May be given again.",
)
@click.option("--text", default="text", show_default=True, metavar="COL", help="Column of text.")
@click.option("--id", metavar="COL", help="Column of ids.  [default: the row number]")
@click.option(
    "--threshold",
    type=click.FloatRange(0, 1, min_open=True),
    default=0.8,
    show_default=True,
    help="Jaccard similarity from which on documents are near-duplicates.",
)
@click.option(
    "--recall",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.99,
    show_default=True,
    help="Least probability of finding a pair right at the threshold.",
)
@click.option(
    "--ngram", type=click.IntRange(1, 256), default=5, show_default=True, help="Units a shingle."
)
@click.option(
    "--unit",
    type=click.Choice(["word", "char"]),
    default="word",
    show_default=True,
    help="What a shingle is made of; char for languages without spaces, with --ngram 3.",
)
@click.option(
    "--num-perm",
    type=click.IntRange(1, 65536),
    default=128,
    show_default=True,
    help="MinHash slots.",
)
@click.option(
    "--keep",
    type=click.Choice(["first", "longest"]),
    default="first",
    show_default=True,
    help="Which of a cluster stays; ties by id.",
)
@click.option(
    "--engine",
    type=click.Choice(["lsh", "exact"]),
    default="lsh",
    show_default=True,
    help="Find pairs by MinHash, as surely as --recall says, or all of them by a join.",
)
@click.option(
    "--on-error",
    type=click.Choice(["fail", "skip"]),
    default="fail",
    show_default=True,
    help="What to do about a row or a file that cannot be used.",
)
@click.option("--threads", type=click.IntRange(1), help="Threads.  [default: all cores]")
@click.option("--copy", is_flag=True, help="Copy the text files that stay to OUTPUT/kept.")
@click.option("--report", is_flag=True, help="Write OUTPUT/report.html and report.json, too.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as one JSON object.")
def dedup(
    inputs: tuple[str, ...],
    output: str | None,
    force: bool,
    globs: tuple[str, ...],
    text: str,
    id: str | None,
    threshold: float,
    recall: float,
    ngram: int,
    unit: str,
    num_perm: int,
    keep: str,
    engine: str,
    on_error: str,
    threads: int | None,
    copy: bool,
    report: bool,
    as_json: bool,
) -> None:
    """Find near-duplicate documents and keep one of a kind.

    INPUT is a file of rows (.jsonl, .ndjson, .json or .csv, also .gz or .zst; .parquet), a text
    file, a folder of either, or - for JSON Lines from standard input. Without -o only the
    summary is shown.
    """
    from ann.dedup.job import run
    from ann.dedup.report import summary
    from ann.dedup.settings import InputError, Settings, available_threads

    try:
        settings = Settings(
            threshold=threshold,
            recall=recall,
            ngram=ngram,
            unit=unit,  # type: ignore[arg-type]
            num_perm=num_perm,
            keep=keep,  # type: ignore[arg-type]
            engine=engine,  # type: ignore[arg-type]
            threads=threads or available_threads(),
        )
        _check_recall(threshold, recall, num_perm)
        with _terminable(), _progress() as progress:
            outcome = run(
                inputs,
                settings,
                output=Path(output) if output else None,
                force=force,
                globs=globs,
                text=text,
                id=id,
                skip_bad=on_error == "skip",
                copy=copy,
                report=report,
                progress=progress,
            )
    except InputError as error:
        raise click.ClickException(str(error)) from error
    except MemoryError:
        raise click.ClickException(
            "out of memory: --threshold or --ngram raised leaves fewer pairs; --num-perm lowered,"
            " or fewer documents at once, take less"
        ) from None
    _print(json.dumps(outcome.as_dict()) if as_json else summary(outcome))


def _check_recall(threshold: float, recall: float, num_perm: int) -> None:
    """Refuse, in the words of the command, a recall that is out of reach."""
    from ann.bands import choose_bands

    try:
        choose_bands(threshold, recall, num_perm)
    except ValueError as error:
        message = str(error).replace("num_perm", "--num-perm").replace("the recall", "--recall")
        raise click.ClickException(message) from None


def _print(text: str) -> None:
    """Print; that this may fail, on a full disk, is no reason for a traceback."""
    try:
        click.echo(text)
    except BrokenPipeError:  # the reader has seen enough: click leaves quietly
        raise
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # for what Python flushes at its end
        reason = error.strerror or error
        raise click.ClickException(f"cannot write to standard output: {reason}") from error


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


@contextmanager
def _progress() -> Iterator["Progress"]:
    """A bar on a terminal, nothing in a pipe."""
    if not sys.stderr.isatty():
        yield lambda stage, done, total: None
        return
    from ann.dedup.settings import need

    need("rich")
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = TextColumn("{task.description:8}"), BarColumn(), TimeElapsedColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("read", total=None)
        yield lambda stage, done, total: bar.update(
            task, description=stage, completed=done, total=total or None
        )
