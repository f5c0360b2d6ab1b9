"""Bands and rows: what a recall at the threshold costs.

Two signatures whose sets have Jaccard similarity J agree in a band of r slots with probability J^r,
and meet in at least one of b bands with probability S(J) = 1 - (1 - J^r)^b, the S-curve. The usual
choice weighs misses and false candidates alike, which halves the recall at the very threshold the
user asked for. Candidates here are verified exactly, so misses are all that counts: the bands are
those with the fewest false candidates among those with S(threshold) >= recall.
"""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray


def s_curve(jaccard: ArrayLike, bands: int, rows: int) -> NDArray[np.float64]:
    """The probability that two sets become candidates: ``1 - (1 - J**rows)**bands``.

    Parameters
    ----------
    jaccard : array_like
        Similarities in [0, 1].
    bands, rows : int
        As in `ann.MinHashLSH`.
    """
    similarity = np.asarray(jaccard, dtype=np.float64)
    return np.asarray(1 - (1 - similarity**rows) ** bands)


def choose_bands(threshold: float, recall: float, num_perm: int) -> tuple[int, int]:
    """The bands and rows with the fewest false candidates among those that keep the recall.

    Parameters
    ----------
    threshold : float
        In (0, 1]: pairs of at least this Jaccard similarity are wanted.
    recall : float
        In (0, 1): the share of pairs right at the threshold that must become candidates; pairs
        above it do so more often.
    num_perm : int
        Slots of a signature: ``bands * rows <= num_perm``.

    Returns
    -------
    (bands, rows) : (int, int)
        They minimise the integral of the S-curve from 0 to the threshold.

    Raises
    ------
    ValueError
        If no number of bands reaches the recall; it names the largest one within reach.
    """
    check_share("threshold", threshold, 1.0)
    check_share("recall", recall, math.nextafter(1.0, 0.0))
    if num_perm < 1:
        raise ValueError(f"num_perm must be at least 1, not {num_perm}")
    below = np.linspace(0, threshold, 1001)
    best = None
    for rows in range(1, num_perm + 1):
        hit = max(threshold**rows, 1e-300)  # kept from 0, to divide by
        needed = math.log1p(-recall) / math.log1p(-hit) if hit < 1 else 0.0
        if needed * rows > num_perm:  # it only grows with the rows
            break
        bands = max(1, math.ceil(needed))
        if bands * rows > num_perm:
            continue
        load = float(s_curve(below, bands, rows).mean())
        if best is None or load < best[0]:
            best = load, bands, rows
    if best is None:
        within = 1 - (1 - threshold) ** num_perm
        raise ValueError(
            f"num_perm={num_perm} reaches a recall of {within:.4f} at threshold {threshold},"
            f" not {recall}; raise num_perm or lower the recall"
        )
    return best[1:]


def check_share(name: str, value: float, most: float) -> None:
    """Refuse what is not in (0, most], NaN included."""
    if not 0 < value <= most:
        raise ValueError(f"{name} must lie in (0, {'1]' if most == 1 else '1)'}, not {value}")
