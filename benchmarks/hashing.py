"""Throughput of the hashing core: seconds for a million items, one thread.

`fused` hands blocks of hashes to a sink that costs nothing, as a sketch's update does; `array` also
writes a fresh array of results, whose pages the system has to map.
"""

import numpy as np
from asv_runner.benchmarks.mark import SkipNotImplemented

from sketches import _cpu, _probe
from sketches.hashing import hash64

from .common import SEED

COUNT = 1_000_000
LEVELS = ("baseline", "neon", "avx2", "avx512")


def use(level):
    if level not in _cpu.available():
        raise SkipNotImplemented(f"{level} is not on this machine")
    _cpu.set_isa(level)


def numbers(dtype="i8"):
    return np.random.default_rng(SEED).integers(0, 2**63, COUNT).astype(dtype)


def decimal_strings():
    """Strings of about 19 bytes."""
    return numbers().astype(str).tolist()


class Numbers:
    """A numpy array of numbers."""

    version = "1"
    params = (("i8", "i4", "f8"), LEVELS)
    param_names = ("dtype", "isa")

    def setup(self, dtype, level):
        use(level)
        self.items = numbers(dtype)

    def time_array(self, dtype, level):
        hash64(self.items)

    def time_fused(self, dtype, level):
        _probe.drain(self.items)


class Strings:
    """Decimal strings of about 19 bytes in every container."""

    version = "1"
    params = (("arrow", "view", "dictionary", "U", "S", "list"), LEVELS)
    param_names = ("container", "isa")

    def setup(self, container, level):
        use(level)
        pyarrow = __import__("pyarrow")
        texts = decimal_strings()
        make = {
            "arrow": pyarrow.array,
            "view": lambda x: pyarrow.array(x, pyarrow.string_view()),
            "dictionary": lambda x: pyarrow.array(
                x[:10_000] * (COUNT // 10_000)
            ).dictionary_encode(),
            "U": np.array,
            "S": lambda x: np.array(x).astype("S"),
            "list": list,
        }
        self.items = make[container](texts)

    def time_array(self, container, level):
        hash64(self.items)

    def time_fused(self, container, level):
        _probe.drain(self.items)


class Objects:
    """Lists of numbers, rows of a table, sets of words, one scalar at a time."""

    version = "1"
    params = (LEVELS,)
    param_names = ("isa",)

    def setup(self, level):
        use(level)
        pyarrow = __import__("pyarrow")
        rng = np.random.default_rng(SEED)
        self.ints, self.floats = numbers().tolist(), rng.random(COUNT).tolist()
        self.table = pyarrow.table({"a": numbers(), "b": decimal_strings()})
        words = np.array(
            ["".join(map(chr, rng.integers(97, 123, rng.integers(2, 10)))) for _ in range(20_000)]
        )
        self.sets = [row.tolist() for row in words[rng.integers(0, len(words), (10_000, 100))]]
        self.lists = pyarrow.array(self.sets)

    def time_list_of_int(self, level):
        hash64(self.ints)

    def time_list_of_float(self, level):
        hash64(self.floats)

    def time_rows_of_two_columns(self, level):
        hash64(self.table)

    def time_list_of_lists(self, level):
        _probe.drain_sets(self.sets)

    def time_arrow_lists(self, level):
        _probe.drain_sets(self.lists)

    def time_thousand_scalars(self, level):
        for _ in range(1000):
            hash64("a scalar")
