"""The error of counts against the bytes spent on them: the figure of docs/frequency.md.

    python benchmarks/counting_error.py docs/counting_error.svg

Streams are the words of the standard library's sources and a million items of Zipf distributions.
The error is the root mean square over all distinct items, as a share of the stream; medians of five
seeds, four rows each.
"""

import re
import sys
import sysconfig
from pathlib import Path

import numpy as np

from sketches import CountMin, CountSketch

SEEDS = range(5)
DEPTH = 4
KINDS = {
    "CountMin": lambda width, seed: CountMin(width, DEPTH, seed),
    "CountMin, conservative": lambda width, seed: CountMin(width, DEPTH, seed, conservative=True),
    "CountSketch": lambda width, seed: CountSketch(width, DEPTH, seed),
}
WIDTHS = [1 << bits for bits in range(8, 18)]


def words():
    folder = Path(sysconfig.get_path("stdlib"))
    text = "".join(path.read_text(errors="replace") for path in sorted(folder.glob("*.py")))
    return np.unique(re.findall(r"\w+", text), return_inverse=True)[1]


def zipf(exponent, n=1_000_000, distinct=100_000):
    weights = np.arange(1, distinct + 1) ** -exponent
    return np.random.default_rng(1).choice(distinct, n, p=weights / weights.sum())


def error(stream, make):
    """Root mean square error over the distinct items, as a share of the stream."""
    items, counts = np.unique(stream, return_counts=True)
    found = []
    for seed in SEEDS:
        sketch = make(seed)
        sketch.update(stream)
        found.append(np.sqrt(np.mean((sketch.estimate(items) - counts.astype(float)) ** 2)))
    return float(np.median(found)) / len(stream)


def main(target):
    from matplotlib import pyplot

    # the same figure gives the same file, and text stays text
    pyplot.rcParams |= {"svg.hashsalt": "counting_error", "svg.fonttype": "none"}
    streams = {"words of Python's library": words()}
    streams |= {f"Zipf {a}": zipf(a) for a in (0.8, 1.0, 1.2, 1.5)}
    figure, axes = pyplot.subplots(1, len(streams), figsize=(14, 3.2), sharey=True)
    for axis, (name, stream) in zip(axes, streams.items(), strict=True):
        for kind, make in KINDS.items():
            errors = [error(stream, lambda s, w=width, m=make: m(w, s)) for width in WIDTHS]
            axis.loglog([4 * DEPTH * w for w in WIDTHS], errors, marker=".", label=kind)
            shown = ", ".join(f"{e:.1e}" for e in errors[2::3])
            print(f"{name:26} {kind:24} {shown}")
        axis.set_title(name, fontsize=10)
        axis.set_xlabel("bytes")
    axes[0].set_ylabel("RMS error / total")
    axes[0].legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(target, metadata={"Date": None})


if __name__ == "__main__":
    main(sys.argv[1])
