"""Sketch: read every text once, and keep of it what the search needs.

One pass over the text leaves behind, for each document, its band keys (8 bytes a band), a
fingerprint and its shingle hashes (8 bytes a word): the text itself is never kept. Documents that
share a band key become candidates; with b bands of r rows a pair of Jaccard similarity J does so
with probability 1 - (1 - J^r)^b, and b, r are chosen such that this is at least `recall` at the
threshold. The engine `exact` takes no bands and no signatures.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ann import _pairs
from ann.bands import choose_bands
from ann.dedup.arrays import (
    NOTHING_KNOWN,
    Batch,
    Documents,
    Int64s,
    Known,
    Sketches,
    UInt32s,
    UInt64s,
)
from ann.dedup.columns import id_array
from ann.dedup.running import Clock, ordered_map
from ann.dedup.settings import InputError, Settings
from ann.text import TextSketcher

if TYPE_CHECKING:
    from ann.dedup.index import Index

NONE = np.empty((0, 0), np.uint32)


class Sketched(NamedTuple):
    """What is kept of one batch."""

    signatures: Any  # uint{bits}[n, num_perm], or [n, 0]: the exact engine takes none
    fingerprints: UInt64s
    offsets: Int64s
    shingles: UInt64s
    short: int  # documents of a single shingle
    invalid: int
    known: Known = NOTHING_KNOWN  # by row of the batch; their shingles are gone


def text_sketcher(settings: Settings) -> TextSketcher:
    """The sketcher of these parameters."""
    try:
        return TextSketcher(
            num_perm=settings.num_perm, ngram=settings.ngram, unit=settings.unit, seed=settings.seed
        )
    except ValueError as error:
        raise InputError(str(error)) from None


def sketch_batch(batch: Batch, settings: Settings, index: "Index | None" = None) -> Sketched:
    """Sketch some texts, by a sketcher of their own: it counts what was no UTF-8.

    Documents that an `index` has are left without shingles.
    """
    sketcher = text_sketcher(settings)
    if settings.engine == "exact" and index is None:
        offsets, shingles = sketcher.shingles(batch.texts)
        signatures = np.empty((len(offsets) - 1, 0), np.uint32)
    else:
        signatures, offsets, shingles = sketcher.sketch(batch.texts)
        signatures = shortened(signatures, settings.bits)
    prints = _pairs.text_keys(offsets, shingles)
    short = int((np.diff(offsets) == 1).sum())
    done = Sketched(signatures, prints, offsets, shingles, short, sketcher.invalid)
    return done if index is None else without_known(done, index)


def without_known(sketched: Sketched, index: "Index") -> Sketched:
    """What is left when the documents that the index has are taken out."""
    signatures, _, offsets, shingles, *_ = sketched
    keys = keys_of(signatures, *index.bands)
    lengths = np.diff(offsets)

    def set_of(row: int) -> UInt64s:
        return np.unique(shingles[offsets[row] : offsets[row + 1]])

    found = index.matches(keys, lengths > 0, set_of, index.settings.threshold)
    rows, first = np.unique(found.rows, return_index=True)  # the likest of each comes first
    if not len(rows):
        return sketched
    stays = np.ones(len(lengths), np.bool_)
    stays[rows] = False
    left = np.where(stays, lengths, 0)
    ends = np.concatenate([[0], np.cumsum(left)])
    return sketched._replace(
        offsets=ends,
        shingles=shingles[: offsets[-1]][np.repeat(stays, lengths)],
        short=int((left == 1).sum()),
        known=Known(rows, list(map(index.id_of, found.documents[first])), found.similarity[first]),
    )


def shortened(signatures: UInt32s, bits: int) -> Any:
    """So many bits of each slot, as `sketches.BBitMinHash` takes them: what is equal stays so."""
    if bits == 32:
        return signatures
    mixed = signatures * np.uint32(0x9E3779B1)
    return (mixed >> np.uint32(32 - bits)).astype(f"u{bits // 8}")


def keys_of(signatures: Any, bands: int, rows: int) -> UInt64s:
    """The keys of the bands of signatures of any number of bits."""
    return _pairs.band_keys(signatures.astype(np.uint32, copy=False), bands, rows)


def bands_of(settings: Settings) -> tuple[int, int]:
    """Bands and rows that keep the recall at the threshold; the exact engine has none."""
    if settings.engine == "exact":
        return 0, 0
    try:
        return choose_bands(settings.threshold, settings.recall, settings.num_perm)
    except ValueError as error:
        raise InputError(str(error)) from None


def sketch(
    batches: Iterable[Batch], settings: Settings, clock: Clock, index: "Index | None" = None
) -> Documents:
    """Read every text once; threads sketch while the next batch is read."""
    bands, rows = bands_of(settings)
    text_sketcher(settings)  # refuses parameters before anything is read

    def one(batch: Batch) -> tuple[UInt64s, Sketched, Batch]:
        sketched = sketch_batch(batch, settings, index)
        keys = keys_of(sketched.signatures, bands, rows)
        return keys, sketched._replace(signatures=NONE), batch._replace(texts=None)

    with clock("sketch"):
        parts = list(ordered_map(one, batches, settings.threads)) or [one(Batch([], np.arange(0)))]
        keys, sketched, remembered = map(list, zip(*parts, strict=True))
        del parts
        _, prints, ends, shingles, short, invalid, known = map(list, zip(*sketched, strict=True))
        del sketched
        lengths = _joined([np.diff(offsets) for offsets in ends])
        offsets = np.zeros(len(lengths) + 1, np.int64)
        np.cumsum(lengths, out=offsets[1:])
        sketches = Sketches(
            bands,
            rows,
            _joined(keys),
            _joined(prints),
            offsets,
            _joined(shingles),
            _joined([batch.sizes for batch in remembered]),
            sum(short),
            sum(invalid),
        )
        named = [id for batch in remembered for id in batch.ids or ()]
        places = [batch.places for batch in remembered if batch.places is not None]
        return Documents(
            sketches,
            id_array(named) if named else None,
            _joined(places) if places else np.empty((0, 2), np.int64),
            all_known(known, [len(batch.sizes) for batch in remembered]),
        )


def all_known(parts: list[Known], sizes: list[int]) -> Known:
    """Those of all batches, by row of all."""
    firsts = np.cumsum([0, *sizes[:-1]])
    return Known(
        np.concatenate([part.rows + first for part, first in zip(parts, firsts, strict=True)]),
        [id for part in parts for id in part.ids],
        np.concatenate([part.similarity for part in parts]),
    )


def _joined(parts: list[Any]) -> Any:
    """The parts in one array; each is let go as it is copied, so that memory is needed once."""
    if len(parts) == 1:
        return parts[0]
    end = sum(map(len, parts))
    whole = np.empty((end, *parts[0].shape[1:]), parts[0].dtype)
    while parts:
        part = parts.pop()
        whole[end - len(part) : end] = part
        end -= len(part)
    return whole
