"""Neighbours for scikit-learn: a transformer that any estimator of precomputed neighbours takes.

    make_pipeline(ApproximateNeighbors(n_neighbors=90), TSNE(metric="precomputed", init="random"))

`ApproximateNeighbors` keeps the conventions of `sklearn.neighbors.KNeighborsTransformer`, so it
goes where that does (t-SNE, UMAP, DBSCAN, Isomap, spectral clustering, KNeighborsClassifier), with
an index of this package inside. Needs scikit-learn: ``pip install 'tractable[sklearn]'``.
"""

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ann.exact import Exact
from ann.hnsw import HNSW

try:
    from scipy.sparse import csr_matrix
    from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
    from sklearn.utils.validation import check_is_fitted, validate_data
except ImportError as error:
    raise ImportError(
        "ann.sklearn needs scikit-learn 1.6 or newer: pip install 'tractable[sklearn]'"
    ) from error

METRICS = {"euclidean": "l2", "l2": "l2", "sqeuclidean": "l2", "cosine": "cosine"}
INDEXES = ("hnsw", "exact")


class ApproximateNeighbors(
    ClassNamePrefixFeaturesOutMixin,  # type: ignore[misc]
    TransformerMixin,  # type: ignore[misc]
    BaseEstimator,  # type: ignore[misc]
):
    """Transform samples into the sparse graph of their nearest neighbours.

    Parameters
    ----------
    n_neighbors : int, default 5
        Neighbours a sample. With ``mode="distance"`` the graph has one more, since each sample of
        the training set is its own neighbour, as with `KNeighborsTransformer`.
    mode : {"distance", "connectivity"}, default "distance"
        What the graph holds: distances, or ones.
    metric : {"euclidean", "l2", "sqeuclidean", "cosine"}, default "euclidean"
    index : {"hnsw", "exact"}, default "hnsw"
        A graph that may miss some, or the comparison with every sample.
    M, ef_construction, ef_search : int
        Of `ann.HNSW`: links, care in building, care in searching (default: at least twice the
        neighbours wanted).
    n_jobs : int, optional
        Threads; all cores by default and for -1.

    Attributes
    ----------
    index_ : HNSW or Exact
    n_samples_fit_ : int
    n_features_in_ : int
    effective_metric_ : str

    Examples
    --------
    >>> from ann.sklearn import ApproximateNeighbors
    >>> graph = ApproximateNeighbors(n_neighbors=1).fit_transform([[0.0], [1.0], [3.0]])
    >>> graph.toarray().tolist()
    [[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 2.0, 0.0]]
    """

    def __init__(
        self,
        n_neighbors: int = 5,
        *,
        mode: str = "distance",
        metric: str = "euclidean",
        index: str = "hnsw",
        M: int = 16,
        ef_construction: int = 200,
        ef_search: int | None = None,
        n_jobs: int | None = None,
    ) -> None:
        self.n_neighbors = n_neighbors
        self.mode = mode
        self.metric = metric
        self.index = index
        self.M = M
        self.ef_construction = ef_construction
        self.ef_search = ef_search
        self.n_jobs = n_jobs

    def fit(self, X: Any, y: Any = None) -> Self:
        """Build the index of the rows of X."""
        for name, value, known in (
            ("mode", self.mode, ("distance", "connectivity")),
            ("metric", self.metric, tuple(METRICS)),
            ("index", self.index, INDEXES),
        ):
            if value not in known:
                raise ValueError(f"{name} must be one of {', '.join(known)}, not {value!r}")
        X = self._checked(X, reset=True)
        metric, dim = METRICS[self.metric], X.shape[1]
        if self.index == "exact":
            self.index_: Exact | HNSW = Exact(dim, metric)
            self.index_.add(X)
        else:
            self.index_ = HNSW(dim, metric, M=self.M, ef_construction=self.ef_construction)
            self.index_.add(X, threads=self._threads)
        self.effective_metric_ = self.metric
        self.n_samples_fit_ = len(X)
        self._n_features_out = len(X)
        self._fit_X = X
        return self

    def transform(self, X: Any) -> Any:
        """The graph from the rows of X to those of the training set: CSR [n, n_samples_fit_]."""
        check_is_fitted(self)
        extra = self.mode == "distance"
        return self.kneighbors_graph(X, self.n_neighbors + extra, self.mode)

    def kneighbors(
        self, X: Any = None, n_neighbors: int | None = None, return_distance: bool = True
    ) -> Any:
        """The neighbours of the rows of X: distances and row numbers, [n, n_neighbors].

        Without X those of the training set, each row left out of its own neighbours. Where the
        graph finds too few, -1 at an infinite distance.
        """
        check_is_fitted(self)
        alone = X is None
        rows = self._fit_X if alone else self._checked(X, reset=False)
        k = self.n_neighbors if n_neighbors is None else n_neighbors
        if not isinstance(k, (int, np.integer)) or k < 1:
            raise ValueError(f"n_neighbors must be an integer of at least 1, not {k!r}")
        if k + alone > self.n_samples_fit_:
            raise ValueError(f"{k} neighbours of {self.n_samples_fit_} samples were asked for")
        ids, distances = self._search(rows, int(k) + alone)
        if alone:
            ids, distances = without_self(ids, distances)
        if not return_distance:
            return ids
        if self.effective_metric_ in ("euclidean", "l2"):
            distances = np.sqrt(distances)
        return np.maximum(distances, 0), ids  # 1 - cos may round to below 0

    def kneighbors_graph(
        self, X: Any = None, n_neighbors: int | None = None, mode: str = "connectivity"
    ) -> Any:
        """The same as a sparse graph, CSR [n, n_samples_fit_], each row by rising distance."""
        distances, ids = self.kneighbors(X, n_neighbors)
        there = ids >= 0
        starts = np.concatenate([[0], np.cumsum(there.sum(axis=1))])
        values = distances[there] if mode == "distance" else np.ones(int(starts[-1]))
        shape = (len(ids), self.n_samples_fit_)
        return csr_matrix((values.astype(np.float64), ids[there], starts), shape=shape)

    @property
    def _threads(self) -> int | None:
        return None if self.n_jobs in (None, -1) else self.n_jobs

    def _checked(self, X: Any, reset: bool) -> NDArray[Any]:
        kinds = [np.float32, np.float16, np.uint8, np.int8]
        rows: NDArray[Any] = validate_data(
            self, X, reset=reset, dtype=kinds, order="C", ensure_min_samples=1
        )
        if not reset and self._fit_X.dtype.kind in "ui" and rows.dtype != self._fit_X.dtype:
            raise ValueError(f"queries are {rows.dtype}, the training set is {self._fit_X.dtype}")
        return rows

    def _search(self, rows: NDArray[Any], k: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        if isinstance(self.index_, Exact):
            return self.index_.search(rows, k, threads=self._threads)
        ef = max(2 * k, self.index_.ef_search) if self.ef_search is None else self.ef_search
        return self.index_.search(rows, k, threads=self._threads, ef_search=ef)


def without_self(
    ids: NDArray[np.int64], distances: NDArray[np.float32]
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Row i without i, or without the last where duplicates have crowded it out."""
    drop = ids == np.arange(len(ids))[:, None]
    drop[~drop.any(axis=1), -1] = True
    shape = len(ids), ids.shape[1] - 1
    return ids[~drop].reshape(shape), distances[~drop].reshape(shape)
