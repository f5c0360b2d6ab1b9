"""The command as a function: sources in, a folder out, all or nothing.

    OUT/kept/...            rows that stay, a file for each input file, in its own format
    OUT/annotated/...       with `annotate` instead: all rows, with three columns more
    OUT/kept.txt            text files that stay (with `copy` they lie in kept/, too)
    OUT/clusters.parquet    id, row, cluster, kept, jaccard, reason: every member of a cluster
    OUT/known.parquet       id, row, match, jaccard: what an index had already, if one was given
    OUT/pairs.parquet       a, b, a_row, b_row, jaccard: every verified pair
    OUT/summary.json        counts, parameters, seconds
    OUT/report.html, .json  the same and more, to look at: with `report`

OUT appears when all of it is whole: see `output`.
"""

import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, fields
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from ann.dedup.arrays import Announce, Batch, Documents, Found, Int64s, Known, Progress
from ann.dedup.columns import arrow_column
from ann.dedup.engines import Heard, Plan, choose_engine
from ann.dedup.keeping import REASONS
from ann.dedup.output import (
    MADE_BY,
    SUMMARY,
    check_apart,
    check_output,
    output_folder,
    resolve,
    spool,
    write_errors,
)
from ann.dedup.pipeline import find
from ann.dedup.result import Result, make_result
from ann.dedup.running import Clock, ordered_map
from ann.dedup.settings import InputError, Settings, available_memory, need, parse_keep
from ann.dedup.sketching import sketch
from ann.dedup.sources import Source, each_batch, open_sources
from ann.dedup.texts import texts_of
from ann.dedup.unusable import Unusable
from ann.dedup.values import column_of
from ann.dedup.work import open_work, remove_work
from ann.dedup.writing import Notes, Written

if TYPE_CHECKING:
    from ann.dedup.index import Index

LONG = 4 << 30  # bytes of input: a minute's work, from which on a run can be gone on with
NEEDED = {
    "word": 3,
    "char": 12,
}  # bytes of memory a byte of text: 8 a shingle, and what comes on top


@dataclass(frozen=True)
class Outcome:
    """What a run found, and what it met on the way."""

    result: Result
    known: Known  # what an index had
    ids: Any  # of each row: int64 or str
    unusable: Unusable  # rows or files that were skipped
    binary: int  # files passed over
    output: Path | None
    repeated: int  # rows whose id an earlier row has, too

    def as_dict(self) -> dict[str, Any]:
        """The content of summary.json."""
        notes = self.unusable.as_dict() | {"binary": self.binary, "repeated_ids": self.repeated}
        return MADE_BY | self.result.stats.as_dict() | notes


@dataclass(frozen=True)
class Reading:
    """What is read, and how."""

    inputs: Sequence[str]
    globs: Sequence[str] = ()
    text: str = "text"
    id: str | None = None
    skip_bad: bool = False
    against: str | None = None  # an index

    def index(self, settings: Settings) -> "Index | None":
        """The index of what was seen before, if one is named."""
        if self.against is None:
            return None
        from ann.dedup.index import open_index

        if settings.measure == "containment":
            raise InputError(
                "an index holds what Jaccard similarity needs: --against does not go with --measure"
                " containment"
            )
        index = open_index(Path(self.against))
        index.check_same(settings)
        return index

    def open(
        self,
        unusable: Unusable,
        *,
        copy: bool = False,
        output: Path | None = None,
        spool: IO[bytes] | None = None,
    ) -> list[Source]:
        """The sources."""
        return open_sources(
            self.inputs,
            globs=self.globs,
            text=self.text,
            id=self.id,
            unusable=unusable,
            copy=copy,
            output=output,
            spool=spool,
        )

    def refuse_pipe(self) -> None:
        """Refuse what a later run could not read again."""
        if "-" in self.inputs:
            raise InputError("standard input cannot be read again by a later run: give a file")

    @classmethod
    def of(cls, told: dict[str, Any]) -> "Reading":
        """What `as_dict` gave."""
        return cls(*(told[field.name] for field in fields(cls)))

    def as_dict(self) -> dict[str, Any]:
        """What a work folder remembers of it: the same from wherever it is started."""
        inputs = [os.path.abspath(argument) for argument in self.inputs]
        told = asdict(self) | {"inputs": inputs, "globs": list(self.globs)}
        if self.against is not None:  # which must not grow meanwhile
            from ann.dedup.index import MANIFEST, checksum

            state = checksum(Path(self.against) / MANIFEST)
            told |= {"against": os.path.abspath(self.against), "index": state}
        return told


@dataclass(frozen=True)
class Writing:
    """What is written, and where: nothing without an output."""

    output: Path | None = None
    force: bool = False
    copy: bool = False
    report: bool = False
    annotate: bool = False
    format: str | None = None

    def check(self, sources: Sequence[Source]) -> None:
        """Refuse what these sources cannot be written as."""
        style = Written(np.empty(0, np.bool_), np.empty(0, np.int64), None, self.format)
        names: dict[str, str] = {}
        for source in sources:
            if not source.name:
                if self.annotate or self.format:
                    raise InputError(
                        "--annotate and --format are for rows: of text files, clusters.parquet and"
                        " kept.txt say the same"
                    )
                continue
            name = style.name(source.name)
            if name in names:
                raise InputError(f"{source.label} and {names[name]} would both be kept as {name}")
            names[name] = source.label

    def names(self, sources: Sequence[Source]) -> list[str]:
        """What is written."""
        rows = "annotated/" if self.annotate else "kept/"
        texts = any(not source.name for source in sources)
        names = ["kept.txt", *[rows] * self.copy] if texts else [rows]
        names += ["clusters.parquet", "pairs.parquet", SUMMARY]
        return names + (["report.html", "report.json"] if self.report else [])

    def target(self, inputs: Sequence[str]) -> Path | None:
        """Where it goes, after a look whether it may."""
        if self.output is None:
            for option in ("copy", "report", "annotate", "format"):
                if getattr(self, option):
                    raise InputError(f"--{option} needs an output folder")
            return None
        target = resolve(self.output)
        check_apart(inputs, target)
        check_output(target, self.force)
        return target


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
    annotate: bool = False,
    format: str | None = None,
    work: Path | None = None,
    restart: bool = False,
    memory: int | None = None,
    against: str | None = None,
    progress: Progress = lambda stage, done, total: None,
    announce: Announce = lambda line: None,
) -> Outcome:
    """Find the near-duplicates in files and write what stays to the folder `output`.

    In memory, from which nothing is left if it is stopped; or, where `work` names a folder for it,
    the input is `LONG`, or `memory` (by default half of the machine's) would not hold it, in stages
    that lie in files, from which a later run goes on (see `work`).
    """
    reading = Reading(inputs, globs, text, id, skip_bad, against)
    index = reading.index(settings)
    writing = Writing(output, force, copy, report, annotate, format)
    piped = "-" in reading.inputs
    if work is not None:
        reading.refuse_pipe()
    if piped and memory is not None:
        raise InputError(
            "standard input is searched in memory, as nobody knows its size before: for --memory"
            " write it to a file first"
        )
    if piped and output is None and parse_keep(settings.keep).column:
        raise InputError("standard input can be read again for --keep only with an output: give -o")
    clock, unusable = Clock(), Unusable(reading.skip_bad)
    target = writing.target(inputs)
    with ExitStack() as stack:
        folder = stack.enter_context(output_folder(target, force)) if piped else None
        spooled = stack.enter_context(spool(folder, inputs))
        opened = partial(reading.open, copy=copy, output=target, spool=spooled)
        sources = opened(unusable)
        writing.check(sources)
        column = column_of(opened, sources)
        place = stack.enter_context(work_folder(work, target, sources, settings, memory))
        if place:
            from ann.dedup.stages import in_stages, planned

            at = stack.enter_context(open_work(place, restart=restart))
            if at.former:
                announce(at.former)
            known, found = in_stages(
                at,
                sources,
                reading.as_dict(),
                settings,
                unusable,
                clock,
                progress,
                memory,
                column,
                index,
            )
            settings, plan = planned(at, settings)
        if not piped:
            folder = stack.enter_context(output_folder(target, force))
        if not place:
            heard = Heard(progress)
            read = clock.each("read", all_batches(sources, unusable, heard))
            with clock("plan"):
                batches, settings, plan = choose_engine(read, settings, heard, memory)
            known = sketch(batches, settings, clock, index)
            values = partial(column, known.places)
            found = find(known.sketches, settings, known.ids, clock, progress, values)
        outcome = make_outcome(sources, known, found, settings, plan, unusable, clock, output)
        if folder is not None:
            again = opened if report else None
            write(sources, known.places, outcome, folder, writing, clock, progress, again)
    return outcome


@contextmanager
def work_folder(
    named: Path | None,
    target: Path | None,
    sources: Sequence[Source],
    settings: Settings,
    memory: int | None,
) -> Iterator[Path | None]:
    """Where the work lies, if not in memory: the folder named, or one that goes at the end."""
    size = sum(original.unpacked for source in sources for original in source.originals)
    long = target is not None and size >= LONG
    if named is not None:
        yield named
    elif long or NEEDED[settings.unit] * size > (memory or available_memory() // 2):
        if target is not None:  # what is left of a run that failed is gone on with
            own = target.with_name(f".{target.name}.work")
            yield own
            remove_work(own)
        else:
            import tempfile

            with tempfile.TemporaryDirectory(prefix="tractable-") as folder:
                yield Path(folder)
    else:
        yield None


def make_outcome(
    sources: Sequence[Source],
    known: Documents,
    found: Found,
    settings: Settings,
    plan: Plan,
    unusable: Unusable,
    clock: Clock,
    output: Path | None,
) -> Outcome:
    """Count what was found and what was met."""
    sketches = known.sketches
    sketches = sketches._replace(
        invalid=sketches.invalid + sum(source.invalid for source in sources)
    )
    return Outcome(
        make_result(sketches, found, settings, plan, clock, known.known),
        known.known,
        np.arange(len(sketches.sizes)) if known.ids is None else known.ids,
        unusable=unusable,
        binary=sum(getattr(source, "binary", 0) for source in sources),
        output=output,
        repeated=0 if known.ids is None else repeated(known.ids),
    )


def repeated(ids: Any) -> int:
    """How many rows have the id of an earlier one."""
    if ids.dtype == object:  # by their hashes, which are half as large as a set of them
        ids = np.fromiter(map(hash, ids), np.int64, len(ids))
    ordered = np.sort(ids)
    return int((ordered[1:] == ordered[:-1]).sum())


def write(
    sources: Sequence[Source],
    places: Int64s,
    outcome: Outcome,
    folder: Path,
    writing: Writing,
    clock: Clock,
    progress: Progress,
    again: Callable[[Unusable], list[Source]] | None,
) -> None:
    """Fill the folder that will be the output; with sources `again` also with the report."""
    assert outcome.output is not None
    with write_errors(resolve(outcome.output)):
        with clock("write"):
            _write(sources, places, outcome, folder, writing, progress)
        if again:
            with clock("report"):
                _report(outcome, again(Unusable(True)), folder)
        summary = json.dumps(outcome.as_dict(), indent=2) + "\n"
        (folder / SUMMARY).write_text(summary, encoding="utf-8")


def all_batches(
    sources: Sequence[Source], unusable: Unusable, progress: Progress
) -> Iterator[Batch]:
    return (batch for _, batch in each_batch(sources, unusable, progress) if batch is not None)


def _write(
    sources: Sequence[Source],
    places: Int64s,
    outcome: Outcome,
    folder: Path,
    writing: Writing,
    progress: Progress,
) -> None:
    """Everything but the summary, one file a task."""
    result = outcome.result
    similarity = result.similarity.copy()
    similarity[outcome.known.rows] = outcome.known.similarity
    notes = Notes(result.kept, outcome.ids[result.representative], similarity)
    tasks: list[Callable[[], None]] = []
    row = placed = 0
    for source in sources:
        here = slice(row, row + source.rows)
        where = places[placed : placed + source.rows * source.placed]
        if writing.annotate:
            stay, own = np.ones(source.rows, np.bool_), notes.of(here)
        else:
            stay, own = result.kept[here], None
        rows_of = Written(stay, where, own, writing.format)
        inside = folder / ("annotated" if writing.annotate else "kept")
        tasks.append(partial(source.write, rows_of, inside))
        row, placed = here.stop, placed + len(where)
    pairs, rows = result.pairs, result.clustered
    names, measure = outcome.ids, result.stats.settings.measure
    tasks[:0] = [
        lambda: _table(
            folder / "pairs.parquet",
            a=names[pairs.a],
            b=names[pairs.b],
            a_row=pairs.a,
            b_row=pairs.b,
            **{measure: pairs.similarity},
        ),
        lambda: _table(
            folder / "clusters.parquet",
            id=names[rows],
            row=rows,
            cluster=names[result.cluster[rows]],
            kept=result.kept[rows],
            **{measure: result.similarity[rows]},
            reason=np.array(REASONS, object)[result.reason[rows]],
        ),
    ]
    if len(outcome.known.rows):
        known, matches = outcome.known, np.array(outcome.known.ids, object)
        tasks.append(
            lambda: _table(
                folder / "known.parquet",
                id=names[known.rows],
                row=known.rows,
                match=matches,
                jaccard=known.similarity,
            )
        )
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
