"""Build the C kernels and the Cython modules over them.

Two tables say everything: LIBRARIES, the kernels (one static library per instruction set, each
compiled with its own flags and nothing above them), and EXTENSIONS, the modules. Switches:

    SANITIZE=address,undefined   instrument everything (see `make asan`)
    CHECKED=1                    bounds checks in Cython, assert() in C, signed overflow visible
    COVERAGE=1                   line tracing of the .pyx files (slow; CPython 3.11)
"""

import os
import platform
import sysconfig
from glob import glob

import Cython
import numpy
from Cython.Build import cythonize
from setuptools import Extension, setup

SANITIZE = os.environ.get("SANITIZE", "")
CHECKED = os.environ.get("CHECKED") == "1" or bool(SANITIZE)
COVERAGE = os.environ.get("COVERAGE") == "1"
MACHINE = platform.machine().lower()
CORES = os.cpu_count() or 1

CFLAGS = ["-std=c11", "-O3", "-Wall", "-Wextra", "-fvisibility=hidden"]
LDFLAGS = []
MACROS = [("NPY_NO_DEPRECATED_API", "NPY_2_0_API_VERSION")]
if CHECKED:  # CPython's own flags hide asserts and signed overflow
    CFLAGS += ["-UNDEBUG", "-fno-wrapv"]
else:  # and its -g would be nine tenths of a wheel
    CFLAGS += ["-g0"]
if SANITIZE:
    instrument = [f"-fsanitize={SANITIZE}", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer"]
    CFLAGS += ["-O1", "-g", *instrument]
    LDFLAGS += instrument
if COVERAGE:
    MACROS += [("CYTHON_TRACE_NOGIL", "1"), ("CYTHON_USE_SYS_MONITORING", "0")]

AVX2 = ["-mavx2", "-mbmi", "-mbmi2", "-mpopcnt", "-mfma", "-mf16c"]
AVX512_PARTS = ("f", "bw", "dq", "vl", "cd", "vnni", "vpopcntdq")  # of Ice Lake and Zen 4
AVX512 = [*AVX2, *(f"-mavx512{part}" for part in AVX512_PARTS)]
LIBRARIES = {}  # instruction set -> its compiler flags; sources are csrc/*_<isa>.c
if MACHINE in ("x86_64", "amd64"):
    LIBRARIES |= {"avx2": AVX2, "avx512": AVX512}
elif MACHINE in ("aarch64", "arm64"):
    LIBRARIES |= {"neon": []}
LIBRARIES |= {"baseline": []}  # last: the linker looks up what the others use of it

SHARED = "sketches._cyutility"  # what Cython would repeat in each module: half of all code
EXTENSIONS = [
    SHARED,
    "sketches._cpu",
    "sketches._arrays",
    "sketches._arrow",
    "sketches._objects",
    "sketches._sketch",
    "sketches._items",
    "sketches._sets",
    "sketches._signatures",
    "sketches._probe",
    "sketches.hashing",
    "sketches.minhash",
    "sketches._batches",
    "sketches._counters",
    "sketches.countmin",
    "sketches.countsketch",
    "sketches.hll",
    "sketches._topk",
    "sketches.topk",
    "sketches.spark",
    "sketches._export",
    "sketches.hll_groups",
    "ann.text",
    "ann.lsh",
    "ann._pairs",
    "ann._jsonl",
    "ann._join",
    "ann._graph",
    "ann.hnsw",
    "ann._distance",
    "ann._arrow_vectors",
    "ann._slots",
    "ann._lists",
    "ann._exact",
]
ALONE = ["costs._measure", "costs._spans"]  # without SHARED, which would import sketches

HEADERS = ["setup.py", *glob("csrc/*.h")]  # all that every object depends on

# One folder per interpreter, Cython and set of switches: what was built differently never meets,
# and an editable install (which would build in a throw-away folder) compiles only what changed.
INTERPRETER = sysconfig.get_config_var("SOABI")
SWITCHES = [SANITIZE.replace(",", "-"), "checked" * CHECKED, "coverage" * COVERAGE]
BUILD = "-".join(["build/" + INTERPRETER, Cython.__version__, *filter(None, SWITCHES)])


def library(isa, flags):
    build = {"sources": sorted(glob(f"csrc/*_{isa}.c")), "cflags": CFLAGS + flags}
    return f"tractable_{isa}", build | {"include_dirs": ["csrc"], "obj_deps": {"": HEADERS}}


def extension(name):
    source = name.replace(".", "/") + (".c" if name == SHARED else ".pyx")
    return Extension(
        name,
        [source],
        include_dirs=["csrc", numpy.get_include()],
        depends=[*HEADERS, *glob("csrc/*.c")],  # a rebuilt library does not relink by itself
        extra_compile_args=[*CFLAGS, "-Wno-unused-parameter", "-Wno-sign-compare"],
        extra_link_args=LDFLAGS,
        define_macros=MACROS,
    )


def cython(names, shared=None):
    return cythonize(
        [extension(name) for name in names],
        build_dir=None if COVERAGE else BUILD,  # Cython.Coverage wants the .c beside the .pyx
        shared_utility_qualified_name=shared,
        nthreads=CORES,
        compiler_directives={
            "language_level": 3,
            "boundscheck": CHECKED,
            "wraparound": False,
            "initializedcheck": CHECKED,
            "cdivision": True,
            "embedsignature": True,
            "freethreading_compatible": True,
            "linetrace": COVERAGE,
        },
    )


if __name__ == "__main__":  # where processes are spawned, cythonize's workers import this file
    setup(
        libraries=[library(isa, flags) for isa, flags in LIBRARIES.items()],
        ext_modules=cython(EXTENSIONS, SHARED) + cython(ALONE),
        options={
            "build": {"build_lib": f"{BUILD}/lib"},
            "build_clib": {"build_clib": BUILD, "build_temp": BUILD},
            "build_ext": {"build_lib": f"{BUILD}/lib", "build_temp": BUILD, "parallel": CORES},
        },
    )
