"""Computational cost as a first-class constraint: what it will cost, before it is built."""

from costs.crossing import Crossover, crossover
from costs.fits import Fit, Prediction, fit_times
from costs.scaling import Price, amdahl, gustafson, karp_flatt, price_per_speedup
from costs.timing import fit
from costs.usl import Interval, Scaling, usl_fit

__all__ = [
    "Crossover",
    "Fit",
    "Interval",
    "Prediction",
    "Price",
    "Scaling",
    "amdahl",
    "crossover",
    "fit",
    "fit_times",
    "gustafson",
    "karp_flatt",
    "price_per_speedup",
    "usl_fit",
]
