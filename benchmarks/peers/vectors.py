"""Vector search: ours beside hnswlib, faiss, usearch and SVS, at equal recall.

    python benchmarks/peers/vectors.py SET [--data DIR] [--sift FILE.npy] [--cache DIR]
        [--rounds N] [--only NAME,...] [--batch]

SET is fashion-mnist, sift, minilm or bigann10k; with `-rotated` the vectors are float32 after one
fixed random rotation, which moves no neighbour. Every system answers the same queries with one
thread, a call for each or one for all; k = 10. Truth is exact (float64 decides near ties). Indexes
are built once with two threads and kept in the cache with the seconds that took, so that a run
times queries alone.

A round visits every system and every operating point, in another order each time. Within a round a
system's queries a second at a recall are interpolated (log of the speed, over the recall); the
table gives the median over rounds of the ratio to hnswlib, and the interval that holds 90 % of
them. A `>` says that the lowest recall measured was already above. CPU time is counted, not the
wall's, as others may share the machine; everything here runs in one thread.
"""

import argparse
import json
import os
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy and faiss

import numpy as np

K = 10
TARGETS = (0.90, 0.95, 0.98, 0.99)
EF = (10, 12, 15, 20, 25, 30, 40, 50, 60, 80, 100, 120, 150, 200, 250, 300, 400, 500, 600, 800)
THREADS = 2  # for building


def vectors(name, data, sift):
    """Base and queries, and the metric."""
    plain = name.removesuffix("-rotated")
    metric = "l2"
    if plain == "fashion-mnist":
        with np.load(data / "fashion-mnist-784.npz") as arrays:
            base, queries = arrays["train"], arrays["test"][:1000]
    elif plain == "sift":
        rows = np.load(sift, mmap_mode="r")
        base, queries = rows[:500_000], rows[-2000:]
    elif plain == "bigann10k":
        with np.load(data / "bigann10k-128-u8.npz") as arrays:
            base, queries = arrays["base"], arrays["queries"]
    elif plain == "minilm":
        with np.load(data / "minilm-384-queries.npz") as arrays:
            rows = arrays["vectors"]
        base, queries, metric = rows[:-500], rows[-500:], "ip"
    else:
        raise SystemExit(f"no set {name!r}")
    base, queries = np.ascontiguousarray(base), np.ascontiguousarray(queries)
    if plain != name:
        dim = base.shape[1]
        axes, _ = np.linalg.qr(np.random.default_rng(9001).standard_normal((dim, dim)))
        base, queries = (np.float32(rows @ axes.astype(np.float32)) for rows in (base, queries))
    return base, queries, metric


def truth(base, queries, metric):
    """The distance of the K-th neighbour of each query, in float64, and the K neighbours."""
    import faiss

    kind = faiss.IndexFlatL2 if metric == "l2" else faiss.IndexFlatIP
    flat = kind(base.shape[1])
    flat.add(base.astype(np.float32))
    _, near = flat.search(queries.astype(np.float32), 2 * K)
    exact = np.empty(near.shape)
    for row, (query, ids) in enumerate(zip(queries, near, strict=True)):
        exact[row] = distances(base[ids], query, metric)
    order = np.argsort(exact, axis=1, kind="stable")
    return np.take_along_axis(near, order, 1)[:, :K], np.take_along_axis(exact, order, 1)[:, K - 1]


def distances(rows, query, metric):
    rows, query = rows.astype(np.float64), query.astype(np.float64)
    return ((rows - query) ** 2).sum(axis=1) if metric == "l2" else 1 - rows @ query


class Recall:
    """The share of answers at most as far as the true K-th, so that ties count as found."""

    def __init__(self, base, queries, metric, bound):
        self.base, self.queries, self.metric, self.bound = base, queries, metric, bound

    def __call__(self, answers):
        found = 0
        for ids, query, bound in zip(answers, self.queries, self.bound, strict=True):
            ids = np.unique(ids[ids >= 0])
            near = distances(self.base[ids], query, self.metric)
            found += min(K, int((near <= bound * (1 + 1e-6) + 1e-9).sum()))
        return found / (K * len(self.queries))


class System:
    """A peer: `build`, `save`, `load`, `set(ef)`, then `one` and `many`."""

    points = EF
    suffix = ".index"
    takes_bytes = False  # uint8 as it is

    def __init__(self, base, metric):
        self.dim, self.metric, self.n = base.shape[1], metric, len(base)

    def __getattr__(self, name):  # what a system does not offer
        if name == "many":
            raise AttributeError
        return super().__getattribute__(name)

    def one(self, query):
        return self.many(query)


class Hnswlib(System):
    def build(self, base):
        import hnswlib

        self.index = hnswlib.Index(self.metric, self.dim)
        self.index.init_index(self.n, M=16, ef_construction=200, random_seed=100)
        self.index.add_items(base, num_threads=THREADS)

    def save(self, path):
        self.index.save_index(path)

    def load(self, path):
        import hnswlib

        self.index = hnswlib.Index(self.metric, self.dim)
        self.index.load_index(path)

    def set(self, ef):
        self.index.set_num_threads(1)
        self.index.set_ef(ef)

    def many(self, queries):
        return self.index.knn_query(queries, K, num_threads=1)[0]

    def nbytes(self, path):
        return os.path.getsize(path)


class Faiss(System):
    factory = ""

    def build(self, base):
        import faiss

        faiss.omp_set_num_threads(THREADS)
        kind = faiss.METRIC_L2 if self.metric == "l2" else faiss.METRIC_INNER_PRODUCT
        self.index = faiss.index_factory(self.dim, self.factory, kind)
        self.prepare()
        self.index.train(base)
        self.index.add(base)

    def prepare(self):
        pass

    def save(self, path):
        import faiss

        faiss.write_index(self.index, path)

    def load(self, path):
        import faiss

        self.index = faiss.read_index(path)

    def many(self, queries):
        return self.index.search(queries, K)[1]

    def one(self, query):
        return self.index.search(query, K)[1]

    def nbytes(self, path):
        return os.path.getsize(path)


class FaissHNSW(Faiss):
    factory = "HNSW16"

    def prepare(self):
        self.index.hnsw.efConstruction = 200

    def set(self, ef):
        import faiss

        faiss.omp_set_num_threads(1)
        self.index.hnsw.efSearch = ef


class FaissIVF(Faiss):
    """IVF with 4-bit FastScan codes and exact re-ranking."""

    points = (1, 2, 4, 8, 12, 16, 24, 32, 48, 64, 96, 128)

    def build(self, base):
        lists = max(16, round(4 * self.n**0.5 / 64) * 16)
        self.factory = f"IVF{lists},PQ{self.dim // 2}x4fs,RFlat"
        super().build(base)

    def set(self, nprobe):
        import faiss

        faiss.omp_set_num_threads(1)
        self.index.k_factor = 10
        faiss.extract_index_ivf(self.index.base_index).nprobe = nprobe


class Usearch(System):
    def build(self, base):
        from usearch.index import Index

        metric = "l2sq" if self.metric == "l2" else "ip"
        self.index = Index(ndim=self.dim, metric=metric, dtype="f32", connectivity=16,
                           expansion_add=200)  # fmt: skip
        self.index.add(np.arange(self.n), base, threads=THREADS)

    def save(self, path):
        self.index.save(path)

    def load(self, path):
        from usearch.index import Index

        self.index = Index.restore(path)

    def set(self, ef):
        self.index.expansion_search = ef

    def many(self, queries):
        return self.index.search(queries, K, threads=1).keys.astype(np.int64)

    def one(self, query):
        return self.index.search(query[0], K, threads=1).keys.astype(np.int64)

    def nbytes(self, path):
        return self.index.memory_usage


class SVS(System):
    suffix = ""

    def build(self, base):
        import svs

        kind = svs.DistanceType.L2 if self.metric == "l2" else svs.DistanceType.MIP
        alpha = 1.2 if self.metric == "l2" else 0.95
        settings = svs.VamanaBuildParameters(alpha=alpha, graph_max_degree=64, window_size=200)
        self.index = svs.Vamana.build(settings, base, kind, num_threads=THREADS)

    def save(self, path):
        parts = [os.path.join(path, part) for part in ("config", "graph", "data")]
        for part in parts:
            os.makedirs(part, exist_ok=True)
        self.index.save(*parts)

    def load(self, path):
        import svs

        kind = svs.DistanceType.L2 if self.metric == "l2" else svs.DistanceType.MIP
        config, graph, data = (os.path.join(path, part) for part in ("config", "graph", "data"))
        self.index = svs.Vamana(
            config,
            svs.GraphLoader(graph),
            svs.VectorDataLoader(data, svs.DataType.float32),
            kind,
            num_threads=1,
        )

    def set(self, ef):
        self.index.num_threads = 1
        self.index.search_window_size = ef

    def many(self, queries):
        return self.index.search(queries, K)[0].astype(np.int64)

    def one(self, query):
        return self.index.search(query, K)[0].astype(np.int64)

    def nbytes(self, path):
        return sum(file.stat().st_size for file in Path(path).rglob("*") if file.is_file())


class Ours(System):
    takes_bytes = True
    fresh = True  # built anew when it changed: never from the cache unless asked

    def build(self, base):
        from ann import HNSW

        self.index = HNSW(self.dim, metric=self.metric, dtype=base.dtype)
        self.index.add(base, threads=THREADS)

    def save(self, path):
        self.index.save(path)

    def load(self, path):
        from ann import HNSW

        self.index = HNSW.load(path)

    def set(self, ef):
        self.ef = ef

    def many(self, queries):
        return self.index.search(queries, K, ef_search=self.ef, threads=1)[0]

    def nbytes(self, path):
        return self.index.nbytes


class OursIVF(System):
    """Our IVF, by the same list of probes as faiss'."""

    points = FaissIVF.points
    takes_bytes = True

    def build(self, base):
        from ann import IVF

        self.index = IVF(self.dim, metric=self.metric, dtype=base.dtype)
        self.index.add(base, threads=THREADS)

    def save(self, path):
        self.index.save(path)

    def load(self, path):
        from ann import IVF

        self.index = IVF.load(path)

    def set(self, nprobe):
        self.nprobe = nprobe

    def many(self, queries):
        return self.index.search(queries, K, nprobe=self.nprobe, threads=1)[0]

    def nbytes(self, path):
        return self.index.nbytes


SYSTEMS = {
    "hnswlib": Hnswlib,
    "ours": Ours,
    "faiss-hnsw": FaissHNSW,
    "ours-ivf": OursIVF,
    "faiss-ivf-fastscan": FaissIVF,
    "usearch": Usearch,
    "svs": SVS,
}


def ready(name, kind, base, metric, cache, rebuild):
    """A built system, from the cache where it is; its build's seconds and its bytes a vector."""
    system = kind(base, metric)
    path, notes = str(cache / (name + system.suffix)), cache / (name + ".json")
    if notes.exists() and not rebuild:
        system.load(path)
        seconds = json.loads(notes.read_text())
    else:
        rows = base if system.takes_bytes else base.astype(np.float32)
        start = time.perf_counter()
        system.build(rows)
        seconds = time.perf_counter() - start
        system.save(path)
        notes.write_text(json.dumps(seconds))
    return system, seconds, system.nbytes(path) / len(base)


def clocked(system, queries, batch):
    """Seconds a query, and the answers."""
    if batch:
        start = time.thread_time()
        answers = system.many(queries)
        return (time.thread_time() - start) / len(queries), answers
    rows = [queries[i : i + 1] for i in range(len(queries))]
    answers = np.empty((len(queries), K), np.int64)
    start = time.thread_time()
    for i, row in enumerate(rows):
        answers[i] = system.one(row)
    return (time.thread_time() - start) / len(queries), answers


def speed_at(target, curve):
    """Queries a second at a recall, from points (recall, seconds a query) of one round."""
    curve = sorted(curve)
    best, points = np.inf, []
    for recall, seconds in reversed(curve):  # the fastest way to at least this recall
        best = min(best, seconds)
        points.append((recall, best))
    points.reverse()
    recalls, seconds = np.array(points).T
    if target > recalls[-1]:
        return np.nan
    return float(np.exp(-np.interp(target, recalls, np.log(seconds))))


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("set")
    options.add_argument("--data", type=Path, default=Path("../shared/data/ann"))
    options.add_argument("--sift", type=Path, default=Path("sift.npy"))
    options.add_argument("--cache", type=Path, default=Path("vectors-cache"))
    options.add_argument("--rounds", type=int, default=7)
    options.add_argument("--only", default="")
    options.add_argument("--rebuild", default="", help="systems to build again")
    options.add_argument("--batch", action="store_true", help="one call for all queries")
    options.add_argument("--points", action="store_true", help="print each operating point")
    given = options.parse_args()
    names = given.only.split(",") if given.only else list(SYSTEMS)
    cache = given.cache / given.set
    cache.mkdir(parents=True, exist_ok=True)
    base, queries, metric = vectors(given.set, given.data, given.sift)
    known = cache / "truth.npz"
    if not known.exists():
        near, bound = truth(base, queries, metric)
        np.savez(known, near=near, bound=bound)
    recall = Recall(base, queries, metric, np.load(known)["bound"])
    systems, rebuild = {}, given.rebuild.split(",")
    print(f"{given.set}: {base.shape[0]:,} x {base.shape[1]} {base.dtype}, {len(queries)} queries")
    for name in names:
        try:
            system, seconds, nbytes = ready(
                name, SYSTEMS[name], base, metric, cache, name in rebuild
            )
        except ImportError as error:
            print(f"{name:20} {error}")
            continue
        systems[name] = system
        print(f"{name:20} built in {seconds:6.1f} s, {nbytes:7.0f} bytes a vector", flush=True)
    asked = {
        n: queries if s.takes_bytes else queries.astype(np.float32) for n, s in systems.items()
    }
    points = {}  # (name, point) -> recall; none beyond the first above the highest target
    for name, system in systems.items():
        for point in system.points:
            system.set(point)
            _, answers = clocked(system, asked[name], given.batch)
            points[name, point] = recall(answers)
            if points[name, point] > TARGETS[-1] + 0.003:
                break
    rng = np.random.default_rng(1)
    rounds = []
    for _ in range(given.rounds):
        curves = {name: [] for name in systems}
        for name, point in rng.permutation(np.array(list(points), dtype=object)):
            systems[name].set(point)
            seconds, _ = clocked(systems[name], asked[name], given.batch)
            curves[name].append((points[name, point], seconds))
            if given.points:
                print(f"  {name} {point} {points[name, point]:.4f} {seconds * 1e6:.1f} us")
        rounds.append({n: [speed_at(t, c) for t in TARGETS] for n, c in curves.items()})
    print(f"{'batch' if given.batch else 'single'}: thousand queries a second (ratio to hnswlib,"
          " 90 % of rounds within)")  # fmt: skip
    print(f"{'recall@10':20}" + "".join(f"{t:>26}" for t in TARGETS))
    for name in systems:
        speeds = np.array([r[name] for r in rounds])
        base_speeds = np.array([r.get("hnswlib", r[name]) for r in rounds])
        row = f"{name:20}"
        lowest = min(r for (n, _), r in points.items() if n == name)
        for i, target in enumerate(TARGETS):
            ratio = speeds[:, i] / base_speeds[:, i]
            low, mid, high = np.quantile(ratio, (0.05, 0.5, 0.95))
            mark = ">" if lowest > target else " "
            speed = np.median(speeds[:, i]) / 1e3
            row += f"{mark}{speed:7.1f} ({mid:4.2f}: {low:4.2f}-{high:4.2f})"
        print(row)


if __name__ == "__main__":
    main()
