"""Exact or sketched: bytes against what Python reports, errors against what sketches promise."""

import json
import math
import sys

import numpy as np
import pytest
from click.testing import CliRunner

from sketches import CountMin, HyperLogLog, MinHash, TopK, plan
from sketches._containers import dict_bytes, set_bytes
from tractable import main


def test_bytes_of_growing_containers():
    """Those of CPython itself, at every size at which they may have grown."""
    grown, counts = set(), {}
    for i in range(200_000):
        grown.add(i)
        counts[i] = 0
        if i < 3000 or i % 499 == 0:
            assert set_bytes(i + 1) == sys.getsizeof(grown)
            assert dict_bytes(i + 1) == sys.getsizeof(counts)


def test_a_billion_distinct_items_in_a_megabyte():
    found = plan("distinct", n=1e9, error=0.02, memory="1MB")
    assert found.choice.name == "HyperLogLog"
    assert found.choice.parameters == {"p": HyperLogLog.for_error(0.02).p}
    assert "memory" in found.why_not("set")
    assert "each item takes" in found.why_not("set")
    assert 1_000 < found.crossover("memory", "set") < 40_000
    most = found.crossover("memory", "sorted hashes")
    assert most == pytest.approx(1e6 / 16, rel=1e-3)


def test_exact_where_that_is_better():
    few = plan("distinct", n=1e4, error=0.01, memory="1MB")
    assert few.choice.exact
    assert "which is exact" in few.why_not("HyperLogLog")
    smaller = plan("distinct", n=100, error=0.01)
    assert smaller.choice.exact  # in fewer bytes
    assert "its memory is" in smaller.why_not("HyperLogLog")
    assert {c.name for c in plan("distinct", n=1e9, error=0).candidates} == {"set", "sorted hashes"}


def test_bytes_of_what_is_then_built():
    items = np.arange(50_000)
    found = plan("distinct", n=len(items), error=0.02, sample=items)
    sketch = HyperLogLog(**found["HyperLogLog"].parameters)
    sketch.update(items)
    assert found["HyperLogLog"].costs["memory"].mid == pytest.approx(sketch.nbytes, rel=0.05)
    built = set(items.tolist())
    held = sys.getsizeof(built) + sum(map(sys.getsizeof, built))
    assert found["set"].costs["memory"].mid == pytest.approx(held, rel=0.05)
    texts = [f"document number {i}" for i in range(20_000)]
    counts = dict.fromkeys(texts, 1000)
    held = sys.getsizeof(counts) + sum(map(sys.getsizeof, texts)) + len(texts) * 28
    found = plan("frequency", n=len(texts), error=0.01, sample=texts)
    assert found["Counter"].costs["memory"].mid == pytest.approx(held, rel=0.05)


def test_frequencies():
    found = plan("frequency", n=1e8, error=1e-4, memory="10MB")
    table = CountMin.for_error(1e-4, 0.05)
    assert found["CountMin"].parameters == {"width": table.width, "depth": table.depth}
    assert found["CountMin"].costs["memory"].mid == table.nbytes
    assert found["TopK"].parameters == {"k": TopK.for_error(1e-4).k}
    assert not found.choice.exact
    repeated = plan("frequency", n=1e8, distinct=1e4, error=1e-4, memory="10MB")
    assert repeated.choice.name == "Counter"  # ten thousand keys are few


def test_similar_sets():
    found = plan("similar", n=1e6, error=0.05, memory="1GB")
    assert found["MinHash"].parameters == {"num_perm": MinHash.for_error(0.05).num_perm}
    assert found["MinHash"].costs["memory"].mid == 1e6 * 4 * 738
    assert found.choice.name == "BBitMinHash"
    assert found["sorted hashes"].costs["memory"].mid == 8e9
    assert plan("similar", n=1e6, size=20, error=0.05, memory="1GB").choice.exact


def test_what_no_sketch_reaches():
    found = plan("distinct", n=1e9, error=1e-4, memory="10MB")
    assert found.choice is None
    assert "2^21 registers are the most" in found.why_not("HyperLogLog")
    reached = found["HyperLogLog"].costs["error"].mid
    assert reached == pytest.approx(1.04 * 1.96 / math.sqrt(2**21), rel=1e-3)
    assert found.nearest[0].name == "HyperLogLog"
    found = plan("similar", n=1e6, error=1e-4, memory="1GB")
    assert found["MinHash"].parameters == {"num_perm": 65536}
    assert "65,536 slots are the most" in found.why_not("MinHash")
    assert [c.name for c in plan("frequency", n=1e9, error=1e-11).candidates] == ["Counter"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"question": "median"}, "question must be one of distinct, frequency, similar"),
        ({"n": 0}, "n must be at least 1"),
        ({"n": math.nan}, "n must be at least 1"),
        ({"error": 1}, "error must lie below 1"),
        ({"error": -0.1}, "error must be at least 0"),
        ({"memory": "much"}, "is no size"),
        ({"seconds": 0}, "seconds must be above 0"),
        ({"distinct": 1e7}, "of n=1e\\+06 items cannot be"),
        ({"confidence": 1}, "confidence must lie strictly between"),
        ({"size": 0}, "size must be at least 1"),
        ({"sample": [1, 2, 3]}, "a sample of 3 items tells no time"),
    ],
)
def test_bad_input_is_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        plan(**({"question": "distinct", "n": 1e6} | arguments))


def test_what_is_no_sample():
    with pytest.raises(TypeError, match="sample must be an array"):
        plan("distinct", n=10, sample=iter([1]))
    with pytest.raises(TypeError):
        plan("distinct", n=1e5, sample=[{}] * 2000)


def run(*arguments, code=0):
    done = CliRunner().invoke(main, ["plan", *map(str, arguments)])
    assert done.exit_code == code, done.output
    return done


def test_the_command():
    told = run("distinct", "--n", "1e9", "--error", 0.02, "--memory", "1MB").output
    assert "<- the choice" in told
    assert "set: memory" in told
    found = json.loads(run("frequency", "--n", "1e8", "--error", 1e-4, "--json").stdout)
    assert found["choice"] == "CountMin"
    assert "BBitMinHash" in run("similar", "--n", "1e6", "--error", 0.05, "--size", 500).output
    failed = run("distinct", "--n", "1e9", "--error", 1e-4, "--memory", "1MB", code=1)
    assert "Nothing keeps all budgets" in failed.output
    assert "is no size" in run("distinct", "--n", 10, "--memory", "x", code=1).output
    assert "No such command" in run("everything", code=2).output
