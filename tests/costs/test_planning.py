"""The planner's core, on made-up structures whose costs are known."""

import math
from dataclasses import dataclass

import pytest

from costs.planning import Budget, Candidate, Plan, byte_count, parse_bytes
from costs.usl import Interval

UNITS = {"latency": "s", "memory": "B", "recall": "share"}


def value(middle):
    return Interval(0.9 * middle, middle, 1.1 * middle)


@dataclass
class Scan:
    """1 ns and 4 bytes an item."""

    name: str = "Scan"

    def candidates(self, n):
        costs = {"latency": value(1e-9 * n), "memory": value(4 * n), "recall": value(1.0)}
        because = {"latency": f"it reads {byte_count(4 * n)}"}
        return [Candidate(self.name, {}, costs, because, exact=True)]


@dataclass
class Graph:
    """Two settings: as fast as it is wrong."""

    name: str = "Graph"

    def candidates(self, n):
        return [
            Candidate(
                self.name,
                {"ef": ef},
                {
                    "latency": value(ef * 1e-6 * math.log2(n)),
                    "memory": value(8 * n),
                    "recall": value(1 - 1 / ef),
                },
            )
            for ef in (10, 100)
        ]


def made(n=1e6, latency=1e-2, memory=1e9, recall=0.95, prefer_exact=True):
    budgets = [
        Budget("latency", latency, "s"),
        Budget("memory", memory, "B"),
        Budget("recall", recall, "share", least=True),
    ]
    models = [Scan(), Graph()]
    return Plan(models, n, budgets, UNITS, least="latency", prefer_exact=prefer_exact)


def test_exact_where_it_fits():
    plan = made()
    assert plan.choice.name == "Scan"
    assert plan.why_not("graph") == "it keeps all budgets, but so does Scan, which is exact"
    assert plan.why_not("Scan") == "it is the choice"
    faster = made(n=1e7, latency=1, prefer_exact=False)
    assert faster.choice.name == "Graph"
    assert (
        faster.why_not("Scan") == "it keeps all budgets, but its latency is 10 ms, that of "
        "Graph 2.33 ms"
    )


def test_a_reason_for_every_rejection():
    plan = made(n=1e8)
    assert plan.choice.parameters == {"ef": 100}  # 10 loses too much
    assert plan.rejected == {"Scan": "latency 100 ms > 10 ms; it reads 400 MB"}
    assert str(plan).splitlines()[1].endswith("<- the choice")
    assert "100 ms!" in plan.table()


def test_crossover():
    plan = made()
    assert plan.crossover("latency") == pytest.approx(1e7, rel=1e-3)
    assert plan.crossover("memory") == pytest.approx(2.5e8, rel=1e-3)
    assert plan.crossover("memory", "graph") == pytest.approx(1.25e8, rel=1e-3)
    assert plan.crossover("recall") == math.inf
    assert made(latency=1e-10).crossover("latency") == 0
    with pytest.raises(ValueError, match="no budget of price; there are: latency, memory, recall"):
        plan.crossover("price")
    with pytest.raises(KeyError, match="no candidate 'LSH'; there are Scan, Graph"):
        plan.crossover("latency", "LSH")


def test_an_impossible_budget_gets_the_nearest():
    plan = made(n=1e9, memory=1e9)
    assert plan.choice is None
    assert [c.name for c in plan.nearest] == ["Graph", "Scan"]  # 8 times over against 100
    assert "Graph: memory up to 8 GB" in str(plan)
    assert "Scan: latency up to 1 s, memory up to 4 GB" in str(plan)
    assert plan.as_dict()["choice"] is None


def test_json():
    told = made(n=1e8).as_dict()
    assert told["choice"] == "Graph"
    scan = next(c for c in told["candidates"] if c["name"] == "Scan")
    assert scan["breaks"] == ["latency"]
    assert scan["costs"]["memory"]["mid"] == 4e8
    assert scan["why_not"].startswith("latency 100 ms > 10 ms")


def test_a_picture():
    pytest.importorskip("matplotlib")
    axes = made(n=1e8).plot()
    assert [t.get_text() for t in axes.get_legend().get_texts()] == [
        "Scan()",
        "Graph(ef=100)",
        "budget",
    ]


@pytest.mark.parametrize(
    ("text", "count"),
    [("8GB", 8e9), ("500 MB", 5e8), ("1.5GiB", 1.5 * 2**30), ("100", 100), (7, 7), ("2k", 2000)],
)
def test_sizes(text, count):
    assert parse_bytes(text) == count


@pytest.mark.parametrize("text", ["", "GB", "-1MB", "0MB", "1PB", "1e9", "1.2.3MB"])
def test_what_is_no_size(text):
    with pytest.raises(ValueError, match="is no size"):
        parse_bytes(text)


def test_excess_of_a_share_is_of_what_is_lost():
    recall = Budget("recall", 0.95, "share", least=True)
    assert recall.excess(0.90) == pytest.approx(2)
    assert (recall.broken(0.94), recall.broken(0.95)) == (True, False)
