"""From which size on the other implementation wins.

Two fits are two samples of believable curves. They are paired at random, and each pair crosses
somewhere or nowhere in the range asked about: the crossings make the interval, and the share of
pairs that cross is the probability that there is one. A constant factor that wins at n = 100 and a
better class that wins at n = 10^6 meet in between; that they never meet in your range is an answer,
too.
"""

import math
from dataclasses import dataclass

import numpy as np

from costs._checks import level as _level
from costs._checks import number
from costs.fits import Fit
from costs.usl import Interval

GRID = 400  # places a curve is looked at; crossings are interpolated between them
AHEAD = 100.0  # times the largest measured size: as far as intervals are checked


@dataclass(frozen=True)
class Crossover:
    """Where two costs cross.

    Attributes
    ----------
    n : Interval or None
        ``low, mid, high``; None if the probability of a crossing in the range is below 0.5.
    probability : float
        Of a crossing within the range.
    before, after : str
        ``"f"`` or ``"g"``: which is cheaper at the least and at the largest n of the range.
    range : tuple of float
        The n that were looked at.
    """

    n: Interval | None
    probability: float
    before: str
    after: str
    range: tuple[float, float]

    def __str__(self) -> str:
        return self.told()

    def told(self, f: str = "f", g: str = "g") -> str:
        """In words, with names for the two."""
        low, high = self.range
        before, after = ({"f": f, "g": g}[each] for each in (self.before, self.after))
        if self.n is None:
            surely = "" if self.probability < 0.05 else f" (probability {1 - self.probability:.2f})"
            return f"{before} is cheaper throughout n = {low:.3g} .. {high:.3g}{surely}"
        return (
            f"{before} is cheaper up to n = {self.n.mid:.3g} "
            f"({self.n.low:.3g} .. {self.n.high:.3g}), {after} beyond"
        )


def crossover(
    f: Fit,
    g: Fit,
    *,
    low: float | None = None,
    high: float | None = None,
    level: float = 0.9,
) -> Crossover:
    """The size at which the cheaper of two fits becomes the dearer.

    Parameters
    ----------
    f, g : Fit
    low, high : float, optional
        Your range of n. By default from the least size measured of both to 100 times the largest.
    level : float, default 0.9
        Probability that the crossing lies in the interval, given that there is one.

    Returns
    -------
    Crossover

    Examples
    --------
    >>> from costs import crossover, fit_times
    >>> n = [100, 200, 400, 800, 1600, 3200, 6400, 12800]
    >>> quadratic = fit_times(n, [1e-9 * v**2 for v in n])
    >>> linear = fit_times(n, [1e-6 * v for v in n])
    >>> round(crossover(quadratic, linear).n.mid, -1)
    1000.0
    """
    if f.unit != g.unit:
        raise ValueError(f"f is in {f.unit}, g in {g.unit}: they do not compare")
    tail = (1 - _level(level)) / 2
    low = number(min(f.n[0], g.n[0]) if low is None else low, "low", least=1.0)
    high = number(AHEAD * max(f.n[-1], g.n[-1]) if high is None else high, "high", above=low)
    grid = np.geomspace(low, high, GRID)
    ratio = np.log(np.maximum(f.curves(grid), 1e-300))
    other = np.log(np.maximum(g.curves(grid), 1e-300))
    gap = ratio - other[np.random.default_rng(0).permutation(len(other))]
    ahead = gap < 0
    turns = ahead[:, 1:] != ahead[:, :1]
    crossing = turns.any(axis=1)
    share = float(crossing.mean())
    if share < 0.5:
        least, most = ("f" if np.median(gap[:, i]) < 0 else "g" for i in (0, -1))
        return Crossover(None, share, least, most, (low, high))
    first, last = ("f", "g") if ahead[crossing, 0].mean() > 0.5 else ("g", "f")
    at = turns[crossing].argmax(axis=1)
    rows = np.flatnonzero(crossing)
    left, right = np.abs(gap[rows, at]), np.abs(gap[rows, at + 1])
    step = math.log(high / low) / (GRID - 1)
    found = grid[at] * np.exp(step * left / (left + right + 1e-300))
    at_n = Interval(*(float(v) for v in np.quantile(found, [tail, 0.5, 1 - tail])))
    return Crossover(at_n, share, first, last, (low, high))
