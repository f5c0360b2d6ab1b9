"""Sketch: read every text once, and keep of it what the search needs.

One pass over the text leaves behind, for each document, its band keys (8 bytes a band), a
fingerprint and its shingle hashes (8 bytes a word): the text itself is never kept. Documents that
share a band key become candidates; with b bands of r rows a pair of Jaccard similarity J does so
with probability 1 - (1 - J^r)^b, and b, r are chosen such that this is at least `recall` at the
threshold.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np

from ann import _pairs
from ann.bands import choose_bands
from ann.dedup.arrays import Batch, Int64s, Sketches, UInt64s
from ann.dedup.running import Clock, ordered_map
from ann.dedup.settings import InputError, Settings
from ann.text import TextSketcher


def sketch(batches: Iterable[Batch], settings: Settings, clock: Clock) -> Sketches:
    """Read every text once; threads sketch while the next batch is read."""
    try:
        bands, rows = choose_bands(settings.threshold, settings.recall, settings.num_perm)
        sketcher = TextSketcher(
            num_perm=settings.num_perm, ngram=settings.ngram, unit=settings.unit, seed=settings.seed
        )
    except ValueError as error:
        raise InputError(str(error)) from None

    def one(batch: Batch) -> tuple[UInt64s, UInt64s, Int64s, UInt64s, Int64s]:
        signatures, offsets, shingles = sketcher.sketch(batch.texts)
        keys = _pairs.band_keys(signatures, bands, rows)
        return keys, _pairs.text_keys(offsets, shingles), np.diff(offsets), shingles, batch.sizes

    with clock("sketch"):
        batches = clock.each("read", batches)
        parts = list(ordered_map(one, batches, settings.threads)) or [one(Batch([], np.arange(0)))]
        keys, fingerprints, counts, shingles, sizes = map(list, zip(*parts, strict=True))
        del parts
        lengths = _joined(counts)
        offsets = np.zeros(len(lengths) + 1, np.int64)
        np.cumsum(lengths, out=offsets[1:])
        return Sketches(
            bands,
            rows,
            _joined(keys),
            _joined(fingerprints),
            offsets,
            _joined(shingles),
            _joined(sizes),
            sketcher.invalid,
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
