"""ApproximateNeighbors under scikit-learn's own checks, and beside KNeighborsTransformer."""

import numpy as np
import pytest

pytest.importorskip("sklearn")
from sklearn.cluster import DBSCAN
from sklearn.metrics import adjusted_rand_score
from sklearn.neighbors import KNeighborsTransformer
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

from ann.sklearn import ApproximateNeighbors


@parametrize_with_checks([ApproximateNeighbors()])
def test_scikit_learns_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize("mode", ["distance", "connectivity"])
@pytest.mark.parametrize("metric", ["euclidean", "sqeuclidean", "cosine"])
def test_the_graph_is_that_of_kneighbors_transformer(mode, metric):
    x = np.random.default_rng(1).standard_normal((1500, 10))
    ours = ApproximateNeighbors(n_neighbors=7, mode=mode, metric=metric, ef_search=400)
    theirs = KNeighborsTransformer(n_neighbors=7, mode=mode, metric=metric)
    mine, truth = ours.fit_transform(x), theirs.fit_transform(x)
    assert mine.shape == truth.shape
    assert mine.nnz == truth.nnz
    assert (mine.data >= 0).all()
    assert (np.diff(mine.data.reshape(1500, -1)) >= 0).all()
    pairs = zip(mine.indices.reshape(1500, -1), truth.indices.reshape(1500, -1), strict=True)
    assert sum(len(np.intersect1d(a, b)) for a, b in pairs) > 0.98 * truth.nnz
    with pytest.raises(ValueError, match="metric must be"):
        ApproximateNeighbors(metric="l1").fit(x)
    with pytest.raises(ValueError, match="mode must be"):
        ApproximateNeighbors(mode="x").fit(x)


def test_in_a_pipeline_before_a_clustering():
    rng = np.random.default_rng(2)
    centres = 50 * rng.standard_normal((6, 8))
    x = np.concatenate([c + rng.standard_normal((300, 8)) for c in centres])
    labels = []
    for kind in (ApproximateNeighbors, KNeighborsTransformer):
        steps = make_pipeline(kind(n_neighbors=20), DBSCAN(eps=8, metric="precomputed"))
        labels.append(steps.fit_predict(x))
    assert adjusted_rand_score(*labels) > 0.98
