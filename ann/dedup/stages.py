"""The search in stages that are kept in a work folder, each made once and gone on with: see `work`.

    sketch    texts -> signatures, sets of shingles, fingerprints, sizes, ids, places
    pairs     those -> leaders of copies, verified pairs
    cluster   those -> who represents whom

Each is a function of the work folder, the same that the search in memory uses over arrays that
are mapped from its files instead.
"""

import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ann import _pairs
from ann.dedup.arrays import (
    Batch,
    Documents,
    Found,
    Known,
    Mapped,
    Pairs,
    Progress,
    Sketches,
    Verified,
)
from ann.dedup.columns import id_array
from ann.dedup.engines import SAMPLE, Cost, Plan, certain, make_plan, sampled
from ann.dedup.keeping import preference
from ann.dedup.linking import link
from ann.dedup.listing import expand
from ann.dedup.running import Clock, ordered_map
from ann.dedup.settings import InputError, Settings, available_memory, parse_keep
from ann.dedup.sketching import Sketched, bands_of, keys_of, sketch_batch, text_sketcher
from ann.dedup.sources import Source, each_batch, recall, remember
from ann.dedup.store import Columns, Store, read_notes, read_store
from ann.dedup.unusable import Unusable
from ann.dedup.values import Column
from ann.dedup.verifying import copies, make_all, no_sets, verify
from ann.dedup.words import byte_count, counted
from ann.dedup.work import Work

if TYPE_CHECKING:
    from ann.dedup.index import Index

PART = 64 << 20  # bytes of text that are sketched between two lines of the journal: a second's work
ROWS = 1 << 16  # signatures at a time
KEYS = "keys.bin"  # in the work folder, while pairs are sought

PARAMETERS = {  # of `Settings`, which stage each belongs to
    "sketch": ("ngram", "unit", "num_perm", "bits", "seed"),
    "pairs": ("threshold", "recall", "engine", "measure"),
    "cluster": ("keep", "link"),
}
FREE = ("threads",)  # what may change between runs


def parameters(settings: Settings, stage: str) -> dict[str, Any]:
    """Those of one stage."""
    return {name: getattr(settings, name) for name in PARAMETERS[stage]}


def _columns(settings: Settings) -> Columns:
    return {
        "signatures": (f"<u{settings.bits // 8}", (settings.num_perm,)),
        "fingerprints": ("<u8", (2,)),
        "ends": ("<i8", ()),  # of each document's set among the shingles
        "shingles": ("<u8", ()),
        "sizes": ("<i8", ()),
        "places": ("<i8", (2,)),
        "id_ends": ("<i8", ()),
        "id_bytes": ("u1", ()),
        "known_rows": ("<i8", ()),
        "known_similarity": ("<f8", ()),
        "known_ends": ("<i8", ()),
        "known_bytes": ("u1", ()),
    }


class Part(NamedTuple):
    """A batch sketched, or with `batch` None the end of a source."""

    batch: Batch | None
    sketched: Sketched | None
    source: int
    told: dict[str, Any]  # of the source, at its end


class Writer:
    """Batches in, parts of the store out."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._waiting: list[Part] = []
        self._text = 0  # bytes of it
        last = store.notes[-1] if store.notes else {}
        self._rows = last.get("rows", 0)  # of all
        self._in_source = 0 if last.get("told") else last.get("source_rows", 0)
        self._shingles = last.get("shingles", 0)
        self._id_bytes = last.get("id_bytes", 0)
        self._known_bytes = last.get("known_bytes", 0)
        self._counts = {name: last.get(name, 0) for name in ("invalid", "short")}
        self._integers = last.get("integers", True)

    def add(self, part: Part) -> None:
        """Take a batch, and write those that wait when there is enough of them."""
        self._waiting.append(part)
        if part.batch is not None:
            self._text += int(part.batch.sizes.sum())
        if part.batch is None or self._text >= PART:
            self._write(part)

    def _write(self, last: Part) -> None:
        columns: dict[str, list[Any]] = {name: [] for name in self._store.columns}
        for part in self._waiting:
            if part.batch and part.sketched:
                self._column(columns, part.batch, part.sketched)
        self._waiting, self._text = [], 0
        note = {"rows": self._rows, "source": last.source, "source_rows": self._in_source}
        note |= {"shingles": self._shingles, "id_bytes": self._id_bytes} | self._counts
        note |= {"known_bytes": self._known_bytes}
        note |= {"integers": self._integers, "told": last.told}
        self._store.append(note, **columns)
        if last.batch is None:
            self._in_source = 0

    def _column(self, columns: dict[str, list[Any]], batch: Batch, sketched: Sketched) -> None:
        offsets = sketched.offsets
        columns["signatures"].append(sketched.signatures)
        columns["fingerprints"].append(sketched.fingerprints)
        columns["ends"].append(offsets[1:] + self._shingles)
        columns["shingles"].append(sketched.shingles[: offsets[-1]])
        columns["sizes"].append(batch.sizes)
        self._shingles += int(offsets[-1])
        if batch.places is not None:
            columns["places"].append(batch.places)
        if batch.ids is not None:
            names = [str(name).encode() for name in batch.ids]
            ends = np.cumsum(np.fromiter(map(len, names), np.int64, len(names)))
            columns["id_ends"].append(ends + self._id_bytes)
            columns["id_bytes"].append(np.frombuffer(b"".join(names), np.uint8))
            self._id_bytes += int(ends[-1]) if len(ends) else 0
            self._integers &= id_array(list(batch.ids)).dtype != object
        known = sketched.known
        names = [name.encode() for name in known.ids]
        columns["known_rows"].append(known.rows + self._rows)
        columns["known_similarity"].append(known.similarity)
        ends = np.cumsum(np.fromiter(map(len, names), np.int64, len(names)))
        columns["known_ends"].append(ends + self._known_bytes)
        columns["known_bytes"].append(np.frombuffer(b"".join(names), np.uint8))
        self._known_bytes += sum(map(len, names))
        self._rows += len(batch.sizes)
        self._in_source += len(batch.sizes)
        self._counts["invalid"] += sketched.invalid
        self._counts["short"] += sketched.short


def in_stages(
    work: Work,
    sources: Sequence[Source],
    reading: dict[str, Any],
    settings: Settings,
    unusable: Unusable,
    clock: Clock,
    progress: Progress,
    memory: int | None,
    column: Column,
    index: "Index | None" = None,
) -> tuple[Documents, Found]:
    """All stages, each unless it is done already."""
    sketch_stage(work, sources, reading, settings, unusable, clock, progress, index)
    with clock("plan"):
        settings, plan = choose(work, settings, memory)
        check_memory(work, settings, memory)
    known = documents(work, settings, memory)
    pairs_stage(work, known, settings, plan, clock, progress)
    cluster_stage(work, known, settings, clock, column)
    return known, clusters(work)


def sketch_stage(
    work: Work,
    sources: Sequence[Source],
    reading: dict[str, Any],
    settings: Settings,
    unusable: Unusable,
    clock: Clock,
    progress: Progress,
    index: "Index | None" = None,
) -> None:
    """Read every text that was not read yet; tell the sources what was found in those that were."""
    todo = work.begin("sketch", parameters(settings, "sketch") | reading)
    _same_inputs(work, sources)
    if todo:
        settings = replace(settings, engine="lsh", measure="jaccard")  # so that any may be tried
        text_sketcher(settings)
        with Store(work.folder / "sketch", _columns(settings)) as store:
            _sketch(store, sources, settings, unusable, clock, progress, index)
            with clock("sketch"):
                store.sync()
        work.finish("sketch", store.notes[-1] if store.notes else {})
    recall_sources(work, sources, unusable)


def _same_inputs(work: Work, sources: Sequence[Source]) -> None:
    originals = chain.from_iterable(source.originals for source in sources)
    work.same_inputs([original.identify() for original in originals])


def recall_sources(work: Work, sources: Sequence[Source], unusable: Unusable) -> None:
    """Make newly opened sources what they were when they had been read."""
    _same_inputs(work, sources)
    _tell(read_notes(work.folder / "sketch"), sources, unusable)


def _tell(notes: list[dict[str, Any]], sources: Sequence[Source], unusable: Unusable) -> int:
    """Tell the sources that were read to their ends what they held; the number of the next one."""
    ended = [note for note in notes if note["told"]]
    for note in ended:
        recall(sources[note["source"]], note["told"]["source"])
    if ended:
        unusable.recall(ended[-1]["told"]["unusable"])
    return len(ended)


def _sketch(
    store: Store,
    sources: Sequence[Source],
    settings: Settings,
    unusable: Unusable,
    clock: Clock,
    progress: Progress,
    index: "Index | None",
) -> None:
    begun = _tell(store.notes, sources, unusable)
    last = store.notes[-1] if store.notes else {"told": True}
    known = 0 if last["told"] else last["source_rows"]

    def items() -> Iterator[Part]:
        passed = known  # rows of the source under way that were sketched before
        for number, batch in each_batch(sources, unusable, progress, begun):
            source = sources[number]
            if batch is None:
                told = {"source": remember(source), "unusable": unusable.remember()}
                yield Part(None, None, number, told)
            elif passed:
                passed -= len(batch.sizes)
                if passed < 0:
                    raise InputError(f"{source.label} is not what it was; see --restart")
            else:
                yield Part(batch, None, number, {})

    def one(part: Part) -> Part:
        if part.batch is None:
            return part
        sketched = sketch_batch(part.batch, settings, index)
        sets = _pairs.distinct(sketched.offsets, sketched.shingles)
        return part._replace(
            batch=part.batch._replace(texts=None), sketched=sketched._replace(offsets=sets)
        )

    writer = Writer(store)
    with clock("sketch"):
        for part in ordered_map(one, clock.each("read", items()), settings.threads):
            writer.add(part)


def documents(work: Work, settings: Settings, memory: int | None = None) -> Documents:
    """What the sketch stage has left; the keys of its bands are made when they are needed."""
    counts = work.counts("sketch") or {}
    columns = read_store(work.folder / "sketch", _columns(settings))
    offsets = np.zeros(len(columns["ends"]) + 1, np.int64)
    offsets[1:] = columns["ends"]
    sketches = Sketches(
        *bands_of(settings),
        np.empty((0, 0), np.uint64),
        columns["fingerprints"],
        offsets,
        columns["shingles"],
        np.array(columns["sizes"]),
        counts.get("short", 0),
        counts.get("invalid", 0),
        mapped=Mapped(
            [array for array in columns.values() if isinstance(array, np.memmap)],
            memory or available_memory() // 2,
            work.folder / "sketch" / "shingles.bin",
        ),
    )
    ids: Any = None
    if len(columns["id_ends"]):
        names = _texts(columns["id_bytes"], columns["id_ends"])
        ids = id_array(list(map(int, names)) if counts["integers"] else names)
    matches = _texts(columns["known_bytes"], columns["known_ends"])
    known = Known(columns["known_rows"], matches, columns["known_similarity"])
    return Documents(sketches, ids, columns["places"], known)


def _texts(data: Any, ends: Any) -> list[str]:
    """Texts that stand one after the other."""
    text, stops = data.tobytes(), ends.tolist()
    return (
        [text[a:b].decode() for a, b in zip([0, *stops[:-1]], stops, strict=True)] if stops else []
    )


def choose(work: Work, settings: Settings, memory: int | None) -> tuple[Settings, Plan]:
    """The settings with an engine in them, and why it is that one."""
    if (plan := certain(settings)) is None:
        columns = read_store(work.folder / "sketch", _columns(settings))
        rows = sampled(columns["sizes"][:SAMPLE])
        ends = np.append(np.zeros(1, np.int64), columns["ends"][:rows])
        sample = Sketched(
            np.array(columns["signatures"][:rows]),
            np.array(columns["fingerprints"][:rows]),
            ends,
            np.array(columns["shingles"][: ends[-1]]),
            0,
            0,
        )
        text = int(columns["sizes"][:rows].sum())
        plan = make_plan([sample], text, len(columns["ends"]), settings, memory)
    return replace(settings, engine=plan.engine), plan


BASE = 250_000_000  # bytes: Python, NumPy, Arrow, batches
EACH, OUTLINED, NAMED = 200, 64, 150  # bytes of a document; of its outline, of its id as a text
JOINED = 18  # bytes of a shingle in the join: itself, its counter, its postings


def check_memory(work: Work, settings: Settings, memory: int | None) -> None:
    """Refuse a limit that cannot be held before the search begins, and name one that can."""
    counts = work.counts("sketch") or {}
    rows, exact = counts.get("rows", 0), settings.engine == "exact"
    each = EACH + OUTLINED * (exact or settings.link == "transitive")
    each += NAMED * (counts.get("id_bytes", 0) > 0 and not counts["integers"])
    least = BASE + rows * each + JOINED * counts.get("shingles", 0) * exact
    limit = memory or available_memory()
    if least > limit and (exact or memory):
        other = " (or --engine lsh)" if exact and settings.measure == "jaccard" else ""
        raise InputError(
            f"{counted(rows, 'document')} cannot be searched in {byte_count(limit)}: give --memory"
            f" {-(-least // 10**8) / 10:g}GB at least{other}; what was read is in {work.folder}"
        )


def planned(work: Work, settings: Settings) -> tuple[Settings, Plan]:
    """What `choose` gave when the pairs were found."""
    told = (work.counts("pairs") or {})["plan"]
    costs = {name: Cost(**told[name]) for name in ("exact", "lsh") if told[name]}
    return replace(settings, engine=told["engine"]), Plan(**told | costs)


def _with_keys(work: Work, sketches: Sketches, settings: Settings) -> Sketches:
    """The sketches with the keys of their bands, in a file, band by band."""
    if not sketches.bands or not len(sketches.sizes):  # the exact engine takes none
        return sketches._replace(keys=np.empty((sketches.bands, len(sketches.sizes)), np.uint64))
    signatures = read_store(work.folder / "sketch", _columns(settings))["signatures"]
    n, mapped = len(signatures), sketches.mapped
    assert mapped is not None
    with (work.folder / KEYS).open("wb") as file:
        for start in range(0, n, ROWS):
            block = signatures[start : start + ROWS]
            keys = keys_of(block, sketches.bands, sketches.rows)
            for band, column in enumerate(np.ascontiguousarray(keys.T)):
                os.pwrite(file.fileno(), column.data, 8 * (band * n + start))
            mapped._replace(arrays=[signatures]).relieve()
    columns = np.memmap(work.folder / KEYS, np.uint64, "r", shape=(sketches.bands, n))
    return sketches._replace(keys=columns, mapped=mapped._replace(arrays=[*mapped.arrays, columns]))


PAIRS: Columns = {
    "leader": ("<i8", ()),
    "crowd": ("?", ()),
    "a": ("<i8", ()),
    "b": ("<i8", ()),
    "similarities": ("<f8", ()),
}


def pairs_stage(
    work: Work,
    known: Documents,
    settings: Settings,
    plan: Plan,
    clock: Clock,
    progress: Progress,
    *,
    anew: bool = False,
) -> None:
    """Find the verified pairs."""
    if not work.begin("pairs", parameters(settings, "pairs"), replace=anew):
        return
    with clock("pairs"):
        sketches = _with_keys(work, known.sketches, settings)
        leader = copies(sketches)
    with clock("verify"):
        found = verify(sketches, leader, settings, clock, progress)
    counts: dict[str, Any] = {"candidates": found.candidates, "pairs": len(found.pairs.a)}
    counts["plan"] = asdict(plan)
    counts["crowded"] = int(found.crowd.sum())
    _save(work, "pairs", PAIRS, counts, leader, found.crowd, *found.pairs)
    (work.folder / KEYS).unlink(missing_ok=True)


CLUSTER: Columns = {
    "representative": ("<i8", ()),
    "similarity": ("<f8", ()),
    "cluster": ("<i8", ()),
    "reason": ("i1", ()),
    "a": ("<i8", ()),
    "b": ("<i8", ()),
    "similarities": ("<f8", ()),
}


def cluster_stage(
    work: Work,
    known: Documents,
    settings: Settings,
    clock: Clock,
    column: Column,
    *,
    replace: bool = False,
) -> None:
    """Decide which documents stay; `column` reads one where the preference goes by it."""
    if not work.begin("cluster", parameters(settings, "cluster"), replace=replace):
        return
    with clock("link"):
        former = read_store(work.folder / "pairs", PAIRS)
        leader, crowd = former["leader"], former["crowd"]
        sets = no_sets(known.sketches)
        needed = crowd
        if (settings.measure, settings.link) != ("jaccard", "representative"):
            needed = leader == np.arange(len(leader))
        make_all(known.sketches, sets, np.flatnonzero(needed).astype(np.uint32), settings.threads)
        found = Verified(sets, Pairs(former["a"], former["b"], former["similarities"]), 0, crowd)
        keep = parse_keep(settings.keep)
        values = column(known.places, keep.column) if keep.column else None
        preferred = preference(keep, known.sketches.sizes, known.ids, values)
        linked = link(leader, found, preferred, settings)
        listed, unlisted = expand(leader, linked.pairs)
    counts = {"unlisted": unlisted, "giants": linked.giants}
    rows = linked.representative, linked.similarity, linked.cluster, linked.reason
    _save(work, "cluster", CLUSTER, counts, *rows, *listed)


def clusters(work: Work) -> Found:
    """What the cluster stage has left."""
    counts = {**(work.counts("pairs") or {}), **(work.counts("cluster") or {})}
    arrays = read_store(work.folder / "cluster", CLUSTER)
    return Found(
        arrays["representative"],
        arrays["similarity"],
        Pairs(arrays["a"], arrays["b"], arrays["similarities"]),
        counts["candidates"],
        counts["unlisted"],
        counts["crowded"],
        counts["giants"],
        arrays["cluster"],
        arrays["reason"],
    )


def _save(work: Work, stage: str, columns: Columns, counts: dict[str, Any], *arrays: Any) -> None:
    """A stage that is made in one go; what a killed run has left of it goes."""
    shutil.rmtree(work.folder / stage, ignore_errors=True)
    with Store(work.folder / stage, columns) as store:
        store.append({}, **{name: [array] for name, array in zip(columns, arrays, strict=True)})
        store.sync()
    work.finish(stage, counts)
