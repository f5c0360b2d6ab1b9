"""Vectors, and signatures of MinHash: indexes asked at equal recall.

10,000 vectors of 64 dimensions in loose clusters, all 500 queries in one call; every graph searches
with the least of its knob that finds 95 % of the neighbours. vectors.py has the real sets.

5,000 sets, each with a partner right at the threshold of 0.8: the hardest that is asked for. All
get the bands that ours chooses for a recall of 0.9.
"""

from dataclasses import replace

import numpy as np
from contest import Contest, Entry, Task

import ann
from benchmarks.common import neighbours, vectors
from benchmarks.minhash import partners

THRESHOLD, RECALL, NUM_PERM = 0.8, 0.9, 128
SET = 10_000, 500, 64
K, LOSS = 10, 0.05
KNOB = (10, 15, 20, 30, 40, 50, 60, 80, 100, 120, 160, 200, 300, 400, 600, 800)


def bands():
    index = ann.MinHashLSH(THRESHOLD, RECALL)
    return index.bands, index.rows


def loss(found):
    return 1 - sum(i in set(ids) for i, ids in enumerate(found)) / len(found)


def ours():
    left, right = partners(THRESHOLD)
    index = ann.MinHashLSH(THRESHOLD, RECALL)
    index.add(left)
    return Task(
        lambda: index.query(right), len(right), lambda: loss(index.query(right)), index.nbytes
    )


def datasketch():
    from datasketch import MinHash, MinHashLSH

    left, right = (
        [MinHash(NUM_PERM, hashvalues=row, scheme="affine32") for row in rows]
        for rows in partners(THRESHOLD)
    )
    index = MinHashLSH(num_perm=NUM_PERM, params=bands())
    for number, sketch in enumerate(left):
        index.insert(number, sketch)

    def query():
        return [index.query(sketch) for sketch in right]

    return Task(query, len(right), lambda: loss(query()))


def missed(ids):
    """The share of the true neighbours that are not among these."""
    truth = neighbours(*SET, K)
    return 1 - sum(np.isin(a, b).sum() for a, b in zip(ids, truth, strict=True)) / truth.size


def least(search):
    """Search with the least knob that finds enough."""
    ef = next((ef for ef in KNOB if missed(search(ef)) <= LOSS), KNOB[-1])
    queries = vectors(*SET)[1]
    return Task(lambda: search(ef), len(queries), lambda: missed(search(ef)))


def our_graph(threads):
    base, queries = vectors(*SET)
    index = ann.HNSW(base.shape[1])
    index.add(base, threads=threads)
    task = least(lambda ef: index.search(queries, K, ef_search=ef, threads=threads)[0])
    return replace(task, nbytes=index.nbytes)


def hnswlib_graph(threads):
    import hnswlib

    base, queries = vectors(*SET)
    index = hnswlib.Index("l2", base.shape[1])
    index.init_index(len(base), ef_construction=200, M=16)
    index.add_items(base, num_threads=threads)

    def search(ef):
        index.set_ef(ef)
        return index.knn_query(queries, K, num_threads=threads)[0]

    return least(search)


def faiss_graph(threads):
    import faiss

    faiss.omp_set_num_threads(threads)
    base, queries = vectors(*SET)
    index = faiss.IndexHNSWFlat(base.shape[1], 16)
    index.hnsw.efConstruction = 200
    index.add(base)

    def search(ef):
        index.hnsw.efSearch = ef
        return index.search(queries, K)[1]

    return least(search)


def usearch_graph(threads):
    from usearch.index import Index

    base, queries = vectors(*SET)
    index = Index(ndim=base.shape[1], metric="l2sq", connectivity=16, expansion_add=200)
    index.add(np.arange(len(base)), base, threads=threads)

    def search(ef):
        index.expansion_search = ef
        return index.search(queries, K, threads=threads).keys

    return least(search)


def our_scan(threads):
    base, queries = vectors(*SET)
    index = ann.Exact(base.shape[1])
    index.add(base)

    def search():
        return index.search(queries, K, threads=threads)[0]

    return Task(search, len(queries), lambda: missed(search()), index.nbytes)


def faiss_scan(threads):
    import faiss

    faiss.omp_set_num_threads(threads)
    base, queries = vectors(*SET)
    index = faiss.IndexFlatL2(base.shape[1])
    index.add(base)

    def search():
        return index.search(queries, K)[1]

    return Task(search, len(queries), lambda: missed(search()), base.nbytes)


def numpy_scan():
    base, queries = vectors(*SET)

    def search():
        distances = (base**2).sum(1) - 2 * queries @ base.T
        return np.argpartition(distances, K, axis=1)[:, :K]

    return Task(search, len(queries), lambda: missed(search()), base.nbytes)


def contests(threads):
    number, width = bands()
    told = f"{number} bands of {width}"
    graph = "M=16, ef_construction=200"
    return [
        Contest(
            "ann",
            "Exact search, 500 queries of 10,000 x 64 float32",
            None,
            "time_search",
            "neighbours missed",
            (
                Entry("tractable Exact", "tractable", "", lambda: our_scan(threads)),
                Entry("faiss IndexFlatL2", "faiss-cpu", "", lambda: faiss_scan(threads)),
                Entry("numpy argpartition", "numpy", "", numpy_scan),
            ),
            difference=0.001,
        ),
        Contest(
            "ann",
            "HNSW at recall 0.95, 500 queries of 10,000 x 64 float32",
            None,
            "time_search",
            "neighbours missed",
            (
                Entry("tractable HNSW", "tractable", "M=16", lambda: our_graph(threads)),
                Entry("hnswlib", "hnswlib", graph, lambda: hnswlib_graph(threads)),
                Entry("faiss IndexHNSWFlat", "faiss-cpu", graph, lambda: faiss_graph(threads)),
                Entry("usearch", "usearch", graph, lambda: usearch_graph(threads)),
            ),
            difference=0.02,
        ),
        Contest(
            "ann",
            "MinHash-LSH, 5,000 queries of 5,000 sets",
            "minhash.MinHashLSH",
            "time_query",
            "partners missed",
            (
                Entry("tractable MinHashLSH", "tractable", told, ours),
                Entry("datasketch MinHashLSH", "datasketch", told, datasketch),
            ),
            difference=0.01,
        ),
    ]
