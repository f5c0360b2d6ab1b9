"""Choosing under budgets: every candidate with what it would cost, and why it was not taken.

A planner asks *models*, one for each structure: what would you cost at n? Each answers with
candidates, one for each setting of its parameters, whose costs are intervals. A candidate is
rejected by the budgets that its middle value breaks, and says what keeps it from doing better. If
nothing keeps all budgets, the answer is what comes nearest, and what that would cost.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from costs._checks import number
from costs.page import duration
from costs.usl import Interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes

UNITS = ("s", "B", "share", "price")


def byte_count(value: float) -> str:
    """Three digits and a unit of a thousand."""
    for unit, size in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if value >= 0.9995 * size:
            return f"{value / size:.3g} {unit}"
    return f"{value:.0f} B"


def parse_bytes(value: str | float) -> float:
    """A number of bytes, or a text such as 8GB, 500 MB or 1.5GiB."""
    if not isinstance(value, str):
        return number(value, "memory", above=0.0)
    found = re.fullmatch(r"([0-9]+(?:\.[0-9]*)?) ?([kMGT]?)(i?)B?", value.strip(), re.IGNORECASE)
    if not found or not float(found[1]):
        raise ValueError(f"memory {value!r} is no size, such as 8GB or 500MB")
    base = 1024 if found[3] else 1000
    return float(found[1]) * float(base) ** " kmgt".index(found[2].lower() or " ")


def written(value: float, unit: str) -> str:
    """A value as people read it."""
    if unit == "s":
        return duration(value) if value > 0 else "0 s"
    if unit == "B":
        return byte_count(value)
    return f"{value:.4g}"


@dataclass(frozen=True)
class Budget:
    """A limit of one quantity.

    Attributes
    ----------
    quantity : str
        Such as "latency"; a key of `Candidate.costs`.
    limit : float
    unit : {"s", "B", "share", "price"}
    least : bool, default False
        Whether the quantity has to reach the limit (recall), not stay below it.
    """

    quantity: str
    limit: float
    unit: str
    least: bool = False

    def excess(self, value: float) -> float:
        """How many times over the limit: above 1 if it is broken. Of a share, by what is lost."""
        if self.unit == "share" and self.least:
            return max(1 - value, 1e-12) / max(1 - self.limit, 1e-12)
        if self.least:
            return self.limit / value if value else math.inf
        return value / self.limit if self.limit else (math.inf if value > 0 else 0.0)

    def broken(self, value: float) -> bool:
        return value < self.limit if self.least else value > self.limit

    def told(self, value: float) -> str:
        """``51 ms > 15 ms``."""
        sign = "<" if self.least else ">"
        return f"{written(value, self.unit)} {sign} {written(self.limit, self.unit)}"


@dataclass(frozen=True)
class Candidate:
    """A structure with its parameters, and what it would cost.

    Attributes
    ----------
    name : str
    parameters : dict
        As its constructor takes them, and those of a search.
    costs : dict
        An `Interval` for each quantity.
    because : dict
        What keeps a quantity from being better, for those that have such a reason.
    exact : bool
    """

    name: str
    parameters: dict[str, Any]
    costs: dict[str, Interval]
    because: dict[str, str] = field(default_factory=dict)
    exact: bool = False

    def __str__(self) -> str:
        settings = ", ".join(f"{key}={value}" for key, value in self.parameters.items())
        return f"{self.name}({settings})"


class Model(Protocol):
    """What a planner asks: the candidates of one structure."""

    @property
    def name(self) -> str: ...

    def candidates(self, n: float) -> list[Candidate]:
        """What it would cost at n, one for each setting worth looking at."""
        ...


class Plan:
    """What was chosen, what was not and why, and where that turns.

    Attributes
    ----------
    n : float
    candidates : list of Candidate
        The best setting of each structure: that keeps all budgets at the least cost, or else comes
        nearest.
    choice : Candidate or None
        None if nothing keeps all budgets; see `nearest`.
    budgets : tuple of Budget
    """

    def __init__(
        self,
        models: Sequence[Model],
        n: float,
        budgets: Sequence[Budget],
        units: Mapping[str, str],
        *,
        least: str,
        prefer_exact: bool,
    ) -> None:
        self.models, self.n, self.budgets = list(models), n, tuple(budgets)
        self.units, self.least, self.prefer_exact = dict(units), least, prefer_exact
        self.candidates = [self._best(model.candidates(n)) for model in self.models]
        kept = [each for each in self.candidates if not self.breaks(each)]
        self.choice = min(kept, key=self._rank) if kept else None

    def breaks(self, candidate: Candidate) -> list[Budget]:
        """The budgets that it breaks."""
        return [b for b in self.budgets if b.broken(candidate.costs[b.quantity].mid)]

    def _rank(self, candidate: Candidate) -> tuple[float, ...]:
        over = [b.excess(candidate.costs[b.quantity].mid) for b in self.breaks(candidate)]
        inexact = self.prefer_exact and not candidate.exact
        return (sum(map(math.log, over)), inexact, candidate.costs[self.least].mid)

    def _best(self, candidates: Sequence[Candidate]) -> Candidate:
        return min(candidates, key=self._rank)

    @property
    def rejected(self) -> dict[str, str]:
        """Every other candidate, and why not."""
        return {c.name: self.why_not(c.name) for c in self.candidates if c is not self.choice}

    @property
    def nearest(self) -> list[Candidate]:
        """All candidates, the least over its budgets (by the product of ratios) first."""
        return sorted(self.candidates, key=self._rank)

    def __getitem__(self, name: str) -> Candidate:
        for candidate in self.candidates:
            if candidate.name.lower() == name.lower():
                return candidate
        known = ", ".join(c.name for c in self.candidates)
        raise KeyError(f"no candidate {name!r}; there are {known}")

    def why_not(self, name: str) -> str:
        """Which budgets it breaks, by how much, and what keeps it from doing better."""
        candidate = self[name]
        broken = self.breaks(candidate)
        if broken:
            reasons = []
            for budget in broken:
                value = candidate.costs[budget.quantity].mid
                because = candidate.because.get(budget.quantity)
                told = f"{budget.quantity} {budget.told(value)}"
                reasons.append(told + (f"; {because}" if because else ""))
            return "; ".join(reasons)
        if candidate is self.choice:
            return "it is the choice"
        assert self.choice is not None  # a candidate that breaks nothing could be chosen
        if self.prefer_exact and self.choice.exact and not candidate.exact:
            return f"it keeps all budgets, but so does {self.choice.name}, which is exact"
        unit = self.units[self.least]
        mine, its = (c.costs[self.least].mid for c in (candidate, self.choice))
        return (
            f"it keeps all budgets, but its {self.least} is {written(mine, unit)}, that of "
            f"{self.choice.name} {written(its, unit)}"
        )

    def crossover(self, quantity: str, name: str | None = None) -> float:
        """The largest n at which a structure still keeps the budget of a quantity.

        Parameters
        ----------
        quantity : str
        name : str, optional
            Of the structure; by default the first that is exact.

        Returns
        -------
        float
            0 if it does not even at n = 1, inf if it does at 10^12.
        """
        limits = [b for b in self.budgets if b.quantity == quantity]
        if not limits:
            given = ", ".join(b.quantity for b in self.budgets) or "none"
            raise ValueError(f"no budget of {quantity}; there are: {given}")
        exact = [c.name for c in self.candidates if c.exact]
        if name is None and not exact:
            raise ValueError("no candidate is exact: say of which one")
        wanted = self[name].name if name is not None else exact[0]
        model = next(m for m in self.models if m.name == wanted)

        def kept(n: float) -> bool:
            return any(not limits[0].broken(c.costs[quantity].mid) for c in model.candidates(n))

        low, high = 1.0, 1e12
        if not kept(low):
            return 0.0
        if kept(high):
            return math.inf
        while high / low > 1.0005:
            mid = math.sqrt(low * high)
            low, high = (mid, high) if kept(mid) else (low, mid)
        return low

    def table(self) -> str:
        """A line for each candidate: its costs, and whether it is the choice or what it breaks."""
        names = [q for q in self.units if any(q in c.costs for c in self.candidates)]
        rows = [["", *names, ""]]
        for candidate in self.nearest:
            broken = {b.quantity for b in self.breaks(candidate)}
            row = [str(candidate)]
            for name in names:
                value = candidate.costs.get(name)
                mark = "!" if name in broken else " "
                row.append(f"{written(value.mid, self.units[name])}{mark}" if value else "- ")
            row.append("<- the choice" if candidate is self.choice else "")
            rows.append(row)
        widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
        lines = []
        for row in rows:
            cells = [row[0].ljust(widths[0])]
            cells += [c.rjust(w) for c, w in zip(row[1:-1], widths[1:-1], strict=True)]
            lines.append("  ".join([*cells, row[-1]]).rstrip())
        return "\n".join(lines)

    def __str__(self) -> str:
        lines = [self.table(), ""]
        if self.choice is None:
            lines.append("Nothing keeps all budgets (!). The nearest, and what they would take:")
            for candidate in self.nearest:
                needs = [
                    f"{b.quantity} {'of' if b.least else 'up to'} "
                    f"{written(candidate.costs[b.quantity].mid, b.unit)}"
                    for b in self.breaks(candidate)
                ]
                lines.append(f"  {candidate.name}: {', '.join(needs)}")
            lines.append("")
        for name, reason in self.rejected.items():
            lines.append(f"{name}: {reason}")
        return "\n".join(lines).rstrip()

    def plot(self, quantity: str | None = None, axes: "Axes | None" = None) -> "Axes":
        """A cost of all candidates against n, and its budget (the extra `plots`)."""
        from costs.plots import draw_plan

        return draw_plan(self, quantity or self.least, axes)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "n": self.n,
            "budgets": {b.quantity: b.limit for b in self.budgets},
            "choice": self.choice.name if self.choice else None,
            "candidates": [
                {
                    "name": c.name,
                    "parameters": c.parameters,
                    "exact": c.exact,
                    "costs": {name: value._asdict() for name, value in c.costs.items()},
                    "breaks": [b.quantity for b in self.breaks(c)],
                    "why_not": None if c is self.choice else self.why_not(c.name),
                }
                for c in self.nearest
            ],
        }
