"""What asking for costs costs: a stage, a report, a fit; and how wrong fits are."""

import asyncio
from functools import cache

import numpy as np

import ann
import costs
import sketches
from costs._measure import Buffers, available
from costs.replay import replay
from costs.trace import from_recorder

from .common import NONE, Benchmark, rng

ORDERS = {
    "n": lambda n: 3 * n + 2000,
    "n log n": lambda n: 2 * n * np.log2(n) + 10 * n,
    "n^2": lambda n: n * n + 50 * n,
}


@cache
def recorded():
    """A pipeline of 5,000 spans."""
    pipeline = costs.Pipeline()
    for n in range(500):
        with pipeline.stage("run", n=1 + n):
            for name in "abcabcabc":
                with pipeline.stage(name):
                    pass
    return pipeline


class Stages(Benchmark):
    """A thousand stages; a report on 5,000 spans."""

    def setup(self):
        self.pipeline = costs.Pipeline()
        self.recorded = recorded()
        self.trace = from_recorder(self.recorded)

    def time_thousand_stages(self):
        for _ in range(1000):
            with self.pipeline.stage("stage", n=7):
                pass
        self.pipeline.clear()

    def time_thousand_stages_in_tasks(self):
        async def one():
            async with self.pipeline.stage("stage"):
                pass

        async def main():
            await asyncio.gather(*(one() for _ in range(1000)))

        asyncio.run(main())
        self.pipeline.clear()

    def time_report(self):
        self.recorded.report()

    def time_replay(self):
        replay(self.trace, {"b": 4.0})


@cache
def timings(order):
    """Sizes, and times of 15 runs of a class with 3 % of noise: 16 sizes, 5 times each."""
    n = np.repeat(np.geomspace(100, 1e5, 16).round(), 5)
    noise = rng().normal(0, 0.03, (15, len(n)))
    return n, ORDERS[order](n) * 1e-9 * np.exp(noise)


@cache
def fits(order):
    n, runs = timings(order)
    return [costs.fit_times(n, times) for times in runs]


class Fits(Benchmark):
    """Times of a known class, and what is foretold for 100 times the size."""

    params = (tuple(ORDERS),)
    param_names = ("order",)

    def time_fit_times(self, order):
        n, runs = timings(order)
        costs.fit_times(n, runs[0])

    def track_wrong_class(self, order):
        """The share of fits whose class is wrong."""
        return max(NONE, float(np.mean([order not in fit.classes for fit in fits(order)])))

    def track_relative_error(self, order):
        """Median error of the prediction."""
        truth = ORDERS[order](1e7) * 1e-9
        found = [fit.predict(1e7).mid for fit in fits(order)]
        return float(np.median(np.abs(np.array(found) / truth - 1)))

    def track_width(self, order):
        """Median ratio of the ends of a 90 % interval."""
        found = [fit.predict(1e7) for fit in fits(order)]
        return float(np.median([high / low for low, _, high in found]))


class Loops(Benchmark):
    """The measuring loops over 8 MB, ten passes: should they change, every constant does."""

    params = (("read", "write", "copy", "triad"),)
    param_names = ("loop",)

    def setup(self, loop):
        self.buffers = Buffers(8 << 20)

    def time_loop(self, loop):
        self.buffers.run(loop, available()[-1], 8 << 20, 10)


class Answers(Benchmark):
    """What a question costs that is answered before anything is built."""

    def time_transformer(self):
        model = costs.Transformer.from_config("llama-3-8b")
        model.params(), model.kv_bytes(), model.flops(prefill=8192), model.crossover()

    def time_sketch_plan(self):
        sketches.plan("distinct", n=1e9, error=0.02, memory="1MB")

    def time_index_plan(self):
        ann.plan(10_000_000, 128, latency_ms=15, memory="8GB", machine=stated())


@cache
def stated():
    """A machine that is the same everywhere, so that none is measured."""
    rate, peak = costs.Measured(25e9, 25e9, 25e9), costs.Measured(2e11, 2e11, 2e11)
    return costs.Machine(
        name="stated",
        cores=1,
        threads=1,
        isa="avx2",
        caches={"L1": 32 << 10, "L2": 1 << 20, "L3": 32 << 20},
        bandwidth={level: {"read": rate} for level in ("L1", "L2", "L3", "DRAM")},
        flops={"vector f32": peak},
        latency={},
        overhead={},
        blas="none",
    )
