"""Distinct counts, frequencies, heavy hitters and MinHash: ours beside what others ship.

DataSketches takes one item a call from Python, so that its entries get a tenth of the items.
"""

from functools import cache

import numpy as np
from contest import Contest, Entry, Task

import sketches
from benchmarks.common import integers, zipf
from benchmarks.hll import relative_rmse

COUNT, FEW = 1_000_000, 100_000


def one_by_one(update, items):
    for item in items:
        update(item)


def our_hll(p):
    def estimate(items):
        sketch = sketches.HyperLogLog(p)
        sketch.update(items)
        return sketch.estimate()

    items = integers(COUNT)
    sketch = sketches.HyperLogLog(p)
    sketch.update(items)
    return Task(lambda: estimate(items), COUNT, lambda: relative_rmse(estimate), sketch.nbytes)


def their_hll(p):
    import datasketches

    def make(items):
        sketch = datasketches.hll_sketch(p, datasketches.HLL_8)
        one_by_one(sketch.update, items)
        return sketch

    items = integers(COUNT)[:FEW].tolist()
    nbytes = make(items).get_updatable_serialization_bytes()
    error = lambda: relative_rmse(lambda some: make(some.tolist()).get_estimate())  # noqa: E731
    return Task(lambda: make(items).get_estimate(), FEW, error, nbytes)


def polars_hll():
    import polars

    column = polars.Series(integers(COUNT))
    return Task(
        column.approx_n_unique,
        COUNT,
        lambda: relative_rmse(lambda items: polars.Series(items).approx_n_unique()),
    )


def duckdb_hll(threads):
    import duckdb
    import pyarrow

    connection = duckdb.connect(config={"threads": threads})

    def estimate(table):
        connection.register("t", table)
        (row,) = connection.execute("select approx_count_distinct(x) from t").fetchall()
        return row[0]

    table = pyarrow.table({"x": integers(COUNT)})
    error = lambda: relative_rmse(lambda items: estimate(pyarrow.table({"x": items})))  # noqa: E731
    return Task(lambda: estimate(table), COUNT, error)


def distinct(p, *others):
    """At a precision, beside those whose error is about that of p."""
    return Contest(
        "sketches",
        f"Distinct count, 1 M int64, p = {p}",
        "hll.HyperLogLog",
        "time_update",
        "relative RMSE",
        (
            Entry("tractable HyperLogLog", "tractable", f"p={p}", lambda: our_hll(p)),
            Entry("datasketches hll_sketch", "datasketches", f"lg_k={p}", lambda: their_hll(p)),
            *others,
        ),
        factor=1.4,  # of two errors seen in 60 trials each, 99 % lie nearer when they are equal
    )


@cache
def counts():
    return np.unique(zipf(1.1), return_counts=True)


def count_error(estimate):
    """Root mean square error over the distinct items, as a share of the stream."""
    items, truth = counts()
    return float(np.sqrt(np.mean((estimate(items) - truth) ** 2.0)) / truth.sum())


def our_count_min(width):
    def make():
        sketch = sketches.CountMin(width, 4)
        sketch.update(zipf(1.1))
        return sketch

    full = make()
    return Task(make, len(zipf(1.1)), lambda: count_error(full.estimate), full.nbytes)


def their_count_min(width):
    import datasketches

    items = zipf(1.1).tolist()

    def make():
        sketch = datasketches.count_min_sketch(4, width)
        one_by_one(sketch.update, items)
        return sketch

    full = make()
    asked = counts()[0].tolist()

    def error():
        return count_error(lambda _: np.array([full.get_estimate(item) for item in asked]))

    return Task(make, len(items), error, full.get_serialized_size_bytes())


def frequencies(width):
    return Contest(
        "sketches",
        f"Count-Min of a Zipf(1.1) stream, 4 x {width:,}",
        "counting.CountMin",
        "time_update",
        "RMSE / total",
        (
            Entry(
                "tractable CountMin", "tractable", f"width={width}", lambda: our_count_min(width)
            ),
            Entry(
                "datasketches count_min_sketch",
                "datasketches",
                f"buckets={width}",
                lambda: their_count_min(width),
            ),
        ),
        factor=1.4,
    )


def our_top(k):
    def make():
        sketch = sketches.TopK(k)
        sketch.update(zipf(1.1))
        return sketch

    full = make()
    return Task(make, len(zipf(1.1)), lambda: full.offset / full.total, full.nbytes)


def their_top(lg):
    import datasketches

    items = zipf(1.1).tolist()

    def make():
        sketch = datasketches.frequent_items_sketch(lg)
        one_by_one(sketch.update, items)
        return sketch

    full = make()

    def error():  # the gap of any item's bounds is the weight that an unseen one may have
        return (full.get_upper_bound(-1) - full.get_lower_bound(-1)) / full.total_weight

    return Task(make, len(items), error, full.get_serialized_size_bytes(datasketches.PyIntsSerDe()))


def heavy():
    return Contest(
        "sketches",
        "Heavy hitters of a Zipf(1.1) stream",
        "counting.TopK",
        "time_update",
        "unseen weight / total",
        (
            Entry("tractable TopK", "tractable", "k=1000", lambda: our_top(1000)),
            Entry(
                "datasketches frequent_items_sketch",
                "datasketches",
                "lg_max_k=13",
                lambda: their_top(13),
            ),
        ),
        factor=2.0,
    )


@cache
def thirds(pairs=200):
    """Token lists: pairs of sets of 200 words whose similarity is 1/3."""
    words = [f"token{i}" for i in range(300 * pairs)]
    parts = [words[i : i + 100] for i in range(0, len(words), 100)]
    return [a + b for a, b in zip(parts[0::3], parts[1::3], strict=True)], [
        a + b for a, b in zip(parts[0::3], parts[2::3], strict=True)
    ]


def minhash_error(signatures_of):
    left, right = (np.asarray(signatures_of(sets)) for sets in thirds())
    return float(np.sqrt(np.mean((3 * (left == right).mean(axis=1) - 1) ** 2)))


def minhash(k):
    left = thirds()[0]
    count = sum(map(len, left))

    def ours():
        digest = lambda sets: sketches.minhash_matrix(sets, num_perm=k)  # noqa: E731
        return Task(
            lambda: digest(left), count, lambda: minhash_error(digest), sketches.MinHash(k).nbytes
        )

    def rensa():
        from rensa import RMinHash

        digest = lambda sets: RMinHash.digest_matrix_from_token_sets(sets, k, 42)  # noqa: E731

        def rows(sets):
            return [sketch.digest() for sketch in RMinHash.from_token_sets(sets, k, 42)]

        return Task(lambda: digest(left), count, lambda: minhash_error(rows))

    def datasketch():
        import datasketch

        def digest(sets):
            found = []
            for items in sets:
                sketch = datasketch.MinHash(k)
                sketch.update_batch([item.encode() for item in items])
                found.append(sketch.hashvalues)
            return found

        return Task(lambda: digest(left), count, lambda: minhash_error(digest))

    return Contest(
        "sketches",
        f"MinHash of token lists, K = {k}",
        None,
        "time_update",
        "relative RMSE of J = 1/3",
        (
            Entry("tractable minhash_matrix", "tractable", f"num_perm={k}", ours),
            Entry("rensa RMinHash", "rensa", f"num_perm={k}", rensa),
            Entry("datasketch MinHash", "datasketch", f"num_perm={k}", datasketch),
        ),
    )


def contests(threads):
    polars = Entry("polars approx_n_unique", "polars", "", polars_hll)
    duckdb = Entry("duckdb approx_count_distinct", "duckdb", "", lambda: duckdb_hll(threads))
    return [
        distinct(10, duckdb),
        distinct(12),
        distinct(14, polars),
        frequencies(1 << 12),
        heavy(),
        minhash(128),
    ]
