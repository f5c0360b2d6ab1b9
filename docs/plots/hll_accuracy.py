"""Draws hll_accuracy.svg beside this file: the error of HyperLogLog over the number of items.

    python docs/plots/hll_accuracy.py [seeds]

A thousand streams take half a minute. DataSketches' published figures are those of its
characterization (p = 12, about 9.2e5 items): 1.303 % with HIP, 1.683 % merged.
"""

import sys
from pathlib import Path

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt
import numpy as np

from sketches import HyperLogLog
from sketches.hll import HIP_ERROR, MERGED_ERROR

P = 12
SEEDS = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
COUNTS = np.unique(np.round(np.logspace(0, 6, 49)).astype(int))


def errors():
    """Relative errors, (one stream, merged) x COUNTS x seeds."""
    out = np.empty((2, COUNTS.size, SEEDS))
    items = np.arange(COUNTS[-1])
    for seed in range(SEEDS):
        sketch, done = HyperLogLog(P, 10_000 + seed), 0
        for i, n in enumerate(COUNTS):
            sketch.update(items[done:n])
            done = n
            out[:, i, seed] = sketch.estimate() / n - 1, (sketch | sketch).estimate() / n - 1
    return out


def main():
    plt.rcParams["svg.hashsalt"] = "tractable"  # the same picture, the same bytes
    figure, axes = plt.subplots(figsize=(7, 3.6), layout="constrained")
    for name, constant, found, colour, published in zip(
        ("one stream (HIP)", "merged (Ertl)"),
        (HIP_ERROR, MERGED_ERROR),
        errors(),
        ("C0", "C1"),
        (1.303, 1.683),
        strict=True,
    ):
        rms = 100 * np.sqrt(np.mean(found**2, axis=-1))
        axes.plot(COUNTS, rms, color=colour, label=name)
        axes.axhline(100 * constant / 2 ** (P / 2), color=colour, lw=0.8, ls="--")
        axes.plot(9.2e5, published, "x", color=colour, label=f"DataSketches, {name.split(' (')[0]}")
    axes.set(
        xscale="log",
        xlabel="different items",
        ylabel="RMS relative error, %",
        title=f"p = {P}, {SEEDS:,} streams; dashed: theory",
        ylim=(0, None),
    )
    axes.legend(frameon=False, fontsize="small")
    figure.savefig(Path(__file__).with_suffix(".svg"), metadata={"Date": None})


if __name__ == "__main__":
    main()
