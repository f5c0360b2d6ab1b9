"""Throughput of the hashing core: seconds for 100,000 items, one thread.

`fused` hands blocks of hashes to a sink that costs nothing, as a sketch's update does; `array` also
writes a fresh array of results, whose pages the system has to map.
"""

from functools import cache

import numpy as np
from asv_runner.benchmarks.mark import SkipNotImplemented

from sketches import _cpu, _probe
from sketches.hashing import hash64

from .common import COUNT, Benchmark, integers, rng, strings

LEVELS = ("baseline", "neon", "avx2", "avx512")


USUAL = _cpu.isa()


class AtLevel(Benchmark):
    """With the kernels of a level, the first parameter."""

    def setup(self, level, *_):
        if level not in _cpu.available():
            raise SkipNotImplemented(f"{level} is not on this machine")
        _cpu.set_isa(level)

    def teardown(self, *_):
        _cpu.set_isa(USUAL)


class Numbers(AtLevel):
    """A numpy array of numbers."""

    params = (LEVELS, ("i8", "i4", "f8"))
    param_names = ("isa", "dtype")

    def setup(self, level, dtype):
        super().setup(level)
        self.items = integers().astype(dtype)

    def time_array(self, level, dtype):
        hash64(self.items)

    def time_fused(self, level, dtype):
        _probe.drain(self.items)


class Strings(AtLevel):
    """Decimal strings of about 19 bytes in every container."""

    params = (LEVELS, ("arrow", "view", "dictionary", "U", "S", "list"))
    param_names = ("isa", "container")

    def setup(self, level, container):
        super().setup(level)
        self.items = held(container)

    def time_array(self, level, container):
        hash64(self.items)

    def time_fused(self, level, container):
        _probe.drain(self.items)


@cache
def held(container):
    """Strings in what users hold."""
    pyarrow = __import__("pyarrow")
    make = {
        "arrow": pyarrow.array,
        "view": lambda x: pyarrow.array(x, pyarrow.string_view()),
        "dictionary": lambda x: pyarrow.array(x[:1000] * (COUNT // 1000)).dictionary_encode(),
        "U": np.array,
        "S": lambda x: np.array(x).astype("S"),
        "list": list,
    }
    return make[container](strings())


@cache
def objects():
    """Numbers in lists, a table, and sets of words in lists and as a column."""
    pyarrow = __import__("pyarrow")
    dice = rng()
    table = pyarrow.table({"a": integers(), "b": strings()})
    words = np.array(strings(2000)).astype("U6")
    sets = words[dice.integers(0, len(words), (COUNT // 100, 100))].tolist()
    return integers().tolist(), dice.random(COUNT).tolist(), table, sets, pyarrow.array(sets)


class Objects(AtLevel):
    """Lists of numbers, rows of a table, sets of words, one scalar at a time."""

    params = (LEVELS,)
    param_names = ("isa",)

    def setup(self, level):
        super().setup(level)
        self.ints, self.floats, self.table, self.sets, self.lists = objects()

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
