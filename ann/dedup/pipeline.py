"""The search for near-duplicates, one function a stage, over batches of text.

    sketch -> copies -> candidates -> verify -> link -> list

`sketch` reads every text once, in one pass that leaves behind, for each document, its band keys
(8 bytes a band), a fingerprint and its shingle hashes (8 bytes a word): the text itself is never
kept. The rest works on those arrays:

- Documents with the same shingles in the same numbers (*copies*) are folded into their first row
  before anything else, so that a hundred thousand identical files cost one document, not 5e9
  pairs.
- Documents that share a band key become *candidates*; with b bands of r rows a pair of Jaccard
  similarity J does so with probability 1 - (1 - J^r)^b, and b, r are chosen such that this is at
  least `recall` at the threshold.
- Each candidate is *verified*: exact Jaccard similarity of the two sets of 64-bit shingle hashes.
- *Link* goes through the documents in the order of preference; each one still undecided is kept
  and removes those undecided that resemble it. So every removed document is itself a verified
  near-duplicate of the one that stays in its place; there are no chains of resemblance.

References: A. Broder, "On the resemblance and containment of documents" (1997); P. Indyk and
R. Motwani, "Approximate nearest neighbors" (1998), for the bands.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from ann import _pairs
from ann.dedup.settings import Settings
from ann.lsh import choose_bands
from ann.text import TextSketcher

Int64s = npt.NDArray[np.int64]
UInt32s = npt.NDArray[np.uint32]
UInt64s = npt.NDArray[np.uint64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Progress = Callable[[str, int, int], None]
Item = TypeVar("Item")
Value = TypeVar("Value")

PAIRS_A_TASK = 1 << 16  # tens of milliseconds of verification: threads share evenly, overhead none
COPIES_LISTED = 100  # members of a group of copies that are listed pairwise: at most 4,950 pairs


class Batch(NamedTuple):
    """Some documents in row order: their texts, and the UTF-8 bytes of each."""

    texts: Any
    sizes: Int64s


class Pairs(NamedTuple):
    """Verified pairs of rows, a < b, sorted by (a, b)."""

    a: Int64s
    b: Int64s
    jaccard: Floats


@dataclass
class Clock:
    """Seconds spent in each stage."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            spent = time.perf_counter() - start
            self.seconds[stage] = self.seconds.get(stage, 0.0) + spent


@dataclass(frozen=True)
class Sketches:
    """What is kept of the documents once their text has gone by."""

    bands: int
    rows: int
    keys: UInt64s  # [bands, n]
    fingerprints: UInt64s  # [2, n]: of the signature, and the sum of the shingle hashes
    counts: Int64s  # shingles of each document, repeats included; 0: an empty document
    shingles: list[tuple[int, UInt64s]]  # of each batch: its rows, and all their shingles
    sizes: Int64s

    def __len__(self) -> int:
        return len(self.counts)

    def gather(self, wanted: Bools) -> tuple[Int64s, UInt64s]:
        """Offsets and shingles of the wanted documents alone, one after the other."""
        parts, row = [], 0
        for rows, shingles in self.shingles:
            batch = slice(row, row + rows)
            parts.append(shingles[np.repeat(wanted[batch], self.counts[batch])])
            row += rows
        offsets = np.zeros(np.count_nonzero(wanted) + 1, np.int64)
        np.cumsum(self.counts[wanted], out=offsets[1:])
        return offsets, np.concatenate(parts)


class Found(NamedTuple):
    """The outcome of the search, by row."""

    representative: Int64s  # the row kept in this one's place; its own number: it is kept
    similarity: Floats  # exact Jaccard similarity to the representative
    pairs: Pairs
    candidates: int
    unlisted: int  # pairs of copies beyond COPIES_LISTED, true but not in `pairs`


def ordered_map(
    function: Callable[[Item], Value], items: Iterable[Item], threads: int
) -> Iterator[Value]:
    """`map` over threads: results in order, and no more than two items a thread under way."""
    if threads == 1:
        yield from map(function, items)
        return
    with ThreadPoolExecutor(threads) as pool:
        waiting: deque[Future[Value]] = deque()
        try:
            for item in items:
                waiting.append(pool.submit(function, item))
                if len(waiting) > 2 * threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def sketch(batches: Iterable[Batch], settings: Settings) -> Sketches:
    """Read every text once; threads sketch while the caller's iterator reads ahead."""
    bands, rows = choose_bands(settings.threshold, settings.recall, settings.num_perm)
    sketcher = TextSketcher(
        num_perm=settings.num_perm, ngram=settings.ngram, unit=settings.unit, seed=settings.seed
    )

    def one(batch: Batch) -> tuple[UInt64s, UInt64s, Int64s, UInt64s, Int64s]:
        signatures, offsets, shingles = sketcher.sketch(batch.texts)
        counts = np.diff(offsets)
        empty = counts == 0
        fingerprints = np.zeros((2, len(counts)), np.uint64)
        fingerprints[0] = _pairs.band_keys(signatures, 1, settings.num_perm, empty)
        if len(shingles):  # reduceat has no empty segments
            fingerprints[1, ~empty] = np.add.reduceat(shingles, offsets[:-1][~empty])
        keys = _pairs.band_keys(signatures, bands, rows, empty)
        return keys, fingerprints, counts, shingles, batch.sizes

    parts = list(ordered_map(one, batches, settings.threads))
    if not parts:
        parts = [one(Batch([], np.empty(0, np.int64)))]
    keys, fingerprints, counts, shingles, sizes = zip(*parts, strict=True)
    return Sketches(
        bands,
        rows,
        np.concatenate(keys, axis=1),
        np.concatenate(fingerprints, axis=1),
        np.concatenate(counts),
        [(len(part), hashes) for part, hashes in zip(counts, shingles, strict=True)],
        np.concatenate(sizes),
    )


def find(
    sketches: Sketches,
    settings: Settings,
    ids: Sequence[Any] | None,
    clock: Clock,
    progress: Progress,
) -> Found:
    """All stages after the sketches: which documents stay, and whom they stand for."""
    with clock("pairs"):
        leader = copies(sketches)
        leaders = np.flatnonzero((leader == np.arange(len(leader))) & (sketches.counts > 0))
        a, b = _pairs.candidate_pairs(np.ascontiguousarray(sketches.keys[:, leaders]))
    with clock("verify"):
        pairs = verify(sketches, leaders, a, b, settings, progress)
    with clock("link"):
        order = preference(settings.keep, sketches.sizes, ids)
        representative, similarity = link(leader, leaders, pairs, order)
        listed, unlisted = expand(leader, leaders, pairs)
    return Found(representative, similarity, listed, len(a), unlisted)


def copies(sketches: Sketches) -> Int64s:
    """For each document the first row with the same shingles; for an empty one itself.

    The same shingles: equal 128 bits, those of the signature's hash and of the sum of all
    shingle hashes. Sorting by a mixture of both and comparing neighbours in full is enough:
    where two different documents share the mixture, copies may go unnoticed here, and then
    they meet as candidates of similarity 1.
    """
    leader = np.arange(len(sketches))
    full = np.flatnonzero(sketches.counts)
    signature, total = sketches.fingerprints[:, full]
    by_print = np.argsort(signature ^ total, kind="stable")
    signature, total = signature[by_print], total[by_print]
    new = np.ones(len(full), np.bool_)
    new[1:] = (signature[1:] != signature[:-1]) | (total[1:] != total[:-1])
    first = full[by_print[new]]
    leader[full[by_print]] = first[np.cumsum(new) - 1]
    return leader


def verify(
    sketches: Sketches,
    leaders: Int64s,
    a: UInt32s,
    b: UInt32s,
    settings: Settings,
    progress: Progress,
) -> Pairs:
    """The candidates whose exact Jaccard similarity reaches the threshold."""
    met = np.zeros(len(leaders), np.bool_)
    met[a] = met[b] = True
    wanted = np.zeros(len(sketches), np.bool_)
    wanted[leaders[met]] = True
    offsets, shingles = sketches.gather(wanted)
    starts, sizes = _pairs.distinct_sets(offsets, shingles)
    place = (np.cumsum(met) - 1).astype(np.uint32)  # of a leader among those that met

    def one(start: int) -> Floats:
        task = slice(start, start + PAIRS_A_TASK)
        similarity: Floats = _pairs.jaccard(
            place[a[task]], place[b[task]], starts, sizes, shingles, settings.threshold
        )
        return similarity

    jaccard = np.empty(len(a))
    tasks = range(0, len(a), PAIRS_A_TASK)
    for start, part in zip(tasks, ordered_map(one, tasks, settings.threads), strict=True):
        jaccard[start : start + len(part)] = part
        progress("verify", start + len(part), len(a))
    close = jaccard >= settings.threshold
    return Pairs(a[close].astype(np.int64), b[close].astype(np.int64), jaccard[close])


def preference(keep: str, sizes: Int64s, ids: Sequence[Any] | None) -> Int64s:
    """Rows from the one most worth keeping; ties by id, then by row."""
    rows = np.arange(len(sizes))
    if keep == "first":
        return rows
    names = rows if ids is None else np.unique(np.asarray(ids), return_inverse=True)[1]
    return np.lexsort((names, -sizes))


def link(
    leader: Int64s, leaders: Int64s, pairs: Pairs, order: Int64s
) -> tuple[Int64s, Floats]:
    """Who stays: every document goes with its copies, and a group by its best member."""
    n, groups = len(leader), len(leaders)
    rank = np.empty(n, np.int64)
    rank[order] = np.arange(n)
    best = np.full(n, n)
    np.minimum.at(best, leader, rank)  # of each leader: the rank of its best copy
    chosen = _pairs.link_representative(
        np.argsort(best[leaders], kind="stable"),
        pairs.a.astype(np.uint32),
        pairs.b.astype(np.uint32),
        pairs.jaccard,
    )
    similarity = np.ones(groups)
    removed = np.flatnonzero(chosen != np.arange(groups))
    low, high = np.minimum(removed, chosen[removed]), np.maximum(removed, chosen[removed])
    where = np.searchsorted(pairs.a * groups + pairs.b, low * groups + high)
    similarity[removed] = pairs.jaccard[where]

    representative, to_kept = np.arange(n), np.ones(n)
    full = np.zeros(n, np.bool_)
    full[leaders] = True
    full = full[leader]  # all but the empty documents
    group = np.searchsorted(leaders, leader[full])
    representative[full] = order[best[leaders[chosen[group]]]]
    to_kept[full] = similarity[group]
    return representative, to_kept


def expand(leader: Int64s, leaders: Int64s, pairs: Pairs) -> tuple[Pairs, int]:
    """Pairs of rows from pairs of groups of copies, and how many were left unlisted.

    The first `COPIES_LISTED` members of a group are listed pairwise and with those of each
    similar group; any further one is listed with the first of its own group alone.
    """
    members = np.argsort(leader, kind="stable")  # group after group, each in row order
    size = np.bincount(leader, minlength=len(leader))
    start = np.cumsum(size) - size
    a, b = leaders[pairs.a], leaders[pairs.b]
    many = np.flatnonzero(size > 1)
    total = int((size[a] * size[b]).sum() + (size[many] * (size[many] - 1) // 2).sum())

    left, right, source = _products(
        np.concatenate([a, many]), np.concatenate([b, many]), start, np.minimum(size, COPIES_LISTED)
    )
    once = (source < len(a)) | (left < right)  # a group with itself: no member twice
    jaccard = np.concatenate([pairs.jaccard, np.ones(len(many))])[source[once]]
    x, y = members[left[once]], members[right[once]]

    further = members[np.arange(len(members)) - start[leader[members]] >= COPIES_LISTED]
    x, y = np.concatenate([x, leader[further]]), np.concatenate([y, further])
    jaccard = np.concatenate([jaccard, np.ones(len(further))])
    low, high = np.minimum(x, y), np.maximum(x, y)
    by_rows = np.lexsort((high, low))
    return Pairs(low[by_rows], high[by_rows], jaccard[by_rows]), total - len(low)


def _products(a: Int64s, b: Int64s, start: Int64s, count: Int64s) -> tuple[Int64s, Int64s, Int64s]:
    """Every member of group a[i] with every one of b[i]: two places, and the i they come from."""
    total = count[a] * count[b]
    source = np.repeat(np.arange(len(a)), total)
    within = np.arange(len(source)) - np.repeat(np.cumsum(total) - total, total)
    width = count[b][source]
    return start[a][source] + within // width, start[b][source] + within % width, source
