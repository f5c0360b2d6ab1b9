"""Where the time goes now, where it will go, and what speeding a stage up would give.

The time of a stage is its own: what its inner stages took is theirs. If the outermost spans carry a
size, each is a run, and the cost of a stage is fitted to the sizes of the runs; otherwise to the
sizes of its own spans. The bottleneck at another n is the stage that the fits say takes most there,
with the probability that it does; the payoff of a stage is the replay of the spans without it
(`costs.replay`), which for a pipeline that does one thing at a time is Amdahl's law.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from costs._checks import Floats, number
from costs._student import student_quantile
from costs.fits import SMALLEST, Fit, Prediction, fit_times, sizes
from costs.replay import children, covered, own_seconds, replay
from costs.trace import Trace

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SURE = 0.8  # probability from which on one stage is called the bottleneck


@dataclass(frozen=True)
class Stage:
    """One stage of a report.

    Attributes
    ----------
    name : str
    calls : int
    seconds : float
        Its own time, inner stages not counted.
    share : float
        Of the time of all stages.
    share_interval : tuple of float or None
        95 % interval of the share over runs; None with fewer than three.
    p50, p99 : float or None
        Seconds a call, inner stages included; None where calls were not recorded one by one.
    ceiling : float
        How many times as fast everything would be if the stage took no time: Amdahl's limit, what
        runs beside it taken into account.
    fit : Fit or None
        Seconds against n; None with fewer than four sizes.
    """

    name: str
    calls: int
    seconds: float
    share: float
    share_interval: tuple[float, float] | None
    p50: float | None
    p99: float | None
    ceiling: float
    fit: Fit | None = field(repr=False)


@dataclass(frozen=True)
class Outlook:
    """What the fits say of one n.

    Attributes
    ----------
    n : float
    seconds : dict
        A `Prediction` for each stage that has a fit.
    bottleneck : tuple of str
        The stage that takes most, if it does with a probability of 0.8; otherwise those that may.
    probability : float
        That the first of them does.
    total : Prediction
        Of all those stages together, one after the other.
    """

    n: float
    seconds: dict[str, Prediction]
    bottleneck: tuple[str, ...]
    probability: float
    total: Prediction


@dataclass(frozen=True, eq=False)
class Report:
    """Stages by falling time, and what to expect at other sizes.

    Attributes
    ----------
    stages : list of Stage
    wall : float
        Seconds in which at least one stage was open.
    runs : int
        Outermost spans.
    outlook : list of Outlook
        One for each n asked about.
    unclosed : dict
        Stages that were still open, which count for nothing here.
    dropped : int
        Spans that the recorder had no room for.
    """

    stages: list[Stage]
    wall: float
    runs: int
    outlook: list[Outlook]
    unclosed: dict[str, int]
    dropped: int
    trace: Trace = field(repr=False)

    def __getitem__(self, name: str) -> Stage:
        for stage in self.stages:
            if stage.name == name:
                return stage
        raise KeyError(f"no stage {name!r}; there are {', '.join(s.name for s in self.stages)}")

    def what_if(self, name: str, factor: float) -> float:
        """How many times as fast the whole would be, were a stage `factor` times as fast.

        Parameters
        ----------
        name : str
        factor : float
            Above 0; ``math.inf`` takes the stage away, below 1 slows it down.
        """
        self[name]
        factor = number(factor, "factor", above=0.0)
        return self.wall / max(replay(self.trace, {name: factor}), 1e-12)

    def plot(self, axes: "Axes | None" = None) -> "Axes":
        """Draw it, with matplotlib (the extra `plots`)."""
        from costs.plots import draw_report

        return draw_report(self, axes)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "wall": self.wall,
            "runs": self.runs,
            "stages": [
                {k: v for k, v in vars(stage).items() if k not in ("fit", "ceiling")}
                | {"ceiling": stage.ceiling if math.isfinite(stage.ceiling) else None}
                | {"fit": stage.fit.as_dict() if stage.fit else None}
                for stage in self.stages
            ],
            "outlook": [
                {
                    "n": each.n,
                    "bottleneck": list(each.bottleneck),
                    "probability": each.probability,
                    "total": each.total._asdict(),
                    "seconds": {name: p._asdict() for name, p in each.seconds.items()},
                }
                for each in self.outlook
            ],
            "unclosed": self.unclosed,
            "dropped": self.dropped,
        }

    def json(self) -> str:
        """The report as a JSON object."""
        return json.dumps(self.as_dict(), allow_nan=False)

    def html(self) -> str:
        """The report as one page that needs nothing else."""
        from costs.page import page

        return page(self)

    def __str__(self) -> str:
        from costs.page import text

        return text(self)


def make_report(trace: Trace, at: float | Sequence[float]) -> Report:
    """See `Pipeline.report`."""
    asked = sizes(at) if np.size(at) else np.empty(0)
    if not len(trace):
        left = f"; still open: {', '.join(trace.unclosed)}" if trace.unclosed else ""
        raise ValueError(f"no stage has been recorded{left}")
    own = own_seconds(trace)
    roots = children(trace)[-1]
    wall = covered(trace.start[roots], trace.end[roots])
    per_run = _per_run(trace, own, roots)
    fits = _fits(trace, own, roots, per_run)
    total = float(own.sum())
    chain = math.isclose(total, wall, rel_tol=1e-6)  # one thing at a time: Amdahl's law is exact
    stages = []
    for k, name in enumerate(trace.names):
        mine = trace.stage == k
        seconds = float(own[mine].sum())
        without = wall - seconds if chain else replay(trace, {name: math.inf})
        one_by_one = (trace.calls[mine] == 1).all()
        took = trace.seconds[mine]
        stages.append(
            Stage(
                name,
                int(trace.calls[mine].sum()),
                seconds,
                seconds / total if total else 0.0,
                _interval(per_run[:, k], per_run.sum(axis=1)),
                float(np.quantile(took, 0.5)) if one_by_one else None,
                float(np.quantile(took, 0.99)) if one_by_one else None,
                wall / without if without > 1e-9 * wall else math.inf,
                fits.get(name),
            )
        )
    stages.sort(key=lambda stage: -stage.seconds)
    outlook = [_outlook(float(n), fits) for n in asked] if fits else []
    if len(asked) and not fits:
        raise ValueError(
            f"no stage was seen at {SMALLEST} sizes or more, so nothing can be said of other n: "
            "give stages (or the outermost one) an n, and run several"
        )
    return Report(stages, wall, len(roots), outlook, trace.unclosed, trace.dropped, trace)


def _per_run(trace: Trace, own: Floats, roots: Any) -> Floats:
    """Own seconds of every stage in every run: float64[runs, stages]."""
    number_of = np.full(len(trace), -1)
    number_of[roots] = np.arange(len(roots))
    for i in range(len(trace)):  # parents come first
        if number_of[i] < 0:
            number_of[i] = number_of[trace.parent[i]]
    found = np.zeros((len(roots), len(trace.names)))
    np.add.at(found, (number_of, trace.stage), own)
    return found


def _fits(trace: Trace, own: Floats, roots: Any, per_run: Floats) -> dict[str, Fit]:
    """A fit for each stage that was seen at enough sizes."""
    found = {}
    sized = trace.n[roots] >= 1
    by_run = len(np.unique(trace.n[roots][sized])) >= SMALLEST
    flat = len(roots) == len(trace)
    for k, name in enumerate(trace.names):
        if by_run and not flat:
            n, seconds = trace.n[roots][sized], per_run[sized, k]
        else:
            mine = (trace.stage == k) & (trace.n >= 1)
            n, seconds = trace.n[mine], own[mine]
        here = seconds > 0
        if len(np.unique(n[here])) >= SMALLEST:
            found[name] = fit_times(n[here], seconds[here])
    return found


def _interval(part: Floats, whole: Floats) -> tuple[float, float] | None:
    """95 % interval of a ratio of sums over runs (linearisation)."""
    runs = len(part)
    if runs < 3 or whole.sum() <= 0:
        return None
    ratio = part.sum() / whole.sum()
    residual = (part - ratio * whole) / whole.mean()
    half = student_quantile(0.975, runs - 1) * residual.std(ddof=1) / math.sqrt(runs)
    return max(0.0, float(ratio - half)), min(1.0, float(ratio + half))


def _outlook(n: float, fits: dict[str, Fit]) -> Outlook:
    rng = np.random.default_rng(0)
    draws = {name: rng.permutation(fit.curves(n)[:, 0]) for name, fit in fits.items()}
    names = list(draws)
    table = np.stack(list(draws.values()))
    won = np.bincount(table.argmax(axis=0), minlength=len(names)) / table.shape[1]
    order = np.argsort(-won, kind="stable")
    enough = 1 + int(np.argmax(np.cumsum(won[order]) >= 0.95))
    count = 1 if won[order[0]] >= SURE else enough
    low, mid, high = np.quantile(table.sum(axis=0), [0.05, 0.5, 0.95])
    return Outlook(
        n,
        {name: fit.predict(n) for name, fit in fits.items()},
        tuple(names[i] for i in order[:count]),
        float(won[order[0]]),
        Prediction(float(low), float(mid), float(high)),
    )
