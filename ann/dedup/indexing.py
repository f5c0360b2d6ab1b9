"""What is done with an index: documents added and looked up, segments merged, all counted."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ann import _pairs
from ann.dedup.arrays import Batch, Int64s, Progress, UInt64s
from ann.dedup.index import (
    PARAMETERS,
    Adding,
    Index,
    Matches,
    exists,
    load,
    open_index,
    remove_orphans,
)
from ann.dedup.job import Reading
from ann.dedup.running import ordered_map
from ann.dedup.settings import Settings, available_threads
from ann.dedup.sketching import keys_of, sketch_batch, text_sketcher
from ann.dedup.sources import each_batch
from ann.dedup.unusable import Unusable

SEGMENT = 256 << 20  # bytes of text in a segment at most: a gigabyte of memory while it is written


class Rows(NamedTuple):
    """Sketched documents: where they are from, their ids, band keys and sets."""

    source: str
    ids: list[str]
    keys: UInt64s  # [n, bands]
    offsets: Int64s
    shingles: UInt64s
    size: int  # bytes of text

    def set_of(self, at: int) -> UInt64s:
        """The set of a row."""
        found: UInt64s = self.shingles[self.offsets[at] : self.offsets[at + 1]]
        return found


class Texts(NamedTuple):
    """A batch to be sketched, and what its documents are called that have no ids."""

    source: str
    first: str  # "FILE:", before the number of the row
    row: int
    batch: Batch


def of_files(reading: Reading, unusable: Unusable, progress: Progress) -> Iterator[Texts]:
    """The texts of files, batch by batch."""
    sources = reading.open(unusable)
    row = 0  # of the source
    for number, batch in each_batch(sources, unusable, progress):
        if batch is not None:
            source = sources[number]
            yield Texts(source.label, f"{source.name}:", row, batch)
        row = 0 if batch is None else row + len(batch.sizes)


def rows_of(texts: Iterable[Texts], settings: Settings, threads: int | None) -> Iterator[Rows]:
    """The texts, sketched."""
    text_sketcher(settings)
    bands, slots = Index(Path(), settings, ()).bands

    def one(part: Texts) -> Rows:
        batch = part.batch
        sketched = sketch_batch(batch, settings)
        offsets = _pairs.distinct(sketched.offsets, sketched.shingles)
        numbers = range(part.row, part.row + len(batch.sizes))
        ids = [f"{part.first}{number}" for number in numbers] if batch.ids is None else batch.ids
        keys = keys_of(sketched.signatures, bands, slots)
        shingles = sketched.shingles[: offsets[-1]]
        size = int(batch.sizes.sum())
        return Rows(part.source, list(map(str, ids)), keys, offsets, shingles, size)

    yield from ordered_map(one, texts, threads or available_threads())


def settings_for(folder: Path, given: dict[str, Any]) -> Settings:
    """The parameters of an index, which those given must be; of a new one those given."""
    if not exists(folder):
        return Settings(**given)
    index = open_index(folder)
    own = {name: getattr(index.settings, name) for name in PARAMETERS}
    index.check_same(Settings(**own | given))
    return index.settings


def add(
    folder: Path,
    reading: Reading,
    given: dict[str, Any],
    threads: int | None,
    progress: Progress,
    again: bool = False,
) -> dict[str, Any]:
    """Add the documents of files, all of them or, where anything fails, none."""
    settings, unusable = settings_for(folder, given), Unusable(reading.skip_bad)
    rows = rows_of(of_files(reading, unusable, progress), settings, threads)
    added, empty = add_rows(folder, settings, rows, again)
    told = {"added": added, "empty": empty} | unusable.as_dict()
    return told | {"documents": len(open_index(folder))}


def add_rows(
    folder: Path, settings: Settings, sketched: Iterable[Rows], again: bool
) -> tuple[int, int]:
    """Add documents; how many there were, and how many of them were empty."""
    added = empty = size = 0
    waiting: list[Rows] = []
    seen: dict[str, Any] = {}  # of each source
    with Adding(folder, settings) as adding:
        for rows in sketched:
            digest = seen.setdefault(rows.source, hashlib.blake2b(digest_size=16))
            digest.update(np.diff(rows.offsets).tobytes())
            digest.update(rows.shingles.tobytes())
            waiting.append(rows)
            size += rows.size
            if size >= SEGMENT:
                added, empty = _write(adding, waiting, added, empty)
                waiting, size = [], 0
        added, empty = _write(adding, waiting, added, empty)
        adding.again = again
        if added:
            adding.sources = {digest.hexdigest(): source for source, digest in seen.items()}
    return added, empty


def _write(adding: Adding, parts: list[Rows], added: int, empty: int) -> tuple[int, int]:
    """A segment of these documents, but for the empty ones."""
    lengths = np.concatenate([np.empty(0, np.int64), *(np.diff(part.offsets) for part in parts)])
    full = lengths > 0
    if full.any():
        keys = np.concatenate([part.keys for part in parts])[full]
        names = [id.encode("utf-8", "replace") for part in parts for id in part.ids]
        ids = [name for name, holds in zip(names, full, strict=True) if holds]
        offsets = np.concatenate([[0], np.cumsum(lengths[full])])
        orders = (np.argsort(column, kind="stable") for column in keys.T)
        columns = (
            (column[order], order.astype(np.uint32))
            for column, order in zip(keys.T, orders, strict=True)
        )
        spans = np.concatenate([[0], np.cumsum(list(map(len, ids)))])
        shingles = (part.shingles for part in parts)
        adding.segment(columns, offsets, shingles, spans, [np.frombuffer(b"".join(ids), np.uint8)])
    return added + int(full.sum()), empty + int((~full).sum())


def query(
    folder: Path, reading: Reading, threads: int | None, progress: Progress
) -> Iterator[dict[str, Any]]:
    """What resembles the documents of files: an entry for each pair."""
    index, row = open_index(folder), 0
    texts = of_files(reading, Unusable(reading.skip_bad), progress)
    for rows in rows_of(texts, index.settings, threads):
        for at, document, similarity in zip(
            *map(np.ndarray.tolist, find(index, rows)), strict=True
        ):
            match = index.id_of(document)
            yield {"row": row + at, "id": rows.ids[at], "match": match, "jaccard": similarity}
        row += len(rows.ids)


def find(index: Index, rows: Rows) -> Matches:
    """What resembles some documents."""
    full = np.diff(rows.offsets) > 0
    return index.matches(rows.keys, full, rows.set_of, index.settings.threshold)


def stats(folder: Path, check: bool) -> dict[str, Any]:
    """What an index holds; with `check` after a look at every byte."""
    index = open_index(folder)
    if check:
        for segment in index.segments:
            segment.check()
    sizes: dict[str, int] = {}
    for segment in index.segments:
        for name, (size, _) in segment.files.items():
            sizes[name] = sizes.get(name, 0) + size
    bands, rows = index.bands
    parameters = {name: getattr(index.settings, name) for name in PARAMETERS}
    return {
        "documents": len(index),
        "segments": len(index.segments),
        "bytes": sum(sizes.values()),
        "bytes_by_file": sizes,
        "bands": bands,
        "rows": rows,
        "parameters": parameters,
        "checked": check,
    }


def merge(folder: Path, others: Sequence[Path]) -> dict[str, Any]:
    """Make one segment of all, those of other indexes included, which stay as they are."""
    index = open_index(folder)
    opened = [open_index(other) for other in others]
    for other in opened:
        other.check_same(index.settings)
    segments = [segment for each in (index, *opened) for segment in each.segments]
    for segment in segments:
        segment.check()
    own = [segment.folder.name for segment in index.segments]
    with Adding(folder, index.settings) as adding:
        adding.again = True  # what both have is in both
        for merged in others:
            adding.sources |= load(merged).get("sources", {})
        if len(segments) > 1:
            adding.join(segments)
            adding.publish(own)
    remove_orphans(folder)
    return stats(folder, False)
