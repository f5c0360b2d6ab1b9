"""From times at a few sizes to a complexity class, and to the time at sizes never run.

Errors are relative, so the least size counts as much as the greatest. Every model of `classes` is
weighed by forward cross-validation (`_choice`), and nothing is thrown away: a `Fit` is a sample of
believable curves, drawn by the models' weights and each model's own uncertainty. A class is named
when it holds most of the weight; otherwise the classes that hold it together are, since these data
do not tell them apart. Intervals are quantiles of the sample.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from costs._checks import Floats, level, number, positive
from costs._choice import Candidate, choose
from costs._drift import Way
from costs.classes import CLASSES
from costs.usl import Interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SEED = 9001  # of the sample: the same data give the same answer
DRAWS = 2000
NAMED = 0.9  # weight from which on one class is named
TOGETHER = 0.99  # weight that the classes named together hold
LEAST_SPREAD = 2e-3  # of a size's relative error: no clock and no machine repeats better
ELSEWHERE = 3e-2  # the same for a new measurement, whose data lie elsewhere in memory
UNKNOWN_SPREAD = 1e-2  # the same, where nothing was repeated
MOST = 32  # sizes judged; more are put together, neighbours with neighbours
STEEPEST = 3.5  # slope in logarithms: n^3 log n, or n^3 out of a cache, and something to spare
LARGEST = 1e60  # n: its cube times a time is still a number
SMALLEST = 4  # distinct sizes: with fewer, two terms leave nothing to judge them by


class Prediction(NamedTuple):
    """A value at some n, between the ends of its interval; floats, or arrays for an array of n."""

    low: Any
    mid: Any
    high: Any


@dataclass(frozen=True, eq=False)
class _Draws:
    """Curves of one candidate: coefficients [k, terms], spread, drift and noise of each [k]."""

    candidate: Candidate
    coefficients: Floats
    spread: Floats
    drift: Floats
    noise: Floats

    def at(self, n: Floats) -> Floats:
        """The curves at each n: float64[k, len(n)]."""
        sums = self.coefficients @ self.candidate.model.design(n).T
        return np.asarray(sums * self.candidate.drift.rise(n) * np.exp(self._walk(n)))

    def _walk(self, n: Floats) -> Floats:
        """The drift: known where it was measured, a random walk beyond."""
        one = self.candidate
        u, reached = np.log2(n), one.drift.variance(n)
        least, most = one.drift.variance(2 ** one.octaves[[0, -1]])
        outside = np.maximum(reached - most, 0) + np.maximum(least - reached, 0)
        loose = np.interp(u, one.octaves, one.loose) + outside
        step = np.sqrt(loose) * (self.drift * self.spread)[:, None]
        return np.asarray(np.interp(u, one.octaves, one.walk) + step)


@dataclass(frozen=True, eq=False)
class Fit:
    """What times at some sizes say about all sizes.

    Attributes
    ----------
    n, y : numpy.ndarray
        The distinct sizes, and the median at each.
    weights : dict
        How much each class is believed, the most believed first; they sum to 1.
    classes : tuple of str
        The class, if one has a weight of at least 0.9; otherwise the fewest that have 0.99
        together: these data do not tell them apart.
    steeper : bool
        Whether the times grow faster than n^3 with the largest sizes, which no class here does:
        predictions are too low then.
    break_at : float or None
        The size up to which another regime held (a cache was outgrown), if that is believed.
    unit : str
        Of y, for printing: "s" or "B".
    """

    n: Floats
    y: Floats
    weights: dict[str, float]
    classes: tuple[str, ...]
    break_at: float | None
    steeper: bool
    unit: str
    candidates: list[Candidate] = field(repr=False)
    draws: list[_Draws] = field(repr=False)

    @property
    def name(self) -> str | None:
        """The class, or None if the data do not tell, or grow faster than any."""
        return self.classes[0] if len(self.classes) == 1 and not self.steeper else None

    def __str__(self) -> str:
        if self.steeper:
            return f"faster than O({CLASSES[-1]}), the steepest class that is fitted"
        if self.name is not None:
            told = f"O({self.name})"
        else:
            told = f"cannot tell {', '.join(f'O({name})' for name in self.classes)} apart"
        return told + (f", from n = {self.break_at:.3g} on" if self.break_at else "")

    @property
    def formula(self) -> str:
        """The most believed curve, as ``3.1e-08 n log n + 2e-06``; logarithms are binary."""
        best = self.candidates[0]
        pieces = [
            f"{c:+.3g}" + (f" {name}" if name != "1" else "")
            for c, name in zip(best.coefficients, best.model.terms, strict=True)
        ]
        return " ".join(pieces).lstrip("+").replace(" +", " + ").replace(" -", " - ")

    def curves(self, n: ArrayLike) -> Floats:
        """The sample of believable curves at each n: float64[draws, len(n)], without noise."""
        return np.concatenate([draws.at(sizes(n)) for draws in self.draws])

    def predict(self, n: ArrayLike, level: float = 0.9) -> Prediction:
        """What a measurement at n will give.

        Parameters
        ----------
        n : float or array of float
            At least 1; inside or beyond what was measured.
        level : float, default 0.9
            The probability with which a new measurement (the median of as many runs as were made
            of each size) lies between `low` and `high`, if the function is a sum of the terms in
            `costs.classes` and meets no further regime on the way.

        Returns
        -------
        Prediction
            ``low, mid, high``, in the unit of the data.
        """
        tail = (1 - _level(level)) / 2
        at = sizes(n)
        values = np.concatenate([d.at(at) * np.exp(d.noise)[:, None] for d in self.draws])
        found = np.quantile(values, [tail, 0.5, 1 - tail], axis=0)
        below = self.break_at is not None and at < self.break_at
        if np.any(below):  # the earlier regime is known from its own times alone
            found[:, below] = found[:, below] / found[1, below] * self._measured(at[below])
        if np.ndim(n) == 0:
            return Prediction(*(float(values[0]) for values in found))
        return Prediction(*found)

    def _measured(self, n: Floats) -> Floats:
        """The times themselves, interpolated in logarithms."""
        return np.exp(np.interp(np.log(n), np.log(self.n), np.log(self.y)))

    @property
    def exponent(self) -> Interval:
        """The slope in logarithms over the last octave, d log y / d log n, with a 90 % interval."""
        at = float(self.n[-1])
        ends = np.log2(self.curves([at / 2, at]))
        slopes = ends[:, 1] - ends[:, 0]
        return Interval(*(float(v) for v in np.quantile(slopes, [0.05, 0.5, 0.95])))

    def largest(self, budget: float, level: float = 0.9) -> float:
        """The largest n that stays within a budget with probability (1 + level) / 2.

        Returns 0 if not even the smallest measured size does, inf if no n up to 10^6 times the
        largest measured one exceeds it.
        """
        budget = number(budget, "budget", above=0.0)
        grid = np.geomspace(self.n[0], self.n[-1] * 1e6, 2000)
        over = np.flatnonzero(self.predict(grid, level).high > budget)
        if not len(over):
            return math.inf
        return float(grid[over[0] - 1]) if over[0] else 0.0

    def plot(self, axes: "Axes | None" = None) -> "Axes":
        """Draw it, with matplotlib (the extra `plots`)."""
        from costs.plots import draw_fit

        return draw_fit(self, axes)

    def as_dict(self) -> dict[str, Any]:
        """For JSON: classes, weights, formula, exponent, the break, the data."""
        return {
            "classes": list(self.classes),
            "weights": self.weights,
            "formula": self.formula,
            "exponent": self.exponent._asdict(),
            "break_at": self.break_at,
            "steeper": self.steeper,
            "unit": self.unit,
            "n": self.n.tolist(),
            "y": self.y.tolist(),
        }


_level = level  # which predict() hides


def sizes(n: ArrayLike) -> Floats:
    """One dimension of finite n, each at least 1."""
    found = positive(np.atleast_1d(np.asarray(n, np.float64)), "n")
    if (found < 1).any() or (found > LARGEST).any():
        wrong = found[(found < 1) | (found > LARGEST)][0]
        raise ValueError(f"n must be at least 1 and at most {LARGEST:g}, not {wrong:g}")
    return found


def fit_times(
    n: ArrayLike | Sequence[float],
    seconds: ArrayLike | Sequence[float],
    *,
    unit: str = "s",
    ways: Sequence[Way] = (),
) -> Fit:
    """Find the complexity class behind measured times, and what they say about other sizes.

    Parameters
    ----------
    n : array of float
        The size of each run, at least 1. At least four distinct sizes; ten or more that span a
        factor of 100 make a good fit. Sizes that were run several times give their median.
    seconds : array of float
        What each run took, above 0. Any positive quantity will do (bytes, operations).
    unit : str, default "s"
        What `seconds` are, for printing.
    ways : sequence of (float, float), optional
        Between which sizes the data leave a cache, if you know: a pair for each cache. There the
        cost of a step may rise, and predictions that lead through there allow for it.

    Returns
    -------
    Fit

    Raises
    ------
    ValueError
        For fewer than four distinct sizes; for a time that is zero, negative, infinite or NaN,
        which no clock gives (where one shows 0, time many calls together); if `n` and `seconds`
        differ in length; for `ways` that are none.

    Notes
    -----
    On 40 functions of known class with 1 to 6 % of noise, spikes, and cache breaks among them, the
    class was right or rightly left open in 95 % of fits at least, and 90 % intervals held 85 % of
    new measurements at 10 times the largest size; the tests pin this.

    Examples
    --------
    >>> from costs import fit_times
    >>> n = [1000, 2000, 4000, 8000, 16000, 32000, 64000]
    >>> fit = fit_times(n, [3e-9 * v**2 + 1e-4 for v in n])
    >>> fit.classes
    ('n^2',)
    >>> low, mid, high = fit.predict(1e6)
    >>> low < 3000 < high
    True
    """
    n, y = positive(n, "n"), positive(seconds, "seconds")
    if n.shape != y.shape:
        raise ValueError(f"n has {len(n)} entries, seconds has {len(y)}")
    sizes(n)
    ways = _checked(ways)
    distinct, where = np.unique(n, return_inverse=True)
    if len(distinct) < SMALLEST:
        raise ValueError(
            f"{len(distinct)} distinct size{'s' * (len(distinct) != 1)}: a fit needs at least "
            f"{SMALLEST}, and does well from 10 on that span a factor of 100"
        )
    if len(distinct) > MOST:
        distinct, where = _bins(n)
    groups = [y[where == i] for i in range(len(distinct))]
    median = np.array([np.median(group) for group in groups])
    spread = _spread(groups)
    candidates = choose(distinct, median, spread, ways)
    weights = _class_weights(candidates)
    return Fit(
        distinct,
        median,
        weights,
        _told(weights),
        _break(candidates, distinct),
        _steeper(distinct, median, spread),
        unit,
        candidates,
        _sample(candidates, distinct),
    )


def _checked(ways: Sequence[Way]) -> list[Way]:
    found = np.array(list(ways), np.float64) if len(ways) else np.empty((0, 2))
    if found.shape[1:] != (2,) or not ((found[:, 0] > 0) & (found[:, 0] < found[:, 1])).all():
        raise ValueError(f"ways are pairs of sizes, 0 < first < last, not {ways!r}")
    return [(first, last) for first, last in found.tolist()]


def _bins(n: Floats) -> tuple[Floats, Any]:
    """Sizes put together in geometric bins, each at its median size."""
    edges = np.geomspace(n.min(), n.max(), MOST + 1)
    raw = np.clip(np.searchsorted(edges, n, side="right") - 1, 0, MOST - 1)
    _, where = np.unique(raw, return_inverse=True)
    return np.array([np.median(n[where == i]) for i in range(where.max() + 1)]), where


def _spread(groups: list[Floats]) -> float:
    """The relative error of a size's median that its repeats lead to expect."""
    found = []
    for group in groups:
        if len(group) > 1:
            logs = np.log(group)
            deviation = 1.4826 * float(np.median(np.abs(logs - np.median(logs))))
            found.append(deviation * math.sqrt(math.pi / 2 / len(group)))
    return max(float(np.median(found)), LEAST_SPREAD) if found else UNKNOWN_SPREAD


def _class_weights(candidates: list[Candidate]) -> dict[str, float]:
    found = dict.fromkeys(CLASSES, 0.0)
    for each in candidates:
        found[each.model.name] += each.weight
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def _told(weights: dict[str, float]) -> tuple[str, ...]:
    names = list(weights)
    if weights[names[0]] >= NAMED:
        return (names[0],)
    total, count = 0.0, 0
    while total < TOGETHER:
        total += weights[names[count]]
        count += 1
    return tuple(names[:count])


def _break(candidates: list[Candidate], n: Floats) -> float | None:
    broken = [each for each in candidates if each.start]
    if sum(each.weight for each in broken) < 0.5:
        return None
    return float(n[max(broken, key=lambda each: each.weight).start])


def _steeper(n: Floats, y: Floats, spread: float) -> bool:
    """Whether the upper half of the sizes grows faster than n^3 log n, by more than 3 errors."""
    low = min(len(n) // 2, len(n) - SMALLEST)
    rise, run = math.log(y[-1] / y[low]), math.log(n[-1] / n[low])
    return rise - 3 * math.sqrt(2) * max(spread, UNKNOWN_SPREAD) > STEEPEST * run


def _sample(candidates: list[Candidate], n: Floats) -> list[_Draws]:
    """Curves by weight; of each model's draws those that make sense."""
    rng = np.random.default_rng(SEED)
    counts = rng.multinomial(DRAWS, [each.weight for each in candidates])
    found = []
    for each, count in zip(candidates, counts, strict=True):
        if count:
            tries = 8 * count
            spread = np.sqrt(each.rss / rng.chisquare(each.freedom, tries))
            error = rng.standard_normal((tries, len(each.coefficients))) @ each.factor.T
            drawn = each.coefficients + error * spread[:, None]
            design = each.model.design(n)
            good = each.model.allows(drawn, design[each.start], design[-1])
            order = np.argsort(~good, kind="stable")[:count]
            drawn = np.where(good[:, None], drawn, each.coefficients)[order]
            spread = spread[order]
            noise = np.maximum(spread, ELSEWHERE) * rng.standard_normal(count)
            found.append(_Draws(each, drawn, spread, rng.standard_normal(count), noise))
    return found
