"""How the cost of a step drifts with n: what real machines add to a sum of terms.

Beside independent errors there may be a random walk in log n, of a few per cent an octave: large
enough for what caches do to it bit by bit, too small to stand for a class.

Where it is known at which sizes the data outgrow a cache, there may be more. They leave it by and
by: when half of it is full the first lines are evicted, and at eight times its size hardly one is
still found. What that costs depends on the order of access: nothing to who goes through the data
once, a factor of two or three to who jumps about in them. So the walk rises by RISE on the way out,
give or take LOOSE, in logarithms. Whether this function minds is told by the caches that it outgrew
when it was measured. One that minded none of those may still mind the last, behind which memory is,
and pages that no buffer of addresses holds: with odds of SUDDEN.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from costs._checks import Floats

WALKS = (0.0, 0.03, 0.08)  # standard deviation in an octave; main memory is some 4 x a cache
RISE = 0.5  # the mean of a cache left, and
LOOSE = 0.5  # its standard deviation: half of them lie between factors of 1.2 and 2.3
SUDDEN = 0.1
LEAVING = (0.5, 8.0)  # shares of a cache that the data are, from the first misses to the last

Way = tuple[float, float]  # out of a cache: n from which on and n up to which data leave it


class Drift(NamedTuple):
    """A walk; variances are those of the walk over that of the independent errors."""

    octave: float  # variance in an octave of n
    step: float = 0.0  # variance of leaving a cache
    ways: tuple[Way, ...] = ()  # out of the caches that are minded
    odds: float = 1.0  # prior

    def variance(self, n: Floats) -> Floats:
        """Of the walk from n = 1 to each n."""
        return np.asarray(self.octave * np.log2(n) + self.step * self._left(n))

    def rise(self, n: Floats) -> Floats:
        """The factor that caches left have cost on average."""
        return np.exp(RISE * self._left(n))

    def _left(self, n: Floats) -> Floats:
        """How many caches the data have left, in parts."""
        found = np.zeros(np.shape(n))
        for first, last in self.ways:
            found += np.clip(np.log(n / first) / np.log(last / first), 0, 1)
        return found


def drifts(ways: Sequence[Way], spread: float) -> list[Drift]:
    """All that are judged, for errors of that spread; the first is no walk at all."""
    plain = [Drift((walk / spread) ** 2) for walk in WALKS]
    step = (LOOSE / spread) ** 2
    minded = [(tuple(ways), 1.0)] if ways else []
    if len(ways) > 1:
        minded.append((tuple(ways)[-1:], SUDDEN))
    steps = [
        one._replace(step=step, ways=some, odds=odds) for some, odds in minded for one in plain
    ]
    return plain + steps
