"""`tractable dedup`: find the near-duplicates in files, keep one of a kind.

Its stages are commands, too: `sketch`, `pairs`, `cluster` and `apply`, over a work folder.
"""

from pathlib import Path
from typing import Any

import click

from ann.dedup import options

WORK = click.argument("work", metavar="WORK", callback=options.named)


@click.command()
@options.INPUTS
@options.OUTPUT
@options.READING
@options.SEARCH
@options.SHINGLES
@options.CHOICE
@click.option(
    "--work",
    metavar="FOLDER",
    callback=options.named,
    help="Keep the stages there: a run that was stopped goes on, another --output is quick.",
)
@click.option(
    "--against",
    metavar="INDEX",
    callback=options.named,
    help="Remove what an index of `tractable index` has already.",
)
@options.RESTART
@options.MEMORY
@options.DRY_RUN
@options.THREADS
@options.JSON
def dedup(
    inputs: tuple[str, ...],
    output: str | None,
    force: bool,
    copy: bool,
    report: bool,
    annotate: bool,
    format: str | None,
    globs: tuple[str, ...],
    text: str,
    id: str | None,
    on_error: str,
    against: str | None,
    work: str | None,
    restart: bool,
    memory: int | None,
    dry_run: bool,
    threads: int | None,
    as_json: bool,
    **parameters: Any,
) -> None:
    """Find near-duplicate documents and keep one of a kind.

    INPUT is a file of rows (.jsonl, .ndjson, .json or .csv, also .gz or .zst; .parquet), a text
    file, a folder of either, or - for JSON Lines from standard input. Without -o only the
    summary is shown.
    """
    from ann.dedup.job import Reading, Writing, run
    from ann.dedup.report import summary

    if dry_run:
        from ann.dedup import tuning

        reading = Reading(inputs, globs, text, id, on_error == "skip", against)
        writing = Writing(Path(output) if output else None, force, copy, report, annotate, format)
        with options.running():
            settings = options.settings_of(threads, **parameters)
            forecast = tuning.foresee(reading, writing, settings, memory)
        options.show(forecast, as_json, lambda told: "\n".join(tuning.forecast_lines(told)))
        return
    with options.running() as progress:
        outcome = run(
            inputs,
            options.settings_of(threads, **parameters),
            output=Path(output) if output else None,
            force=force,
            globs=globs,
            text=text,
            id=id,
            skip_bad=on_error == "skip",
            copy=copy,
            report=report,
            annotate=annotate,
            format=format,
            work=Path(work) if work else None,
            restart=restart,
            memory=memory,
            against=against,
            progress=progress,
            announce=options.announce,
        )
    options.show(outcome, as_json, summary)


@click.command()
@options.INPUTS
@click.option(
    "--work", metavar="FOLDER", required=True, callback=options.named, help="Folder to fill."
)
@options.READING
@options.SHINGLES
@options.RESTART
@options.THREADS
@options.JSON
def sketch(
    inputs: tuple[str, ...],
    work: str,
    globs: tuple[str, ...],
    text: str,
    id: str | None,
    on_error: str,
    restart: bool,
    threads: int | None,
    as_json: bool,
    **parameters: Any,
) -> None:
    """The first stage of dedup: read the texts, and keep in WORK what a search needs of them.

    Goes on where a former run with the same arguments was stopped.
    """
    from ann.dedup import steps
    from ann.dedup.job import Reading

    with options.running() as progress:
        reading = Reading(inputs, globs, text, id, on_error == "skip")
        told = steps.sketch(
            Path(work), reading, parameters, threads, restart, progress, options.announce
        )
    options.show(told, as_json, steps.sketched)


@click.command()
@WORK
@options.SEARCH
@options.MEMORY
@options.THREADS
@options.JSON
def pairs(
    work: str, memory: int | None, threads: int | None, as_json: bool, **parameters: Any
) -> None:
    """The second stage of dedup: find the pairs among what WORK holds, and verify each.

    May be repeated with other options; then the clusters have to be made again, too.
    """
    from ann.dedup import steps

    with options.running() as progress:
        told = steps.pairs(Path(work), parameters, memory, threads, progress, options.announce)
    options.show(told, as_json, steps.paired)


@click.command()
@WORK
@options.CHOICE
@options.JSON
def cluster(work: str, as_json: bool, **parameters: Any) -> None:
    """The third stage of dedup: decide which document of a kind stays.

    May be repeated with other options.
    """
    from ann.dedup import steps
    from ann.dedup.report import summary

    with options.running():
        outcome = steps.cluster(Path(work), parameters, options.announce)
    options.show(outcome, as_json, summary)


@click.command()
@WORK
@options.OUTPUT
@options.THREADS
@options.JSON
def apply(
    work: str, output: str | None, threads: int | None, as_json: bool, **written: Any
) -> None:
    """The last stage of dedup: write the rows that stay, from the same input files."""
    from ann.dedup import steps
    from ann.dedup.job import Writing
    from ann.dedup.report import summary

    if output is None:
        raise click.UsageError("missing option -o: the folder to write")
    with options.running() as progress:
        outcome = steps.apply(Path(work), Writing(Path(output), **written), threads, progress)
    options.show(outcome, as_json, summary)
