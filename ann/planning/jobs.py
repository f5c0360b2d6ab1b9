"""Which search a near-duplicate job should take: the engines and their parameters, by budgets.

What each costs was measured on a sample (`ann.dedup.tuning.search`) and is scaled: reading,
sketching and sorting with the documents, candidates that are no pairs with their square.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from costs.planning import Candidate, Plan

UNITS = {"time": "s", "memory": "B", "pairs": "count", "recall": "share"}
SPREAD = 1.5  # times and over: of what a sample of the corpus tells


class Searched(Protocol):
    """A sample that was searched: `ann.dedup.tuning.Searched`."""

    def at(self, documents: float, neighbours: bool = False) -> Any:
        """What it would cost."""


@dataclass(frozen=True)
class JobModel:
    """An engine with each of the parameters that were tried."""

    name: str
    searched: Sequence[Searched]
    neighbours: bool = False

    def candidates(self, n: float) -> "list[Candidate]":
        from costs.planning import Candidate, byte_count
        from costs.usl import Interval

        found = []
        for each in self.searched:
            cost = each.at(n, self.neighbours)
            pairs = cost.candidates_per_million * n / 1e6
            exact = not cost.bands  # a join, by none
            middle = {"time": cost.total, "memory": cost.memory, "pairs": pairs}
            costs = {
                quantity: Interval(value / SPREAD, value, value * SPREAD)
                for quantity, value in middle.items()
            }
            costs["recall"] = Interval(cost.recall, cost.recall, 1.0)
            because = {
                "memory": f"a document takes {byte_count(cost.memory / max(n, 1))}",
                "time": f"{max(cost.seconds, key=cost.seconds.get)} takes most of it",
                "recall": f"{cost.bands} bands of {cost.rows} miss pairs at the threshold",
            }
            parameters = {} if exact else {"num_perm": cost.num_perm}
            found.append(Candidate(self.name, parameters, costs, because, exact))
        return found


def decide(
    documents: float,
    models: "Sequence[JobModel]",
    memory: float | None = None,
    seconds: float | None = None,
    recall: float | None = None,
) -> "Plan":
    """The engine and parameters that keep the budgets.

    Within a budget of time the engine that finds every pair is preferred; without one it is the
    least time that counts.
    """
    from costs.planning import Budget, Plan

    budgets = []
    if seconds is not None:
        budgets.append(Budget("time", seconds, "s"))
    if memory is not None:
        budgets.append(Budget("memory", memory, "B"))
    if recall is not None:
        budgets.append(Budget("recall", recall, "share", least=True))
    prefer_exact = seconds is not None
    return Plan(models, documents, budgets, UNITS, least="time", prefer_exact=prefer_exact)
