"""The search for near-duplicates, one function a stage, over batches of text.

    sketch -> copies -> candidates -> verify -> link -> list

`sketch` reads every text once, in one pass that leaves behind, for each document, its band keys
(8 bytes a band), a fingerprint and its shingle hashes (8 bytes a word): the text itself is never
kept. The rest works on those arrays:

- Documents with the same sequence of shingles (*copies*) are folded into their first row before
  anything else, so that a hundred thousand identical files cost one document, not 5e9 pairs.
- Documents that share a band key become *candidates*; with b bands of r rows a pair of Jaccard
  similarity J does so with probability 1 - (1 - J^r)^b, and b, r are chosen such that this is at
  least `recall` at the threshold.
- Each candidate is *verified*: exact Jaccard similarity of the two sets of 64-bit shingle hashes.
  Candidates come in blocks, and threads verify one while the next is made.
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
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from ann import _pairs
from ann.bands import choose_bands
from ann.dedup.settings import InputError, Settings
from ann.text import TextSketcher

Int64s = npt.NDArray[np.int64]
UInt32s = npt.NDArray[np.uint32]
UInt64s = npt.NDArray[np.uint64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Progress = Callable[[str, int, int], None]
Item = TypeVar("Item")
Value = TypeVar("Value")

COPIES_LISTED = 100  # members of a group of copies that are listed pairwise: at most 4,950 pairs
PAIRS_LISTED = 10_000_000  # pairs with copies in them: half a gigabyte while they are made


class Batch(NamedTuple):
    """Some documents in row order: their texts, and the UTF-8 bytes of each."""

    texts: Any
    sizes: Int64s


class Sketches(NamedTuple):
    """What is kept of the documents once their text has gone by."""

    bands: int
    rows: int
    keys: UInt64s  # [n, bands]
    fingerprints: UInt64s  # [n, 2], equal for copies
    offsets: Int64s  # [n + 1]: where each document's shingles start; an empty one has none
    shingles: UInt64s
    sizes: Int64s
    invalid: int  # stretches of bytes that were no UTF-8


class Pairs(NamedTuple):
    """Verified pairs of rows, a < b, sorted by (a, b)."""

    a: Int64s
    b: Int64s
    jaccard: Floats


class Found(NamedTuple):
    """The outcome of the search, by row."""

    representative: Int64s  # the row kept in this one's place; its own number: it is kept
    similarity: Floats  # exact Jaccard similarity to the representative
    pairs: Pairs
    candidates: int
    unlisted: int  # pairs of copies beyond COPIES_LISTED, true but not in `pairs`


class Clock:
    """Seconds spent in each stage; a stage inside another counts for itself alone."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._stages: list[str] = []
        self._since = 0.0

    def _charge(self) -> None:
        now = time.perf_counter()
        if self._stages:
            stage = self._stages[-1]
            self.seconds[stage] = self.seconds.get(stage, 0.0) + now - self._since
        self._since = now

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        self._charge()
        self._stages.append(stage)
        try:
            yield
        finally:
            self._charge()
            self._stages.pop()

    def each(self, stage: str, items: Iterable[Item]) -> Iterator[Item]:
        """The items, charging the stage for making them."""
        source, end = iter(items), object()
        while True:
            with self(stage):
                item: Any = next(source, end)
            if item is end:
                return
            yield item


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
    with clock("verify"):
        pairs, candidates = verify(sketches, leader, settings, clock, progress)
    with clock("link"):
        order = preference(settings.keep, sketches.sizes, ids)
        representative, similarity = link(leader, pairs, order)
        listed, unlisted = expand(leader, pairs)
    return Found(representative, similarity, listed, candidates, unlisted)


def copies(sketches: Sketches) -> Int64s:
    """For each document the first row with the same fingerprint; for an empty one itself.

    Sorted by half of the fingerprint, neighbours are compared in full. Should two different
    documents share that half, copies may go unnoticed here; then they meet as candidates.
    """
    leader = np.arange(len(sketches.sizes))
    full = np.flatnonzero(np.diff(sketches.offsets))
    full = full[np.argsort(sketches.fingerprints[full, 0], kind="stable")]
    prints = sketches.fingerprints[full]
    new = np.ones(len(full), np.bool_)
    new[1:] = (prints[1:] != prints[:-1]).any(axis=1)
    leader[full] = full[new][np.cumsum(new) - 1]
    return leader


def verify(
    sketches: Sketches, leader: Int64s, settings: Settings, clock: Clock, progress: Progress
) -> tuple[Pairs, int]:
    """The candidates whose exact Jaccard similarity reaches the threshold; how many there were."""
    n = len(leader)
    sizes = np.zeros(n, np.int64)  # of the distinct sets made so far
    starts = sketches.offsets[:-1]
    outlines = np.zeros((n, 8), np.uint64)
    done = 0

    def tasks() -> Iterator[tuple[UInt32s, UInt32s]]:
        """Candidates, once the sets of their documents are ready."""
        skip = (leader != np.arange(n)) | (np.diff(sketches.offsets) == 0)
        for pair in clock.each("pairs", _pairs.CandidatePairs(sketches.keys, skip)):
            for rows in pair:
                _pairs.distinct_sets(sketches.offsets, sketches.shingles, rows, sizes, outlines)
            yield pair

    def one(task: tuple[UInt32s, UInt32s]) -> tuple[int, UInt32s, UInt32s, Floats]:
        a, b = task
        similarity = _pairs.jaccard(
            a, b, starts, sizes, sketches.shingles, settings.threshold, outlines
        )
        close = similarity >= settings.threshold
        return len(a), a[close], b[close], similarity[close]

    parts = [(np.empty(0, np.uint32), np.empty(0, np.uint32), np.empty(0))]
    for count, close_a, close_b, similarity in ordered_map(one, tasks(), settings.threads):
        parts.append((close_a, close_b, similarity))
        done += count
        progress("verify", done, 0)
    a, b, jaccard = (np.concatenate(column) for column in zip(*parts, strict=True))
    return _sorted(a.astype(np.int64), b.astype(np.int64), jaccard), done


def _sorted(a: Int64s, b: Int64s, jaccard: Floats) -> Pairs:
    by_rows = np.argsort(a << 32 | b)  # rows are numbered in 32 bits
    return Pairs(a[by_rows], b[by_rows], jaccard[by_rows])


def preference(keep: str, sizes: Int64s, ids: Sequence[Any] | None) -> Int64s:
    """Rows from the one most worth keeping; ties by id, then by row."""
    rows = np.arange(len(sizes))
    if keep == "first":
        return rows
    names = rows if ids is None else np.unique(np.asarray(ids), return_inverse=True)[1]
    return np.lexsort((names, -sizes))


def link(leader: Int64s, pairs: Pairs, order: Int64s) -> tuple[Int64s, Floats]:
    """Who stays in each one's place: every document goes with its copies' best member."""
    n = len(leader)
    rank = np.empty(n, np.int64)
    rank[order] = np.arange(n)
    best = np.full(n, n)  # of each leader: the rank of its best copy
    np.minimum.at(best, leader, rank)
    chosen = _pairs.link_representative(np.argsort(best, kind="stable"), pairs.a, pairs.b)

    similarity = np.ones(n)
    removed = np.flatnonzero(chosen != np.arange(n))
    low, high = np.minimum(removed, chosen[removed]), np.maximum(removed, chosen[removed])
    where = np.searchsorted(pairs.a << 32 | pairs.b, low << 32 | high)
    similarity[removed] = pairs.jaccard[where]
    return order[best[chosen[leader]]], similarity[leader]


def _products(size: Int64s, pairs: Pairs, many: Int64s) -> int:
    """Pairs of rows that pairs of groups, and groups with themselves, stand for."""
    own = size[many] * (size[many] - 1) // 2
    return int((size[pairs.a] * size[pairs.b]).sum() + own.sum())


def expand(leader: Int64s, pairs: Pairs) -> tuple[Pairs, int]:
    """Pairs of rows from pairs of groups of copies, and how many were left unlisted.

    The first `COPIES_LISTED` members of a group are listed pairwise and with those of each
    similar group, or fewer of them where that came to more than `PAIRS_LISTED` pairs; any further
    one is listed with the first of its own group alone.
    """
    size = np.bincount(leader, minlength=len(leader))
    many = np.flatnonzero(size > 1)
    if not len(many):
        return pairs, 0
    members = np.argsort(leader, kind="stable")  # group after group, each in row order
    start = np.cumsum(size) - size
    most = COPIES_LISTED
    while most > 1 and _products(np.minimum(size, most), pairs, many) > PAIRS_LISTED:
        most //= 2
    listed = np.minimum(size, most)
    total = _products(size, pairs, many)

    a, b = np.concatenate([pairs.a, many]), np.concatenate([pairs.b, many])
    jaccard = np.concatenate([pairs.jaccard, np.ones(len(many))])
    products = listed[a] * listed[b]
    source = np.repeat(np.arange(len(a)), products)
    within = np.arange(len(source)) - np.repeat(np.cumsum(products) - products, products)
    left, right = np.divmod(within, listed[b[source]])
    once = (source < len(pairs.a)) | (left < right)  # a group with itself: no member twice
    source, left, right = source[once], left[once], right[once]
    x, y = members[start[a[source]] + left], members[start[b[source]] + right]

    further = members[np.arange(len(members)) - start[leader[members]] >= most]
    x, y = np.concatenate([x, leader[further]]), np.concatenate([y, further])
    jaccard = np.concatenate([jaccard[source], np.ones(len(further))])
    return _sorted(np.minimum(x, y), np.maximum(x, y), jaccard), total - len(x)
