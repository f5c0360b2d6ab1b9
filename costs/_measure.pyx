"""The loops of csrc/costs.h, timed, behind plain numbers; `costs.machine` says what they mean.

Buffers are C memory of this module's own, since a memoryview would bring in code that `sketches`
owns. Everything here runs without the interpreter lock.

Buffers ask for huge pages, as numpy does for arrays of 4 MiB and more: with pages of 4 KiB, loops
over main memory would wait for page tables, and programs over arrays would pass this roof.
"""

import os

cimport cython
from cpython.buffer cimport PyBUF_CONTIG, PyBUF_CONTIG_RO, PyBuffer_Release, PyObject_GetBuffer
from libc.stddef cimport size_t
from libc.stdint cimport uint64_t
from libc.stdlib cimport free

cdef extern from "<stdlib.h>" nogil:
    int posix_memalign(void **block, size_t alignment, size_t bytes)

cdef extern from *:
    """
    #include <sys/mman.h>
    #ifdef MADV_HUGEPAGE
    #define ask_for_huge_pages(block, bytes) (void)madvise(block, bytes, MADV_HUGEPAGE)
    #else
    #define ask_for_huge_pages(block, bytes) (void)0
    #endif
    """
    void ask_for_huge_pages(void *block, size_t bytes) nogil

cdef extern from "<time.h>" nogil:
    struct timespec:
        long tv_sec
        long tv_nsec
    int clock_gettime(int clock, timespec *now)
    int CLOCK_MONOTONIC

cdef extern from "costs.h" nogil:
    enum: COSTS_CHAINS
    ctypedef enum costs_step:
        COSTS_ADD, COSTS_SUBTRACT, COSTS_MULTIPLY, COSTS_DIVIDE, COSTS_UNARY
        COSTS_NEGATIVE, COSTS_ABSOLUTE, COSTS_SQUARE, COSTS_SQRT
    ctypedef enum isa_level:
        ISA_BASELINE, ISA_NEON, ISA_AVX2, ISA_AVX512
    isa_level isa_detect()
    ctypedef struct costs_kernels:
        double (*read)(const double *a, size_t n) noexcept nogil
        void (*write)(double *a, size_t n) noexcept nogil
        void (*copy)(double *a, const double *b, size_t n) noexcept nogil
        void (*triad)(double *a, const double *b, const double *c, size_t n) noexcept nogil
        double (*scalar64)(size_t rounds) noexcept nogil
        double (*vector64)(size_t rounds) noexcept nogil
        float (*vector32)(size_t rounds) noexcept nogil
        uint64_t (*scalar_i64)(size_t rounds) noexcept nogil
        uint64_t (*vector_i64)(size_t rounds) noexcept nogil
        void (*fused64)(const int *steps, int count, const double **operands, double *out,
                        size_t n) noexcept nogil
        void (*fused32)(const int *steps, int count, const float **operands, float *out,
                        size_t n) noexcept nogil
        int bytes
    const costs_kernels *costs_kernels_for(int level)
    void **costs_chase "(void **)costs_chase"(void **at, size_t steps)
    void costs_shuffle(void **block, size_t bytes, size_t stride)

cdef dict LEVELS = {
    "baseline": ISA_BASELINE, "neon": ISA_NEON, "avx2": ISA_AVX2, "avx512": ISA_AVX512,
}
STEPS = {  # of the fused loop: numpy's names
    "add": COSTS_ADD, "subtract": COSTS_SUBTRACT, "multiply": COSTS_MULTIPLY,
    "divide": COSTS_DIVIDE, "negative": COSTS_NEGATIVE, "absolute": COSTS_ABSOLUTE,
    "square": COSTS_SQUARE, "sqrt": COSTS_SQRT,
}
cdef enum:
    STEP = 64  # bytes a cache line, as the chase takes them
    MOST_STEPS = 16  # fused: more than enough to be bound by arithmetic

LINE = STEP
MOST = MOST_STEPS
ALIGNED = 1 << 21  # a huge page, where the system gives them


def _available():
    cdef int best = isa_detect()
    if best == ISA_NEON:
        return ["baseline", "neon"]
    return [name for name, value in LEVELS.items() if value != ISA_NEON and value <= best]


cdef list AVAILABLE = _available()


def available():
    """The instruction sets this machine can run, lowest first."""
    return list(AVAILABLE)


def default_isa():
    """The highest of them, or what TRACTABLE_ISA asks for."""
    asked = os.environ.get("TRACTABLE_ISA")
    return asked if asked in available() else max(available(), key=LEVELS.get)


cdef const costs_kernels *_kernels(str isa) except NULL:
    if isa not in AVAILABLE:
        raise ValueError(f"no instruction set {isa!r} here; this machine has {AVAILABLE}")
    return costs_kernels_for(LEVELS[isa])


cdef void fill(double *block, double value, size_t n) noexcept nogil:
    cdef size_t i
    for i in range(n):
        block[i] = value


cdef inline double now() noexcept nogil:
    cdef timespec t
    clock_gettime(CLOCK_MONOTONIC, &t)
    return t.tv_sec + 1e-9 * t.tv_nsec


cdef class Buffers:
    """Three arrays a = 0, b = 2, c = 1 of doubles: what the bandwidth loops run over.

    Parameters
    ----------
    bytes : int
        Of each array; rounded down to whole doubles.
    """
    cdef double *a[3]
    cdef readonly size_t n  # doubles an array
    cdef readonly double total  # of what the last loop read
    cdef size_t linked      # of the chase: bytes that are linked now
    cdef cython.pymutex lock

    def __cinit__(self, size_t bytes):
        cdef int i
        cdef void *block
        if bytes < LINE:
            raise ValueError(f"an array needs at least {LINE} bytes, not {bytes}")
        self.n = bytes // 8
        for i in range(3):
            if bytes >> 48 or posix_memalign(&block, ALIGNED, (self.n * 8 + LINE)):
                raise MemoryError(f"no memory for three arrays of {bytes} bytes")
            ask_for_huge_pages(block, self.n * 8)
            self.a[i] = <double *>block
            fill(self.a[i], 0.0 if i == 0 else 2.0 / i, self.n + STEP // 8)

    def __dealloc__(self):
        cdef int i
        for i in range(3):
            free(self.a[i])

    def run(self, str loop not None, str isa not None, size_t bytes, size_t passes):
        """Seconds of `passes` passes of a loop over the first `bytes` of each array it uses."""
        cdef const costs_kernels *k = _kernels(isa)
        cdef size_t n = bytes // 8, _
        cdef double start, stop, total = 0
        cdef int which = {"read": 0, "write": 1, "copy": 2, "triad": 3}[loop]
        if n > self.n:
            raise ValueError(f"{bytes} bytes are more than the {self.n * 8} of an array")
        self.linked = 0
        with self.lock, nogil:
            start = now()
            for _ in range(passes):
                if which == 0:
                    total += k.read(self.a[0], n)
                elif which == 1:
                    k.write(self.a[0], n)
                elif which == 2:
                    k.copy(self.a[0], self.a[1], n)
                else:
                    k.triad(self.a[0], self.a[1], self.a[2], n)
            stop = now()
        self.total = total
        return stop - start

    def values(self, size_t n):
        """The first n numbers of each array."""
        if n > self.n:
            raise ValueError(f"there are {self.n}")
        return [[self.a[i][j] for j in range(n)] for i in range(3)]

    def chase(self, size_t bytes, size_t steps):
        """Seconds of `steps` dependent loads in random order over the first `bytes`."""
        cdef double start, stop
        cdef void **block = <void **>self.a[0]
        cdef void **at
        cdef bint fresh
        if not 2 * LINE <= bytes <= self.n * 8:
            raise ValueError(f"bytes must lie between {2 * LINE} and {self.n * 8}, not {bytes}")
        with self.lock:
            fresh = self.linked != bytes
            self.linked = bytes
            with nogil:
                if fresh:
                    costs_shuffle(block, bytes, STEP)
                start = now()
                at = costs_chase(block, steps)
                stop = now()
        if at == NULL:
            raise AssertionError("the chain ended")
        return stop - start


def arithmetic(str loop not None, str isa not None, size_t rounds):
    """(seconds, operations) of an arithmetic loop, whose step counts two operations a lane."""
    cdef const costs_kernels *k = _kernels(isa)
    cdef int which = ["scalar64", "vector64", "vector32", "scalar_i64", "vector_i64"].index(loop)
    cdef double start, stop, total
    with nogil:
        start = now()
        if which == 0:
            total = k.scalar64(rounds)
        elif which == 1:
            total = k.vector64(rounds)
        elif which == 2:
            total = k.vector32(rounds)
        elif which == 3:
            total = <double>k.scalar_i64(rounds)
        else:
            total = <double>k.vector_i64(rounds)
        stop = now()
    lanes = 1 if which in (0, 3) else k.bytes // (4 if which == 2 else 8)
    if not total > 0:
        raise AssertionError("the numbers were lost")
    return stop - start, 2 * COSTS_CHAINS * lanes * rounds


cdef class _View:
    """The memory of a contiguous array, as long as this lives."""
    cdef Py_buffer view
    cdef bint held

    def __cinit__(self, array, bint write):
        PyObject_GetBuffer(array, &self.view, PyBUF_CONTIG if write else PyBUF_CONTIG_RO)
        self.held = True

    def __dealloc__(self):
        if self.held:
            PyBuffer_Release(&self.view)


def fused(list steps not None, list operands not None, out, str isa not None):
    """out = the steps, by their names, on operands of float64 or float32, in one loop.

    All arrays are contiguous, of one length and of the type of `out`.
    """
    cdef const costs_kernels *k = _kernels(isa)
    cdef int codes[MOST_STEPS]
    cdef const void *at[MOST_STEPS + 1]
    cdef int count = len(steps), i
    cdef _View target = _View(out, True), one
    cdef size_t n = target.view.len // target.view.itemsize
    cdef bint narrow = target.view.itemsize == 4
    if not 0 < count <= MOST_STEPS:
        raise ValueError(f"{count} steps are not 1 .. {MOST_STEPS}")
    for i in range(count):
        codes[i] = STEPS[steps[i]]
    needed = 1 + sum(STEPS[step] < COSTS_UNARY for step in steps)
    if len(operands) != needed:
        raise ValueError(f"{len(operands)} operands for steps that take {needed}")
    held = [_View(operand, False) for operand in operands]
    for i in range(needed):
        one = held[i]
        if one.view.len != target.view.len or one.view.itemsize != target.view.itemsize:
            raise ValueError("the arrays differ in length or type")
        at[i] = one.view.buf
    if target.view.itemsize not in (4, 8):
        raise ValueError("the arrays are neither float64 nor float32")
    with nogil:
        if narrow:
            k.fused32(codes, count, <const float **>at, <float *>target.view.buf, n)
        else:
            k.fused64(codes, count, <const double **>at, <double *>target.view.buf, n)
