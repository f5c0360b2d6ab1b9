"""What a run says at its end: counts, largest clusters, time, and the promise that was kept.

Plain lines of at most 80 columns or so; on a terminal click adds weight and colour, and in a
pipe takes them out again.
"""

from collections.abc import Iterator

import click

from ann.dedup.job import Outcome
from ann.dedup.result import Cluster

CLUSTERS = 5  # largest ones shown
MEMBERS = 4  # removed members shown of each
WIDTH = 60  # columns of an id


def summary(outcome: Outcome) -> str:
    """The whole text."""
    return "\n".join(_lines(outcome))


def _lines(outcome: Outcome) -> Iterator[str]:
    s = outcome.result.stats
    p = s.settings
    yield click.style(
        f"{s.documents:,} documents: {s.kept:,} kept, {s.removed:,} near-duplicates removed",
        bold=True,
    )
    yield f"  {_bytes(s.bytes)} of text, {_bytes(s.bytes_removed)} saved" + _share(
        s.bytes_removed, s.bytes
    )
    notes = {
        "empty (kept)": s.empty,
        "skipped as unusable": outcome.unusable.count,
        "binary files passed over": outcome.binary,
        "stretches of invalid UTF-8 replaced": s.invalid_utf8,
    }
    if any(notes.values()):
        yield "  " + ", ".join(f"{count:,} {note}" for note, count in notes.items() if count)
    yield from (f"    {met}" for met in outcome.unusable.noted)
    if outcome.unusable.count > len(outcome.unusable.noted) > 0:
        yield f"    and {outcome.unusable.count - len(outcome.unusable.noted):,} more"
    yield f"  {s.pairs:,} pairs of Jaccard similarity >= {p.threshold:g}, each one verified"
    if s.pairs_unlisted:
        yield f"  and {s.pairs_unlisted:,} more between identical documents, not listed"
    if s.clusters:
        yield ""
        yield click.style("Largest clusters", bold=True) + f" of {s.clusters:,}"
        for cluster in outcome.result.largest(CLUSTERS):
            yield from _cluster(outcome, cluster)
    yield ""
    yield (
        click.style("Time", bold=True)
        + f"  {sum(s.seconds.values()):.2f} s on "
        + (f"{p.threads} threads: " if p.threads > 1 else "1 thread: ")
        + ", ".join(f"{stage} {seconds:.2f}" for stage, seconds in s.seconds.items())
    )
    yield click.style("Search", bold=True) + (
        f"  {p.ngram}-grams of {p.unit}s, {s.bands} bands of {s.rows} of {p.num_perm} slots: a pair"
        f" at {p.threshold:g} is found with probability {s.recall_at_threshold:.4f};"
        f" {s.candidates:,} candidates"
    )
    if outcome.output is not None:
        yield click.style("Written", bold=True) + f" to {outcome.output}"


def _cluster(outcome: Outcome, cluster: Cluster) -> Iterator[str]:
    yield f"  {len(cluster.removed) + 1:,} like {_name(outcome, cluster.kept)}"
    for row in cluster.removed[:MEMBERS]:
        similarity = click.style(f"{outcome.result.similarity[row]:.3f}", fg="cyan")
        yield f"      {similarity}  {_name(outcome, int(row))}"
    if len(cluster.removed) > MEMBERS:
        lowest = outcome.result.similarity[cluster.removed].min()
        yield f"      and {len(cluster.removed) - MEMBERS:,} more, none below {lowest:.3f}"


def _name(outcome: Outcome, row: int) -> str:
    """An id as one short printable piece."""
    name = str(outcome.ids[row])
    if outcome.ids.dtype != object:
        name = f"row {name}" if outcome.ids[row] == row else name
    name = "".join(char if char.isprintable() else "\ufffd" for char in name)
    return name if len(name) <= WIDTH else "..." + name[3 - WIDTH :]


def _bytes(count: float) -> str:
    if count < 1000:
        return f"{count:.0f} bytes"
    for unit in ("kB", "MB", "GB"):
        count /= 1000
        if count < 1000:
            return f"{count:.1f} {unit}"
    return f"{count / 1000:,.1f} TB"


def _share(part: int, whole: int) -> str:
    return f" ({100 * part / whole:.1f} %)" if whole else ""
