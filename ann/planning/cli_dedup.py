"""`tractable plan dedup`: which engine of the near-duplicate job, with which parameters."""

from dataclasses import replace
from typing import Any

import click

from ann.cli_look import DOCUMENTS, SHAPE, opened
from ann.dedup import options
from costs._command import Duration, show_plan


@click.command()
@options.INPUTS
@options.READING
@options.BANDS
@SHAPE
@DOCUMENTS
@click.option("--memory", metavar="SIZE", callback=options.size, help="Budget, such as 8GB.")
@click.option("--within", type=Duration(), help="Budget of time; writing is not in it.")
@options.THREADS
@options.JSON
def dedup(
    inputs: tuple[str, ...],
    globs: tuple[str, ...],
    text: str,
    id: str | None,
    on_error: str,
    documents: int | None,
    memory: int | None,
    within: float | None,
    threads: int | None,
    as_json: bool,
    **parameters: Any,
) -> None:
    """Choose the engine of a near-duplicate job, by time and memory.

    INPUT is a sample of the corpus, chosen at random, or all of it: 20,000 documents of it are
    searched by both engines.
    """
    from ann.dedup import tuning
    from ann.dedup.settings import InputError
    from ann.planning.jobs import JobModel, decide

    with options.running():
        settings = options.settings_of(threads, engine="lsh", **parameters)
        sample = tuning.sample_texts(opened(inputs, on_error, globs=globs, text=text, id=id))
        if len(sample.texts) < 2:
            raise InputError("a sample needs two documents at least")
        models = [
            JobModel("exact", [tuning.search(sample, replace(settings, engine="exact"))]),
            JobModel("lsh", tuning.search_slots(sample, settings)),
        ]
        found = decide(documents or sample.documents, models, memory, within)
    show_plan(found, as_json)
