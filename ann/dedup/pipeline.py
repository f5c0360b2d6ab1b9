"""The search for near-duplicates, a module a stage, over batches of text.

    sketch -> copies -> candidates -> verify -> link -> list

`sketching` reads the texts and leaves arrays; `verifying`, `linking` and `listing` work on those.

References: A. Broder, "On the resemblance and containment of documents" (1997); P. Indyk and
R. Motwani, "Approximate nearest neighbors" (1998), for the bands.
"""

from collections.abc import Callable, Sequence
from typing import Any

from ann.dedup.arrays import Found, Progress, Sketches
from ann.dedup.keeping import preference
from ann.dedup.linking import link
from ann.dedup.listing import expand
from ann.dedup.running import Clock
from ann.dedup.settings import Settings, parse_keep
from ann.dedup.verifying import copies, verify


def find(
    sketches: Sketches,
    settings: Settings,
    ids: Sequence[Any] | None,
    clock: Clock,
    progress: Progress,
    column: Callable[[str], list[Any]],
) -> Found:
    """All stages after the sketches: which documents stay, and whom they stand for.

    `column` gives the values of a column by row, if the preference goes by one.
    """
    with clock("pairs"):
        leader = copies(sketches)
    with clock("verify"):
        verified = verify(sketches, leader, settings, clock, progress)
    with clock("link"):
        keep = parse_keep(settings.keep)
        values = column(keep.column) if keep.column else None
        preferred = preference(keep, sketches.sizes, ids, values)
        linked = link(leader, verified, preferred, settings)
        listed, unlisted = expand(leader, linked.pairs)
    return Found(
        linked.representative,
        linked.similarity,
        listed,
        verified.candidates,
        unlisted,
        int(verified.crowd.sum()),
        linked.giants,
        linked.cluster,
        linked.reason,
    )
