"""Exact or sketched? Bytes, time and error of both at your n, before either is built.

Bytes of Python's own containers follow from how CPython lets them grow, those of sketches from
their parameters. Times are probed here and now, a tenth of a second each, on your items if you give
some: a sketch takes the same time for each item, a set that outgrows the caches more for each.
"""

import math
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from sketches._containers import dict_bytes, object_bytes, set_bytes
from sketches._intervals import two_sided
from sketches._jaccard import samples_for
from sketches.bbit import BBitMinHash
from sketches.countmin import CountMin
from sketches.hashing import hash64
from sketches.hll import HyperLogLog
from sketches.minhash import NUM_PERM_MAX, MinHash
from sketches.topk import TopK

if TYPE_CHECKING:
    from costs.planning import Candidate, Plan

PROBE = 200_000  # items a time is taken of, at most
SMALL = 20_000  # and of fewer, to see how the time of an item grows
LEAST_ITEMS = 1_000  # a sample with fewer tells no time
SPREAD = 1.3  # times and over: what the time of the same work differs by here and elsewhere
FAR = 1.2  # more for each factor of 10 beyond what was probed, of containers that leave the caches
HLL_P_MIN, HLL_P_MAX, MERGED_ERROR = 4, 21, 1.04  # of sketches.hll
SIZE = 1_000  # items of a set, where nothing is said


Seconds = Callable[[float], tuple[float, float, float]]  # least, middle, most at n


@dataclass(frozen=True)
class _Structure:
    """One model: costs as functions of n."""

    name: str
    parameters: dict[str, Any]
    exact: bool
    bytes: Callable[[float], float]
    seconds: Seconds
    error: float
    because: dict[str, str]
    compare: tuple[float, float, float] | None = None

    def candidates(self, n: float) -> "list[Candidate]":
        from costs.planning import Candidate
        from costs.usl import Interval

        size = self.bytes(n)
        found = {
            "memory": Interval(size, size, size),
            "time": Interval(*self.seconds(n)),
            "error": Interval(0.0, self.error, self.error),
        }
        if self.compare is not None:
            found["pair"] = Interval(*self.compare)
        return [Candidate(self.name, self.parameters, found, self.because, self.exact)]


def plan(
    question: Literal["distinct", "frequency", "similar"],
    *,
    n: float,
    error: float = 0.01,
    memory: str | float | None = None,
    seconds: float | None = None,
    distinct: float | None = None,
    size: float = SIZE,
    sample: Any = None,
    confidence: float = 0.95,
) -> "Plan":
    """Choose between an exact structure and a sketch, by bytes, time and error.

    Parameters
    ----------
    question : {"distinct", "frequency", "similar"}
        How many different items a stream holds; how often each came; how much sets overlap.
    n : float
        Items of the stream, or for "similar" sets.
    error : float, default 0.01
        That is tolerated: relative ("distinct"), a share of all items ("frequency"), of the
        Jaccard similarity ("similar"), each with probability `confidence`; 0 for none.
    memory : str or float, optional
        Budget: bytes, or a text such as "1MB". Within one, what is exact is preferred; without,
        what takes fewest bytes.
    seconds : float, optional
        Budget of taking all of it in.
    distinct : float, optional
        Different items of the stream; by default as many as there are items.
    size : float, default 1000
        Items of a set, for "similar".
    sample : array, list or Arrow column, optional
        Items like yours, a thousand at least: times and bytes are then theirs. By default 64-bit
        integers.
    confidence : float, default 0.95

    Returns
    -------
    costs.planning.Plan
        ``choice``, ``why_not(name)``, ``table()``, ``crossover("memory")``: the n up to which the
        exact structure fits; ``plot()``.

    Raises
    ------
    ValueError
        For a question, number, size or sample that makes no sense.

    Examples
    --------
    >>> from sketches import plan
    >>> found = plan("distinct", n=1e9, error=0.02, memory="1MB")
    >>> found.choice.name, found.choice.parameters["p"]
    ('HyperLogLog', 14)
    >>> plan("distinct", n=1e3, error=0.02, memory="1MB").choice.name
    'set'
    """
    from costs._checks import number, share
    from costs.planning import Budget, Plan, parse_bytes

    if question not in QUESTIONS:
        raise ValueError(f"question must be one of {', '.join(QUESTIONS)}, not {question!r}")
    n = number(n, "n", least=1.0)
    many = n if distinct is None else number(distinct, "distinct", least=1.0)
    if many > n:
        raise ValueError(f"distinct={many:g} of n={n:g} items cannot be")
    if share(error, "error") == 1:
        raise ValueError("error must lie below 1")
    if not 0 < share(confidence, "confidence") < 1:
        raise ValueError(f"confidence must lie strictly between 0 and 1, not {confidence:g}")
    number(size, "size", least=1.0)
    items = _items(sample)
    budgets = [Budget("error", error, "share")]
    if memory is not None:
        budgets.append(Budget("memory", parse_bytes(memory), "B"))
    if seconds is not None:
        budgets.append(Budget("time", number(seconds, "seconds", above=0.0), "s"))
    asked = _Asked(error, confidence, many / n, size, items)
    units = {"memory": "B", "time": "s", "error": "share", "pair": "s"}
    return Plan(
        QUESTIONS[question](asked),
        n,
        budgets,
        units,
        least="memory",
        prefer_exact=memory is not None,
    )


@dataclass(frozen=True)
class _Asked:
    error: float
    confidence: float
    different: float  # share of the items
    size: float
    items: Any


def _items(sample: Any) -> Any:
    """Items to probe with: at most PROBE, of which all may be different."""
    if sample is None:
        return np.random.default_rng(9001).integers(0, 1 << 62, PROBE)
    try:
        found = sample[:PROBE]
        count = len(found)
    except TypeError:
        raise TypeError("sample must be an array, a list or a column of items") from None
    if count < LEAST_ITEMS:
        raise ValueError(f"a sample of {count:,} items tells no time: give {LEAST_ITEMS:,}")
    hash64(found[:1])  # says what cannot be hashed
    return found


def _listed(items: Any) -> list[Any]:
    for name in ("tolist", "to_pylist", "to_list"):
        if hasattr(items, name):
            return list(getattr(items, name)())
    return list(items)


# ----------------------------------------------------------------------------------------- times


def _seconds(work: Callable[[Any], Any], items: Any) -> float:
    """The least of three."""
    found = []
    for _ in range(3):
        start = time.perf_counter()
        work(items)
        found.append(time.perf_counter() - start)
    return max(min(found), 1e-9)


def _linear(work: Callable[[Any], Any], items: Any) -> Seconds:
    each = _seconds(work, items) / len(items)
    return lambda n: (n * each / SPREAD, n * each, n * each * SPREAD)


def _growing(work: Callable[[Any], Any], items: Any) -> Seconds:
    """Time of a container whose items cost more the larger it is: a power law through two sizes."""
    few = items[: max(LEAST_ITEMS, min(SMALL, len(items) // 10))]
    small, large = (_seconds(work, part) / len(part) for part in (few, items))
    power = (
        float(np.log(large / small) / np.log(len(items) / len(few))) if len(few) < len(items) else 0
    )
    power = min(max(power, 0.0), 0.2)  # beyond memory's latency there is nothing more to come

    def seconds(n: float) -> tuple[float, float, float]:
        mid = n * large * max(1.0, n / len(items)) ** power
        spread = SPREAD * FAR ** max(0.0, float(np.log10(n / len(items))))
        return mid / spread, mid, mid * spread

    return seconds


def _count_sorted(hashes: Any) -> int:
    ordered = np.sort(hashes)
    return 1 + int(np.count_nonzero(ordered[1:] != ordered[:-1]))


# ------------------------------------------------------------------------------------- questions


def _distinct(asked: _Asked) -> list[Any]:
    items = _listed(asked.items)
    each = object_bytes(items)
    entry = 16 + each
    found = [
        _Structure(
            "set",
            {},
            True,
            lambda n: set_bytes(n * asked.different) + n * asked.different * each,
            _growing(lambda part: set().union(part), items),
            0.0,
            {"memory": f"each item takes {entry:.0f} B at least: an entry and the item itself"},
        ),
        _Structure(
            "sorted hashes",
            {},
            True,
            lambda n: 16.0 * n,
            _growing(lambda part: _count_sorted(hash64(part)), asked.items),
            0.0,
            {"memory": "each item takes 16 B: its hash, and a copy that is sorted"},
        ),
    ]
    if asked.error:
        z = two_sided(asked.confidence)
        m = (MERGED_ERROR * z / asked.error) ** 2  # as `HyperLogLog.for_error` has it
        p = min(max(HLL_P_MIN, math.ceil(math.log2(m))), HLL_P_MAX)
        largest = HyperLogLog(p)
        largest.update(np.arange(4 << p))  # until it holds all its registers
        found.append(
            _Structure(
                "HyperLogLog",
                {"p": p},
                False,
                lambda n: float(largest.nbytes),
                _linear(lambda part: HyperLogLog(p).update(part), asked.items),
                max(asked.error, MERGED_ERROR * z / 2 ** (HLL_P_MAX / 2)),
                {
                    "memory": f"this error takes 2^{p} registers",
                    "error": f"2^{HLL_P_MAX} registers are the most",
                },
            )
        )
    return found


def _frequency(asked: _Asked) -> list[Any]:
    items = _listed(asked.items)
    one = items[0]
    each = object_bytes(items) + sys.getsizeof(1000)
    entry = 16 if isinstance(one, str) else 24
    found = [
        _Structure(
            "Counter",
            {},
            True,
            lambda n: dict_bytes(n * asked.different, entry) + n * asked.different * each,
            _growing(Counter, items),
            0.0,
            {"memory": f"each item takes {entry + each:.0f} B: an entry, it and its count"},
        )
    ]
    if asked.error:
        try:
            table = CountMin.for_error(asked.error, 1 - asked.confidence)
            most = TopK.for_error(asked.error)
        except (ValueError, MemoryError):  # there is no table for so small a share
            return found
        shape = {"width": table.width, "depth": table.depth}
        most.update(asked.items)
        found += [
            _Structure(
                "CountMin",
                shape,
                False,
                lambda n: float(table.nbytes),
                _linear(lambda part: CountMin(table.width, table.depth).update(part), asked.items),
                asked.error,
                {"memory": f"this error takes {table.depth} rows of {table.width:,} counters"},
            ),
            _Structure(
                "TopK",
                {"k": most.k},
                False,
                lambda n: float(most.nbytes),
                _linear(lambda part: TopK(most.k).update(part), asked.items),
                asked.error,
                {"memory": f"this error takes {most.k:,} items to be kept"},
            ),
        ]
    return found


def _similar(asked: _Asked) -> list[Any]:
    count = int(min(asked.size, len(asked.items)))
    one = asked.items[:count]
    sets = [one] * max(1, SMALL // count)
    per = asked.size / count
    kept = np.unique(hash64(one))
    other = np.unique(hash64(asked.items[-count:]))

    def each(work: Callable[[Any], Any]) -> Seconds:
        seconds = _seconds(lambda parts: [work(part) for part in parts], sets) / len(sets) * per
        return lambda n: (n * seconds / SPREAD, n * seconds, n * seconds * SPREAD)

    def pair(work: Callable[[], Any], factor: float = 1.0) -> tuple[float, float, float]:
        seconds = _seconds(lambda _: [work() for _ in range(20)], None) / 20 * factor
        return seconds / SPREAD, seconds, seconds * SPREAD

    found = [
        _Structure(
            "sorted hashes",
            {},
            True,
            lambda n: 8.0 * asked.size * n,
            each(lambda part: np.sort(hash64(part))),
            0.0,
            {"memory": f"a set of {asked.size:,.0f} items takes 8 B for each"},
            pair(lambda: np.intersect1d(kept, other, assume_unique=True), per),
        )
    ]
    if not asked.error:
        return found
    best = math.sqrt(math.log(2 / (1 - asked.confidence)) / (2 * NUM_PERM_MAX)) * (1 + 1e-9)
    reached = max(asked.error, best)
    slots = samples_for(reached, asked.confidence)
    more = math.ceil(slots * (256 / 255) ** 2)  # an equal byte may be chance: 1 in 256

    def signature(name: str, num_perm: int, bits: int) -> _Structure:
        sketch = MinHash(num_perm)
        sketch.update(one)
        kept: Any = sketch if bits == 32 else BBitMinHash.of(sketch, bits)
        return _Structure(
            name,
            {"num_perm": num_perm} | ({} if bits == 32 else {"bits": bits}),
            False,
            lambda n: n * num_perm * bits / 8,
            each(lambda part: MinHash(num_perm).update(part)),
            reached,
            {
                "memory": f"this error takes {num_perm:,} slots a set",
                "error": f"{NUM_PERM_MAX:,} slots are the most",
            },
            pair(lambda: kept.jaccard(kept)),
        )

    found.append(signature("MinHash", slots, 32))
    found.append(signature("BBitMinHash", min(more, NUM_PERM_MAX), 8))
    return found


QUESTIONS: dict[str, Callable[[_Asked], list[Any]]] = {
    "distinct": _distinct,
    "frequency": _frequency,
    "similar": _similar,
}
