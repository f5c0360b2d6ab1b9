"""Computational cost as a first-class constraint: what it will cost, before it is built."""

from costs.scaling import Price, amdahl, gustafson, karp_flatt, price_per_speedup
from costs.usl import Scaling, usl_fit

__all__ = [
    "Price",
    "Scaling",
    "amdahl",
    "gustafson",
    "karp_flatt",
    "price_per_speedup",
    "usl_fit",
]
