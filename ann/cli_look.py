"""Commands that look and write nothing: `tractable explain` and `tractable tune`."""

from functools import partial
from typing import TYPE_CHECKING, Any

import click

from ann.dedup import options

if TYPE_CHECKING:
    from ann.dedup.sources import Source

SHAPE = options.together(options.NGRAM, options.UNIT)  # the number of slots is what is sought


def _lines(of: Any, told: Any) -> str:
    return "\n".join(of(told))


def document_count(
    context: click.Context, parameter: click.Parameter, value: str | None
) -> int | None:
    """A number of documents: 1000000000, 1_000_000 or 1e9."""
    if value is None:
        return None
    try:
        number = float(value)
    except ValueError:
        number = 0.0
    if not 2 <= number < 1e18 or number != int(number):
        raise click.BadParameter(f"{value!r} is no number of documents, such as 1000000 or 1e9")
    return int(number)


DOCUMENTS = click.option(
    "--documents",
    callback=document_count,
    metavar="N",
    help="Size of the corpus.  [default: what INPUT holds]",
)


def opened(inputs: tuple[str, ...], on_error: str, **reading: Any) -> "list[Source]":
    from ann.dedup.job import Reading
    from ann.dedup.unusable import Unusable

    skip = on_error == "skip"
    return Reading(inputs, skip_bad=skip, **reading).open(Unusable(skip))


@click.command()
@click.argument("a", callback=options.named)
@click.argument("b", callback=options.named)
@click.option(
    "--in",
    "inputs",
    metavar="INPUT",
    multiple=True,
    callback=options.named,
    help="Where A and B are rows of, as for dedup. May be given again.",
)
@options.READING
@options.BANDS
@options.SHINGLES
@options.JSON
def explain(
    a: str,
    b: str,
    inputs: tuple[str, ...],
    globs: tuple[str, ...],
    text: str,
    id: str | None,
    on_error: str,
    as_json: bool,
    **parameters: Any,
) -> None:
    """Say why two documents are near-duplicates, or are not.

    A and B are two text files; with --in two rows of INPUT: their ids with --id, else their
    numbers from 0 on, or for a folder of text the paths below it.
    """
    from ann.dedup import explaining

    if not inputs and (globs or id is not None):
        raise click.UsageError("--glob and --id are for rows: name what holds them with --in")
    with options.running():
        settings = options.settings_of(None, engine="lsh", **parameters)
        if inputs:
            texts = explaining.find_texts(
                opened(inputs, on_error, globs=globs, text=text, id=id), (a, b)
            )
        else:
            texts = explaining.file_texts((a, b))
        told = explaining.explain((a, b), texts, settings)
    options.show(told, as_json, partial(_lines, explaining.explained_lines))


@click.command()
@options.INPUTS
@options.READING
@options.BANDS
@SHAPE
@DOCUMENTS
@click.option(
    "--memory",
    metavar="SIZE",
    callback=options.size,
    help="What the search may take, such as 8GB.  [default: any]",
)
@options.THREADS
@options.JSON
def tune(
    inputs: tuple[str, ...],
    globs: tuple[str, ...],
    text: str,
    id: str | None,
    on_error: str,
    documents: int | None,
    memory: int | None,
    threads: int | None,
    as_json: bool,
    **parameters: Any,
) -> None:
    """Say what a search would cost, and with which parameters it costs least.

    INPUT is a sample of the corpus, chosen at random, or all of it: 20,000 documents of it are
    searched with several numbers of MinHash slots.
    """
    from ann.dedup import tuning

    with options.running():
        settings = options.settings_of(threads, engine="lsh", **parameters)
        sample = tuning.sample_texts(opened(inputs, on_error, globs=globs, text=text, id=id))
        told = tuning.plan(sample, settings, documents, memory)
    options.show(told, as_json, partial(_lines, tuning.plan_lines))
