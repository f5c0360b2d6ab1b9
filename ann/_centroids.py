"""k-means for the lists of `IVF`: Lloyd's rounds on a sample, by matrix multiplication.

|x - c|^2 is |x|^2 - 2 (<x, c> - |c|^2 / 2): the nearest centroid is the argmax of one product and a
constant, which BLAS gives at most of the machine's speed. A centroid that hardly any vector is near
is a list for nothing, and lists of very different lengths cost time (a query is likelier to meet a
long one), so after each round the emptiest take over half of the fullest.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

BLOCK = 1 << 18  # products at a time: 1 MB stays in L2 until the argmax has read it
ROUNDS = (
    8  # after ten the quantisation error of SIFT and Fashion-MNIST falls by under 0.3 % a round
)
SAMPLE = 64  # vectors a centroid to learn from
POOR = 8  # a list of an eighth of the mean length takes over half of a list ...
RICH = 2  # ... of twice the mean


def nearest(vectors: NDArray[np.float32], centroids: NDArray[np.float32]) -> NDArray[np.uint32]:
    """The centroid nearest to each vector: uint32[n]."""
    result = np.empty(len(vectors), np.uint32)
    half = np.einsum("ij,ij->i", centroids, centroids) / 2
    step = max(64, BLOCK // len(centroids))
    turned = np.ascontiguousarray(centroids.T)
    products = np.empty((step, len(centroids)), np.float32)
    for start in range(0, len(vectors), step):
        some = vectors[start : start + step]
        out = products[: len(some)]
        np.matmul(some, turned, out=out)
        out -= half
        result[start : start + len(some)] = out.argmax(axis=1)
    return result


def learn_centroids(
    vectors: NDArray[np.float32], lists: int, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Centroids of at least as many vectors: float32[lists, dim]."""
    centroids = vectors[rng.choice(len(vectors), lists, replace=False)].copy()
    for round_ in range(ROUNDS):
        home = nearest(vectors, centroids)
        count = np.bincount(home, minlength=lists)
        order = np.argsort(home, kind="stable")
        some = np.flatnonzero(count)
        starts = (np.cumsum(count) - count)[some]
        centroids[some] = np.add.reduceat(vectors[order], starts, axis=0) / count[some, None]
        if round_ < ROUNDS - 2:
            _share(centroids, count, vectors, home, rng)
    return centroids


def _share(
    centroids: NDArray[np.float32],
    count: NDArray[np.int64],
    vectors: NDArray[np.float32],
    home: NDArray[np.uint32],
    rng: np.random.Generator,
) -> None:
    """Let each poor centroid begin anew at a vector of a rich one."""
    mean = len(home) / len(count)
    poor, rich = np.flatnonzero(count * POOR < mean), np.argsort(-count)
    for one, other in zip(poor, rich, strict=False):
        if count[other] < RICH * mean:
            break
        centroids[one] = vectors[rng.choice(np.flatnonzero(home == other))]


def imbalance(lengths: NDArray[Any]) -> float:
    """What a search pays for lists of different lengths: 1 where all are equal.

    The expected length of the list of a random vector over the mean length, lists sum l^2 / n^2.
    """
    n = int(lengths.sum())
    return float(len(lengths) * (lengths.astype(np.float64) ** 2).sum() / n**2) if n else 1.0
