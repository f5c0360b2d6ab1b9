"""The stages of the job as commands of their own, over a work folder.

What an earlier stage was told (inputs, parameters) is read from the folder, and not asked again.
"""

from functools import partial
from pathlib import Path
from typing import Any

from ann.dedup import stages
from ann.dedup.arrays import Announce, Progress
from ann.dedup.job import Outcome, Reading, Writing, make_outcome, write
from ann.dedup.output import output_folder
from ann.dedup.running import Clock
from ann.dedup.settings import Settings, available_threads
from ann.dedup.unusable import Unusable
from ann.dedup.values import column_of
from ann.dedup.work import STAGES, Work, open_work


def sketch(
    folder: Path,
    reading: Reading,
    parameters: dict[str, Any],
    threads: int | None,
    restart: bool,
    progress: Progress,
    announce: Announce,
) -> dict[str, Any]:
    """Read the texts; what was counted."""
    settings = Settings(**parameters, threads=threads or available_threads())
    reading.refuse_pipe()
    clock, unusable = Clock(), Unusable(reading.skip_bad)
    with open_work(folder, restart=restart) as work:
        if work.parameters("sketch") is not None:
            announce(work.former)
        sources = reading.open(unusable)
        stages.sketch_stage(work, sources, reading.as_dict(), settings, unusable, clock, progress)
        counts = work.counts("sketch") or {}
    told = {"documents": counts["rows"], "shingles": counts["shingles"]} | unusable.as_dict()
    return told | {"work": str(folder), "seconds": clock.seconds}


def sketched(told: dict[str, Any]) -> str:
    return (
        f"{told['documents']:,} documents of {told['shingles']:,} distinct shingles in"
        f" {told['work']}"
    )


def pairs(
    folder: Path,
    parameters: dict[str, Any],
    memory: int | None,
    threads: int | None,
    progress: Progress,
    announce: Announce,
) -> dict[str, Any]:
    """Find the pairs; what was counted."""
    clock = Clock()
    with open_work(folder, create=False) as work:
        settings = _settings(work, "pairs", parameters, threads)
        if work.parameters("pairs") is not None:
            announce(work.former)
        settings, plan = stages.choose(work, settings, memory)
        stages.check_memory(work, settings, memory)
        known = stages.documents(work, settings, memory)
        stages.pairs_stage(work, known, settings, plan, clock, progress, anew=True)
        counts = work.counts("pairs") or {}
    return counts | {"work": str(folder), "seconds": clock.seconds}


def paired(told: dict[str, Any]) -> str:
    return f"{told['pairs']:,} pairs verified of {told['candidates']:,} candidates"


def cluster(folder: Path, parameters: dict[str, Any], announce: Announce) -> Outcome:
    """Decide what stays."""
    clock = Clock()
    with open_work(folder, create=False) as work:
        settings = _settings(work, "cluster", parameters, None)
        if work.parameters("cluster") is not None:
            announce(work.former)
        known = stages.documents(work, settings)
        reading = Reading.of(work.done("sketch"))
        unusable = Unusable(reading.skip_bad)
        sources = reading.open(unusable)
        stages.recall_sources(work, sources, unusable)
        column = column_of(reading.open, sources)
        stages.cluster_stage(work, known, settings, clock, column, replace=True)
        found = stages.clusters(work)
        settings, plan = stages.planned(work, settings)
        return make_outcome(sources, known, found, settings, plan, unusable, clock, None)


def apply(folder: Path, writing: Writing, threads: int | None, progress: Progress) -> Outcome:
    """Write what stays."""
    clock = Clock()
    with open_work(folder, create=False) as work:
        settings = _settings(work, None, {}, threads)
        reading = Reading.of(work.done("sketch"))
        target = writing.target(reading.inputs)
        known, found = stages.documents(work, settings), stages.clusters(work)
        opened = partial(reading.open, copy=writing.copy, output=target)
        unusable = Unusable(reading.skip_bad)
        sources = opened(unusable)
        writing.check(sources)
        stages.recall_sources(work, sources, unusable)
        settings, plan = stages.planned(work, settings)
        outcome = make_outcome(
            sources, known, found, settings, plan, unusable, clock, writing.output
        )
        with output_folder(target, writing.force) as fresh:
            assert fresh is not None
            again = opened if writing.report else None
            write(sources, known.places, outcome, fresh, writing, clock, progress, again)
    return outcome


def _settings(
    work: Work, stage: str | None, parameters: dict[str, Any], threads: int | None
) -> Settings:
    """What the stages before this one (None: all) were told, with the parameters of this one."""
    before = STAGES[: STAGES.index(stage)] if stage else STAGES
    known: dict[str, Any] = {}
    for earlier in before:
        told = work.done(earlier)
        known |= {name: told[name] for name in stages.PARAMETERS[earlier]}
    return Settings(**known, **parameters, threads=threads or available_threads())
