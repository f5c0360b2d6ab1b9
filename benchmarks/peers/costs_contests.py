"""How a time grows with n: ours and big_O on the same times, of known classes with 3 % of noise."""

import warnings

import numpy as np
from contest import Contest, Entry, Task

import costs
from benchmarks.costs import ORDERS, timings

NAMES = {"n": "Linear", "n log n": "Linearithmic", "n^2": "Quadratic"}


def runs():
    return [(order, n, times) for order in ORDERS for n, rows in [timings(order)] for times in rows]


def ours():
    def fit(n, times):
        return costs.fit_times(n, times)

    def error():
        return float(np.mean([fit(n, times).classes != (order,) for order, n, times in runs()]))

    some = runs()[::5]
    return Task(lambda: [fit(n, times) for _, n, times in some], len(some), error)


def theirs():
    import big_o

    def fit(n, times):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return type(big_o.infer_big_o_class(n, times)[0]).__name__

    def error():
        return float(np.mean([NAMES[order] != fit(n, times) for order, n, times in runs()]))

    some = runs()[::5]
    return Task(lambda: [fit(n, times) for _, n, times in some], len(some), error)


def contests(threads):
    return [
        Contest(
            "costs",
            "Class of growth from 80 times",
            None,
            "time_fit_times",
            "classes wrong",
            (
                Entry("tractable fit_times", "tractable", "", ours),
                Entry("big_O infer_big_o_class", "big-o", "", theirs),
            ),
            difference=0.05,
        )
    ]
