"""HNSW for ann-benchmarks: copy this folder to `ann_benchmarks/algorithms/tractable`."""

import numpy as np

from ann import HNSW

from ..base.module import BaseANN


class TractableHNSW(BaseANN):
    def __init__(self, metric, parameters):
        self.metric = {"angular": "cosine", "euclidean": "l2"}[metric]
        self.parameters, self.ef_search = parameters, None

    def fit(self, X):
        self.index = HNSW(X.shape[1], self.metric, **self.parameters)
        rows = np.asarray(X)
        if ((rows >= 0) & (rows <= 255) & (rows == np.rint(rows))).all():  # as MNIST and SIFT are
            rows = rows.astype(np.uint8)
        self.dtype = rows.dtype if rows.dtype == np.uint8 else np.float32
        self.index.add(np.ascontiguousarray(rows, self.dtype))

    def set_query_arguments(self, ef_search):
        self.ef_search = ef_search

    def query(self, q, n):
        row = np.ascontiguousarray(q, self.dtype)[None]
        return self.index.search(row, n, ef_search=self.ef_search, threads=1)[0][0]

    def batch_query(self, X, n):
        rows = np.ascontiguousarray(X, self.dtype)
        self.answers = self.index.search(rows, n, ef_search=self.ef_search)[0]

    def get_batch_results(self):
        return self.answers

    def get_memory_usage(self):
        return self.index.nbytes / 1024

    def __str__(self):
        return f"TractableHNSW({self.parameters}, ef_search={self.ef_search})"
