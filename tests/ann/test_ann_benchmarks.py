"""The wrapper for ann-benchmarks, run as that suite runs it."""

import importlib.util
import sys
import types
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks" / "ann-benchmarks"


@pytest.fixture
def algorithm(monkeypatch):
    for name in ("suite", "suite.base", "suite.tractable"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    base = types.ModuleType("suite.base.module")
    base.BaseANN = object
    monkeypatch.setitem(sys.modules, "suite.base.module", base)
    spec = importlib.util.spec_from_file_location("suite.tractable.module", FOLDER / "module.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.TractableHNSW


@pytest.mark.parametrize("metric", ["euclidean", "angular"])
@pytest.mark.parametrize("whole", [False, True])
def test_the_suites_protocol(algorithm, metric, whole):
    x = np.random.default_rng(1).uniform(1, 200, (1500, 8)).astype(np.float32)
    x = np.rint(x) if whole else x
    entry = algorithm(metric, {"M": 8, "ef_construction": 40})
    entry.fit(x)
    assert entry.index.dtype == (np.uint8 if whole else np.float32)
    entry.set_query_arguments(60)
    one = [entry.query(row, 5) for row in x[:50]]
    entry.batch_query(x[:50], 5)
    assert (np.array(one) == entry.get_batch_results()).all()
    assert (np.array(one)[:, 0] == np.arange(50)).mean() > 0.9
    assert entry.get_memory_usage() > 1500 * 8 / 1024
    assert "ef_search=60" in str(entry)
    config = (FOLDER / "config.yml").read_text()
    assert f"constructor: {algorithm.__name__}\n" in config
