"""`ann.plan`: the textbook case by stated machines, and twins of indexes whose laws are known."""

import json
import math

import numpy as np
import pytest
from click.testing import CliRunner

import ann
from ann.planning import knn, probing, residuals
from ann.planning.curves import Curve, Growth
from ann.planning.knn import KINDS
from ann.planning.probing import truth
from costs import Machine
from costs.machine import Measured
from tractable import main


def stated(bandwidth, flops=2e11):
    """A machine of one thread that reads so many bytes a second from memory."""

    def measured(value):
        return Measured(value, value, value)

    loops = ("read", "write", "copy", "triad")
    speeds = {"L1": 2e11, "L2": 1e11, "L3": max(5e10, bandwidth), "DRAM": bandwidth}
    return Machine(
        name="stated",
        cores=1,
        threads=1,
        isa="baseline",
        caches={"L1": 1 << 15, "L2": 1 << 20, "L3": 1 << 25},
        bandwidth={level: dict.fromkeys(loops, measured(v)) for level, v in speeds.items()},
        flops={"vector f32": measured(flops)},
        latency={},
        overhead={},
        blas="none",
    )


@pytest.fixture(autouse=True)
def apart(monkeypatch, tmp_path):
    """No residuals but those of the test."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def test_ten_million_vectors_at_25_gigabytes_a_second():
    plan = ann.plan(10_000_000, 128, latency_ms=15, memory="8GB", machine=stated(25e9))
    assert plan.choice.name == "HNSW float16"
    assert plan.choice.costs["recall"].mid >= 0.95
    why = plan.why_not("Exact")
    assert why == (
        "latency 52.8 ms > 15 ms; no engineering makes it fit: even its 8-bit scan must read "
        "1.32 GB at 25 GB/s"
    )
    assert "memory 8.42 GB > 8 GB; the vectors alone are 5.12 GB" in plan.why_not("HNSW")
    assert plan.crossover("latency") == pytest.approx(0.015 * 25e9 / 132, rel=0.01)


def test_ten_million_vectors_at_500_gigabytes_a_second():
    plan = ann.plan(10_000_000, 128, latency_ms=15, memory="8GB", machine=stated(500e9))
    assert plan.choice.name == "Exact"
    assert plan.choice.costs["recall"].mid == 1
    assert "which is exact" in plan.why_not("HNSW float16")


def test_an_impossible_budget_names_the_nearest():
    plan = ann.plan(1e9, 128, latency_ms=15, memory="8GB", machine=stated(25e9))
    assert plan.choice is None
    assert plan.nearest[0].name == "HNSW float16"
    assert "HNSW float16: memory up to 586 GB" in str(plan)
    with pytest.raises(ValueError, match="nothing keeps all budgets; the nearest is HNSW float16"):
        plan.build(np.zeros((5, 128)))


def test_updates_and_price():
    still = ann.plan(1e6, 128, machine=stated(25e9), price_per_hour=1.0, latency_ms=1)
    assert "updates" not in still.choice.costs
    assert still.choice.costs["price"].mid == pytest.approx(
        1e6 * still.choice.costs["latency"].mid / 3600
    )
    busy = ann.plan(1e6, 128, machine=stated(25e9), updates_per_s=1e5, latency_ms=1)
    assert busy.choice is None
    assert "updates" in busy.why_not("HNSW")
    assert "a new vector is searched for its neighbours first" in busy.why_not("HNSW")
    slower = ann.plan(1e6, 128, machine=stated(25e9), updates_per_s=1e5, latency_ms=15)
    assert slower.choice.name == "Exact"


def law(n, effort, gamma=0.25):
    """The share that is lost: a power of the effort, which grows with n."""
    return np.minimum(0.3 * (np.asarray(effort) / (10 * (n / 5000) ** gamma)) ** -2.0, 1.0)


def curve(n, rng=None, looked_for=3000):
    effort = np.array([10.0, 14, 20, 28, 40, 56, 80, 112])
    loss = law(n, effort)
    if rng is not None:
        loss = rng.binomial(looked_for, loss) / looked_for
    seconds = (10e-6 + effort * 0.3e-6) * (n / 5000) ** 0.15
    return Curve(float(n), effort, loss, seconds, looked_for)


def test_curves_are_carried_to_other_sizes():
    growth = Growth(curve(5_000), curve(20_000))
    effort = [32, 48, 96]
    assert growth.loss(20_000, effort) == pytest.approx(law(20_000, effort), rel=0.05)
    seen = growth.loss(200_000, effort)
    # the shift between the sizes was 0.25, and is taken to grow by a third for each factor of ten
    assert seen == pytest.approx(law(20_000, np.array(effort) / 10 ** (0.25 * 1.35)), rel=0.05)
    assert growth.seconds(200_000, effort) == pytest.approx(
        (10e-6 + np.array(effort) * 0.3e-6) * 40**0.15, rel=0.01
    )


def test_chance_moves_recall_by_less_than_two_points():
    """300 queries of 10: over 40 seeds, recall at ten times the size and 0.95."""
    clean = Growth(curve(5_000), curve(20_000))
    effort = [next(e for e in range(10, 500) if clean.loss(200_000, [e])[0] <= 0.05)]
    errors = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        noisy = Growth(curve(5_000, rng), curve(20_000, rng))
        errors.append(abs(noisy.loss(200_000, effort)[0] - clean.loss(200_000, effort)[0]))
    assert np.quantile(errors, 0.9) < 0.02


def test_loss_falls_with_effort_and_rises_with_n():
    growth = Growth(curve(5_000), curve(20_000))
    efforts = np.geomspace(10, 4000, 50)
    for n in (1e4, 1e5, 1e7, 1e9):
        loss = growth.loss(n, efforts)
        assert (np.diff(loss) <= 0).all()
        assert (growth.loss(10 * n, efforts) >= loss - 1e-12).all()
        assert (np.diff(growth.seconds(n, efforts)) > 0).all()


class Twin:
    """Compares all, in numpy."""

    def __init__(self, dim, metric="l2", *, dtype="float32", **options):
        self.dim, self.metric, self.rows = dim, metric, np.empty((0, dim), dtype)
        self.options = options

    def add(self, rows, ids=None):
        self.rows = np.concatenate([self.rows, rows])

    def __len__(self):
        return len(self.rows)

    @property
    def nbytes(self):
        return self.rows.nbytes + 100

    def search(self, query, k, *, threads=None):
        away = ((self.rows.astype(np.float32) - query.astype(np.float32)) ** 2).sum(1)
        nearest = np.argsort(away, kind="stable")[:k]
        return nearest[None], away[nearest][None].astype(np.float32)


class Lossy(Twin):
    """Finds each neighbour with the probability of the law."""

    ef_search = 64
    nprobe = None

    def search(self, query, k, *, threads=None, ef_search=None, nprobe=None):
        ids, away = super().search(query, k)
        seed = int(np.abs(query[:4]).sum() * 1e6) % 2**32
        missed = np.random.default_rng(seed).random(k) < law(
            len(self), ef_search or nprobe or self.ef_search
        )
        away[0, missed] = away.max() * 2
        return ids, away


@pytest.fixture
def twins(monkeypatch):
    monkeypatch.setitem(KINDS, "Exact", Twin)
    monkeypatch.setitem(KINDS, "HNSW", Lossy)
    monkeypatch.setitem(KINDS, "IVF", Lossy)
    monkeypatch.setattr(knn, "LEAST", 2_000)
    quickly(monkeypatch)


def quickly(monkeypatch):
    """Fewer and shorter searches."""
    monkeypatch.setattr(probing, "EFFORTS", (10, 20, 40, 80))
    monkeypatch.setattr(probing, "HELD_OUT", 60)


def test_from_sample_to_index_and_back(twins):
    rng = np.random.default_rng(3)
    vectors = rng.standard_normal((8_000, 8)).astype(np.float32)
    queries = rng.standard_normal((100, 8)).astype(np.float32)
    plan = ann.plan(
        8_000,
        8,
        machine=stated(25e9),
        sample=vectors[:2_000],
        queries=queries,
        latency_ms=1e4,
        memory="1GB",
        recall=0.9,
    )
    assert plan.choice.name == "Exact"
    assert plan["Exact"].costs["memory"].mid == pytest.approx(8_000 * 32 + 100)
    index = plan.build(vectors, name="HNSW")
    assert isinstance(index, Lossy)
    assert index.ef_search == plan["HNSW"].parameters["ef_search"]
    assert index.options == {"M": 16}
    found = {v.quantity: v for v in plan.verify(index, queries, name="HNSW")}
    assert set(found) == {"latency", "memory", "recall", "build"}
    assert found["memory"].error == pytest.approx(0, abs=0.01)
    assert abs(found["recall"].error) < 0.06  # 1,000 neighbours by a law that is no index's
    assert "foretold" in str(found["recall"])


def test_real_indexes(monkeypatch):
    """Bytes within 5 %, recall within 8 points, nearly twice the sample: neighbours of a query are
    found or missed together, so that 150 queries on either side leave 1.7 points to chance (4.7
    sigma: false alarm < 1e-5)."""
    quickly(monkeypatch)
    monkeypatch.setattr(probing, "HELD_OUT", 150)
    rng = np.random.default_rng(4)
    centres = rng.standard_normal((50, 24))
    points = centres[rng.integers(0, 50, 8_150)] + 0.4 * rng.standard_normal((8_150, 24))
    vectors, queries = np.split(points.astype(np.float32), [8_000])
    plan = ann.plan(8_000, 24, machine=stated(25e9), sample=vectors[:4_500])
    assert plan.choice.name == "Exact"
    for name in ("Exact", "HNSW", "HNSW float16", "IVF"):
        index = plan.build(vectors, name=name)
        assert len(index) == 8_000
        found = {v.quantity: v for v in plan.verify(index, queries, name=name, keep=False)}
        assert abs(found["memory"].error) < 0.05
        assert abs(found["recall"].error) < 0.08
        assert found["latency"].measured > 0


def test_without_a_byte_beside_each_number():
    """Half a gigabyte less, and four times the bytes to read."""
    plan = ann.plan(1e6, 128, machine=stated(25e9), memory="600MB", latency_ms=100)
    assert plan.choice.parameters == {"prefilter": False}
    assert plan.choice.costs["memory"].mid == 1e6 * 524
    index = plan.build(np.zeros((10, 128), np.float32))
    assert index.search(np.zeros(128, np.float32), 1)[1][0, 0] == 0
    by_angle = ann.plan(1e8, 128, machine=stated(25e9), metric="ip")
    assert "no engineering makes it fit: it must read 51.2 GB" in by_angle.why_not("Exact")


def test_residuals_are_the_next_intervals(twins):
    wide = ann.plan(1e5, 8, machine=stated(25e9))["Exact"].costs["latency"]
    for ratio in (1.05, 0.97, 1.1, 1.02):
        residuals.keep("Exact", "latency", ratio, 1.0)
    narrow = ann.plan(1e5, 8, machine=stated(25e9))["Exact"].costs["latency"]
    assert narrow.mid == wide.mid
    assert narrow.high / narrow.mid == pytest.approx(1.1)
    assert wide.high / wide.mid == 2
    index = Twin(8)
    index.add(np.zeros((3000, 8), np.float32))
    plan = ann.plan(3000, 8, machine=stated(25e9))
    plan.verify(index, np.ones((5, 8)), keep=False)
    assert len(residuals.load()["Exact/latency"]) == 4
    plan.verify(index, np.ones((5, 8)))
    assert len(residuals.load()["Exact/latency"]) == 5


def test_a_damaged_file_of_residuals_is_none(tmp_path):
    path = tmp_path / "tractable" / "residuals.json"
    path.parent.mkdir()
    for text in ("{", "[1]", '{"a": 3}', '{"a": ["x"]}', "\xff"):
        path.write_bytes(text.encode("latin-1"))
        assert residuals.load() == {}
    residuals.keep("Exact", "latency", 2.0, 1.0)
    assert residuals.load() == {"Exact/latency": [math.log(2)]}


@pytest.mark.parametrize("metric", ["l2", "ip", "cosine"])
def test_truth_in_blocks(metric):
    rng = np.random.default_rng(5)
    vectors, queries = rng.standard_normal((700, 6)), rng.standard_normal((9, 6))
    if metric == "l2":
        away = ((queries[:, None] - vectors[None]) ** 2).sum(2)
    else:
        norm = np.linalg.norm if metric == "cosine" else lambda x, axis: np.ones(len(x))
        away = (
            1
            - (queries / norm(queries, axis=1)[:, None])
            @ (vectors / norm(vectors, axis=1)[:, None]).T
        )
    kth = np.sort(away, axis=1)[:, 9]
    assert truth(vectors, queries, 10, metric, block=64) == pytest.approx(kth, abs=1e-4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n": 0}, "n must be at least 1"),
        ({"dim": 1.5}, "dim must be a whole number above 0, not 1.5"),
        ({"k": 0}, "k must be a whole number"),
        ({"recall": 1.5}, "recall must lie between 0 and 1"),
        ({"latency_ms": 0}, "latency_ms must be above 0"),
        ({"memory": "lots"}, "is no size"),
        ({"updates_per_s": -1}, "updates_per_s must be at least 0"),
        ({"price_per_hour": 0}, "price_per_hour must be above 0"),
        ({"metric": "l1"}, "metric must be one of l2, ip, cosine, not 'l1'"),
        ({"dtype": "float64"}, "dtype must be one of float32"),
        ({"sample": np.zeros((5, 7))}, r"sample must be \[m, 8\], not of shape \(5, 7\)"),
        ({"sample": np.zeros((5, 8))}, "a sample of 5 rows is too small: give 4,500"),
        ({"sample": np.full((5000, 8), np.nan)}, "sample has NaN"),
        ({"sample": np.full((5000, 8), "x")}, "sample must be real numbers"),
    ],
)
def test_bad_input_is_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        ann.plan(**({"n": 1e4, "dim": 8, "machine": stated(25e9)} | arguments))


def test_what_cannot_be_built_or_verified():
    plan = ann.plan(1e4, 8, machine=stated(25e9))
    with pytest.raises(ValueError, match=r"vectors must be \[n, 8\]"):
        plan.build(np.zeros((3, 7)))
    with pytest.raises(KeyError, match="no candidate 'LSH'; there are Exact, HNSW"):
        plan.build(np.zeros((3, 8)), name="LSH")
    with pytest.raises(ValueError, match=r"queries must be \[nq, 8\]"):
        plan.verify(Twin(8), np.zeros((3, 7)))


def run(*arguments, code=0):
    done = CliRunner().invoke(main, ["plan", "knn", *map(str, arguments)])
    assert done.exit_code == code, done.output
    return done


def test_the_command(tmp_path, twins):
    path = tmp_path / "machine.json"
    stated(25e9).save(path)
    told = run("--n", "1e7", "--dim", 128, "--machine", path).output
    assert "<- the choice" in told
    assert "no engineering makes it fit" in told
    found = json.loads(run("--n", "1e7", "--dim", 128, "--machine", path, "--json").stdout)
    assert found["choice"] == "HNSW float16"
    assert "Nothing keeps" in run("--n", "1e9", "--dim", 128, "--machine", path, code=1).output
    rows = tmp_path / "rows.npy"
    np.save(rows, np.random.default_rng(1).standard_normal((2_000, 4)).astype(np.float32))
    assert "Exact()" in run("--n", "1e4", "--sample", rows, "--machine", path).output
    assert "say --dim" in run("--n", 10, "--machine", path, code=2).output
    rows.write_bytes(b"x")
    assert "is no array of numpy" in run("--n", 10, "--sample", rows, code=1).output
