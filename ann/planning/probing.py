"""A sample of the data, indexed at two sizes: what it takes, and what it finds."""

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ann.planning.curves import Curve, Growth
from ann.planning.models import Probe

MOST = 20_000  # rows of the sample that are indexed
PART = 4  # times smaller: the other size
HELD_OUT = 300  # rows that are asked for instead, where no queries are given
LEAST = 4_500  # rows, of which a quarter are more than an HNSW compares one and all
EFFORTS = (10, 14, 20, 28, 40, 56, 80, 112, 160)
PROBED = (1, 2, 3, 4, 6, 8, 12, 16, 24)  # lists
ROUNDS = 3
SEED = 9001
TIE = 1e-5  # relative: whoever is as near as the k-th is as good


def split(sample: NDArray[Any], queries: NDArray[Any] | None) -> tuple[NDArray[Any], NDArray[Any]]:
    """Rows to index, in random order, and queries."""
    rng = np.random.default_rng(SEED)
    order = rng.permutation(len(sample))
    if queries is not None:
        return sample[np.sort(order[:MOST])], queries[:HELD_OUT]
    held = min(HELD_OUT, len(sample) // 10)
    rows = order[held : held + MOST]
    return sample[rows], sample[order[:held]]


def truth(
    vectors: NDArray[Any], queries: NDArray[Any], k: int, metric: str, block: int = 50_000
) -> NDArray[np.float32]:
    """The distance of the k-th nearest to each query, by comparing with all."""
    asked = queries.astype(np.float32)
    best = np.full((len(asked), k), np.inf, np.float32)
    if metric == "cosine":
        asked = asked / np.linalg.norm(asked, axis=1, keepdims=True)
    for start in range(0, len(vectors), block):
        part = np.asarray(vectors[start : start + block], np.float32)
        if metric == "cosine":
            part = part / np.linalg.norm(part, axis=1, keepdims=True)
        product = asked @ part.T
        if metric == "l2":
            squares = np.einsum("ij,ij->i", part, part)
            own = np.einsum("ij,ij->i", asked, asked)[:, None]
            away = own + squares - 2 * product
        else:
            away = 1 - product
        both = np.concatenate([best, away], axis=1)
        best = np.partition(both, k - 1, axis=1)[:, :k]
    return np.asarray(best.max(axis=1))


def ask(
    index: Any, queries: NDArray[Any], k: int, options: dict[str, Any], rounds: int = ROUNDS
) -> tuple[float, NDArray[np.float32]]:
    """The median of a query's least time over rounds, one by one, and the distances found."""
    best = np.full(len(queries), np.inf)
    found = np.empty((len(queries), k), np.float32)
    for _ in range(rounds):
        for i, query in enumerate(queries):
            start = time.perf_counter()
            _, distances = index.search(query, k, threads=1, **options)
            best[i] = min(best[i], time.perf_counter() - start)
            found[i] = distances[0]
    return float(np.median(best)), found


def lost(found: NDArray[np.float32], limit: NDArray[np.float32]) -> float:
    """The share of neighbours that are farther than the k-th nearest."""
    near = found <= (limit + TIE * np.maximum(np.abs(limit), 1))[:, None]
    return float(1 - near.mean())


def probe_exact(make: Any, rows: NDArray[Any], queries: NDArray[Any], k: int) -> Probe:
    """Time, bytes and building of an index that compares all."""
    sizes = (len(rows) // PART, len(rows))
    build, held, seconds = [], [], []
    for n in sizes:
        index, took = _built(make, rows[:n])
        build.append(took)
        held.append(float(index.nbytes))
        seconds.append(ask(index, queries, k, {})[0])
    return Probe(_pair(sizes), _pair(build), _pair(held), seconds=_pair(seconds))


def probe_graph(
    make: Any, rows: NDArray[Any], queries: NDArray[Any], k: int, metric: str, knob: str
) -> Probe:
    """The same of one that may miss, with what it misses at each effort of its knob."""
    sizes = (len(rows) // PART, len(rows))
    build, held, curves = [], [], []
    efforts = list(PROBED)
    if knob == "ef_search":  # at least k
        efforts = [e for e in EFFORTS if e >= k] or [k, 2 * k, 4 * k, 8 * k]
    for n in sizes:
        index, took = _built(make, rows[:n])
        build.append(took)
        held.append(float(index.nbytes))
        limit = truth(rows[:n], queries, k, metric)
        asked = [ask(index, queries, k, {knob: effort}) for effort in efforts]
        losses = [lost(found, limit) for _, found in asked]
        seconds = [second for second, _ in asked]
        curves.append(
            Curve(
                float(n),
                np.array(efforts, np.float64),
                np.array(losses),
                np.array(seconds),
                len(queries) * k,
            )
        )
    return Probe(_pair(sizes), _pair(build), _pair(held), Growth(*curves))


def _built(make: Any, rows: NDArray[Any]) -> tuple[Any, float]:
    index = make()
    start = time.perf_counter()
    index.add(rows)
    return index, time.perf_counter() - start


def _pair(values: Sequence[float]) -> tuple[float, float]:
    return float(values[0]), float(values[1])
