"""What a run says at its end: counts, largest clusters, time, and the promise that was kept.

Plain lines of at most 80 columns or so; on a terminal click adds weight and colour, and in a
pipe takes them out again.
"""

from collections.abc import Iterator

import click

from ann.dedup.engines import ASKED
from ann.dedup.job import Outcome
from ann.dedup.result import Cluster
from ann.dedup.words import byte_count, counted, measure_name, percent, probability

CLUSTERS = 5  # largest ones shown
SHOWN = 0.001  # seconds from which on an estimate is worth a word
MEMBERS = 4  # removed members shown of each
WIDTH = 60  # columns of an id


def summary(outcome: Outcome) -> str:
    """The whole text."""
    return "\n".join(_lines(outcome))


def _lines(outcome: Outcome) -> Iterator[str]:
    s = outcome.result.stats
    p = s.settings
    removed = counted(s.removed, "near-duplicate")
    yield click.style(
        f"{counted(s.documents, 'document')}: {s.kept:,} kept, {removed} removed", bold=True
    )
    yield f"  {byte_count(s.bytes)} of text, {byte_count(s.bytes_removed)} saved" + percent(
        s.bytes_removed, s.bytes
    )
    unusable = outcome.unusable
    units = counted(p.ngram, p.unit)
    notes = {
        "empty (kept)": s.empty,
        f"of at most {units}": s.short,
        "skipped as unusable": unusable.count,
        "binary, passed over": outcome.binary,
        "with the id of an earlier row": outcome.repeated,
        "invalid UTF-8 sequences replaced": s.invalid_utf8,
    }
    if any(notes.values()):
        yield "  " + ", ".join(f"{count:,} {note}" for note, count in notes.items() if count)
    yield from (f"    {met}" for met in unusable.noted)
    if unusable.count > len(unusable.noted):
        yield f"    and {unusable.count - len(unusable.noted):,} more"
    if 2 * s.short > s.documents - s.empty:
        yield f"  Most texts have at most {units}, and only equal ones are found: see --ngram, and"
        yield "  --unit char for languages that put no spaces between words"
    pairs = counted(s.pairs, "pair")
    yield f"  {pairs} of {measure_name(p.measure)} >= {p.threshold:g}, each one verified"
    if s.known:
        yield f"  {s.known:,} removed that the index has already"
    if s.pairs_unlisted:
        yield f"  and {s.pairs_unlisted:,} more between identical documents, not listed"
    if s.crowded:
        crowded = counted(s.crowded, "document")
        yield f"  {crowded} with very many partners: of these, only pairs with the document"
        yield "  that is kept are sure to be listed"
    if s.giants:
        groups = counted(len(s.giants), "group")
        yield f"  {groups} of up to {s.giants[0]:,} documents hang together by chains: too"
        yield "  large to be merged, they were linked by resemblance to a document that is kept"
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
    how = "every pair is found"
    if p.engine == "lsh":
        how = (
            f"{s.bands} bands of {s.rows} of {p.num_perm} slots: a pair at {p.threshold:g} is found"
            f" with probability {probability(s.recall_at_threshold)}"
        )
    yield click.style("Search", bold=True) + (
        f"  {p.ngram}-grams of {p.unit}s, {how};"
        f" {counted(s.candidates, 'candidate')} besides exact copies"
    )
    if s.plan.why != ASKED:
        costs = [cost.seconds for cost in (s.plan.exact, s.plan.lsh) if cost]
        shown = " against ".join(f"{seconds:.2g}" for seconds in costs)
        estimate = f" ({shown} s of one thread)" if max(costs, default=0) >= SHOWN else ""
        yield click.style("Engine", bold=True) + f"  {s.plan.engine}: {s.plan.why}{estimate}"
    if outcome.output is not None:
        yield click.style("Written", bold=True) + f" to {outcome.output}"


def _cluster(outcome: Outcome, cluster: Cluster) -> Iterator[str]:
    others = counted(len(cluster.removed), "other")
    yield f"  {_name(outcome, cluster.kept)} and {others}"
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
