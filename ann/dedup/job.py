"""The command as a function: sources in, a folder out, all or nothing.

    OUT/kept/...            rows that stay, a file for each input file, in its own format
    OUT/kept.txt            text files that stay (with `copy` they lie in kept/, too)
    OUT/clusters.parquet    id, row, cluster, kept, jaccard: every member of a cluster
    OUT/pairs.parquet       a, b, a_row, b_row, jaccard: every verified pair
    OUT/summary.json        counts, parameters, seconds
    OUT/report.html, .json  the same and more, to look at: with `report`

OUT appears when all of it is whole: see `output`.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ann.dedup.arrays import Batch, Int64s, Progress
from ann.dedup.columns import arrow_column
from ann.dedup.output import (
    MADE_BY,
    SUMMARY,
    check_apart,
    output_folder,
    resolve,
    spool,
    write_errors,
)
from ann.dedup.pipeline import find
from ann.dedup.result import Result, make_result
from ann.dedup.running import Clock, ordered_map
from ann.dedup.settings import InputError, Settings, need
from ann.dedup.sketching import sketch
from ann.dedup.sources import Source, open_sources
from ann.dedup.texts import texts_of
from ann.dedup.unusable import Unusable


@dataclass(frozen=True)
class Outcome:
    """What a run found, and what it met on the way."""

    result: Result
    ids: Any  # of each row: int64 or str
    unusable: Unusable  # rows or files that were skipped
    binary: int  # files passed over
    output: Path | None

    def as_dict(self) -> dict[str, Any]:
        """The content of summary.json."""
        notes = self.unusable.as_dict() | {"binary": self.binary}
        return MADE_BY | self.result.stats.as_dict() | notes


def run(
    inputs: Sequence[str],
    settings: Settings,
    *,
    output: Path | None = None,
    force: bool = False,
    globs: Sequence[str] = (),
    text: str = "text",
    id: str | None = None,
    skip_bad: bool = False,
    copy: bool = False,
    report: bool = False,
    progress: Progress = lambda stage, done, total: None,
) -> Outcome:
    """Find the near-duplicates in files and write what stays to the folder `output`."""
    for option, wanted in (("--copy", copy), ("--report", report)):
        if wanted and output is None:
            raise InputError(f"{option} needs an output folder")
    clock, unusable = Clock(), Unusable(skip_bad)
    target = None if output is None else resolve(output)
    if target is not None:
        check_apart(inputs, target)
    with output_folder(target, force) as folder, spool(folder, inputs) as spooled:
        opened = partial(
            open_sources,
            inputs,
            globs=globs,
            text=text,
            id=id,
            copy=copy,
            output=target,
            spool=spooled,
        )
        sources = opened(unusable=unusable)
        sketches, ids, places = sketch(_read(sources, unusable, progress), settings, clock)
        sketches = sketches._replace(
            invalid=sketches.invalid + sum(source.invalid for source in sources)
        )
        found = find(sketches, settings, ids, clock, progress)
        outcome = Outcome(
            make_result(sketches, found, settings, clock),
            np.arange(len(sketches.sizes)) if ids is None else ids,
            unusable=unusable,
            binary=sum(getattr(source, "binary", 0) for source in sources),
            output=output,
        )
        if folder is not None and target is not None:
            with write_errors(target):
                with clock("write"):
                    _write(sources, places, outcome, folder, progress)
                if report:
                    with clock("report"):
                        _report(outcome, opened(unusable=Unusable(True)), folder)
                summary = json.dumps(outcome.as_dict(), indent=2) + "\n"
                (folder / SUMMARY).write_text(summary, encoding="utf-8")
    return outcome


def _read(sources: Sequence[Source], unusable: Unusable, progress: Progress) -> Iterator[Batch]:
    total = sum(source.size for source in sources)
    before = 0
    for source in sources:

        def advance(told: int, before: int = before) -> None:
            progress("read", before + told, total)

        skipped = unusable.count
        yield from source.batches(advance)
        if unusable.count > skipped and not source.rows:
            raise InputError(f"nothing of {source.label} can be used; the last: {unusable.last}")
        before += source.size


def _write(
    sources: Sequence[Source],
    places: Int64s,
    outcome: Outcome,
    folder: Path,
    progress: Progress,
) -> None:
    """Everything but the summary, one file a task."""
    result = outcome.result
    tasks: list[Callable[[], None]] = []
    row = placed = 0
    for source in sources:
        kept = result.kept[row : row + source.rows]
        where = places[placed : placed + source.rows * source.placed]
        tasks.append(partial(source.write, kept, where, folder / "kept"))
        row, placed = row + source.rows, placed + len(where)
    pairs, rows = result.pairs, result.clustered
    names = outcome.ids
    tasks[:0] = [
        lambda: _table(
            folder / "pairs.parquet",
            a=names[pairs.a],
            b=names[pairs.b],
            a_row=pairs.a,
            b_row=pairs.b,
            jaccard=pairs.jaccard,
        ),
        lambda: _table(
            folder / "clusters.parquet",
            id=names[rows],
            row=rows,
            cluster=names[result.representative[rows]],
            kept=result.kept[rows],
            jaccard=result.similarity[rows],
        ),
    ]
    threads = result.stats.settings.threads
    for done, _ in enumerate(ordered_map(lambda task: task(), tasks, threads), 1):
        progress("write", done, len(tasks))


def _report(outcome: Outcome, sources: Sequence[Source], folder: Path) -> None:
    """The page and its figures, with the texts of some rows from sources opened anew."""
    from ann.dedup.figures import figures
    from ann.dedup.page import page

    drawn = figures(outcome, partial(texts_of, sources))
    (folder / "report.json").write_text(json.dumps(drawn, indent=1) + "\n", encoding="utf-8")
    (folder / "report.html").write_text(page(drawn), encoding="utf-8")


def _table(path: Path, **columns: Any) -> None:
    arrays = [arrow_column(column) for column in columns.values()]
    table = need("pyarrow").Table.from_arrays(arrays, names=list(columns))
    with path.open("wb") as file:  # Arrow opens no path that is not UTF-8
        need("pyarrow.parquet").write_table(table, file)
