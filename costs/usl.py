"""The universal scalability law, fitted to measured throughput.

    X(N) = gamma N / (1 + alpha (N - 1) + beta N (N - 1))

gamma is the throughput of one worker, alpha the share of contention (Amdahl's serial share: for
beta = 0 this is Amdahl's law) and beta the price of coherence, which grows with the pairs and makes
throughput peak at sqrt((1 - alpha) / beta) workers and fall beyond (N. Gunther, *Guerrilla Capacity
Planning*, Springer 2007, chapter 4).

The fit is nonlinear least squares by Levenberg-Marquardt with alpha, beta >= 0, as in R's package
`usl`, and alpha <= 1: work that is all serial gains nothing by workers, and what they take away is
coherence. Whether the data bear the third parameter is decided by AICc (C. Hurvich, C.-L. Tsai,
"Regression and time series model selection in small samples", Biometrika 76(2), 1989), which with
few points is a harsh judge: a peak announced from six points has been refuted by eleven. `aicc`
keeps what each law got, and ``law="usl"`` overrules it. A peak outside the measured range is never
given.
"""

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from costs._checks import Floats, level, positive
from costs._student import student_quantile

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Law = Literal["amdahl", "usl"]
NAMES = ("alpha", "beta", "gamma")


class Interval(NamedTuple):
    """An estimate between the ends of its interval."""

    low: float
    mid: float
    high: float


class Peak(NamedTuple):
    """Where throughput is greatest, and how great it is there."""

    workers: float
    throughput: float


@dataclass(frozen=True)
class Scaling:
    """A fitted law of scaling.

    Attributes
    ----------
    law : {"amdahl", "usl"}
        Amdahl's law is the universal one with ``beta = 0``.
    alpha, beta, gamma : float
        Contention, coherence, throughput of one worker.
    stderr : tuple of float
        Of alpha, beta, gamma; 0 for one held at its bound, nan without degrees of freedom.
    residual : float
        Residual standard error, in units of throughput.
    aicc : dict
        The criterion of each law that was fitted; the law with the least was taken. inf where
        there are too few points for it.
    n, x : numpy.ndarray
        The data.
    """

    law: Law
    alpha: float
    beta: float
    gamma: float
    stderr: tuple[float, float, float]
    residual: float
    aicc: dict[str, float]
    n: Floats = field(repr=False)
    x: Floats = field(repr=False)
    freedom: int = field(repr=False)

    def throughput(self, workers: ArrayLike) -> Any:
        """X(N) in the units of the data."""
        p = np.asarray(workers, np.float64)
        made = self.gamma * p / (1 + self.alpha * (p - 1) + self.beta * p * (p - 1))
        return float(made) if made.ndim == 0 else made

    def speedup(self, workers: ArrayLike) -> Any:
        """Throughput over that of one worker."""
        return self.throughput(workers) / self.gamma

    def interval(self, name: Literal["alpha", "beta", "gamma"], level: float = 0.95) -> Interval:
        """A parameter between the ends of its confidence interval (Wald's, by Student's t).

        Raises
        ------
        ValueError
            If there are no more points than parameters.
        """
        if name not in NAMES:
            raise ValueError(f"{name!r} is no parameter; there are {', '.join(NAMES)}")
        value, half = getattr(self, name), self._half(level) * self.stderr[NAMES.index(name)]
        return Interval(value - half, value, value + half)

    def _half(self, confidence: float) -> float:
        if self.freedom < 1:
            raise ValueError(f"{len(self.n)} points leave no degrees of freedom for an interval")
        return student_quantile(0.5 + level(confidence) / 2, self.freedom)

    @property
    def peak(self) -> Peak | None:
        """Where throughput peaks; None if the law has no peak or it lies beyond the data."""
        if not (self.beta > 0 and self.alpha < 1):
            return None
        at = math.sqrt((1 - self.alpha) / self.beta)
        if not self.n.min() <= at <= self.n.max():
            return None
        return Peak(at, self.throughput(at))

    def plot(self, axes: "Axes | None" = None) -> "Axes":
        """Draw it, with matplotlib (the extra `plots`)."""
        from costs.plots import draw_scaling

        return draw_scaling(self, axes)

    @property
    def limit(self) -> float:
        """The throughput that contention alone would allow, gamma / alpha."""
        return self.gamma / self.alpha if self.alpha > 0 else math.inf

    @property
    def optimal(self) -> float:
        """Workers at which linear scaling would meet that limit, 1 / alpha."""
        return 1 / self.alpha if self.alpha > 0 else math.inf


def _design(parameters: Floats, n: Floats) -> tuple[Floats, Floats]:
    """X(N) and its derivatives by alpha, beta and gamma."""
    alpha, beta, gamma = parameters
    below = 1 + alpha * (n - 1) + beta * n * (n - 1)
    made = gamma * n / below
    slopes = np.stack([-made * (n - 1) / below, -made * n * (n - 1) / below, n / below], axis=1)
    return made, slopes


def _start(n: Floats, x: Floats) -> Floats:
    """Gunther's own recipe: N gamma / X - 1 is a parabola in N - 1 without intercept."""
    gamma = float(np.max(x / n))
    excess = n * gamma / x - 1
    design = np.stack([n - 1, n * (n - 1)], axis=1) / (1 + excess)[:, None]
    found = np.linalg.lstsq(design, excess / (1 + excess), rcond=None)[0]
    return np.array([np.clip(found[0], 1e-3, 0.9), max(found[1], 1e-6), gamma])


def _least_squares(n: Floats, x: Floats, held: dict[int, float]) -> Floats:
    """Levenberg-Marquardt on what is not held at a bound."""
    free = [i for i in range(3) if i not in held]
    at = _start(n, x)
    at[list(held)] = list(held.values())
    damping = 1e-3
    made, slopes = _design(at, n)
    for _ in range(500):
        j, gap = slopes[:, free], x - made
        normal = j.T @ j
        step = np.linalg.solve(normal + damping * np.diag(normal.diagonal() + 1e-300), j.T @ gap)
        trial = at.copy()
        trial[free] += step
        tried, trial_slopes = _design(trial, n)
        if np.isfinite(tried).all() and ((x - tried) ** 2).sum() <= (gap**2).sum():
            moved = np.abs(step / np.maximum(np.abs(trial[free]), 1e-12)).max()
            at, made, slopes, damping = trial, tried, trial_slopes, damping / 10
            if moved < 1e-12:
                break
        else:
            damping *= 10
            if damping > 1e16:
                break
    return at


def _fit(n: Floats, x: Floats, law: Law) -> tuple[Floats, dict[int, float]]:
    """The parameters, and which of them were held at their bound."""
    held = {1: 0.0} if law == "amdahl" else {}
    while True:
        found = _least_squares(n, x, held)
        if 1 not in held and found[1] < 0:
            held[1] = 0.0  # coherence first: contention alone may explain the rest
        elif 0 not in held and not 0 <= found[0] <= 1:
            held[0] = float(found[0] > 1)
        else:
            return found, held


def _criterion(rss: float, n: Floats, x: Floats, parameters: int) -> float:
    k = parameters + 1  # the residual variance is a parameter, too
    spare = len(n) - k - 1
    if spare <= 0:
        return math.inf
    floor = np.finfo(float).eps ** 2 * float((x**2).sum())  # an exact fit has no logarithm
    return len(n) * math.log(max(rss, floor) / len(n)) + 2 * k + 2 * k * (k + 1) / spare


def usl_fit(
    n: ArrayLike, x: ArrayLike, *, law: Literal["auto", "amdahl", "usl"] = "auto"
) -> Scaling:
    """Fit throughput against workers: the universal scalability law, or Amdahl's.

    Parameters
    ----------
    n : array of float
        Workers (processes, threads, clients), at least 1, three or more distinct values; for
        Amdahl's law two.
    x : array of float
        Throughput at each, above 0, in any unit.
    law : {"auto", "amdahl", "usl"}, default "auto"
        ``auto`` takes the universal law only where AICc says that the data bear its third
        parameter; otherwise Amdahl's, which has no peak. By Amdahl's law throughput never falls
        with workers (alpha is 1 at most, where nothing is gained): where it does, and the points
        are too few for AICc, it is the universal law as well.

    Returns
    -------
    Scaling
        With intervals of the parameters, `peak`, `limit` and `optimal`.

    Raises
    ------
    ValueError
        For too few distinct counts, shapes that differ, values that are not positive and finite.

    Examples
    --------
    >>> from costs import usl_fit
    >>> fit = usl_fit([1, 18, 36, 72, 108, 144, 216],
    ...               [64.9, 995.9, 1652.4, 1853.2, 1828.9, 1775.0, 1702.2], law="usl")
    >>> round(fit.peak.workers, 4), round(fit.limit, 1)
    (96.5196, 3245.6)
    """
    counts, made = positive(n, "n"), positive(x, "x")
    if counts.shape != made.shape:
        raise ValueError(f"n has {len(counts)} entries, x has {len(made)}")
    if (counts < 1).any():
        raise ValueError(f"n counts workers, so it is at least 1, not {counts.min():g}")
    if law not in ("auto", "amdahl", "usl"):
        raise ValueError(f"law must be 'auto', 'amdahl' or 'usl', not {law!r}")
    distinct = len(np.unique(counts))
    needed = 3 if law == "usl" else 2
    if distinct < needed:
        raise ValueError(f"{distinct} distinct n; a fit needs at least {needed}")
    laws: list[Law] = ["amdahl", "usl"] if law == "auto" else [law]
    fits = {}
    for each in laws[: 1 if distinct < 3 else 2]:
        found, held = _fit(counts, made, each)
        rss = float(((made - _design(found, counts)[0]) ** 2).sum())
        # what AICc counts is the law's parameters, not those that a bound has taken
        fits[each] = (found, held, rss, _criterion(rss, counts, made, 2 if each == "amdahl" else 3))
    chosen = min(fits, key=lambda each: fits[each][3])
    falls = 0 in fits[chosen][1] and fits[chosen][0][0] == 1
    if falls and math.isinf(fits[chosen][3]) and "usl" in fits:
        chosen = "usl"
    return _scaling(chosen, counts, made, fits)


def _scaling(law: Law, n: Floats, x: Floats, fits: dict[Law, Any]) -> Scaling:
    found, held, rss, _ = fits[law]
    free = [i for i in range(3) if i not in held]
    freedom = len(n) - len(free)
    stderr, residual = np.zeros(3), math.nan
    if freedom > 0:
        residual = math.sqrt(rss / freedom)
        slopes = _design(found, n)[1][:, free]
        scale = np.abs(slopes).max(axis=0)  # beta's column is many times the others'
        inverse = np.linalg.pinv((slopes / scale).T @ (slopes / scale))
        stderr[free] = residual * np.sqrt(inverse.diagonal()) / scale
    else:
        stderr[free] = math.nan
    return Scaling(
        law,
        alpha=float(found[0]),
        beta=float(found[1]),
        gamma=float(found[2]),
        stderr=(float(stderr[0]), float(stderr[1]), float(stderr[2])),
        residual=residual,
        aicc={each: fit[3] for each, fit in fits.items()},
        n=n,
        x=x,
        freedom=freedom,
    )
