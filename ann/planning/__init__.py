"""Choosing a vector index by budgets, before one is built.

`models` say what each would cost, from the constants of the machine and `probing` a sample at two
sizes, which `curves` carry to others; `residuals` keeps how wrong that was; `knn` is the plan.
"""

from ann.planning.knn import KnnPlan, Verified, plan

__all__ = ["KnnPlan", "Verified", "plan"]
