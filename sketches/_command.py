"""What the commands share: paths that are named, a progress bar, and printing that may fail."""

import math
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

import click

from sketches._stdin import Interrupt

Progress = Callable[[str, int, int], None]  # the stage, how much of it is done, how much it has


def named(context: click.Context, parameter: click.Parameter, value: Any) -> Any:
    """Refuse an empty path, such as an unset variable of the shell gives: it is no path."""
    if "" in (value if isinstance(value, tuple) else (value,)):
        raise click.BadParameter("the path is empty")
    return value


def plain(item: Any) -> Any:
    """An item as JSON has it."""
    if isinstance(item, bytes):
        return item.decode("utf-8", "replace")
    return item if not isinstance(item, float) or math.isfinite(item) else str(item)


def shown(item: Any) -> str:
    """An item on one line of a terminal, which must not obey it."""
    text = str(plain(item))
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def printed(text: str) -> None:
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
def progress_bar() -> Iterator[Progress]:
    """A bar on a terminal, nothing in a pipe, nor where rich is not installed."""
    if not sys.stderr.isatty() or find_spec("rich") is None:
        yield lambda stage, done, total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    columns = TextColumn("{task.description:8}"), BarColumn(), TimeElapsedColumn()
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("read", total=None)
        yield lambda stage, done, total: bar.update(
            task, description=stage, completed=done, total=total or None
        )


def batches(file: str, columns: Sequence[str], interrupt: Interrupt) -> Iterator[tuple[Any, ...]]:
    """The batches of a file's columns, to Ctrl-C, with a bar on a terminal."""
    from sketches.streams import read_columns

    stdin = interrupt.standard_input() if file == "-" else None
    with progress_bar() as progress:
        yield from interrupt.until(
            read_columns(
                file, columns, lambda done, total: progress("count", done, total), stdin=stdin
            )
        )


def told(interrupt: Interrupt, without: str = "") -> None:
    """Where Ctrl-C has ended the input, say so, and exit as it would have had."""
    if interrupt.happened:
        click.echo(f"Interrupted: this is of what came before{without}", err=True)
        click.get_current_context().exit(128 + signal.SIGINT)


@contextmanager
def refused(file: str | None, column: str | None) -> Iterator[None]:
    """What cannot be counted, named by its column."""
    from sketches._files import InputError

    try:
        yield
    except (TypeError, ValueError, OverflowError) as error:
        where = f"{file or '-'}: column {column!r}" if column else f"{file or '-'}"
        raise InputError(f"{where}: {error}") from error
