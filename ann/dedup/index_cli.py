"""`tractable index`: keep what was seen, to tell what of tomorrow's is new."""

import json
from pathlib import Path
from typing import Any

import click

from ann.dedup import options
from ann.dedup.words import counted

FOLDER = click.argument("folder", metavar="INDEX", callback=options.named)


@click.group()
def index() -> None:
    """Documents seen before, in a folder that grows; `dedup --against` removes what it has."""


@index.command()
@FOLDER
@options.INPUTS
@options.READING
@options.SEARCH
@options.SHINGLES
@click.option("--again", is_flag=True, help="Add files that are in the index already.")
@options.THREADS
@options.JSON
@click.pass_context
def add(
    context: click.Context,
    /,
    folder: str,
    inputs: tuple[str, ...],
    globs: tuple[str, ...],
    text: str,
    id: str | None,
    on_error: str,
    again: bool,
    threads: int | None,
    as_json: bool,
    **parameters: Any,
) -> None:
    """Add documents; the first time, make the index, with the parameters it will have for good."""
    from ann.dedup import indexing
    from ann.dedup.job import Reading

    given = {
        name: value
        for name, value in parameters.items()
        if context.get_parameter_source(name) is not click.core.ParameterSource.DEFAULT
    }
    with options.running() as progress:
        reading = Reading(inputs, globs, text, id, on_error == "skip")
        told = indexing.add(Path(folder), reading, given, threads, progress, again)
    options.show(
        told, as_json, lambda told: f"{told['added']:,} added, {told['documents']:,} documents"
    )


@index.command()
@FOLDER
@options.INPUTS
@options.READING
@options.THREADS
def query(
    folder: str,
    inputs: tuple[str, ...],
    globs: tuple[str, ...],
    text: str,
    id: str | None,
    on_error: str,
    threads: int | None,
) -> None:
    """Look documents up: a line of JSON for each that the index has one like, the likest first."""
    from ann.dedup import indexing
    from ann.dedup.job import Reading

    with options.running() as progress:
        reading = Reading(inputs, globs, text, id, on_error == "skip")
        for match in indexing.query(Path(folder), reading, threads, progress):
            click.echo(json.dumps(match, ensure_ascii=False))


@index.command()
@FOLDER
@click.option("--check", is_flag=True, help="Compare every file with its checksum.")
@options.JSON
def stats(folder: str, check: bool, as_json: bool) -> None:
    """Count what an index holds."""
    from ann.dedup import indexing

    with options.running():
        told = indexing.stats(Path(folder), check)
    options.show(told, as_json, _stats)


@index.command()
@FOLDER
@click.argument("others", metavar="[OTHER]...", nargs=-1, callback=options.named)
@options.JSON
def merge(folder: str, others: tuple[str, ...], as_json: bool) -> None:
    """Make one segment of all that INDEX has, and of all that the OTHERs have, which stay."""
    from ann.dedup import indexing

    with options.running():
        told = indexing.merge(Path(folder), list(map(Path, others)))
    options.show(told, as_json, _stats)


def _stats(told: dict[str, Any]) -> str:
    shown = ", ".join(f"{name} {value}" for name, value in told["parameters"].items())
    return "\n".join(
        [
            f"{counted(told['documents'], 'document')} in {counted(told['segments'], 'segment')}, "
            f"{told['bytes'] / 1e6:,.1f} MB" + (", each byte checked" if told["checked"] else ""),
            f"{told['bands']} bands of {told['rows']} rows: {shown}",
        ]
    )
