"""`ApproximateNeighbors` beside `KNeighborsTransformer`, and in the pipelines that take it."""

import pickle
from itertools import pairwise

import numpy as np
import pytest

pytest.importorskip("sklearn", minversion="1.6")

from sklearn.cluster import DBSCAN
from sklearn.manifold import Isomap
from sklearn.neighbors import KNeighborsClassifier, KNeighborsTransformer
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

from ann import HNSW, Exact
from ann.sklearn import ApproximateNeighbors

RNG = np.random.default_rng(11)
X = np.vstack([RNG.normal(size=(60, 6)) + 8 * i for i in (-1, 0, 1)]).astype(np.float32)


@parametrize_with_checks(
    [ApproximateNeighbors(index=index, n_neighbors=2, n_jobs=1) for index in ("hnsw", "exact")]
)
def test_estimator_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize("mode", ["distance", "connectivity"])
@pytest.mark.parametrize("metric", ["euclidean", "sqeuclidean", "cosine"])
@pytest.mark.parametrize("index", ["hnsw", "exact"])
def test_the_graph_is_that_of_scikit_learn(mode, metric, index):
    theirs = KNeighborsTransformer(n_neighbors=7, mode=mode, metric=metric)
    ours = ApproximateNeighbors(7, mode=mode, metric=metric, index=index)
    wide = X.astype(np.float64)  # its sums of float32 are not as exact as ours
    wanted, got = theirs.fit_transform(wide), ours.fit_transform(X)
    assert got.shape == wanted.shape
    assert got.indptr.tolist() == wanted.indptr.tolist()  # explicit zeros included
    for a, b in pairwise(got.indptr):
        assert set(got.indices[a:b]) == set(wanted.indices[a:b])
        assert mode == "connectivity" or (np.diff(got.data[a:b]) >= 0).all()
    assert np.allclose(got.toarray(), wanted.toarray(), rtol=1e-5, atol=1e-6)
    wanted, got = (t.kneighbors(wide[:9] + 0.125, 4) for t in (theirs, ours))
    assert got[1].tolist() == wanted[1].tolist()
    assert np.allclose(got[0], wanted[0], rtol=1e-5, atol=1e-6)
    assert (
        ours.kneighbors(n_neighbors=4)[1].tolist() == theirs.kneighbors(n_neighbors=4)[1].tolist()
    )
    assert ours.kneighbors(X[:2], 3, return_distance=False).shape == (2, 3)


def test_pipelines_take_it():
    labels = np.repeat([0, 1, 2], 60)
    neighbours = ApproximateNeighbors(n_neighbors=20)
    found = make_pipeline(neighbours, DBSCAN(eps=4, metric="precomputed")).fit_predict(X)
    assert len(set(zip(found.tolist(), labels.tolist(), strict=True))) == 3
    classifier = KNeighborsClassifier(n_neighbors=5, metric="precomputed")
    pipeline = make_pipeline(ApproximateNeighbors(n_neighbors=5), classifier).fit(X, labels)
    assert (pipeline.predict(X + 0.1) == labels).all()
    isomap = Isomap(n_neighbors=70, metric="precomputed")
    embedded = make_pipeline(ApproximateNeighbors(n_neighbors=70), isomap).fit_transform(X)
    assert embedded.shape == (180, 2)
    names = neighbours.fit(X).get_feature_names_out()
    assert names[0] == "approximateneighbors0"
    assert len(names) == 180


@pytest.mark.parametrize(("index", "kind"), [("hnsw", HNSW), ("exact", Exact)])
def test_bytes_stay_bytes_and_estimators_pickle(index, kind):
    rows = RNG.integers(0, 256, (50, 8), np.uint8)
    fitted = ApproximateNeighbors(3, index=index).fit(rows)
    assert isinstance(fitted.index_, kind)
    again = pickle.loads(pickle.dumps(fitted))
    assert (again.transform(rows) != fitted.transform(rows)).nnz == 0
    with pytest.raises(ValueError, match="queries are float32, the training set is uint8"):
        again.transform(rows.astype(np.float32))


def test_what_is_refused():
    for bad in ({"mode": "x"}, {"metric": "manhattan"}, {"index": "tree"}):
        with pytest.raises(ValueError, match=f"{next(iter(bad))} must be one of"):
            ApproximateNeighbors(**bad).fit(X)
    fitted = ApproximateNeighbors(3).fit(X[:4])
    with pytest.raises(ValueError, match="5 neighbours of 4 samples"):
        fitted.kneighbors(X[:1], 5)
    with pytest.raises(ValueError, match="at least 1"):
        fitted.kneighbors(X[:1], 0)


def test_duplicates_that_crowd_a_sample_out_of_its_own_neighbours():
    rows = np.zeros((8, 2), np.float32)
    ids = ApproximateNeighbors(3, index="exact").fit(rows).kneighbors(return_distance=False)
    assert ids.shape == (8, 3)
    assert not (ids == np.arange(8)[:, None]).any()
