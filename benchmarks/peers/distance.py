"""Distance kernels against what bounds them: loads from each cache and memory, multiply-adds.

    python benchmarks/peers/distance.py [LEVEL ...]

One thread. A block of rows of 128 and of 784 dimensions that fills half of the first cache, half of
the second, or 256 MB, against one query. Beside its bytes a second stands the share of those that
the plain loop of `costs` reads from as many bytes in the same round; of floats also the share of
the multiply-adds that registers alone allow (l2 takes a subtraction beside each, so half is its
limit). Codes of 4 bits and 1 bit come from the second cache. Rounds are interleaved, medians
compared, and processor time is counted, since others may share the machine.
"""

import sys
import time
from functools import partial

import numpy as np
from race import race

from ann import _distance
from costs import _measure
from sketches import _cpu

clocked = partial(race, clock=time.process_time)

SIZES = {"L1": 16 << 10, "L2": 512 << 10, "memory": 256 << 20}
ROUNDS, BYTES = 7, 64 << 20  # what a run goes over, at least
TYPES = (np.float32, np.float16, np.uint8, np.int8)


def rows_of(rng, dtype, nbytes, dim):
    n = max(4, nbytes // (dim * np.dtype(dtype).itemsize))
    if np.dtype(dtype).kind == "f":
        block = rng.normal(size=(min(n, 4096), dim)).astype(dtype)
    else:
        block = rng.integers(0, 100, (min(n, 4096), dim), dtype)
    return np.ascontiguousarray(np.resize(block, (n, dim)))


def dense(level, place, dim, rng):
    size = SIZES[place]
    times = max(1, BYTES // size)
    buffers = _measure.Buffers(size)
    rounds = 200_000
    kinds = [(dtype, metric) for dtype in TYPES for metric in ("l2", "ip")]
    held = {dtype: rows_of(rng, dtype, size, dim) for dtype in TYPES}

    def measure(dtype, metric):
        rows = held[dtype]
        query = rows[0].astype(np.float32 if rows.dtype.kind == "f" else dtype)
        return lambda: _distance.distances(query, rows, metric, times=times)

    seconds = clocked(
        ROUNDS,
        lambda: buffers.run("read", level, size, times),
        lambda: _measure.arithmetic("vector32", level, rounds),
        *[measure(*kind) for kind in kinds],
    )
    read, sums = seconds[:2]
    bandwidth = size * times / read
    flops = _measure.arithmetic("vector32", level, rounds)[1] / sums
    print(f"\n{level}, {place}, dim {dim}: a plain read {bandwidth / 1e9:.0f} GB/s,"
          f" multiply-adds {flops / 2e9:.0f} G/s")  # fmt: skip
    for (dtype, metric), spent in zip(kinds, seconds[2:], strict=True):
        rows = held[dtype]
        rate, products = rows.nbytes * times / spent, rows.size * times / spent
        share = f"{products / (flops / 2):9.2f}" if rows.dtype.kind == "f" else " " * 9
        print(f"  {np.dtype(dtype).name:8} {metric:4}{rate / 1e9:8.1f} GB/s{rate / bandwidth:8.2f}"
              f"{products / 1e9:8.1f} G products/s{share}")  # fmt: skip


def codes(level, rng):
    n, size = 4096, SIZES["L2"]
    buffers = _measure.Buffers(size)
    query = rng.integers(-128, 128, 128, np.int8)
    nibbles = rng.integers(0, 256, (2 * n, 64), np.uint8)
    planes = rng.integers(0, 2**63, (4, 2), np.uint64)
    bits = rng.integers(0, 2**63, (8 * n, 2), np.uint64)
    tables = rng.integers(0, 256, (32, 16), np.uint8)
    packed = rng.integers(0, 256, (n // 4, 32, 16), np.uint8)
    runs = {
        "4 bits, 128 dims": (lambda: _distance.nibbles(query, nibbles), nibbles),
        "1 bit, 128 dims, 4 planes": (lambda: _distance.bits(planes, bits), bits),
        "FastScan, 32 tables": (lambda: _distance.fastscan(tables, packed), packed),
    }
    times = BYTES // size
    read, *seconds = clocked(
        ROUNDS,
        lambda: buffers.run("read", level, size, times),
        *[lambda run=run: [run() for _ in range(times)] for run, _ in runs.values()],
    )
    print(f"\n{level}, codes from L2: a plain read {size * times / read / 1e9:.0f} GB/s")
    for (name, (_, array)), spent in zip(runs.items(), seconds, strict=True):
        rows = array.shape[0] * (32 if array.ndim == 3 else 1)
        rate = array.nbytes * times / spent
        print(f"  {name:28}{rate / 1e9:8.1f} GB/s{rate * read / (size * times):8.2f}"
              f"{rows * times / spent / 1e6:9.0f} M rows/s")  # fmt: skip


def main():
    for level in sys.argv[1:] or _cpu.available()[-1:]:
        _cpu.set_isa(level)
        rng = np.random.default_rng(20260102)
        for place in SIZES:
            for dim in (128, 784):
                dense(level, place, dim, rng)
        codes(level, rng)


if __name__ == "__main__":
    main()
