"""The recording end of `costs.Pipeline`: a stage costs a fraction of a microsecond.

A span notes two readings of the monotonic clock, its size, its thread, and the span that was open
around it. What is open is kept in a context variable, so that every thread and every asyncio task
has its own chain of parents, and a task inherits that of the code that made it. Setting a context
variable is the dearest part, so that only opening does: what it finds closed it looks behind. Spans
are listed when they open; one that never closes is therefore known, too.
"""

from cpython.contextvars cimport PyContextVar_New, PyContextVar_Set, get_value

cdef extern from "Python.h":
    ctypedef struct PyThreadState:
        void *context
    PyThreadState *PyThreadState_Get()

cdef extern from "<time.h>" nogil:
    struct timespec:
        long tv_sec
        long tv_nsec
    int clock_gettime(int clock, timespec *now)
    int CLOCK_MONOTONIC, CLOCK_PROCESS_CPUTIME_ID


cdef inline long long now(int clock) noexcept nogil:
    """Nanoseconds; time.perf_counter_ns makes an object of each reading."""
    cdef timespec t
    clock_gettime(clock, &t)
    return <long long>t.tv_sec * 1000000000 + t.tv_nsec


cdef class Recorder:
    """Spans in the order they opened.

    Parameters
    ----------
    limit : int
        Spans kept; later ones are timed, counted in `dropped` and forgotten.
    clock : {"wall", "cpu"}
        The monotonic clock, or the processor time of the process.
    """
    cdef readonly list spans
    cdef readonly Py_ssize_t dropped
    cdef readonly Py_ssize_t limit
    cdef dict slow  # stage -> how many times as long it is to take; None outside an experiment
    cdef object open_span
    cdef int clock

    def __init__(self, Py_ssize_t limit=1_000_000, str clock not None="wall"):
        if clock not in ("wall", "cpu"):
            raise ValueError(f"clock must be 'wall' or 'cpu', not {clock!r}")
        self.clock = CLOCK_MONOTONIC if clock == "wall" else CLOCK_PROCESS_CPUTIME_ID
        if limit < 1:
            raise ValueError(f"limit must be at least 1, not {limit}")
        self.spans = []
        self.limit = limit
        self.open_span = PyContextVar_New("costs.open_span", NULL)

    def stage(self, str name not None, n=None):
        """A stage to time: ``with pipeline.stage("retrieve", n=len(candidates)): ...``

        Parameters
        ----------
        name : str
        n : float, optional
            How much there is to do, in any unit: what the cost of the stage grows with. Not below
            0; 0 is left out of fits.

        Returns
        -------
        Span
            A context manager, for ``async with`` also. It can be entered once.
        """
        cdef Span span = Span.__new__(Span)
        cdef double size = -1
        if n is not None:
            size = n
            if not 0 <= size < 1e300:
                raise ValueError(f"n of stage {name!r} must be finite and not below 0, not {n!r}")
        span.name = name
        span.n = size
        span.recorder = self
        return span

    def clear(self):
        """Forget all spans."""
        self.spans = []
        self.dropped = 0

    def _restore(self, list spans not None, Py_ssize_t dropped):
        """What was there before an experiment."""
        self.spans = spans
        self.dropped = dropped

    def _slow_down(self, slow):
        """From now on let each stage in `slow` take that many times as long; None ends it."""
        self.slow = slow


cdef class Span:
    """A stage being timed, or timed. Times are nanoseconds of the monotonic clock."""
    cdef readonly str name
    cdef readonly double n              # -1 where none was given
    cdef readonly long long start       # 0 before it opens
    cdef readonly long long end         # 0 while it is open
    cdef readonly size_t lane           # the same for one thread, or one task, at a time
    cdef readonly Span parent           # of the same pipeline
    cdef readonly bint failed           # left by an exception
    cdef Recorder recorder

    def __enter__(self):
        self.open()
        return self

    def __exit__(self, kind, error, trace):
        cdef long long until
        cdef int clock = self.recorder.clock
        slow = self.recorder.slow
        if slow is not None:
            until = self.until(slow)
            with nogil:  # as work does that holds no lock
                while now(clock) < until:
                    pass
        self.close(kind)

    async def __aenter__(self):
        self.open()
        return self

    async def __aexit__(self, kind, error, trace):
        cdef long long left
        slow = self.recorder.slow
        if slow is not None:
            from asyncio import sleep
            left = self.until(slow) - now(self.recorder.clock)
            if left > 0:
                await sleep(left * 1e-9)
        self.close(kind)

    cdef int open(self) except -1:
        cdef Recorder recorder = self.recorder
        cdef object around
        if self.start:
            raise RuntimeError(f"stage {self.name!r} was entered before: make another by stage()")
        around = get_value(recorder.open_span)
        while around is not None and (<Span>around).end:
            around = (<Span>around).parent
        self.parent = around
        if len(recorder.spans) < recorder.limit:
            recorder.spans.append(self)
        else:
            recorder.dropped += 1
        PyContextVar_Set(recorder.open_span, self)
        self.lane = <size_t>PyThreadState_Get().context  # a task has one of its own, as a thread
        self.start = now(recorder.clock)
        return 0

    cdef int close(self, kind) except -1:
        self.end = now(self.recorder.clock)
        if not self.start:
            self.end = 0
            raise RuntimeError(f"stage {self.name!r} was left before it was entered")
        self.failed = kind is not None
        return 0

    cdef long long until(self, dict slow):
        """When the span has to end to take as many times as long as an experiment asks."""
        cdef double factor = slow.get(self.name, 1.0)
        return self.start + <long long>((now(self.recorder.clock) - self.start) * factor)
