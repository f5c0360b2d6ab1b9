"""The values of one more column, by row: read again where the preference goes by it."""

from collections.abc import Callable, Sequence
from typing import Any

from ann.dedup.arrays import Int64s
from ann.dedup.settings import InputError
from ann.dedup.sources import Source
from ann.dedup.unusable import Unusable

Column = Callable[[Int64s, str], list[Any]]  # places of the rows, name


def column_of(opened: Callable[[Unusable], list[Source]], sources: Sequence[Source]) -> Column:
    """A reader over sources like those that were read, which know how many rows they have."""

    def column(places: Int64s, name: str) -> list[Any]:
        values: list[Any] = []
        placed = 0
        for source, again in zip(sources, opened(Unusable(True)), strict=True):
            where = places[placed : placed + source.rows * source.placed]
            placed += len(where)
            found = again.values(name, where)
            if len(found) != source.rows:
                raise InputError(f"{source.label} changed while it was read: nothing was written")
            values += found
        if values and all(value is None for value in values):
            raise InputError(f"no row has a value in column {name!r}: --keep cannot go by it")
        return values

    return column
