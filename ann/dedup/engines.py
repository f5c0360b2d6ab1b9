"""Which engine to take: what each will cost is estimated from the first documents.

The first documents, `SAMPLE` at most, go through both engines. What grows with the words of the
corpus is taken times its size; false candidates grow with its square, true pairs with its size.
Seconds are counts times the constants below, not times measured on the spot: the same input gets
the same engine, and so the same output, on a busy machine and an idle one.

    exact   sorts, counts and orders every shingle, then looks up the rarest of each document
    lsh     takes a signature of every shingle, sorts the bands, compares more candidates

`lsh` is nearly always faster, as it never sorts what is alone. But most of a job is to start, read
the text, cut it into shingles and write what stays, which both need. So `exact`, which finds every
pair, is taken where it fits in memory and nobody would notice the time: where it makes the whole
job longer by no more than `WORTH`.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np

from ann import _pairs
from ann.dedup.arrays import Batch, Bools, Int64s, Progress, Sets
from ann.dedup.joining import open_join
from ann.dedup.settings import Engine, Settings, available_memory
from ann.dedup.sketching import Sketched, bands_of, keys_of, sketch_batch
from ann.dedup.verifying import CROWD
from ann.dedup.words import byte_count

SAMPLE = 2000  # documents at most, and
SAMPLE_TEXT = 4_000_000  # bytes of them: some ten milliseconds
ASKED = "as asked"

WORTH = 0.25  # of the job's time: a quarter longer at most, for the last hundredth of the pairs
START = 0.25  # seconds of a command that reads nothing

# Nanoseconds of one thread: `python benchmarks/engines.py` measures them
TEXT = 8.0  # to read a byte, cut it into shingles and write it
ORDER = 30.0  # to sort, count and order a shingle for the join
LOOK = 9.0  # at a posting
SIGN = 8.0  # a shingle into a signature
BAND = 26.0  # to key and sort a band of a document
COMPARE = 50.0  # two outlines
MERGE = 0.4  # a shingle of two sets that are similar


@dataclass(frozen=True)
class Cost:
    """What a search by one engine takes, the text and the output aside."""

    candidates: int
    bytes: int  # held at once
    seconds: float  # of one thread


@dataclass(frozen=True)
class Plan:
    """Which engine was taken, and why."""

    engine: Engine
    why: str
    documents: int = 0  # expected
    sampled: int = 0
    exact: Cost | None = None
    lsh: Cost | None = None


class Heard:
    """A progress that remembers which share of the input has been read."""

    def __init__(self, progress: Progress) -> None:
        self.share = 0.0  # 0: not known
        self._progress = progress

    def __call__(self, stage: str, done: int, total: int) -> None:
        self.share = done / total if total else 0.0
        self._progress(stage, done, total)


def choose_engine(
    batches: Iterable[Batch], settings: Settings, heard: Heard, memory: int | None = None
) -> tuple[Iterator[Batch], Settings, Plan]:
    """The batches again, the settings with an engine in them, and why it is that one."""
    source = iter(batches)
    if plan := certain(settings):
        return source, replace(settings, engine=plan.engine), plan
    sample: list[Batch] = []
    rows = text = before = 0  # the share heard of is that of the batches before the last
    for batch in source:
        sample.append(batch)
        if before >= SAMPLE or text >= SAMPLE_TEXT:
            rows = int(before / heard.share) if heard.share else 0
            break
        before = rows = rows + len(batch.sizes)
        text += int(batch.sizes.sum())
    plan = Plan("lsh", "the size of the input is not known")
    if rows or not sample:
        signing = replace(settings, engine="lsh")
        heads = list(_first(sample))
        parts = [sketch_batch(batch, signing) for batch in heads]
        text = sum(int(batch.sizes.sum()) for batch in heads)
        plan = make_plan(parts, text, rows, settings, memory)
    return chain(sample, source), replace(settings, engine=plan.engine), plan


def sampled(sizes: Int64s) -> int:
    """How many of the first documents, of these sizes, are the sample."""
    sizes = sizes[:SAMPLE]
    return min(len(sizes), int((np.cumsum(sizes) < SAMPLE_TEXT).sum()) + 1)


def _first(batches: list[Batch]) -> Iterator[Batch]:
    """The documents of the sample."""
    left = sampled(np.concatenate([np.zeros(0, np.int64), *(batch.sizes for batch in batches)]))
    for batch in batches:
        rows = min(left, len(batch.sizes))
        left -= rows
        texts = batch.texts
        texts = texts.slice(0, rows) if hasattr(texts, "slice") else texts[:rows]
        yield Batch(texts, batch.sizes[:rows])


def certain(settings: Settings) -> Plan | None:
    """The plan where there is no choice."""
    if settings.engine != "auto":
        return Plan(settings.engine, ASKED)
    if settings.measure == "containment":
        return Plan("exact", "containment has no other")
    return None


def make_plan(
    parts: list[Sketched], text: int, documents: int, settings: Settings, memory: int | None = None
) -> Plan:
    """Estimate both engines for so many documents like those sketched, of `text` bytes."""
    lengths = np.concatenate([np.zeros(0, np.int64), *(np.diff(part.offsets) for part in parts)])
    if not lengths.any():
        return Plan("exact", "there is nothing to compare", documents, len(lengths))
    bands, rows = bands_of(replace(settings, engine="lsh"))
    keys = np.concatenate([keys_of(part.signatures, bands, rows) for part in parts])
    prints = np.concatenate([part.fingerprints[:, 0] for part in parts])
    single = np.zeros(len(lengths), np.bool_)  # copies are folded before either engine runs
    single[np.unique(prints, return_index=True)[1]] = True
    single &= lengths > 0
    met = sum(len(a) for a, _ in _pairs.CandidatePairs(keys, ~single, CROWD))
    pairs, compared, looked, index = _joined(parts, lengths, single, settings)

    scale = documents / len(lengths)
    words = float(lengths.sum()) * scale
    merging = MERGE * 2 * lengths.mean() * pairs * scale

    def candidates(found: int) -> int:
        return int(pairs * scale + max(found - pairs, 0) * scale**2)

    def cost(found: int, nanoseconds: float, arrays: float) -> Cost:
        nanoseconds += COMPARE * candidates(found) + merging
        held = arrays + 8 * words + (8 * _pairs.OUTLINE + 24) * documents
        return Cost(candidates(found), int(held), nanoseconds / 1e9)

    exact = cost(compared, ORDER * words + LOOK * looked * scale**2, index * scale)
    lsh = cost(met, SIGN * words + BAND * bands * documents, (8 * bands + 32) * documents)
    both = START + TEXT / 1e9 * scale * text
    longer = (both + exact.seconds) / (both + lsh.seconds) - 1
    engine: Engine = "exact"
    more = f"{longer:.0%}" if longer >= 0.005 else "no"
    why = f"it finds every pair, and makes the job {more} longer"
    if longer > WORTH:
        engine, why = "lsh", f"exact would make the job {longer:.0%} longer"
    elif exact.bytes > (limit := memory or available_memory() // 2):
        engine, why = "lsh", f"exact would not fit in {byte_count(limit)}"
    return Plan(engine, why, documents, len(lengths), exact, lsh)


def _joined(
    parts: list[Sketched], lengths: Int64s, single: Bools, settings: Settings
) -> tuple[int, int, int, int]:
    """Join the sample: pairs found and compared, postings looked at, bytes of the index."""
    starts = np.cumsum(lengths) - lengths
    sets = Sets(
        starts,
        np.zeros(len(lengths), np.int64),
        np.concatenate([part.shingles for part in parts]),
        np.zeros((len(lengths), _pairs.OUTLINE), np.uint64),
    )
    rows = np.flatnonzero(single).astype(np.uint32)
    offsets = np.append(starts, len(sets.shingles))
    _pairs.distinct_sets(offsets, sets.shingles, rows, sets.sizes, sets.outlines)
    join = open_join(sets, single, replace(settings, threads=1), CROWD)
    join.index()
    a, _, _, compared, looked = join.pairs(0, len(join))
    return len(a), compared, looked, join.nbytes
