"""Stages of a pipeline: timed as they run, reported, and questioned.

    pipeline = Pipeline()
    for batch in batches:
        with pipeline.stage("batch", n=len(batch)):
            with pipeline.stage("retrieve"):
                ...
    print(pipeline.report(at=[1e6, 1e8]))

What a speed-up would give is worked out from the recorded spans. Whether that model holds for this
pipeline is found by experiment (C. Curtsinger, E. Berger, "Coz: finding code that counts with
causal profiling", SOSP 2015): a stage cannot be made faster at will, but slower, so the whole is
run with delays in that stage, and what it then takes is compared with what the model says.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from costs._checks import number, whole
from costs._spans import Recorder
from costs.report import Report, make_report
from costs.trace import Trace, from_cprofile, from_recorder, load


@dataclass(frozen=True)
class Check:
    """What an experiment with delays showed.

    Attributes
    ----------
    stage : str
    slowdown : float
        How many times as long the stage took.
    base, predicted, measured : float
        Seconds of the whole: without delays, with them by the model, with them in fact; medians.
    error : float
        abs(predicted - measured) / measured.
    payoff : float
        Of what the stage takes, the part by which the whole would shorten: 1 on the critical path,
        0 where others hide it; as measured.
    """

    stage: str
    slowdown: float
    base: float
    predicted: float
    measured: float
    error: float
    payoff: float


class Pipeline(Recorder):
    """Records stages, on threads and in asyncio tasks, at less than a microsecond each.

    Parameters
    ----------
    limit : int, default 1,000,000
        Spans kept, about 100 bytes each; later ones are counted and forgotten.
    clock : {"wall", "cpu"}, default "wall"
        What seconds are: of the clock on the wall, or of processor time of the whole process, for a
        pipeline that does one thing at a time on a machine that others use, too.

    Examples
    --------
    >>> from costs import Pipeline
    >>> pipeline = Pipeline()
    >>> with pipeline.stage("sort", n=3):
    ...     _ = sorted([3, 1, 2])
    >>> pipeline.report().stages[0].name
    'sort'
    """

    def report(self, at: float | Sequence[float] = ()) -> Report:
        """Where the time goes, and where it will go.

        Parameters
        ----------
        at : sequence of float, optional
            Sizes to look ahead to, in the unit of the stages' n: of the outermost spans where they
            have one, otherwise of each stage's own.

        Returns
        -------
        Report

        Raises
        ------
        ValueError
            If nothing was recorded, or `at` is asked about and no stage was seen at four sizes.
        """
        return make_report(from_recorder(self), at)

    def check(
        self, stage: str, run: Callable[[], Any], *, slowdown: float = 2.0, rounds: int = 5
    ) -> Check:
        """Test what the model says of a stage, by delays.

        Parameters
        ----------
        stage : str
            A stage that `run` goes through.
        run : callable
            Runs the workload once, through the stages of this pipeline. Its spans are not kept.
        slowdown : float, default 2.0
            How many times as long the stage is made to take. ``with`` waits without the interpreter
            lock on a busy processor, as a compiled kernel would work; ``async with`` sleeps.
        rounds : int, default 5
            Pairs of runs, with and without, taking turns.

        Returns
        -------
        Check
        """
        slowdown = number(slowdown, "slowdown", above=1.0)
        rounds = whole(rounds, "rounds", least=1)
        kept = self.spans, self.dropped
        base, predicted, measured, own = [], [], [], []
        try:
            for _ in range(rounds):
                self._rerun(run, None)
                report = self.report()
                base.append(report.wall)
                predicted.append(report.wall / report.what_if(stage, 1 / slowdown))
                own.append(report[stage].seconds)
                self._rerun(run, {stage: slowdown})
                measured.append(self.report().wall)
        finally:
            self._restore(*kept)
        expected, found = median(predicted), median(measured)
        added = (slowdown - 1) * median(own)
        return Check(
            stage,
            slowdown,
            median(base),
            expected,
            found,
            abs(expected - found) / found,
            (found - median(base)) / added if added > 0 else 0.0,
        )

    def _rerun(self, run: Callable[[], Any], slow: Mapping[str, float] | None) -> None:
        self.clear()
        self._slow_down(slow)
        try:
            run()
        finally:
            self._slow_down(None)

    def save(self, path: str | Path) -> None:
        """Write the closed spans as a Chrome trace, for Perfetto and `load_report`."""
        Path(path).write_text(json.dumps(from_recorder(self).as_chrome()), encoding="utf-8")


def load_report(
    source: str | Path | Mapping[float, str | Path], at: float | Sequence[float] = ()
) -> Report:
    """The report on a recording made elsewhere.

    Parameters
    ----------
    source : path, or mapping from n to path
        A Chrome trace, OTLP JSON of OpenTelemetry, or a file of cProfile; of the last also several,
        one for each n. Sizes are the argument or attribute ``n`` of a span.
    at : sequence of float, optional
        As in `Pipeline.report`.

    Returns
    -------
    Report
    """
    return make_report(_load(source), at)


def _load(source: str | Path | Mapping[float, str | Path]) -> Trace:
    return from_cprofile(source) if isinstance(source, Mapping) else load(source)
