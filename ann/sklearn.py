"""HNSW as a transformer of scikit-learn: a sparse graph of near neighbours.

It stands where `sklearn.neighbors.KNeighborsTransformer` stands, before t-SNE, UMAP, DBSCAN or any
estimator that takes ``metric="precomputed"``, and keeps its conventions: the graph is a CSR matrix
of shape (queries, samples fitted), and its rows are sorted by distance. Needs scikit-learn.
"""

from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from ann.hnsw import HNSW

METRICS = {"euclidean": "l2", "l2": "l2", "sqeuclidean": "l2", "cosine": "cosine"}


class ApproximateNeighbors(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """The graph of the near neighbours of each sample, approximately.

    Parameters
    ----------
    n_neighbors : int, default 5
        Neighbours a sample. As in scikit-learn, one more is given where ``mode="distance"``, since
        each fitted sample is its own nearest neighbour.
    mode : {"distance", "connectivity"}, default "distance"
        What the matrix holds: distances, or ones.
    metric : {"euclidean", "l2", "sqeuclidean", "cosine"}, default "euclidean"
    ef_search : int, optional
        Candidates a search keeps: see `ann.HNSW`. By default 64, or twice the neighbours.
    M, ef_construction : int
        See `ann.HNSW`.
    n_jobs : int, optional
        Threads; by default all cores.

    Attributes
    ----------
    index_ : HNSW
    n_samples_fit_ : int
    """

    def __init__(
        self,
        *,
        n_neighbors: int = 5,
        mode: Literal["distance", "connectivity"] = "distance",
        metric: str = "euclidean",
        ef_search: int | None = None,
        M: int = 16,
        ef_construction: int = 200,
        n_jobs: int | None = None,
    ) -> None:
        self.n_neighbors = n_neighbors
        self.mode = mode
        self.metric = metric
        self.ef_search = ef_search
        self.M = M
        self.ef_construction = ef_construction
        self.n_jobs = n_jobs

    def fit(self, X: Any, y: Any = None) -> Self:
        """Build the index of X [n, d]; y is ignored."""
        if self.metric not in METRICS:
            raise ValueError(f"metric must be one of {', '.join(METRICS)}, not {self.metric!r}")
        if self.mode not in ("distance", "connectivity"):
            raise ValueError(f"mode must be distance or connectivity, not {self.mode!r}")
        rows = validate_data(self, X, dtype=[np.float32, np.float64, np.uint8, np.int8])
        self.index_ = HNSW(
            rows.shape[1], METRICS[self.metric], M=self.M, ef_construction=self.ef_construction
        )
        self.index_.add(rows, threads=self._threads())
        self.n_samples_fit_ = self._n_features_out = len(rows)
        return self

    def transform(self, X: Any) -> csr_matrix:
        """The neighbours of X [m, d] among the samples fitted: CSR [m, n_samples_fit_]."""
        check_is_fitted(self)
        rows = validate_data(
            self, X, reset=False, dtype=[np.float32, np.float64, np.uint8, np.int8]
        )
        k = min(self.n_neighbors + (self.mode == "distance"), self.n_samples_fit_)
        ef = self.ef_search or max(64, 2 * k)
        ids, distances = self.index_.search(rows, k, ef_search=ef, threads=self._threads())
        values = self._values(distances)
        starts = np.arange(0, ids.size + 1, k)
        return csr_matrix(
            (values.ravel(), ids.ravel(), starts), shape=(len(rows), self.n_samples_fit_)
        )

    def fit_transform(self, X: Any, y: Any = None, **_: Any) -> csr_matrix:
        return self.fit(X).transform(X)

    def _values(self, distances: NDArray[np.float32]) -> NDArray[np.float64]:
        if self.mode == "connectivity":
            return np.ones(distances.shape)
        values = np.maximum(distances.astype(np.float64), 0)
        return np.sqrt(values) if self.metric in ("euclidean", "l2") else values

    def _threads(self) -> int | None:
        return None if self.n_jobs is None or self.n_jobs < 0 else self.n_jobs
