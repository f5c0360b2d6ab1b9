"""The texts of a few rows, read again: the search keeps none."""

from collections.abc import Iterable, Sequence
from typing import Any

from ann.dedup.settings import InputError
from ann.dedup.sources import Source


def texts_of(sources: Sequence[Source], rows: Iterable[int]) -> dict[int, str]:
    """The text of each of these rows; sources fresh from `open_sources`, read up to the last."""
    wanted = sorted(set(rows))
    found: dict[int, str] = {}
    first = 0
    for source in sources:
        for batch in source.batches(lambda told: None):
            end = first + len(batch.sizes)
            while len(found) < len(wanted) and wanted[len(found)] < end:
                row = wanted[len(found)]
                found[row] = text_at(batch.texts, row - first)
            first = end
            if len(found) == len(wanted):
                return found
    raise InputError(f"there is no row {wanted[len(found)]}: the rows end with {first - 1}")


def text_at(texts: Any, place: int) -> str:
    """One of a batch, whatever holds it: null is an empty one, as in the search."""
    if hasattr(texts, "cast"):  # Arrow
        texts = texts.slice(place, 1).cast("large_binary").to_pylist()
        place = 0
    value = texts[place]
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return value or ""
