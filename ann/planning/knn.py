"""Which vector index, with which parameters, by the budgets of who has to pay for it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ann.exact import Exact
from ann.hnsw import HNSW
from ann.ivf import IVF
from ann.planning import residuals
from ann.planning.models import Asked, ExactModel, HNSWModel, IVFModel, Probe
from ann.planning.probing import LEAST, ask, lost, probe_exact, probe_graph, split, truth
from costs._checks import number, share
from costs.machine import Machine
from costs.planning import Budget, Model, Plan, parse_bytes, written

if TYPE_CHECKING:
    from costs.planning import Candidate

KINDS: dict[str, Any] = {"Exact": Exact, "HNSW": HNSW, "IVF": IVF}
METRICS = ("l2", "ip", "cosine")
DTYPES = ("float32", "float16", "uint8", "int8")
UNITS = {
    "latency": "s",
    "memory": "B",
    "recall": "share",
    "build": "s",
    "updates": "share",
    "price": "price",
}
SEARCHED = ("ef_search", "nprobe", "n_probes")  # parameters of a search, not of an index
CHECKED = 300  # queries that a verification asks
MACHINE_S = 3.0  # seconds of measuring a machine that was not measured before


@dataclass(frozen=True)
class Verified:
    """One quantity, foretold and measured.

    Attributes
    ----------
    quantity : str
    predicted : Interval
    measured : float
    """

    quantity: str
    predicted: Any
    measured: float

    @property
    def error(self) -> float:
        """Relative; of a recall the difference."""
        if self.quantity == "recall":
            return float(self.predicted.mid - self.measured)
        return float(self.predicted.mid / self.measured - 1)

    @property
    def held(self) -> bool:
        """Whether the interval held it."""
        return bool(self.predicted.low <= self.measured <= self.predicted.high)

    def __str__(self) -> str:
        unit = UNITS[self.quantity]
        error = f"{self.error:+.3f}" if self.quantity == "recall" else f"{self.error:+.1%}"
        foretold, seen = written(self.predicted.mid, unit), written(self.measured, unit)
        return f"{self.quantity}: foretold {foretold}, measured {seen} ({error})"


class KnnPlan(Plan):
    """What `ann.plan` answers: a `costs.planning.Plan` that can build and check its choice."""

    dim: int
    k: int
    metric: str
    dtype: str
    built: "tuple[Any, NDArray[Any], float] | None" = None

    def build(self, vectors: ArrayLike, name: str | None = None, **options: Any) -> Any:
        """The index that was chosen, with the vectors in it.

        Parameters
        ----------
        vectors : [n, dim]
        name : str, optional
            Of another candidate.
        **options
            Of `add`: ids, threads.

        Returns
        -------
        index
            Its `ef_search` is that of the plan.

        Raises
        ------
        ValueError
            If nothing was chosen and no name is given; for vectors of another shape.
        """
        import time

        candidate = self._candidate(name)
        rows = np.asarray(vectors)
        if rows.ndim != 2 or rows.shape[1] != self.dim:
            raise ValueError(f"vectors must be [n, {self.dim}], not of shape {rows.shape}")
        index = _make(candidate, self.dim, self.metric, self.dtype)
        start = time.perf_counter()
        index.add(rows, **options)
        self.built = index, rows, time.perf_counter() - start
        for knob in SEARCHED:
            if knob in candidate.parameters:
                setattr(index, knob, candidate.parameters[knob])
        return index

    def _candidate(self, name: str | None) -> "Candidate":
        if name is not None:
            return self[name]
        if self.choice is None:
            nearest = self.nearest[0]
            raise ValueError(
                f"nothing keeps all budgets; the nearest is {nearest}: name it, or change a budget"
            )
        return self.choice

    def verify(
        self,
        index: Any,
        queries: ArrayLike,
        *,
        vectors: ArrayLike | None = None,
        name: str | None = None,
        keep: bool = True,
    ) -> list[Verified]:
        """Compare what was foretold with what is measured, and learn from it.

        Parameters
        ----------
        index
            Built by this plan, or like it.
        queries : [nq, dim]
            Some hundred, like those to come; asked one by one, on one thread.
        vectors : [n, dim], optional
            What is in it, for the recall; those given to `build` are known.
        name : str, optional
            Of the candidate that it is, if not the choice.
        keep : bool, default True
            Keep the residuals, as the width of the next plans' intervals on this machine.

        Returns
        -------
        list of Verified
            Latency, memory, and where they are known recall and build. The predictions are those
            at the number of vectors that are in the index.
        """
        candidate = self._candidate(name)
        asked = np.atleast_2d(np.asarray(queries))[:CHECKED]
        if not len(asked) or asked.shape[1] != self.dim:
            raise ValueError(f"queries must be [nq, {self.dim}], not of shape {asked.shape}")
        model = next(m for m in self.models if m.name == candidate.name)
        at_n = next(
            c for c in model.candidates(len(index)) if c.parameters == candidate.parameters
        ).costs
        options = {key: v for key, v in candidate.parameters.items() if key in SEARCHED}
        latency, found = ask(index, asked, self.k, options)
        measured = {"latency": latency, "memory": float(index.nbytes)}
        known = vectors
        if self.built is not None and self.built[0] is index:
            measured["build"] = self.built[2]
            known = self.built[1] if vectors is None else vectors
        if known is not None:
            limit = truth(np.asarray(known), asked, self.k, self.metric)
            measured["recall"] = 1 - lost(found, limit)
        result = [Verified(name, at_n[name], value) for name, value in measured.items()]
        if keep:
            for each in result:
                if each.quantity == "recall":
                    if not candidate.exact:
                        pair = (max(1 - v, 1e-4) for v in (each.measured, each.predicted.mid))
                        residuals.keep(candidate.name, "loss", *pair)
                else:
                    residuals.keep(candidate.name, each.quantity, each.measured, each.predicted.mid)
        return result


def plan(
    n: float,
    dim: int,
    k: int = 10,
    *,
    recall: float = 0.95,
    latency_ms: float | None = 15.0,
    memory: str | float | None = "8GB",
    machine: Machine | None = None,
    sample: ArrayLike | None = None,
    queries: ArrayLike | None = None,
    updates_per_s: float = 0.0,
    price_per_hour: float | None = None,
    metric: str = "l2",
    dtype: str = "float32",
) -> KnnPlan:
    """Choose a vector index for n vectors before building it.

    Parameters
    ----------
    n : float
        Vectors that it will hold.
    dim : int
        Numbers a vector.
    k : int, default 10
        Neighbours of a query.
    recall : float, default 0.95
        Share of the k nearest that have to be found, on average.
    latency_ms : float, optional
        Budget of the median query, one at a time on one thread; None for any.
    memory : str or float, optional
        Budget: bytes, or a text such as "8GB"; None for any.
    machine : Machine, optional
        Its constants; by default this one's, measured once (seconds) and kept.
    sample : [m, dim], optional
        Rows of the data, 4,500 at least: up to 20,000 are indexed at two sizes, which takes some
        seconds, and tell times, bytes and recall. Without one, recall is that of SIFT descriptors.
    queries : [nq, dim], optional
        Like those to come; by default rows of the sample that are held out.
    updates_per_s : float, default 0
        Vectors added a second: a core has to be able to.
    price_per_hour : float, optional
        Of the machine: gives the price of a million queries, with one on each core.
    metric : {"l2", "ip", "cosine"}, default "l2"
    dtype : {"float32", "float16", "uint8", "int8"}, default "float32"
        What vectors are kept as.

    Returns
    -------
    KnnPlan
        ``choice``, an exact index if one keeps all budgets, else the fastest; ``rejected``,
        ``why_not(name)``, ``crossover("latency")``, ``table()``, ``plot()``, ``build(vectors)``,
        ``verify(index, queries)``.

    Raises
    ------
    ValueError
        For numbers, names or shapes that make no sense, and NaN in the sample.

    Examples
    --------
    >>> import ann
    >>> found = ann.plan(1e4, 32, latency_ms=15)  # doctest: +SKIP
    >>> found.choice.name  # doctest: +SKIP
    'Exact'
    """
    n = number(n, "n", least=1.0)
    for name, value in (("dim", dim), ("k", k)):
        if not isinstance(value, (int, np.integer)) or value < 1:
            raise ValueError(f"{name} must be a whole number above 0, not {value!r}")
    for name, given, allowed in (("metric", metric, METRICS), ("dtype", dtype, DTYPES)):
        if given not in allowed:
            raise ValueError(f"{name} must be one of {', '.join(allowed)}, not {given!r}")
    budgets = [Budget("recall", share(recall, "recall"), "share", least=True)]
    if latency_ms is not None:
        limit = number(latency_ms, "latency_ms", above=0.0) / 1e3
        budgets.insert(0, Budget("latency", limit, "s"))
    if memory is not None:
        budgets.append(Budget("memory", parse_bytes(memory), "B"))
    if number(updates_per_s, "updates_per_s", least=0.0):
        budgets.append(Budget("updates", 1.0, "share"))
    if price_per_hour is not None:
        number(price_per_hour, "price_per_hour", above=0.0)
    probes = {}
    if sample is not None:
        rows = _matrix(sample, dim, "sample")
        asked_for = None if queries is None else _matrix(queries, dim, "queries")
        probes = _probe(rows, asked_for, k, metric, dtype)
    asked = Asked(
        dim=int(dim),
        k=int(k),
        dtype=dtype,
        itemsize=np.dtype(dtype).itemsize,
        metric=metric,
        machine=machine or Machine.measure(MACHINE_S),
        updates_per_s=updates_per_s,
        price_per_hour=price_per_hour,
        known=residuals.load(),
    )
    graph = probes.get("HNSW")
    models: list[Model] = [ExactModel(asked, probes.get("Exact")), HNSWModel(asked, graph)]
    if dtype == "float32":
        models.append(HNSWModel(asked, graph, half=True))
    if "IVF" in probes:
        models.append(IVFModel(asked, probes["IVF"]))
    found = KnnPlan(models, n, budgets, UNITS, least="latency", prefer_exact=True)
    found.dim, found.k, found.metric, found.dtype = int(dim), int(k), metric, dtype
    return found


def _matrix(values: ArrayLike, dim: int, name: str) -> NDArray[Any]:
    rows = np.asarray(values)
    if rows.ndim != 2 or rows.shape[1] != dim:
        raise ValueError(f"{name} must be [m, {dim}], not of shape {rows.shape}")
    if not np.issubdtype(rows.dtype, np.number) or np.iscomplexobj(rows):
        raise ValueError(f"{name} must be real numbers, not {rows.dtype}")
    if rows.dtype.kind == "f" and not np.isfinite(rows).all():
        raise ValueError(f"{name} has NaN or infinite numbers")
    return rows


def _probe(
    rows: NDArray[Any], queries: NDArray[Any] | None, k: int, metric: str, dtype: str
) -> dict[str, Probe]:
    if len(rows) < LEAST:
        raise ValueError(f"a sample of {len(rows):,} rows is too small: give {LEAST:,} at least")
    indexed, asked = split(rows.astype(dtype, copy=False), queries)
    asked = np.ascontiguousarray(asked).astype(dtype, copy=False)
    indexed = np.ascontiguousarray(indexed)

    def empty(name: str) -> Any:
        return KINDS[name](rows.shape[1], metric, dtype=dtype)

    return {
        "Exact": probe_exact(lambda: empty("Exact"), indexed, asked, k),
        "HNSW": probe_graph(lambda: empty("HNSW"), indexed, asked, k, metric, "ef_search"),
        "IVF": probe_graph(lambda: empty("IVF"), indexed, asked, k, metric, "nprobe"),
    }


def _make(candidate: "Candidate", dim: int, metric: str, dtype: str) -> Any:
    kind = KINDS[candidate.name.partition(" ")[0]]
    made = {key: v for key, v in candidate.parameters.items() if key not in SEARCHED}
    return kind(dim, metric, **{"dtype": dtype} | made)
