"""`tractable top` and `tractable count`: what comes most often in a stream, and how often."""

import json
import os
import select
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import compress, islice
from typing import TYPE_CHECKING, Any

import click

from sketches._command import batches, named, plain, printed, refused, shown

if TYPE_CHECKING:
    from sketches import TopK

KEPT = 1000  # items that `top` keeps at least: a hundred times as many as are shown cost nothing
REFRESH = 0.25  # seconds between two pictures of --live
BLOCK = 1 << 20  # bytes of a live stream at once


@contextmanager
def _explained() -> Iterator[None]:
    """What can be wrong with the input becomes one line."""
    from sketches._files import InputError

    try:
        yield
    except (InputError, TypeError, ValueError, OverflowError) as error:
        raise click.ClickException(str(error)) from error


def _arriving() -> Iterator[tuple[list[bytes]]]:
    """The lines of standard input as they come; none when a picture is due without any."""
    source = sys.stdin.buffer.fileno()
    rest: list[bytes] = []  # of a line, however long, that has not ended
    while True:
        if not select.select([source], [], [], REFRESH)[0]:
            yield ([],)
            continue
        block = os.read(source, BLOCK)
        if not block:
            break
        rest.append(block)
        if b"\n" in block:
            *lines, last = b"".join(rest).replace(b"\r\n", b"\n").split(b"\n")
            rest = [last] if last else []
            yield (lines,)
    if rest:
        yield ([b"".join(rest)],)


def _integers(values: Any, before: int) -> list[int]:
    """A column of weights as integers, those of CSV are text; `before`: rows read earlier."""
    in_order = hasattr(values, "to_pylist")  # rows of JSON may have been sorted by their types
    values = values.to_pylist() if in_order else values
    try:
        if set(map(type, values)) <= {int, str}:
            return list(map(int, values))
    except ValueError:
        pass
    place, bad = next((i, value) for i, value in enumerate(values) if not _whole(value))
    where = f" in row {before + place + 1:,} of the data" if in_order else ""
    what = "is missing" if bad is None else "is empty" if bad == "" else f"is {bad!r}"
    raise ValueError(f"a weight{where} {what}: weights are whole numbers")


def _whole(value: Any) -> bool:
    try:
        return type(value) is int or (type(value) is str and int(value) is not None)
    except ValueError:
        return False


def _report(sketch: "TopK", k: int, nulls: int) -> list[str]:
    """The lines that `top` prints."""
    rows = []
    for heavy in sketch.top(k):
        low = "" if heavy.lower == heavy.upper else f"{heavy.lower:,} - "
        rows.append((f"{low}{heavy.upper:,}", heavy.upper / sketch.total, shown(heavy.item)))
    width = max((len(count) for count, _, _ in rows), default=0)
    lines = [f"{count:>{width}}  {100 * share:5.1f} %  {item}" for count, share, item in rows]
    missing = f", {nulls:,} missing" if nulls else ""
    rest = f"; any other at most {sketch.offset:,}" if sketch.offset else ""
    return [*lines, f"{sketch.total:,} in all{missing}{rest}"]


@click.command()
@click.argument("file", metavar="[FILE]", default="-", callback=named)
@click.option("-k", type=click.IntRange(1, 1 << 24), default=20, show_default=True, help="Items.")
@click.option("--column", metavar="COL", help="Column to count.  [default: lines, or the only one]")
@click.option("--weight", metavar="COL", help="Column that says how much each row counts for.")
@click.option("--live", is_flag=True, help="Show the present state while lines still come.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def top(
    file: str, k: int, column: str | None, weight: str | None, live: bool, as_json: bool
) -> None:
    """Show what comes most often, with bounds that always hold.

    FILE is a table (.csv, .jsonl, .parquet), whose rows are counted by a column, or text, whose
    lines are; also .gz or .zst; - or nothing for standard input. However long the stream, memory is
    bounded. For one that does not end: tail -f log | tractable top --live (in between, a program
    like cut holds back what comes slowly, unless started as stdbuf -oL cut).
    """
    from sketches import TopK

    if weight and not column:
        raise click.UsageError("--weight needs --column: a table has both")
    if live:
        _refuse_live(file, column, as_json)
    sketch, nulls = TopK(max(k, KEPT)), 0
    columns = tuple(name for name in (column, weight) if name)
    with _explained():
        if live:
            _show_live(sketch, k)
        else:
            rows = 0
            for items, *weights in batches(file, columns):
                with refused(file, weight):
                    each = [_integers(values, rows) for values in weights]
                with refused(file, column):
                    nulls += sketch.update(items, *each)
                rows += len(items)
    if as_json:
        found = [heavy._asdict() | {"item": plain(heavy.item)} for heavy in sketch.top(k)]
        summary = {"total": sketch.total, "missing": nulls, "others_at_most": sketch.offset}
        printed(json.dumps(summary | {"top": found}))
    else:
        printed("\n".join(_report(sketch, k, nulls)))


def _refuse_live(file: str, column: str | None, as_json: bool) -> None:
    """Say why this cannot be shown live, if so."""
    reason = ""
    if file != "-":
        reason = f"reads standard input, not a file: tail -n +1 -f {file} | tractable top --live"
    elif column:
        reason = (
            "shows lines: cut the column out before, with a program that does not hold lines back,"
            " such as stdbuf -oL cut -d, -f1, or jq --unbuffered"
        )
    elif as_json:
        reason = "shows a picture, not JSON: leave out one of the two"
    elif not sys.stdout.isatty():
        reason = "draws on a terminal, and standard output is none: leave --live out"
    if reason:
        raise click.UsageError(f"--live {reason}")


def _show_live(sketch: "TopK", k: int) -> None:
    """Pictures of the sketch until the stream ends, or Ctrl-C ends it."""
    from sketches._files import need

    need("rich")
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    with Live(console=Console(), auto_refresh=False, transient=True) as screen:
        try:
            clock = 0.0
            for (lines,) in _arriving():
                sketch.update(lines)
                clock = _redraw(screen, Text, sketch, k, clock)
        except KeyboardInterrupt:  # what has been counted is what was asked for
            pass


def _redraw(screen: Any, text: Any, sketch: "TopK", k: int, drawn: float) -> float:
    import time

    now = time.monotonic()
    if now - drawn < REFRESH:
        return drawn
    rows = max(1, min(k, screen.console.height - 2))
    lines = [line[: screen.console.width - 1] for line in _report(sketch, rows, 0)]
    screen.update(text("\n".join(lines)), refresh=True)
    return now


# ------------------------------------------------------------------------- count


def _hash_like(batch: Any, item: str) -> int | None:
    """The hash of an item as a value of the batch's type; None where it can be none."""
    from sketches import hash64

    if hasattr(batch, "to_pylist"):
        sample = batch.drop_null()[:1].to_pylist()
    else:
        sample = [*islice((value for value in batch if value is not None), 1)]
    kind = type(sample[0]) if sample else str
    if kind not in (str, bytes, int, bool, float):
        raise ValueError(f"cannot count {kind.__name__} values: count texts or numbers")
    if kind is bool:
        return {"true": int(hash64(1)), "false": int(hash64(0))}.get(item.lower())
    try:
        return int(hash64(item if kind in (str, bytes) else kind(item)))
    except (ValueError, OverflowError):
        return None


@click.command()
@click.argument("file", metavar="[FILE]", default="-", callback=named)
@click.option(
    "--item", "items", metavar="X", multiple=True, required=True, help="Item; repeatable."
)
@click.option("--column", metavar="COL", help="Column to count.  [default: lines, or the only one]")
@click.option("--weight", metavar="COL", help="Column that says how much each row counts for.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def count(
    file: str, items: tuple[str, ...], column: str | None, weight: str | None, as_json: bool
) -> None:
    """Count how often given items come.

    FILE as for `tractable top`. As the items are known beforehand, the counts are exact: rows are
    compared by their hashes of 64 bits.
    """
    import numpy as np

    from sketches import hash64

    if weight and not column:
        raise click.UsageError("--weight needs --column: a table has both")
    counts = dict.fromkeys(items, 0)
    total = missing = 0
    with _explained():
        rows = 0
        for batch, *weights in batches(file, tuple(n for n in (column, weight) if n)):
            hashes, valid = hash64(batch, return_valid=True)
            missing += len(valid) - len(hashes)
            with refused(file, weight):
                each = [*compress(_integers(weights[0], rows), valid)] if weights else []
            rows += len(valid)
            total += sum(each) if weights else len(hashes)
            for item in counts:
                wanted = _hash_like(batch, item)
                if wanted is not None:
                    same = hashes == np.uint64(wanted)
                    counts[item] += sum(compress(each, same)) if weights else int(same.sum())
    if as_json:
        printed(json.dumps({"total": total, "missing": missing, "counts": counts}))
    else:
        width = max(len(f"{n:,}") for n in counts.values())
        lines = [
            f"{n:>{width},}  {100 * n / total if total else 0.0:5.1f} %  {shown(item)}"
            for item, n in counts.items()
        ]
        printed("\n".join(lines))
