"""Where two texts differ, as the search sees them: by unit, case and what is no unit left aside.

A text is cut into the units that shingles are made of, each with what follows it up to the next
(spaces, punctuation), so that the pieces put together are the text again; two units are the same if
they are after case folding. Of equal stretches long ones are shortened to their ends.
"""

import re
from collections.abc import Iterator
from difflib import SequenceMatcher
from typing import Literal, NamedTuple

from ann.dedup.settings import Unit

COMPARED = 5_000  # units of each text: difflib's time grows with their product
CONTEXT = 12  # units shown on either side of a difference
WORD = re.compile(r"\w+")


class Difference(NamedTuple):
    """A stretch of both texts: the same in both, or what one has where the other has the second."""

    kind: Literal["same", "other", "gap"]  # gap: the same in both, and left out
    a: str
    b: str
    units: int  # of the longer side


def cut(text: str, unit: Unit) -> tuple[list[str], list[str]]:
    """The pieces of a text, and what each is compared by."""
    if unit == "char" or not text:
        pieces = list(text)
        return pieces, [piece.casefold() for piece in pieces]
    ends = [match.start() for match in WORD.finditer(text)]
    starts = [0, *ends[1:]]
    pieces = [text[i:j] for i, j in zip(starts, [*ends[1:], len(text)], strict=True)]
    words = [WORD.search(piece) for piece in pieces]
    return pieces, [word[0].casefold() if word else "" for word in words]


def differences(a: str, b: str, unit: Unit = "word", context: int = CONTEXT) -> list[Difference]:
    """The stretches of two texts in their order; nothing is left out where `context` is 0."""
    (left, x), (right, y) = cut(a, unit), cut(b, unit)
    rest = len(x) > COMPARED or len(y) > COMPARED
    found = [
        Difference(
            "same" if tag == "equal" else "other",
            "".join(left[i:j]),
            "".join(right[k:m]),
            max(j - i, m - k),
        )
        for tag, i, j, k, m in SequenceMatcher(None, x[:COMPARED], y[:COMPARED]).get_opcodes()
    ]
    if rest:
        more = "".join(left[COMPARED:]), "".join(right[COMPARED:])
        found.append(Difference("gap", *more, max(len(x), len(y)) - COMPARED))
    return list(_shortened(found, unit, context)) if context else found


def _shortened(found: list[Difference], unit: Unit, context: int) -> Iterator[Difference]:
    """The same with the middle of long equal stretches as gaps."""
    for place, part in enumerate(found):
        before, after = context * (place > 0), context * (place < len(found) - 1)
        if part.kind != "same" or part.units <= before + after + context:
            yield part
            continue
        left, right = cut(part.a, unit)[0], cut(part.b, unit)[0]
        end = part.units - after
        for kind, i, j in (
            ("same", 0, before),
            ("gap", before, end),
            ("same", end, part.units),
        ):
            if i < j:
                yield Difference(kind, "".join(left[i:j]), "".join(right[i:j]), j - i)  # type: ignore[arg-type]
