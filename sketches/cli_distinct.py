"""`tractable distinct`: how many different values a column or a stream of lines holds."""

import json
import os
import sys
from collections.abc import Iterable
from typing import Any, NamedTuple

import click
from click.core import ParameterSource

from sketches._command import (
    batches,
    named,
    plain,
    printed,
    refused,
    shown,
    told,
)
from sketches._files import InputError, explained, replacing
from sketches._stdin import Interrupt
from sketches.hll import HyperLogLog
from sketches.hll_groups import GroupedCounts

CONFIDENCE = 0.95  # of the bounds that are shown
KEYS = 20  # that a terminal is shown, as `tractable top` does


class Counted(NamedTuple):
    """The sketch, the rows read, those without a value, and the p that images have lowered."""

    sketch: HyperLogLog
    rows: int
    missing: int
    lowered_from: int | None


@click.command()
@click.argument("file", metavar="[FILE|-]", required=False, callback=named)
@click.option("--column", metavar="C", help="Column of a table, field of JSON Lines.")
@click.option("--by", metavar="C", help="Count for each value of this column.")
@click.option(
    "--p",
    type=click.IntRange(4, 21),
    default=14,
    show_default=True,
    help="log2 of the registers: off by 0.833 / sqrt(2^p), one standard error.",
)
@click.option("--save", metavar="FILE", callback=named, help="Keep the sketch as an image.")
@click.option(
    "--merge",
    "images",
    metavar="FILE",
    multiple=True,
    callback=named,
    help="Count the streams of a kept image, too. May be given again. The least p of all holds.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def distinct(
    context: click.Context,
    file: str | None,
    column: str | None,
    by: str | None,
    p: int,
    save: str | None,
    images: tuple[str, ...],
    as_json: bool,
) -> None:
    """Count distinct values.

    FILE is text, whose lines are counted, or with --column a table: .csv, .jsonl, .ndjson, .json
    (also .gz or .zst), .parquet. Without FILE, and for -, standard input is read, unless images
    are merged alone. Images are those of Apache DataSketches, of its usual seed 9001: no image
    tells its seed, and of another one the count would be too high. --by shows the keys of most
    values on a terminal, all of them elsewhere. Ctrl-C ends the input, and what came before is
    shown.
    """
    stream = file is not None or not images
    columns = [name for name in (by, column) if name is not None]
    try:
        if by is not None:
            if column is None or save is not None or images:
                raise InputError("--by goes with --column, and without --save and --merge")
            with Interrupt() as interrupt:
                source = batches(file or "-", columns, interrupt)
                groups = _count_by(source, file, column, p)
            printed(_groups_json(groups, by, column) if as_json else _groups(groups, by, column))
            told(interrupt)
            return
        chosen = context.get_parameter_source("p") is not ParameterSource.DEFAULT
        with Interrupt() as interrupt:
            source = batches(file or "-", columns, interrupt) if stream else iter(())
            counted = _count(source, file, column, p if stream or chosen else None, images, chosen)
        printed(_json(counted) if as_json else _text(counted))
        told(interrupt, "" if save is None else f"; {save} is not written")
        if save is not None:
            _save(counted.sketch, save)
    except InputError as error:
        raise click.ClickException(str(error)) from error
    except MemoryError:
        raise click.ClickException("out of memory: a lower --p takes less") from None


def _count(
    source: Iterable[tuple[Any, ...]],
    file: str | None,
    column: str | None,
    p: int | None,
    images: tuple[str, ...],
    chosen: bool,
) -> Counted:
    """The least p of all holds, which is told, unless it was chosen."""
    kept = {path: _load(path) for path in images}
    least = min(kept, key=lambda path: kept[path].p, default="")
    highest = max([sketch.p for sketch in kept.values()] + [p or 0])
    sketch, rows, missing = HyperLogLog(highest if p is None else p), 0, 0
    for (values,) in source:
        with refused(file, column):
            missing += sketch.update(values)
        rows += len(values)
    for image in kept.values():
        sketch.merge(image)
    if highest == sketch.p or (chosen and sketch.p == p):
        return Counted(sketch, rows, missing, None)
    reason = f"{least} has no more" if sketch.p == kept[least].p else "no --p was given"
    before = HyperLogLog(highest)
    click.echo(
        f"Note: counted with p = {sketch.p}, not {highest}, as {reason}: a standard error is"
        f" {sketch.error:.1%}, not {before.error:.1%}",
        err=True,
    )
    return Counted(sketch, rows, missing, highest)


def _count_by(
    source: Iterable[tuple[Any, ...]], file: str | None, column: str, p: int
) -> GroupedCounts:
    groups = GroupedCounts(p)
    for keys, values in source:
        if isinstance(keys, list):  # of JSON: numbers and texts may come side by side
            keys = [key if key is None else _word(key) for key in keys]
        with refused(file, column):
            groups.update(keys, values)
    return groups


def _word(key: Any) -> str:
    return key if isinstance(key, str) else json.dumps(key)


# ------------------------------------------------------------------------ images


def _load(path: str) -> HyperLogLog:
    with explained(path), open(path, "rb") as image:
        return HyperLogLog.from_bytes(image.read())


def _save(sketch: HyperLogLog, path: str) -> None:
    """All or nothing: what was there before stays until the image is complete. What is no plain
    file, a pipe or a device, is written into, never replaced."""
    plain = os.path.isfile(path) or not os.path.exists(path)
    try:
        # A link stays one.
        with replacing(os.path.realpath(path)) if plain else open(path, "wb") as out:
            out.write(sketch.to_bytes())
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}") from error


# ------------------------------------------------------------------------ output


def _text(counted: Counted) -> str:
    low, high = counted.sketch.bounds(CONFIDENCE)
    missing = f", {counted.missing:,} of them without a value" if counted.missing else ""
    return (
        f"{counted.sketch.estimate():,.0f} distinct, {low:,.0f} to {high:,.0f} with"
        f" {CONFIDENCE:.0%} confidence"
    ) + (f"\n  {counted.rows:,} rows{missing}" if counted.rows else "")


def _json(counted: Counted) -> str:
    sketch, rows, missing, lowered_from = counted
    low, high = sketch.bounds(CONFIDENCE)
    answer = {"estimate": sketch.estimate(), "low": low, "high": high, "confidence": CONFIDENCE}
    state = {"rows": rows, "missing": missing, "p": sketch.p, "p_lowered_from": lowered_from}
    return json.dumps(answer | state)


def _ordered(groups: GroupedCounts) -> list[tuple[float, Any]]:
    """The keys of most distinct values first, equals as they came."""
    keys = groups.keys if isinstance(groups.keys, list) else groups.keys.tolist()
    return sorted(zip(groups.estimates.tolist(), keys, strict=True), key=lambda row: -row[0])


def _groups(groups: GroupedCounts, by: str, column: str) -> str:
    """A table with a head for people; the rows alone for programs."""
    rows = [
        (f"{estimate:,.0f}", "(missing)" if key is None else shown(key))
        for estimate, key in _ordered(groups)
    ]
    last = []
    if sys.stdout.isatty():
        if len(rows) > KEYS:
            last = [f"and {len(rows) - KEYS:,} more, all of which a pipe or --json gets"]
        rows = [(f"distinct {shown(column)}", shown(by)), *rows[:KEYS]]
    width = max((len(estimate) for estimate, _ in rows), default=0)
    return "\n".join([f"{estimate:>{width}}  {key}" for estimate, key in rows] + last)


def _groups_json(groups: GroupedCounts, by: str, column: str) -> str:
    rows = [{"key": plain(key), "estimate": estimate} for estimate, key in _ordered(groups)]
    return json.dumps({"by": by, "column": column, "p": groups.p, "groups": rows}, default=str)
