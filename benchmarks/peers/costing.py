"""`costs` on real things, against peers and against the truth; everything takes turns.

python benchmarks/peers/costing.py stream      bandwidth beside a compiled STREAM
python benchmarks/peers/costing.py fits        classes of real functions, 10 x further; big_O
python benchmarks/peers/costing.py stage       nanoseconds of a stage, and what it is made of
python benchmarks/peers/costing.py what-if     payoffs predicted, beside stages really sped up
python benchmarks/peers/costing.py fuse        fusion predicted and measured
"""

import asyncio
import bisect
import collections
import contextvars
import ctypes
import heapq
import json
import queue
import random
import re
import subprocess
import sys
import tempfile
import threading
import time
import timeit
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median

import numpy as np

import costs
from costs import host
from costs._measure import Buffers, available
from costs.measuring import BEYOND, LOOPS
from costs.timing import _Runs

# Loops of J. McCalpin's benchmark, written anew: global arrays, ordinary stores, seconds returned;
# and beside them a sum and a fill, which it has not.
STREAM = r"""
#include <stddef.h>
#include <sys/mman.h>
#include <time.h>
/* 2 MiB apart from a power of two, at which lines of all three would meet in one set of a cache:
   what STREAM has its OFFSET for. */
#define PAD ((1 << 21) / sizeof(double))
static double __attribute__((aligned(1 << 21))) a[N + PAD], b[N + PAD], c[N + PAD];
volatile double kept;
static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + 1e-9 * t.tv_nsec;
}
void init(void) {
#if defined(HUGE) && defined(MADV_HUGEPAGE)
    madvise(a, sizeof a, MADV_HUGEPAGE);
    madvise(b, sizeof b, MADV_HUGEPAGE);
    madvise(c, sizeof c, MADV_HUGEPAGE);
#endif
    for (size_t i = 0; i < N; i++) a[i] = 1, b[i] = 2, c[i] = 3;
}
#define TIMED(name, what)                    \
    double name(void) {                      \
        double start = now(), total = 0;     \
        for (size_t i = 0; i < N; i++) what; \
        double stop = now();                 \
        kept = total;                        \
        return stop - start;                 \
    }
TIMED(read, total += a[i])
TIMED(write, a[i] = 1)
TIMED(copy, a[i] = b[i])
TIMED(triad, a[i] = b[i] + 3.0 * c[i])
"""
# A sum needs leave to reorder; and GCC makes a call of memset's or memcpy's, which pass the caches
# by, of a fill or copy.
STREAM_FLAGS = ["-O3", "-ffast-math", "-fno-tree-loop-distribute-patterns", "-funroll-loops"]
WIDTHS = {"baseline": [], "avx2": ["-mavx2", "-mfma"], "neon": []}
WIDTHS["avx512"] = ["-mavx512f", "-mprefer-vector-width=512"]


def _compiled(folder, name, size, flags):
    """STREAM's loops as a library; its arrays are filled, and so have their pages."""
    source, library = Path(folder, "stream.c"), Path(folder, f"{name}.so")
    source.write_text(STREAM)
    flags = [*STREAM_FLAGS, *flags, f"-DN={size // 8}", "-fPIC", "-shared"]
    subprocess.run(["cc", *flags, source, "-o", library], check=True)
    made = ctypes.CDLL(str(library))
    for loop in LOOPS:
        getattr(made, loop).restype = ctypes.c_double
    made.init()
    return made


def stream(rounds=30):
    """Pass by pass in turn, in one process and thread, over arrays of one size: our loops with each
    width of vectors, STREAM's compiled for the same, both with huge pages; and STREAM's without."""
    size = BEYOND * max(host.caches().values())
    with tempfile.TemporaryDirectory() as folder:
        buffers = Buffers(size)
        ways = {}
        for isa in available():
            ways["ours", isa] = lambda loop, isa=isa: buffers.run(loop, isa, size, 1)
            theirs = _compiled(folder, isa, size, ["-DHUGE", *WIDTHS[isa]])
            ways["STREAM", isa] = lambda loop, theirs=theirs: getattr(theirs, loop)()
        plain = _compiled(folder, "plain", size, [])
        ways["STREAM", "small pages"] = lambda loop: getattr(plain, loop)()
        print("GB/s, median of", rounds, "(best)")
        for loop, (counted, _) in LOOPS.items():
            rates = {way: [] for way in ways}
            for i in range(rounds + 1):
                order = list(ways) if i % 2 else list(ways)[::-1]
                for way in order:
                    rates[way].append(counted * (size // 8) / 1e9 / ways[way](loop))
            found = {way: (median(v[1:]), max(v[1:])) for way, v in rates.items()}
            print(loop)
            for (who, how), (middle, best) in found.items():
                print(f"   {who:8}{how:12}{middle:8.2f}{best:8.2f}")
            top = {
                who: [max(v[i] for (w, how), v in found.items() if w == who) for i in (0, 1)]
                for who in ("ours", "STREAM")
            }
            ratios = [a / b for a, b in zip(top["ours"], top["STREAM"], strict=True)]
            print("   ours / STREAM, the best width of each: {:.2f} ({:.2f})".format(*ratios))


RANDOM = random.Random(20260102)


def floats(n):
    return [RANDOM.random() for _ in range(n)]


def array(n):
    return np.random.default_rng(n).random(n)


def square(n):
    return np.random.default_rng(n).random((n, n))


def text(n):
    return "".join(RANDOM.choices("abcdefgh \n", k=n))


def heap(n):
    found = floats(n)
    heapq.heapify(found)
    return found


def empty(items):
    while items:
        heapq.heappop(items)


def pairs(items):
    return sum(a < b for a in items for b in items)


def floyd(matrix):
    for k in range(len(matrix)):
        np.minimum(matrix, matrix[:, k : k + 1] + matrix[k], out=matrix)


def triangles(items):
    n = len(items)
    return sum(1 for i in range(n) for j in range(i) for k in range(j) if items[k] > 2)


def bubble(items):
    for end in range(len(items) - 1, 0, -1):
        for i in range(end):
            if items[i] > items[i + 1]:
                items[i], items[i + 1] = items[i + 1], items[i]


FUNCTIONS = {
    "len": ("1", len, floats, {}),
    "list index": ("1", lambda x: x[len(x) // 2], floats, {}),
    "dict get": ("1", lambda d: d.get(7), lambda n: dict.fromkeys(range(n)), {}),
    "list append": ("1", lambda x: x.append(1), floats, {"fresh": False}),
    "bisect": ("log n", lambda x: bisect.bisect(x, 0.3), lambda n: sorted(floats(n)), {}),
    "searchsorted": ("log n", lambda x: x.searchsorted(0.3), lambda n: np.sort(array(n)), {}),
    "sum": ("n", sum, floats, {}),
    "max": ("n", max, floats, {}),
    "list copy": ("n", list, floats, {}),
    "not in list": ("n", lambda x: 2.0 in x, floats, {}),
    "set of": ("n", set, floats, {}),
    "heapify": ("n", heapq.heapify, floats, {"fresh": True}),
    "Counter": ("n", collections.Counter, text, {}),
    "findall": ("n", re.compile("a+b").findall, text, {}),
    "json.dumps": ("n", json.dumps, floats, {}),
    "str.split": ("n", str.split, text, {}),
    "crc32": ("n", lambda s: zlib.crc32(s), lambda n: text(n).encode(), {}),
    "numpy sum": ("n", np.sum, array, {}),
    "numpy sqrt": ("n", np.sqrt, array, {}),
    "sorted": ("n log n", sorted, floats, {}),
    "list.sort": ("n log n", list.sort, floats, {"fresh": True}),
    "heap emptied": ("n log n", empty, heap, {"fresh": True}),
    "numpy argsort": ("n log n", np.argsort, array, {}),
    "sort of strings": ("n log n", sorted, lambda n: [str(v) for v in floats(n)], {}),
    "pairs": ("n^2", pairs, floats, {}),
    "bubble sort": ("n^2", bubble, floats, {"fresh": True}),
    "outer": ("n^2", lambda x: np.outer(x, x), array, {"n_max": 1000}),
    "matrix sum": ("n^2", np.sum, square, {"n_max": 1000}),
    "triangles": ("n^3", triangles, floats, {}),
    "floyd-warshall": ("n^3", floyd, square, {"fresh": True}),
    "matrix product": ("n^3", lambda a: a @ a, square, {"n_max": 1200}),
}


UNSTEADY = 1.5


def fits(budget=1.5):
    """A fit of each function, and three runs of it at ten times the largest size, of which the
    middle one counts: the same way of timing, on inputs made anew. Where those three differ by
    more than UNSTEADY from one to the next there is no truth to hold to, and that is said."""
    import big_o

    theirs = {"Constant": "1", "Logarithmic": "log n", "Linear": "n", "Linearithmic": "n log n"}
    theirs |= {"Quadratic": "n^2", "Cubic": "n^3", "Polynomial": "n^k", "Exponential": "e^n"}
    right = named = ok = inside = asked = 0
    widths = []
    for name, (order, fn, make, options) in FUNCTIONS.items():
        fit = costs.fit(fn, make, budget_s=budget, **options)
        try:
            said = theirs[type(big_o.infer_big_o_class(fit.n, fit.y)[0]).__name__]
        except IndexError:
            said = "crashed"
        right += said == order
        named += fit.classes == (order,)
        ok += order in fit.classes
        line = f"{name:16}{order:10}{str(fit)[:46]:48}{said:9}"
        n = int(fit.n[-1] * 10)
        low, mid, high = fit.predict(n)
        widths.append(high / low)
        if mid < 3 and options.get("n_max", n) > n / 20:
            runs = _Runs(fn, make, bool(options.get("fresh")), 10.0, time.perf_counter)
            runs.seen[n] = mid
            least, truth, most = sorted(runs.time(n) for _ in range(3))
            line += f"10x: {low / truth:5.2f} {mid / truth:5.2f} {high / truth:6.2f}"
            if min(truth / least, most / truth) > UNSTEADY:
                line += f" unsteady, {least:.3g} .. {most:.3g} s"
            else:
                asked += 1
                inside += low <= truth <= high
                line += "" if low <= truth <= high else " missed"
        print(line, flush=True)
    total = len(FUNCTIONS)
    print(f"\nclass named right {named}/{total}, right or left open {ok}/{total}")
    print(f"big_O on the same times: {right}/{total}")
    print(f"90 % intervals at 10 x held {inside}/{asked}, median width {median(widths):.2f} x")


def stage():
    pipeline = costs.Pipeline()
    variable = contextvars.ContextVar("x")

    def once():
        with pipeline.stage("a", n=5):
            pass

    def call():
        pass

    class Plain:
        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

    def plain():
        with Plain():
            pass

    def best(f):
        found = []
        for _ in range(15):
            pipeline.clear()
            found.append(min(timeit.repeat(f, number=5000, repeat=3)) / 5000 * 1e9)
        return f"{min(found):6.0f} ns at best, median {median(found):.0f}"

    print("a stage                 ", best(once))
    print("an empty `with` in Python", best(plain)[2:])
    print("a call                  ", best(call))
    print("perf_counter_ns         ", best(time.perf_counter_ns))
    print("ContextVar.set          ", best(lambda: variable.set(1)))


def spin(seconds):
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


def chain(pipeline, scale):
    with pipeline.stage("run"):
        for _ in range(4):
            with pipeline.stage("retrieve"):
                spin(0.007 * scale)
            with pipeline.stage("rank"):
                spin(0.002)
        spin(0.002)


def queued(pipeline, scale):
    """Two threads and a queue; waiting is sleep, so that two cores are not needed."""
    items = queue.Queue()

    def produce():
        for i in range(6):
            with pipeline.stage("retrieve"):
                time.sleep(0.010 * scale)
            items.put(i)
        items.put(None)

    with pipeline.stage("run"):
        thread = threading.Thread(target=produce)
        thread.start()
        while items.get() is not None:
            with pipeline.stage("rank"):
                time.sleep(0.006)
        thread.join()


def hidden(pipeline, scale):
    """Fan out and join: what is sped up runs beside something longer."""

    def work(name, seconds):
        with pipeline.stage(name):
            time.sleep(seconds)

    with pipeline.stage("run"), ThreadPoolExecutor(2) as pool:
        for future in [
            pool.submit(work, "retrieve", 0.020 * scale),
            pool.submit(work, "other", 0.040),
        ]:
            future.result()


def gathered(pipeline, scale):
    async def request(i):
        async with pipeline.stage("retrieve"):
            await asyncio.sleep((0.008 + 0.001 * i) * scale)
        async with pipeline.stage("rank"):
            await asyncio.sleep(0.005)

    async def main():
        with pipeline.stage("run"):
            await asyncio.gather(*(request(i) for i in range(5)))

    asyncio.run(main())


def what_if(rounds=9, factor=4):
    print(
        f"{'pipeline':10}{'predicted':>10}{'measured':>10}{'error':>8}   by delays: error, payoff"
    )
    for run in (chain, queued, hidden, gathered):
        predicted, walls, quick = [], [], []
        for _ in range(rounds):
            pipeline = costs.Pipeline()
            run(pipeline, 1.0)
            report = pipeline.report()
            predicted.append(report.what_if("retrieve", factor))
            walls.append(report.wall)
            pipeline = costs.Pipeline()
            run(pipeline, 1.0 / factor)
            quick.append(pipeline.report().wall)
        pipeline = costs.Pipeline()
        check = pipeline.check("retrieve", lambda p=pipeline, r=run: r(p, 1.0), rounds=rounds)
        said, truth = median(predicted), median(walls) / median(quick)
        print(
            f"{run.__name__:10}{said:10.2f}{truth:10.2f}{abs(said - truth) / truth:8.1%}"
            f"{check.error:12.1%}{check.payoff:8.2f}",
            flush=True,
        )


def fuse():
    roofline = costs.Roofline(costs.Machine.measure())
    for steps in ([np.multiply, np.add], [np.add, np.sqrt], [np.multiply, np.add, np.subtract]):
        for n in (20_000, 10_000_000):
            fusion = roofline.fuse(steps, n)
            check = fusion.check()
            print(f"{fusion}; {check}", flush=True)


if __name__ == "__main__":
    command = sys.argv[1] if len(sys.argv) == 2 else ""
    runs = {"stream": stream, "fits": fits, "stage": stage, "what-if": what_if, "fuse": fuse}
    if command not in runs:
        sys.exit(__doc__)
    runs[command]()
