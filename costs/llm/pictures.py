"""A picture of a serving plan, with matplotlib (the extra `plots`)."""

from typing import TYPE_CHECKING

import numpy as np

from costs.plots import COLOURS, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from costs.llm.serving import Serving

POINTS = 60
STACK = ("weights", "matrices", "cache", "attention", "link")
LONGEST, LARGEST = 16, 16  # times the plan's: as far as context and batch are drawn


def draw_serving(plan: "Serving") -> "Figure":
    """Operations of a prompt by length, with the crossovers; time a token by context and batch."""
    figure = new_figure(13.0, 4.2)
    prompt, context, batch = figure.subplots(1, 3)
    _operations(plan, prompt)
    most = LONGEST * plan.context
    _times(plan, context, _spread(16, most), "tokens of context", vary="context")
    context.axvline(plan.context, color="black", linewidth=0.8, linestyle="--")
    wall = plan.largest_batch
    sizes = _spread(1, max(LARGEST * plan.batch, 2 * wall if wall < 1e4 * plan.batch else 1, 4))
    _times(plan, batch, sizes, "sequences in the batch", vary="batch")
    batch.axvline(plan.batch, color="black", linewidth=0.8, linestyle="--", label="the plan")
    if sizes[0] <= wall <= sizes[-1]:
        batch.axvline(wall, color="#D00", linewidth=1.5, label=f"memory is full: {wall:,}")
    batch.legend(frameon=False, fontsize=8, loc="upper left")
    times = f"{plan.chips} x " if plan.chips > 1 else ""
    figure.suptitle(
        f"{plan.model.name} on {times}{plan.chip.name}: batch {plan.batch:,}, "
        f"{plan.context:,} tokens",
        fontsize=11,
    )
    return figure


def _spread(low: int, high: int) -> list[int]:
    return sorted({round(v) for v in np.geomspace(low, high, POINTS)})


def _operations(plan: "Serving", axes: "Axes") -> None:
    model = plan.model
    lengths = model.crossover()
    marks = [v for v in (lengths.qkvo, lengths.layer) if np.isfinite(v)]
    tokens = _spread(64, int(4 * max([plan.prompt, *marks])))
    names = ("projections", "mlp", "logits", "attention")
    made = [model.flops(prefill=n) for n in tokens]
    share = np.array([[getattr(m, name) / m.total for m in made] for name in names])
    axes.stackplot(tokens, 100 * share, colors=COLOURS, labels=names, alpha=0.85, linewidth=0)
    for value, text in ((lengths.qkvo, "= projections"), (lengths.layer, "= layer")):
        if tokens[0] <= value <= tokens[-1]:
            axes.axvline(value, color="black", linewidth=1)
            axes.annotate(
                f"attention {text}: {value:,.0f}",
                (value, 3),
                rotation=90,
                fontsize=8,
                ha="right",
                va="bottom",
            )
    axes.set(
        xscale="log",
        xlim=(tokens[0], tokens[-1]),
        ylim=(0, 100),
        xlabel="tokens of a prompt",
        ylabel="% of its operations",
    )
    axes.legend(fontsize=8, loc="upper left", framealpha=0.9)


def _times(plan: "Serving", axes: "Axes", at: list[int], label: str, *, vary: str) -> None:
    """The parts of `mid`, each phase by what bounds it, stacked; and both bounds as lines."""
    from costs.llm.serving import one_pass

    def step(value: int):  # type: ignore[no-untyped-def]
        batch, context = (value, plan.context) if vary == "batch" else (plan.batch, value)
        return one_pass(plan.model, plan.chip, batch, 1, context, **plan.options)

    steps = [step(value) for value in at]
    parts = {
        "weights": [s.weights * (s.weights >= s.matrices) for s in steps],
        "matrices": [s.matrices * (s.matrices > s.weights) for s in steps],
        "cache": [s.cache * (s.cache >= s.attention) for s in steps],
        "attention": [s.attention * (s.attention > s.cache) for s in steps],
        "link": [s.link for s in steps],
    }
    stacked = np.zeros(len(at))
    for name in (part for part in STACK if any(parts[part])):
        top = stacked + 1e3 * np.array(parts[name])
        colour = COLOURS[STACK.index(name)]
        axes.fill_between(at, stacked, top, color=colour, alpha=0.85, linewidth=0, label=name)
        stacked = top
    for which, style in (("low", ":"), ("high", "-.")):
        axes.plot(
            at, [1e3 * getattr(s, which) for s in steps], color="black", linestyle=style, lw=1
        )
    axes.set(xscale="log", xlim=(at[0], at[-1]), ylim=(0, None), xlabel=label, ylabel="ms a token")
    if vary == "context":
        axes.legend(frameon=False, fontsize=8, loc="upper left")
