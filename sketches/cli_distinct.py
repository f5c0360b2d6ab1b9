"""`tractable distinct`: how many different values a column or a stream of lines holds."""

import json
import os
from contextlib import suppress
from typing import Any

import click

from sketches._command import batches, named, plain, printed, refused, shown
from sketches._files import InputError, explained
from sketches.hll import HyperLogLog
from sketches.hll_groups import GroupedCounts

CONFIDENCE = 0.95  # of the bounds that are shown


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
    help="Count the streams of a kept image, too. May be given again.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def distinct(
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
    are merged alone. Images are those of Apache DataSketches.
    """
    try:
        if by is None:
            counted = _count(file, column, p, images)
            if save is not None:
                _save(counted[0], save)
            printed(_json(*counted) if as_json else _text(*counted))
            return
        if column is None or save is not None or images:
            raise InputError("--by goes with --column, and without --save and --merge")
        groups = _count_by(file or "-", column, by, p)
    except InputError as error:
        raise click.ClickException(str(error)) from error
    except MemoryError:
        raise click.ClickException("out of memory: a lower --p takes less") from None
    printed(_groups_json(groups, by, column) if as_json else _groups_text(groups))


def _count(
    file: str | None, column: str | None, p: int, images: tuple[str, ...]
) -> tuple[HyperLogLog, int, int]:
    """The sketch, the rows read, and those without a value."""
    sketch, rows, missing = HyperLogLog(p), 0, 0
    if file is not None or not images:
        for (values,) in batches(file or "-", [column] if column is not None else []):
            with refused(file, column):
                missing += sketch.update(values)
            rows += len(values)
    for path in images:
        sketch.merge(_load(path))
    return sketch, rows, missing


def _count_by(file: str, column: str, by: str, p: int) -> GroupedCounts:
    groups = GroupedCounts(p)
    for keys, values in batches(file, [by, column]):
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
    target = os.path.realpath(path) if plain else path  # a link stays one
    part = f"{target}.part" if plain else target
    try:
        with open(part, "wb") as out:
            out.write(sketch.to_bytes())
        if plain:
            os.replace(part, target)
    except OSError as error:
        if plain:
            with suppress(OSError):
                os.unlink(part)
        raise InputError(f"cannot write {path}: {error.strerror or error}") from error


# ------------------------------------------------------------------------ output


def _text(sketch: HyperLogLog, rows: int, missing: int) -> str:
    low, high = sketch.bounds(CONFIDENCE)
    read = f"\n  {rows:,} rows" + (f", {missing:,} of them without a value" if missing else "")
    return (
        f"{sketch.estimate():,.0f} distinct, {low:,.0f} to {high:,.0f} with"
        f" {CONFIDENCE:.0%} confidence{read if rows else ''}"
    )


def _json(sketch: HyperLogLog, rows: int, missing: int) -> str:
    low, high = sketch.bounds(CONFIDENCE)
    told = {"estimate": sketch.estimate(), "low": low, "high": high, "confidence": CONFIDENCE}
    return json.dumps(told | {"rows": rows, "missing": missing, "p": sketch.p})


def _ordered(groups: GroupedCounts) -> list[tuple[float, Any]]:
    """The keys of most distinct values first, equals as they came."""
    keys = groups.keys if isinstance(groups.keys, list) else groups.keys.tolist()
    return sorted(zip(groups.estimates.tolist(), keys, strict=True), key=lambda row: -row[0])


def _groups_text(groups: GroupedCounts) -> str:
    rows = [
        (f"{estimate:,.0f}", "(missing)" if key is None else shown(key))
        for estimate, key in _ordered(groups)
    ]
    width = max((len(estimate) for estimate, _ in rows), default=0)
    return "\n".join(f"{estimate:>{width}}  {key}" for estimate, key in rows)


def _groups_json(groups: GroupedCounts, by: str, column: str) -> str:
    rows = [{"key": plain(key), "estimate": estimate} for estimate, key in _ordered(groups)]
    return json.dumps({"by": by, "column": column, "p": groups.p, "groups": rows}, default=str)
