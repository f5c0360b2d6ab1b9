"""Pictures of fits, roofs, speed-ups and pipelines, with matplotlib (the extra `plots`).

Each takes axes to draw on, or makes some, and returns them.
"""

import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from costs.crossing import Crossover
    from costs.fits import Fit
    from costs.planning import Plan
    from costs.report import Report
    from costs.roofline import Roofline
    from costs.usl import Scaling

COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#999999")
AHEAD = 100.0  # times the largest size: as far as intervals are checked


def _axes(axes: "Axes | None") -> "Axes":
    return new_figure(7.0, 4.5).subplots() if axes is None else axes


def new_figure(width: float, height: float) -> "Figure":
    """An empty figure, in inches."""
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        if error.name != "matplotlib":
            raise
        raise ImportError(
            "plots need matplotlib, which is not installed: pip install 'tractable[plots]'"
        ) from None
    return Figure(figsize=(width, height), layout="constrained")


def draw_fit(
    fit: "Fit", axes: "Axes | None" = None, label: str = "", colour: str = COLOURS[0]
) -> "Axes":
    """Measured sizes, the curve, its 90 % interval, and where extrapolation begins."""
    axes = _axes(axes)
    n = np.geomspace(fit.n[0], fit.n[-1] * AHEAD, 200)
    low, mid, high = fit.predict(n)
    axes.fill_between(n, low, high, color=colour, alpha=0.2, linewidth=0)
    axes.plot(n, mid, color=colour, label=f"{label}{': ' * bool(label)}{fit}")
    axes.plot(fit.n, fit.y, "o", color=colour, markersize=4)
    axes.axvline(fit.n[-1], color="#999", linestyle=":", linewidth=1)
    axes.annotate(
        "measured | extrapolated",
        (fit.n[-1], 0.02),
        xycoords=("data", "axes fraction"),
        ha="center",
        fontsize=8,
        color="#666",
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
    )
    axes.set(xscale="log", yscale="log", xlabel="n", ylabel=_unit(fit.unit))
    axes.legend(frameon=False, fontsize=8)
    return axes


def _unit(unit: str) -> str:
    return {"s": "seconds", "B": "bytes"}.get(unit, unit)


def draw_crossover(
    f: "Fit",
    g: "Fit",
    found: "Crossover",
    axes: "Axes | None" = None,
    names: tuple[str, str] = ("f", "g"),
) -> "Axes":
    """Two fits, and the interval in which they cross."""
    axes = draw_fit(f, axes, names[0])
    draw_fit(g, axes, names[1], COLOURS[1])
    if found.n is not None:
        axes.axvspan(found.n.low, found.n.high, color=COLOURS[2], alpha=0.3, linewidth=0)
        axes.axvline(found.n.mid, color=COLOURS[2], linewidth=1)
    axes.set_title(found.told(*names), fontsize=10)
    return axes


def draw_roofline(roofline: "Roofline", axes: "Axes | None" = None) -> "Axes":
    """A roof for every level, and the points."""
    axes = _axes(axes)
    points = [p for p in roofline.points if p.flops]
    peaks = {kind: roofline.top(kind) for kind in roofline.peaks}
    ridges = [roofline.ridge(v, kind) for v in roofline.machine.levels for kind in peaks]
    seen = [p.intensity for p in points] + ridges
    x = np.geomspace(min(seen) / 4, max(seen) * 12, 200)  # names stand to the right of points
    for i, level in enumerate(roofline.machine.levels):
        speed = roofline.bandwidth(level)
        roof = np.minimum(max(peaks.values()), x * speed) / 1e9
        name = f"{level}: {speed / 1e9:.3g} GB/s"
        axes.plot(x, roof, color=COLOURS[i], label=name, linewidth=1.5)
    for kind, peak in peaks.items():
        axes.plot(x[[0, -1]], [peak / 1e9] * 2, color="#777", linestyle=":", linewidth=1, zorder=1)
        crowded = any(peak < other < 1.4 * peak for other in peaks.values())
        axes.annotate(
            f"{kind}: {peak / 1e9:.3g} Gop/s",
            (x[-1], peak / 1e9),
            xytext=(0, -11 if crowded else 4),
            textcoords="offset points",
            ha="right",
            fontsize=8,
        )
    for p in points:
        at = roofline.machine.levels.index(p.level)
        axes.plot(p.intensity, p.rate / 1e9, "o", color=COLOURS[at], markeredgecolor="black")
        axes.annotate(
            f"{p.name} ({p.reached:.0%})",
            (p.intensity, p.rate / 1e9),
            xytext=(5, -9),
            textcoords="offset points",
            fontsize=8,
        )
    axes.set(
        xscale="log", yscale="log", xlabel="operations a byte", ylabel="10⁹ operations a second"
    )
    axes.legend(frameon=False, loc="lower right")
    axes.margins(y=0.15)
    return axes


def draw_scaling(fit: "Scaling", axes: "Axes | None" = None) -> "Axes":
    """Measured throughput, the law, linear scaling, the ceiling and the peak."""
    axes = _axes(axes)
    n = np.linspace(1, fit.n.max() * 1.25, 300)
    axes.plot(n, fit.throughput(n), color=COLOURS[0], label=f"{fit.law}: fitted")
    axes.plot(fit.n, fit.x, "o", color=COLOURS[0], label="measured")
    top = float(fit.x.max()) * 1.3
    axes.plot(n, np.minimum(fit.gamma * n, top), color="#999", linestyle=":", label="linear")
    if fit.limit < top:
        axes.axhline(fit.limit, color=COLOURS[5], linewidth=1, label=f"limit {fit.limit:.4g}")
    if fit.peak is not None:
        axes.axvline(
            fit.peak.workers, color=COLOURS[2], linewidth=1, label=f"peak at {fit.peak.workers:.3g}"
        )
    axes.set(xlabel="workers", ylabel="throughput", ylim=(0, top), xlim=(0, None))
    axes.legend(frameon=False)
    return axes


def draw_report(report: "Report", axes: "Axes | None" = None) -> "Axes":
    """The share of each stage now, and at the sizes that were asked about."""
    axes = _axes(axes)
    names = [stage.name for stage in report.stages][:8]
    columns: list[tuple[str, dict[str, Any]]] = [
        ("now", {stage.name: stage.seconds for stage in report.stages})
    ]
    for each in report.outlook:
        exponent = math.log10(each.n)
        label = f"n = 10^{exponent:.0f}" if exponent.is_integer() else f"n = {each.n:,.0f}"
        columns.append((label, {name: p.mid for name, p in each.seconds.items()}))
    bottom = np.zeros(len(columns))
    for i, name in enumerate(names):
        share = np.array([seconds.get(name, 0) / sum(seconds.values()) for _, seconds in columns])
        labels = [label for label, _ in columns]
        axes.bar(labels, 100 * share, bottom=bottom, color=COLOURS[i], label=name, width=0.7)
        bottom += 100 * share
    axes.set(ylabel="% of the time", ylim=(0, 100))
    axes.legend(frameon=False, bbox_to_anchor=(1, 1), loc="upper left")
    return axes


def draw_plan(plan: "Plan", quantity: str, axes: "Axes | None" = None) -> "Axes":
    """A cost of every structure against n, with the parameters of the plan, and the budget."""
    axes = _axes(axes)
    n = np.geomspace(max(1.0, plan.n / AHEAD), plan.n * AHEAD, 60)
    for i, (model, chosen) in enumerate(zip(plan.models, plan.candidates, strict=True)):
        found = []
        for size in n:
            same = [c for c in model.candidates(float(size)) if c.parameters == chosen.parameters]
            found.append(same[0].costs[quantity] if same else None)
        known = [(size, value) for size, value in zip(n, found, strict=True) if value is not None]
        x = [size for size, _ in known]
        colour = COLOURS[i % len(COLOURS)]
        low, high = ([getattr(v, end) for _, v in known] for end in ("low", "high"))
        axes.fill_between(x, low, high, color=colour, alpha=0.15, linewidth=0)
        width = 2.5 if chosen is plan.choice else 1.2
        axes.plot(x, [v.mid for _, v in known], color=colour, label=str(chosen), linewidth=width)
    for budget in plan.budgets:
        if budget.quantity == quantity:
            axes.axhline(budget.limit, color="#D00", linewidth=1, label="budget")
    axes.axvline(plan.n, color="black", linestyle="--", linewidth=0.8)
    axes.set(
        xscale="log", yscale="log", xlabel="n", ylabel=f"{quantity}, {_unit(plan.units[quantity])}"
    )
    axes.legend(frameon=False, fontsize=8)
    return axes
