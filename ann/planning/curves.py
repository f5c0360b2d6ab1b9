"""Recall against effort, measured at two sizes and carried to a third.

An index with a knob e (`ef_search`, `nprobe`) loses the share L(e) of the nearest neighbours. For
the same loss a larger index needs more effort, e_n(L) = e_m(L) (n / m)^gamma: the slope gamma comes
from the two sizes, for each L, and grows itself with n, by what was seen on real descriptors.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

STEEPER = 0.35  # of gamma, for each factor of 10 beyond the sample
GAMMA = (0.05, 0.6)  # of which nothing measured lies outside
LEVELS = 40  # of the loss
COUNTED = 5.0  # neighbours lost, below which a loss is a matter of chance
WORST, BEST = 0.6, 1e-5


@dataclass(frozen=True)
class Curve:
    """Loss and seconds at each effort, at one size.

    Attributes
    ----------
    n : float
    effort, loss, seconds : numpy.ndarray
        Rising effort; the share of neighbours not found; the median of a query.
    looked_for : int
        Neighbours, of all queries.
    """

    n: float
    effort: Floats
    loss: Floats
    seconds: Floats
    looked_for: int

    @property
    def least(self) -> float:
        """The smallest loss that can be told from none."""
        return COUNTED / self.looked_for

    def needed(self, loss: Floats) -> Floats:
        """log of the effort that loses so much: interpolated in logarithms, straight beyond."""
        falling = np.minimum.accumulate(np.maximum(self.loss, BEST))
        sure = falling >= self.least
        if sure.sum() < 2:
            sure[:2] = True
        x, y = -np.log(falling[sure]), np.log(self.effort[sure])
        x = x + 1e-9 * np.arange(len(x))  # rising, for equal losses
        wanted = -np.log(loss)
        found = np.interp(wanted, x, y)
        slope = (y[-1] - y[0]) / max(x[-1] - x[0], 1e-6)
        slope = min(max(slope, 0.2), 2.0)  # one more neighbour in e takes e^(1/2) times the effort
        beyond = np.maximum(wanted - x[-1], 0) - np.maximum(x[0] - wanted, 0)
        return np.asarray(found + beyond * slope)


@dataclass(frozen=True)
class Growth:
    """Two curves, and what they say of other sizes."""

    small: Curve
    large: Curve

    def _ratio(self) -> float:
        return float(np.log(self.large.n / self.small.n))

    def loss(self, n: float, effort: Sequence[float]) -> Floats:
        """At size n, for each effort."""
        levels = np.geomspace(WORST, BEST, LEVELS)
        high, low = self.large.needed(levels), self.small.needed(levels)
        gamma = (high - low) / self._ratio()
        most = min(self.small.loss[0], self.large.loss[0])
        seen = (levels <= most) & (levels >= max(self.small.least, self.large.least))
        if seen.sum() >= 3:  # smoothed, as each is uncertain: straight in log loss
            line = np.polyfit(np.log(levels[seen]), gamma[seen], 1)
            ends = np.log(levels[seen][[0, -1]])
            gamma = np.polyval(line, np.clip(np.log(levels), ends[1], ends[0]))
        gamma = np.clip(gamma, *GAMMA)
        tenfold = np.log10(n / self.large.n)
        shift = gamma * (1 + STEEPER * max(tenfold, 0.0)) * tenfold * np.log(10)
        needed = np.maximum.accumulate(high + shift)
        needed = needed + 1e-9 * np.arange(LEVELS)
        found = np.interp(np.log(np.asarray(effort, np.float64)), needed, np.log(levels))
        return np.asarray(np.minimum(np.exp(found), 1.0))

    def seconds(self, n: float, effort: Sequence[float]) -> Floats:
        """A straight line in the effort, times a power of n that both sizes share."""
        large = np.polyfit(self.large.effort, self.large.seconds, 1)
        slope = max(float(large[0]), 0.0)
        base = max(float(large[1]), 0.1 * float(self.large.seconds.min()))
        common = np.intersect1d(self.small.effort, self.large.effort)
        pairs = [
            np.log(
                self.large.seconds[self.large.effort == e]
                / self.small.seconds[self.small.effort == e]
            )
            for e in common
        ]
        power = min(max(float(np.median(pairs)) / self._ratio(), 0.0), 0.5)
        at = base + slope * np.asarray(effort, np.float64)
        return np.asarray(at * (n / self.large.n) ** power)


def power(n: tuple[float, float], values: tuple[float, float], most: float) -> float:
    """The exponent through two values, between 0 and `most`."""
    return min(max(float(np.log(values[1] / values[0]) / np.log(n[1] / n[0])), 0.0), most)
