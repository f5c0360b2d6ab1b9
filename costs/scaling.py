"""The laws of speed-up: what more workers can give, and when they stop paying.

Amdahl (1967): a job of which the share `s` cannot be split runs on p workers
    S(p) = 1 / (s + (1 - s) / p)
times faster, never more than 1/s. The same formula gives the payoff of making one stage of a
pipeline p times faster, s being the share of all the others.

Gustafson (1988): who has p workers solves a larger problem. If `s` is the serial share of the time
*on the p workers*, that is p - s (p - 1) times what one would have done in that time.

Karp and Flatt (1990) turn a measured speed-up round: e = (1/S - 1/p) / (1 - 1/p) is the serial
share that would explain it. Steady in p, the job is serial to that extent; rising with p, the
workers get in each other's way, and that is overhead, not serial code.

The knee, at which speed-up times efficiency S^2/p is greatest, is the default answer to "how many"
(D. Eager, J. Zahorjan, E. Lazowska, "Speedup versus efficiency in parallel systems", IEEE
Transactions on Computers 38(3), 1989).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from costs._checks import Floats, number, positive, share, whole


def _workers(workers: ArrayLike) -> Any:
    counts = np.asarray(workers, np.float64)
    if not (counts >= 1).all():
        raise ValueError(f"workers must be at least 1, not {workers!r}")
    return counts


def _plain(values: Any) -> Any:
    """A float for a scalar, the array otherwise."""
    return float(values) if np.ndim(values) == 0 else values


def amdahl(serial: float, workers: ArrayLike) -> Any:
    """Speed-up of a fixed job on several workers.

    Parameters
    ----------
    serial : float
        Share of the time on one worker that cannot be split, 0 to 1.
    workers : float or array of float
        At least 1. ``math.inf`` gives the ceiling, 1 / serial.

    Returns
    -------
    float or numpy.ndarray
        ``1 / (serial + (1 - serial) / workers)``.

    Examples
    --------
    >>> from costs import amdahl
    >>> round(amdahl(0.05, 8), 3), amdahl(0.05, float("inf"))
    (5.926, 20.0)
    """
    s, p = share(serial, "serial"), _workers(workers)
    with np.errstate(divide="ignore"):
        return _plain(1.0 / (s + (1.0 - s) / p))


def gustafson(serial: float, workers: ArrayLike) -> Any:
    """Speed-up of a job that grows with the workers: ``workers - serial * (workers - 1)``.

    Parameters
    ----------
    serial : float
        Share of the time on all the workers that is serial, 0 to 1.
    workers : float or array of float
        At least 1.
    """
    s, p = share(serial, "serial"), _workers(workers)
    return _plain(s + (1.0 - s) * p if s < 1 else p**0)


def karp_flatt(speedup: ArrayLike, workers: ArrayLike) -> Any:
    """The serial share that explains a measured speed-up: ``(1/S - 1/p) / (1 - 1/p)``.

    Parameters
    ----------
    speedup : float or array of float
        Measured, above 0. Above `workers` (a superlinear one) the share is negative.
    workers : float or array of float
        Above 1, where it was measured.
    """
    s, p = np.asarray(speedup, np.float64), _workers(workers)
    if not (s > 0).all():
        raise ValueError(f"speedup must be above 0, not {speedup!r}")
    if not (p > 1).all():
        raise ValueError("one worker tells nothing of the serial share; workers must be above 1")
    return _plain((1.0 / s - 1.0 / p) / (1.0 - 1.0 / p))


@dataclass(frozen=True)
class Price:
    """What each number of workers costs, and where another one stops paying.

    Attributes
    ----------
    workers, speedup, price : numpy.ndarray
        Counts, speed-up over one worker, price of all of them per hour.
    per_speedup : numpy.ndarray
        Price per unit of speed-up, which is the price of the job: fewest workers, least price.
    marginal : numpy.ndarray
        Price of the last unit of speed-up: what the last worker costs over what it adds; inf where
        it adds nothing.
    stop : int
        The count at which another worker stops paying; `reason` says by which rule.
    """

    workers: Floats
    speedup: Floats
    price: Floats
    per_speedup: Floats
    marginal: Floats
    stop: int
    reason: str


def price_per_speedup(
    speedup: Callable[[Floats], Any], price: float, *, workers: int, worth: float | None = None
) -> Price:
    """Where another worker stops paying.

    Parameters
    ----------
    speedup : callable
        Workers to speed-up or throughput: ``fit.speedup`` of `usl_fit`, or
        ``lambda p: amdahl(0.05, p)``.
    price : float
        Of a worker per hour, in any currency; above 0.
    workers : int
        The most there could be.
    worth : float, optional
        What one more unit of speed-up is worth per hour: workers are added while the next one
        costs no more than what it adds is worth. Without it the knee is taken, where speed-up
        times efficiency is greatest (Eager, Zahorjan, Lazowska 1989); for Amdahl's law that is
        half the ceiling.

    Returns
    -------
    Price

    Examples
    --------
    >>> from costs import amdahl, price_per_speedup
    >>> price_per_speedup(lambda p: amdahl(0.05, p), 0.10, workers=64).stop
    19
    """
    price = number(price, "price", above=0.0)
    counts = np.arange(1.0, whole(workers, "workers", least=1) + 1)
    speed = positive(np.asarray(speedup(counts), np.float64), "speedup")
    if speed.shape != counts.shape:
        raise ValueError(f"speedup gave {speed.shape} values for {counts.shape} workers")
    added = np.diff(speed, prepend=0.0)
    with np.errstate(divide="ignore"):
        marginal = np.where(added > 0, price / np.maximum(added, 0.0), np.inf)
    if worth is None:
        stop = int(counts[np.argmax(speed**2 / counts)])
        reason = "the knee: speed-up times efficiency is greatest"
    else:
        worth = number(worth, "worth", above=0.0)
        stop = 1 + int(np.argmin(np.append(marginal[1:] <= worth, False)))
        reason = f"the next worker costs more per unit of speed-up than its worth of {worth:g}"
    return Price(counts, speed, counts * price, counts * price / speed, marginal, stop, reason)
