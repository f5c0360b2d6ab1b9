"""`tractable top` and `tractable count`: what comes most often in a stream, and how often."""

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import compress, islice
from typing import TYPE_CHECKING, Any

import click

from sketches._command import (
    batches,
    named,
    plain,
    printed,
    refused,
    shown,
    told,
)
from sketches._stdin import Interrupt

if TYPE_CHECKING:
    from sketches import TopK

KEPT = 1000  # items that `top` keeps at least: a hundred times as many as are shown cost nothing
REFRESH = 0.25  # seconds between two pictures of --live


@contextmanager
def _explained() -> Iterator[None]:
    """What can be wrong with the input becomes one line."""
    from sketches._files import InputError

    try:
        yield
    except (InputError, TypeError, ValueError, OverflowError) as error:
        raise click.ClickException(str(error)) from error


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


def _report(sketch: "TopK", nulls: int, k: int) -> list[str]:
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
    like cut holds back what comes slowly, unless started as stdbuf -oL cut). Ctrl-C ends the input,
    and what came before is shown.
    """
    from sketches import TopK
    from sketches._live import live_columns

    if weight and not column:
        raise click.UsageError("--weight needs --column: a table has both")
    if live:
        _refuse_live(file, as_json)
    sketch, nulls, rows = TopK(max(k, KEPT)), 0, 0
    columns = tuple(name for name in (column, weight) if name)
    with _explained(), Interrupt() as interrupt, _screen(live, k) as draw:
        lines = interrupt.lines() if live else None
        source = (
            interrupt.until(live_columns(lines, columns))
            if lines
            else batches(file, columns, interrupt)
        )
        for items, *weights in source:
            with refused(file, weight):
                each = [_integers(values, rows) for values in weights]
            with refused(file, column):
                nulls += sketch.update(items, *each)
            rows += len(items)
            draw(partial(_report, sketch, nulls))
    if as_json:
        found = [heavy._asdict() | {"item": plain(heavy.item)} for heavy in sketch.top(k)]
        summary = {"total": sketch.total, "missing": nulls, "others_at_most": sketch.offset}
        printed(json.dumps(summary | {"top": found}))
    else:
        printed("\n".join(_report(sketch, nulls, k)))
    told(interrupt)


def _refuse_live(file: str, as_json: bool) -> None:
    """Say why this cannot be shown live, if so."""
    reason = ""
    if file != "-":
        reason = f"reads standard input, not a file: tail -n +1 -f {file} | tractable top --live"
    elif as_json:
        reason = "shows a picture, not JSON: leave out one of the two"
    elif not sys.stdout.isatty():
        reason = "draws on a terminal, and standard output is none: leave --live out"
    if reason:
        raise click.UsageError(f"--live {reason}")


@contextmanager
def _screen(live: bool, k: int) -> Iterator[Callable[[Callable[[int], list[str]]], None]]:
    """What shows a report of k items, or as many as have room, if it is time; or does not."""
    if not live:
        yield lambda report: None
        return
    from sketches._files import need

    need("rich")
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    drawn = 0.0

    def draw(report: Callable[[int], list[str]]) -> None:
        nonlocal drawn
        now = time.monotonic()
        if now - drawn >= REFRESH:
            height, width = screen.console.height, screen.console.width
            lines = [line[: width - 1] for line in report(max(1, min(k, height - 2)))]
            screen.update(Text("\n".join(lines)), refresh=True)
            drawn = now

    with Live(console=Console(), auto_refresh=False, transient=True) as screen:
        yield draw


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
    columns = tuple(name for name in (column, weight) if name)
    with _explained(), Interrupt() as interrupt:
        rows = 0
        for batch, *weights in batches(file, columns, interrupt):
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
    told(interrupt)
