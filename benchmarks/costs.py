"""What asking for costs costs: a stage, a report, a fit; and how wrong fits are."""

import asyncio

import numpy as np

import costs
from costs._measure import Buffers, available
from costs.replay import replay
from costs.trace import from_recorder

from .common import Benchmark

ORDERS = {
    "n": lambda n: 3 * n + 2000,
    "n log n": lambda n: 2 * n * np.log2(n) + 10 * n,
    "n^2": lambda n: n * n + 50 * n,
}


class Stages(Benchmark):
    """A thousand stages; a report on 20,000 spans."""

    def setup(self):
        super().setup()
        self.pipeline = costs.Pipeline()
        self.recorded = costs.Pipeline()
        for n in range(2_000):
            with self.recorded.stage("run", n=1 + n):
                for name in "abcabcabc":
                    with self.recorded.stage(name):
                        pass
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


class Fits(Benchmark):
    """Times of a known class with 3 % of noise: 16 sizes, 5 runs each."""

    params = (tuple(ORDERS),)
    param_names = ("order",)

    def setup(self, order):
        super().setup()
        self.n = np.repeat(np.geomspace(100, 1e5, 16).round(), 5)
        clean = ORDERS[order](self.n) * 1e-9
        noise = self.rng.normal(0, 0.03, (40, len(self.n)))
        self.times = clean * np.exp(noise)
        self.truth = ORDERS[order](np.array([1e7]))[0] * 1e-9

    def time_fit_times(self, order):
        costs.fit_times(self.n, self.times[0])

    def track_wrong_class(self, order):
        """The share of 40 fits whose class is wrong, plus 1e-9: asv compares by ratios."""
        fits = [costs.fit_times(self.n, times) for times in self.times]
        return float(np.mean([order not in fit.classes for fit in fits])) + 1e-9

    def track_error_at_100_times_the_size(self, order):
        """Median relative error of the prediction."""
        found = [costs.fit_times(self.n, times).predict(1e7).mid for times in self.times]
        return float(np.median(np.abs(np.array(found) / self.truth - 1)))

    def track_width_at_100_times_the_size(self, order):
        """Median ratio of the ends of a 90 % interval."""
        found = [costs.fit_times(self.n, times).predict(1e7) for times in self.times]
        return float(np.median([high / low for low, _, high in found]))


class Loops(Benchmark):
    """The measuring loops over 8 MB, ten passes: should they change, every constant does."""

    params = (("read", "write", "copy", "triad"),)
    param_names = ("loop",)

    def setup(self, loop):
        self.buffers = Buffers(8 << 20)

    def time_loop(self, loop):
        self.buffers.run(loop, available()[-1], 8 << 20, 10)
