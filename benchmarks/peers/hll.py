"""HyperLogLog against Polars, DuckDB and DataSketches: rounds interleaved, medians compared.

    POLARS_MAX_THREADS=1 python benchmarks/peers/hll.py [rounds]

All on one thread. DataSketches' package takes an item a call, and so gets a tenth of the items.
"""

import os
import sys
import timeit
from statistics import median

os.environ["POLARS_MAX_THREADS"] = "1"  # before it is imported

import datasketches
import duckdb
import numpy as np
import polars as pl
import pyarrow as pa
from race import race

from sketches import HyperLogLog, _cpu, group_distinct

COUNT = 10_000_000
ROUNDS = int(sys.argv[1]) if len(sys.argv) > 1 else 7


def ours(items, p):
    sketch = HyperLogLog(p)
    sketch.update(items)
    return sketch.estimate()


def theirs(items, p):
    sketch = datasketches.hll_sketch(p, datasketches.HLL_8)
    for item in items:
        sketch.update(item)
    return sketch.get_estimate()


def line(name, seconds, count, against):
    print(f"{name:30}{count / seconds / 1e6:9.1f} M/s   {against / seconds:7.2f} x")


def columns(name, items, count, few):
    """A column in memory, and its first items as Python objects for DataSketches."""
    series = pl.Series(items) if isinstance(items, np.ndarray) else pl.from_arrow(items)
    table = pa.table({"x": items})
    connection = duckdb.connect(config={"threads": 1})
    connection.register("t", table)

    def duck():
        connection.execute("select approx_count_distinct(x) from t").fetchall()

    print(f"\n{name}: throughput, and times Polars' speed; DataSketches per item")
    for level in _cpu.available():
        _cpu.set_isa(level)
        spent = race(
            ROUNDS,
            series.approx_n_unique,
            lambda: ours(items, 12),
            lambda: ours(items, 14),
            duck,
            lambda: theirs(few, 12),
        )
        polars, twelve, fourteen, duckdb_, each = spent
        per_item = each * count / len(few)
        line(f"{level}, p = 12", twelve, count, polars)
        line(f"{level}, p = 14", fourteen, count, polars)
        print(f"{'':30}DataSketches: {per_item / twelve:.1f} x, {per_item / fourteen:.1f} x")
    line("polars approx_n_unique", polars, count, polars)
    line("duckdb approx_count_distinct", duckdb_, count, polars)
    line("datasketches, per item", per_item, count, polars)


def few_values(rng):
    """Columns whose coupons are kept all along, or whose registers are never warm."""
    print()
    for different in (7, 300, 3000):
        items = rng.integers(0, 2**62, different)[rng.integers(0, different, COUNT // 4)]
        series = pl.Series(items)
        for level in _cpu.available():
            _cpu.set_isa(level)
            a, b = race(ROUNDS, lambda i=items: ours(i, 12), series.approx_n_unique)
            line(f"{level}, {different:,} different values", a, len(items), b)


def lists(items):
    a, b = race(ROUNDS, lambda: ours(items, 12), lambda: theirs(items, 12))
    print(f"\nlist of {len(items):,} int: {len(items) / a / 1e6:.1f} M/s, {b / a:.1f} x the loop")


def merging():
    one, other = HyperLogLog(12), HyperLogLog(12)
    one.update(range(100_000))
    other.update(range(50_000, 200_000))
    spent = median(timeit.repeat(lambda: one.merge(other), number=10_000, repeat=ROUNDS))
    print(f"merge of two p = 12: {spent / 10_000 * 1e9:.0f} ns")


def groups(rng):
    for keys in (1000, 1_000_000):
        column, items = rng.integers(0, keys, COUNT), rng.integers(0, 2**62, COUNT)
        frame = pl.DataFrame({"k": column, "x": items})

        def polars(frame=frame):
            return frame.group_by("k").agg(pl.col("x").approx_n_unique())

        a, b = race(min(ROUNDS, 3), lambda c=column, i=items: group_distinct(c, i), polars)
        print(
            f"group_distinct, {keys:>9,} keys: {COUNT / a / 1e6:.1f} M rows/s, {b / a:.2f} x Polars"
        )


if __name__ == "__main__":
    rng = np.random.default_rng(20260102)
    numbers = rng.integers(0, 2**63, COUNT)
    columns("int64", numbers, COUNT, numbers[: COUNT // 10].tolist())
    texts = numbers[: COUNT // 2].astype(str).tolist()
    columns("Arrow strings of 19 bytes", pa.array(texts), COUNT // 2, texts[: COUNT // 10])
    few_values(rng)
    _cpu.set_isa(_cpu.available()[-1])
    lists(numbers[: COUNT // 10].tolist())
    merging()
    groups(rng)
