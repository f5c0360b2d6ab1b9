"""The roofline: what bounds a computation, and how far it is from that bound.

A computation that does F operations on B bytes has the intensity I = F / B. It cannot run faster
than the peak of arithmetic P, nor faster than its bytes arrive at bandwidth W, so

    F / t <= min(P, I W),

a roof whose corner, the ridge, is at I = P / W (S. Williams, A. Waterman, D. Patterson, "Roofline:
an insightful visual performance model for multicore architectures", CACM 52(4), 2009). There is a
slope for each level of the memory, and the working set says which one counts (A. Ilic, F. Pratas,
L. Sousa, "Cache-aware roofline model", IEEE Computer Architecture Letters 13(1), 2014).

No counter is read: operations and bytes are declared, seconds are measured. A point above its roof
is therefore a wrong count, and is refused.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from costs._checks import finite
from costs.fusion import Fusion, plan_fusion
from costs.machine import Machine

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ABOVE = 1.1  # times the roof that a point may reach: what the best slot of a measurement misses


class AboveRoofError(ValueError):
    """A point faster than the machine: operations, bytes, seconds or the level are wrong."""


@dataclass(frozen=True)
class Point:
    """A computation under its roof.

    Attributes
    ----------
    name : str
    flops, bytes, seconds : float
        As declared and measured.
    intensity : float
        Operations a byte.
    level : str
        Where its bytes come from.
    peak : str
        Which arithmetic is its flat roof.
    bound : {"compute", "memory"}
        Which side of the ridge it is on.
    rate, roof : float
        Operations a second, and the most there could be; bytes a second for one without operations.
    """

    name: str
    flops: float
    bytes: float
    seconds: float
    intensity: float
    level: str
    peak: str
    bound: Literal["compute", "memory"]
    rate: float
    roof: float

    @property
    def reached(self) -> float:
        """The share of the roof that is reached."""
        return self.rate / self.roof

    def __str__(self) -> str:
        if not self.flops:
            rate = f"{self.rate / 1e9:.3g} GB/s"
        else:
            rate = f"{self.rate / 1e9:.3g} Gop/s at {self.intensity:.3g} op/B"
        bound = "compute" if self.bound == "compute" else f"{self.level} bandwidth"
        return (
            f"{self.name}: {rate}, bound by {bound}; {self.reached:.0%} of the roof, "
            f"{1 / self.reached:.2g} x to gain"
        )


@dataclass
class Roofline:
    """The roofs of a machine, and the points under them.

    Parameters
    ----------
    machine : Machine
    peak : str, default "vector f64"
        Which arithmetic is the flat roof of points that name none: a key of ``machine.flops``, such
        as "vector f32", or "vector i64" for hash functions.

    Examples
    --------
    >>> from costs import Machine, Roofline
    >>> roofline = Roofline(Machine.measure())               # doctest: +SKIP
    >>> print(roofline.place("axpy", 2e8, 24e8, 0.2))        # doctest: +SKIP
    axpy: 1 Gop/s at 0.0833 op/B, bound by DRAM bandwidth; 60% of the roof, 1.7 x to gain
    """

    machine: Machine
    peak: str = "vector f64"
    points: list[Point] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.top()

    def bandwidth(self, level: str) -> float:
        """The slope of a level: its best loop of any kind."""
        if level not in self.machine.bandwidth:
            raise ValueError(f"no level {level!r}; there are {', '.join(self.machine.levels)}")
        return max(v.best for v in self.machine.bandwidth[level].values())

    def top(self, peak: str | None = None) -> float:
        """Operations a second of a kind of arithmetic, by default that of this roofline."""
        kind = self.peak if peak is None else peak
        if kind not in self.machine.flops:
            raise ValueError(f"peak must be one of {', '.join(self.machine.flops)}, not {kind!r}")
        return self.machine.flops[kind].best

    def ridge(self, level: str = "DRAM", peak: str | None = None) -> float:
        """Operations a byte from which on arithmetic is the bound."""
        return self.top(peak) / self.bandwidth(level)

    def roof(self, intensity: float, level: str = "DRAM", peak: str | None = None) -> float:
        """Operations a second that are possible at an intensity."""
        return min(self.top(peak), intensity * self.bandwidth(level))

    def place(
        self,
        name: str,
        flops: float,
        bytes: float,
        seconds: float,
        *,
        working_set: float | None = None,
        level: str | None = None,
        peak: str | None = None,
    ) -> Point:
        """Put a measured computation under the roof.

        Parameters
        ----------
        name : str
        flops : float
            Operations it does, of the kind of `peak`; 0 for one that only moves data.
        bytes : float
            Bytes it has to move: each input read once, each output written once.
        seconds : float
            What it took; the best of several runs.
        working_set : float, optional
            Bytes that are used again and again: says which cache they stay in. By default `bytes`.
        level : str, optional
            The level itself, instead.
        peak : str, optional
            Which arithmetic its operations are; by default that of the roofline.

        Returns
        -------
        Point
            Also kept in `points`.

        Raises
        ------
        AboveRoofError
            If that is faster than the machine by more than a tenth; it says what to look at.
        ValueError
            For numbers that are negative or NaN, or no bytes.
        """
        f = finite(flops, "flops", least=0.0)
        b = finite(bytes, "bytes", above=0.0)
        t = finite(seconds, "seconds", above=0.0)
        where = level or self.machine.level(b if working_set is None else working_set)
        intensity = f / b
        if f and not intensity:
            raise ValueError(f"{f:g} flops are nothing beside {b:g} bytes")
        bandwidth = self.bandwidth(where)
        kind = self.peak if peak is None else peak
        ridge, roof = self.ridge(where, kind), self.roof(intensity, where, kind)
        bound: Literal["compute", "memory"] = "compute" if intensity > ridge else "memory"
        rate, limit = (f / t, roof) if f else (b / t, bandwidth)
        point = Point(name, f, b, t, intensity, where, kind, bound, rate, limit)
        if point.reached > ABOVE:
            raise AboveRoofError(self._accusation(point, bandwidth))
        self.points.append(point)
        return point

    def _accusation(self, point: Point, bandwidth: float) -> str:
        head = f"{point.name} would run at {point.reached:.2f} x the roof, so a count is wrong: "
        if point.bound == "compute":
            return head + (
                f"{point.rate / 1e9:.3g} Gop/s are more than the {point.roof / 1e9:.3g} of "
                f"{point.peak}; count operations again, or choose another peak"
            )
        return head + (
            f"{point.bytes / point.seconds / 1e9:.3g} GB/s are more than the "
            f"{bandwidth / 1e9:.3g} of {point.level}; count bytes again, or say by working_set= "
            "that they stay in a nearer cache"
        )

    def fuse(self, steps: Sequence["np.ufunc"], n: int, dtype: Any = np.float64) -> Fusion:
        """What running element-wise steps in one pass would gain over one pass each.

        Parameters
        ----------
        steps : sequence of numpy.ufunc
            Applied one after the other, the first to the first operands, each further binary one
            to the result so far and a new operand: ``[np.multiply, np.add]`` is ``a * b + c``.
        n : int
            Elements of each operand.
        dtype : default float64

        Returns
        -------
        Fusion
            The prediction; its `check` runs both.
        """
        return plan_fusion(self.machine, self.top(), steps, n, dtype)

    @property
    def peaks(self) -> list[str]:
        """The flat roofs: that of this roofline, and those that points have."""
        return list(dict.fromkeys([self.peak, *(point.peak for point in self.points)]))

    def plot(self, axes: "Axes | None" = None) -> "Axes":
        """The roofs and the points, with matplotlib (the extra `plots`)."""
        from costs.plots import draw_roofline

        return draw_roofline(self, axes)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "peak": {kind: self.top(kind) for kind in self.peaks},
            "bandwidth": {level: self.bandwidth(level) for level in self.machine.levels},
            "ridge": {level: self.ridge(level) for level in self.machine.levels},
            "points": [
                vars(p) | {"reached": p.reached, "left": min(1 / p.reached, math.inf)}
                for p in self.points
            ],
        }
