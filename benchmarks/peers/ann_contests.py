"""Indexes of MinHash signatures: who shares a band with whom, at equal recall.

5,000 sets, each with a partner right at the threshold of 0.8: the hardest that is asked for. All
get the bands that ours chooses for a recall of 0.9.
"""

from contest import Contest, Entry, Task

import ann
from benchmarks.minhash import partners

THRESHOLD, RECALL, K = 0.8, 0.9, 128


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
        [MinHash(K, hashvalues=row, scheme="affine32") for row in rows]
        for rows in partners(THRESHOLD)
    )
    index = MinHashLSH(num_perm=K, params=bands())
    for number, sketch in enumerate(left):
        index.insert(number, sketch)

    def query():
        return [index.query(sketch) for sketch in right]

    return Task(query, len(right), lambda: loss(query()))


def contests(threads):
    number, width = bands()
    told = f"{number} bands of {width}"
    return [
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
        )
    ]
