"""Keep: which document of a kind is most worth keeping, and why it is that one.

    first                     the first row
    longest                   the text of most UTF-8 bytes
    newest:COL, oldest:COL    by a column of dates or numbers
    highest:COL, lowest:COL   by a column of numbers
    priority:COL=a,b,c        by a column's value: a before b before c before any other
    one-per:COL               the first row, and of each other value of a column the first one, too

A policy gives each row a key, and a smaller key is better. Where two keys are equal the lesser id
decides, then the row. A missing value comes after all others.
"""

import math
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ann.dedup.arrays import Int64s
from ann.dedup.settings import InputError, Keep

PREFERRED, ONE_PER, CONTAINS, SMALLER_ID, EARLIER = 1, 2, 3, 4, 5  # codes of `REASONS`
BETTER = {
    "longest": 6,
    "newest": 7,
    "oldest": 8,
    "highest": 9,
    "lowest": 10,
    "priority": 11,
    "first": EARLIER,
    "one-per": EARLIER,
}
REASONS = (  # why a row stays, or another stays in its place
    "in no cluster",
    "kept: preferred to all that it resembles",
    "kept: the first of its value",
    "removed: the other contains it",
    "removed: the other has the lesser id, and is equal else",
    "removed: the other comes first",
    "removed: the other is longer",
    "removed: the other is newer",
    "removed: the other is older",
    "removed: the other is higher",
    "removed: the other is lower",
    "removed: the other has priority",
)


class Preference(NamedTuple):
    """All rows from the one most worth keeping, and what decided."""

    order: Int64s
    keys: npt.NDArray[Any]
    ids: Int64s  # ranks; of no ids the rows
    groups: Int64s | None  # of `one-per`: which value each row has


def preference(
    keep: Keep, sizes: Int64s, ids: Sequence[Any] | None, values: list[Any] | None
) -> Preference:
    """The order of preference; `values` of the column, where the policy has one."""
    rows = np.arange(len(sizes))
    names, groups = rows, None
    if ids is not None and keep.policy not in ("first", "one-per"):
        names = np.unique(np.asarray(ids), return_inverse=True)[1].astype(np.int64)
    keys: npt.NDArray[Any] = rows
    if keep.policy == "longest":
        keys = -sizes
    elif values is not None:
        if keep.policy == "one-per":
            seen: dict[Any, int] = {}
            groups = np.array([seen.setdefault(value, len(seen)) for value in values], np.int64)
        elif keep.policy == "priority":
            ranks = {value: rank for rank, value in enumerate(keep.values)}
            there = dict.fromkeys(str(value) for value in values if value is not None)
            if there and not there.keys() & ranks:
                raise InputError(
                    f"--keep {keep.policy}: column {keep.column!r} holds none of"
                    f" {', '.join(map(repr, ranks))}, but {', '.join(map(repr, list(there)[:5]))}"
                )
            keys = np.array([ranks.get(str(value), len(ranks)) for value in values], np.int64)
        else:
            keys = _numbers(keep, values)
    return Preference(np.lexsort((names, keys)), keys, names, groups)


def _numbers(keep: Keep, values: list[Any]) -> npt.NDArray[np.float64]:
    """The keys of a column of numbers or dates."""
    dates = keep.policy in ("newest", "oldest")
    sign = -1.0 if keep.policy in ("newest", "highest") else 1.0
    keys = np.full(len(values), math.inf)
    for row, value in enumerate(values):
        number = math.nan if value is None else _number(value, dates)
        if number is None:
            kind = "a date or a number" if dates else "a number"
            raise InputError(f"column {keep.column!r} holds {value!r} in row {row}, not {kind}")
        if not math.isnan(number):
            keys[row] = sign * number
    return keys


def _number(value: Any, dates: bool) -> float | None:
    """A cell as a number, dates as seconds since 1970 in UTC; None if it is neither."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            pass
        try:
            value = datetime.fromisoformat(value.strip()) if dates else None
        except ValueError:
            return None
    if isinstance(value, date) and dates:
        if not isinstance(value, datetime):
            value = datetime(value.year, value.month, value.day)
        moment: datetime = value if value.tzinfo else value.replace(tzinfo=UTC)
        return moment.timestamp()
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return None


def first_of_each(preferred: Preference, representative: Int64s) -> Int64s:
    """The representatives when the first of each further value in a cluster stays, too."""
    assert preferred.groups is not None
    rank = np.empty(len(preferred.order), np.int64)
    rank[preferred.order] = np.arange(len(rank))
    by = np.lexsort((rank, preferred.groups, representative))
    new = np.ones(len(by), np.bool_)
    new[1:] = (np.diff(representative[by]) != 0) | (np.diff(preferred.groups[by]) != 0)
    chosen = representative.copy()
    chosen[by[new]] = by[new]
    return chosen


def reasons(
    policy: str,
    preferred: Preference,
    representative: Int64s,
    cluster: Int64s,
    sizes: Int64s | None,
) -> npt.NDArray[np.int8]:
    """A code of `REASONS` for each row; `sizes` of the sets where containment decides."""
    rows = np.arange(len(cluster))
    result = np.zeros(len(cluster), np.int8)
    result[cluster[cluster != rows]] = PREFERRED
    result[(representative == rows) & (cluster != rows)] = ONE_PER
    removed = np.flatnonzero(representative != rows)
    other = representative[removed]
    same = preferred.keys[removed] == preferred.keys[other]
    why = np.where(same, SMALLER_ID, BETTER[policy])
    why[same & (preferred.ids[removed] == preferred.ids[other])] = EARLIER
    if np.array_equal(preferred.ids, rows):  # there are none
        why[why == SMALLER_ID] = EARLIER
    if sizes is not None:
        why[sizes[removed] < sizes[other]] = CONTAINS
    result[removed] = why
    return result
