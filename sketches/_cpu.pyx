"""Which instruction set the kernels use: chosen once at import, shared by every module.

The level is a plain integer that only this module owns; the others cimport `level()` and look up
their table of kernels by it, once per batch. ``TRACTABLE_ISA`` (baseline, neon, avx2, avx512)
forces a level from outside, `set_isa` from a test. Every level computes the same results.
"""

import os

cdef extern from "isa.h" nogil:
    ctypedef enum isa_level:
        ISA_BASELINE, ISA_NEON, ISA_AVX2, ISA_AVX512
    isa_level isa_detect()

cdef dict LEVELS = {
    "baseline": ISA_BASELINE, "neon": ISA_NEON, "avx2": ISA_AVX2, "avx512": ISA_AVX512,
}
cdef int _best = isa_detect()
cdef int _level = _best


cdef int level() noexcept nogil:
    return _level


def available():
    """The levels this machine can run, lowest first."""
    if _best == ISA_NEON:
        return ["baseline", "neon"]
    return [name for name, value in LEVELS.items() if value != ISA_NEON and value <= _best]


def isa():
    """The level in use."""
    return next(name for name, value in LEVELS.items() if value == _level)


def set_isa(str name):
    """Use another level from now on; meant for tests and benchmarks."""
    global _level
    if name not in available():
        raise ValueError(f"no instruction set {name!r} here; this machine has {available()}")
    _level = LEVELS[name]


if os.environ.get("TRACTABLE_ISA"):
    set_isa(os.environ["TRACTABLE_ISA"])
