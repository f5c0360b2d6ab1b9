"""Ours against PyPI's mmh3, which computes the same hashes: rounds interleaved, medians compared,
in processor time, since others may share the machine.

    python benchmarks/peers/hashing.py [rounds]

Also prints what hash64 reaches at every instruction-set level of the machine, beside the bandwidth
of a plain copy of the same keys.
"""

import sys
import time
from functools import partial

import mmh3
import numpy as np
import pyarrow as pa
from race import race

from sketches import _cpu, _probe
from sketches.hashing import hash64

COUNT = 1 << 20
clocked = partial(race, clock=time.process_time)
ROUNDS = 9


def rate(seconds, count=COUNT):
    return f"{count / seconds / 1e6:7.0f} M/s"


def against_mmh3():
    rng = np.random.default_rng(20260102)
    numbers = rng.integers(-(2**63), 2**63, COUNT // 4)
    texts = numbers.astype(str).tolist()
    ints = numbers.tolist()
    words = ["".join(map(chr, w)) for w in rng.integers(97, 123, (COUNT // 4, 6))]

    def one_by_one(keys):
        return [mmh3.hash64(key, 9001) for key in keys]

    def ints_one_by_one():
        return [mmh3.hash64(v.to_bytes(8, "little", signed=True), 9001) for v in ints]

    print(f"\n{'list of':24}{'ours':>12}{'mmh3':>12}   ratio")
    for name, ours, theirs in (
        ("str, about 19 bytes", lambda: hash64(texts), lambda: one_by_one(texts)),
        ("str, 6 bytes", lambda: hash64(words), lambda: one_by_one(words)),
        ("int", lambda: hash64(ints), ints_one_by_one),
    ):
        a, b = clocked(ROUNDS, ours, theirs)
        print(f"{name:24}{rate(a, COUNT // 4):>12}{rate(b, COUNT // 4):>12}{b / a:7.1f} x")


def levels():
    rng = np.random.default_rng(20260102)
    keys = rng.integers(-(2**63), 2**63, COUNT)
    strings = pa.array(np.abs(keys).astype(str).tolist())
    target, small = np.empty_like(keys), keys[: 1 << 14]
    heads = ("int64, array", "int64, fused", "in L1/L2", "strings", "fused")
    print(" " * 10 + "".join(f"{head:>14}" for head in heads))
    for level in _cpu.available():
        _cpu.set_isa(level)
        spent = clocked(
            ROUNDS,
            lambda: hash64(keys),
            lambda: _probe.drain(keys),
            lambda: [_probe.drain(small) for _ in range(64)],
            lambda: hash64(strings),
            lambda: _probe.drain(strings),
            lambda: np.copyto(target, keys),
        )
        print(f"{level:10}" + "".join(f"{rate(s):>14}" for s in spent[:-1]))
    print(f"{'copy':10}{rate(spent[-1]):>14}   (np.copyto into memory already mapped)")
    print(f"strings of {strings.nbytes / COUNT - 4:.1f} bytes on average")


if __name__ == "__main__":
    ROUNDS = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    levels()
    against_mmh3()
