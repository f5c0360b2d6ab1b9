"""`tractable costs`: what it will cost, before it is built. A broken budget exits with 1."""

import csv
import importlib
import math
import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import click

from costs._command import Duration, Number, as_json, on_terminal, refuse, save, show
from costs.llm.cli import llm

WITHIN = (
    "Budget at every --at: its interval must hold. Seconds, or with a unit: ns, us, ms, s, min, h;"
    " with --measure memory bytes."
)


@click.group()
def costs() -> None:
    """What it will cost, before it is built: machine, roof, growth, scaling, pipelines, models."""


@costs.command()
@click.option("--budget", type=Duration(), default="20s", show_default=True, help="Time to spend.")
@click.option("--threads", type=click.IntRange(1), default=1, show_default=True)
@click.option("--fresh", is_flag=True, help="Measure even if a former result is stored.")
@click.option("--min-bandwidth", type=Number(), metavar="GB/S", help="Least read speed of memory.")
@as_json
def machine(
    budget: float, threads: int, fresh: bool, min_bandwidth: float | None, as_json: bool
) -> None:
    """Measure bandwidth, arithmetic, latency and call overhead of this machine."""
    from costs.machine import Machine

    found = Machine.measure(
        budget, threads=threads, cache=not fresh, progress=on_terminal("measure")
    )
    read = found.bandwidth["DRAM"]["read"].best / 1e9
    broken = []
    if min_bandwidth is not None and read < min_bandwidth:
        broken.append(f"memory is read at {read:.1f} GB/s, below {min_bandwidth:g}")
    show(as_json, found.as_dict(), str(found), broken)


@costs.command()
@click.option("--flops", type=click.FloatRange(0), default=0.0, help="Operations it does.")
@click.option("--bytes", "moved", type=Number(), help="Bytes it moves.")
@click.option("--seconds", type=Duration(), help="Time it took.")
@click.option("--working-set", type=Number(), metavar="BYTES", help="Bytes used over and over.")
@click.option("--name", default="the computation", help="Its name.")
@click.option(
    "--peak", default="vector f64", show_default=True, help="Arithmetic of the flat roof."
)
@click.option("--at-least", type=click.FloatRange(0, 1), help="Share of the roof to be reached.")
@click.option("--plot", type=click.Path(dir_okay=False), help="Write a picture (.svg, .png).")
@click.option(
    "--machine", "stored", type=click.Path(exists=True, dir_okay=False), help="Stored JSON."
)
@as_json
def roofline(
    flops: float,
    moved: float | None,
    seconds: float | None,
    working_set: float | None,
    name: str,
    peak: str,
    at_least: float | None,
    plot: str | None,
    stored: str | None,
    as_json: bool,
) -> None:
    """Show the roofs of this machine, and put a computation under them."""
    from costs.machine import Machine
    from costs.roofline import Roofline

    if (moved is None) != (seconds is None):
        raise click.UsageError("--bytes and --seconds go together")
    broken: list[str] = []
    try:
        source = (
            Machine.load(stored) if stored else Machine.measure(progress=on_terminal("measure"))
        )
        roofs = Roofline(source, peak=peak)
        lines = [
            f"{level:5}{roofs.bandwidth(level) / 1e9:8.1f} GB/s, "
            f"ridge {roofs.ridge(level):.3g} op/B"
            for level in source.levels
        ]
        lines.insert(0, f"{peak}: {source.flops[peak].best / 1e9:.1f} Gop/s")
        if moved is not None and seconds is not None:
            point = roofs.place(name, flops, moved, seconds, working_set=working_set)
            lines.append(str(point))
            if at_least is not None and point.reached < at_least:
                broken.append(f"{point.reached:.0%} of the roof, below {at_least:.0%}")
        if plot:
            save(roofs.plot(), plot)
    except (ValueError, ImportError) as error:
        raise refuse(error) from error
    show(as_json, roofs.as_dict(), "\n".join(lines), broken)


@costs.command()
@click.argument("source", metavar="FILE|MODULE:FUNCTION")
@click.option("--input", "make_input", metavar="MODULE:FUNCTION", help="From n to the input.")
@click.option(
    "--budget", type=Duration(), default="10s", show_default=True, help="Time to measure."
)
@click.option(
    "--measure", type=click.Choice(["time", "cpu", "memory"]), default="time", show_default=True
)
@click.option("--n-min", type=click.IntRange(1), default=16, show_default=True)
@click.option("--n-max", type=click.IntRange(1), default=10_000_000, show_default=True)
@click.option("--at", multiple=True, type=Number(), metavar="N", help="Predict; may be repeated.")
@click.option("--level", type=click.FloatRange(0, 1, True, True), default=0.9, show_default=True)
@click.option("--within", type=Duration(), help=WITHIN)
@click.option("--at-most", metavar="CLASS", help="Largest class allowed, such as 'n log n'.")
@click.option("--plot", type=click.Path(dir_okay=False), help="Write a picture (.svg, .png).")
@as_json
def fit(
    source: str,
    make_input: str | None,
    budget: float,
    measure: str,
    n_min: int,
    n_max: int,
    at: tuple[float, ...],
    level: float,
    within: float | None,
    at_most: str | None,
    plot: str | None,
    as_json: bool,
) -> None:
    """Find the complexity class of a function, or of times in a CSV file (columns n, seconds).

    A function is named as mymodule:search, and runs in this process. It is given n, or what the
    function of --input makes of n: builtins:sum with --input builtins:range.
    """
    from costs import fit as measured
    from costs.classes import CLASSES
    from costs.fits import fit_times
    from costs.page import duration

    if at_most is not None and at_most not in CLASSES:
        raise click.BadParameter(
            f"{at_most!r} is none of {', '.join(CLASSES)}", None, None, "at_most"
        )
    if within is not None and not at:
        raise click.UsageError("--within needs an --at")
    broken = []
    try:
        if Path(source).exists():
            found = fit_times(*_columns(source, "n", "seconds"))
        else:
            found = measured(
                _function(source),
                _function(make_input) if make_input else None,
                budget_s=budget,
                measure=measure,  # type: ignore[arg-type]
                n_min=n_min,
                n_max=n_max,
                progress=on_terminal("measure"),
            )
        predictions = {n: found.predict(n, level) for n in at}
        if plot:
            save(found.plot(), plot)
    except (ValueError, ImportError) as error:
        raise refuse(error) from error
    except Exception as error:  # of the function that is measured
        given = f"what {make_input} makes of n" if make_input else "n, a whole number"
        raise click.ClickException(
            f"{source}, given {given}, raised {type(error).__name__}: {error}; name with --input a"
            " function that makes its input from n"
        ) from error
    written = duration if found.unit == "s" else lambda v: f"{v:.4g} {found.unit}"
    lines = [str(found), f"about {found.formula} {found.unit}"]
    for n, (low, mid, high) in predictions.items():
        lines.append(f"at n = {n:,.0f}: {written(mid)} ({written(low)} .. {written(high)})")
        if within is not None and high > within:
            broken.append(f"up to {written(high)} at n = {n:,.0f}, above {written(within)}")
    worst = max(found.classes, key=CLASSES.index)
    if at_most is not None and (found.steeper or CLASSES.index(worst) > CLASSES.index(at_most)):
        broken.append(f"{found}, not at most O({at_most})")
    told = found.as_dict() | {
        "predictions": [{"n": n} | p._asdict() for n, p in predictions.items()]
    }
    show(as_json, told, "\n".join(lines), broken)


@costs.command()
@click.argument("source", metavar="[FILE]", required=False)
@click.option("--serial", type=click.FloatRange(0, 1), help="Serial share, instead of a FILE.")
@click.option(
    "--law", type=click.Choice(["auto", "amdahl", "usl"]), default="auto", show_default=True
)
@click.option("--workers", type=click.IntRange(1), default=64, show_default=True, help="The most.")
@click.option("--price", type=Number(), help="Of a worker per hour.")
@click.option("--worth", type=Number(), help="Of a unit of speed-up per hour.")
@click.option("--need", type=Number(), metavar="X", help="Speed-up that has to be possible.")
@click.option("--plot", type=click.Path(dir_okay=False), help="Write a picture (.svg, .png).")
@as_json
def speedup(
    source: str | None,
    serial: float | None,
    law: str,
    workers: int,
    price: float | None,
    worth: float | None,
    need: float | None,
    plot: str | None,
    as_json: bool,
) -> None:
    """What more workers give: by a serial share, or by throughput in a CSV file (columns n, x)."""
    from costs.scaling import amdahl, price_per_speedup
    from costs.usl import usl_fit

    if (source is None) == (serial is None):
        raise click.UsageError("give either a FILE of throughput or --serial")
    try:
        counts = sorted({*(2**i for i in range(workers.bit_length())), workers})
        if source is None:
            assert serial is not None
            share = serial
            speed: Callable[[Any], Any] = partial(amdahl, share)
            ceiling = amdahl(share, math.inf)
            found: dict[str, Any] = {"law": "amdahl", "alpha": share}
            lines = [f"Amdahl's law, {share:.4g} of it serial: never above {ceiling:.4g} x"]
        else:
            fitted = usl_fit(*_columns(source, "n", "x"), law=law)  # type: ignore[arg-type]
            speed, peak = fitted.speedup, fitted.peak
            ceiling = peak.throughput / fitted.gamma if peak else fitted.limit / fitted.gamma
            found = {k: v for k, v in vars(fitted).items() if k not in ("n", "x", "freedom")}
            found["peak"] = peak._asdict() if peak else None
            lines = [
                f"{fitted.law}: contention {fitted.alpha:.4g}, coherence {fitted.beta:.4g}, "
                f"{fitted.gamma:.4g} a worker"
            ]
            if peak:
                lines.append(f"peak of {peak.throughput:.4g} at {peak.workers:.4g} workers")
            if plot:
                save(fitted.plot(), plot)
        table = {p: float(speed(p)) for p in counts}
        lines += [f"{p:6,} workers: {s:.4g} x" for p, s in table.items()]
        if max(table.values()) <= 1:
            lines.append("one worker is best: others gain nothing")
        if price is not None:
            priced = price_per_speedup(speed, price, workers=workers, worth=worth)
            found["stop"] = priced.stop
            lines.append(f"stop at {priced.stop} workers ({priced.reason})")
    except (ValueError, ImportError) as error:
        raise refuse(error) from error
    found |= {"ceiling": ceiling, "speedup": table}
    best = max(table.values())
    broken = []
    if need is not None and best < need:
        broken.append(f"at most {best:.3g} x with {workers} workers, below {need:g}")
    show(as_json, found, "\n".join(lines), broken)


@costs.command()
@click.argument("trace", type=click.Path(exists=True, dir_okay=False))
@click.option("--at", multiple=True, type=Number(), metavar="N", help="Look ahead; repeatable.")
@click.option("--what-if", multiple=True, metavar="STAGE=FACTOR", help="Payoff of a speed-up.")
@click.option("--within", type=Duration(), help="Budget of the whole at every --at.")
@click.option("--max-share", multiple=True, metavar="STAGE=SHARE", help="Budget of a stage.")
@click.option("--html", type=click.Path(dir_okay=False), help="Write one page.")
@as_json
def pipeline(
    trace: str,
    at: tuple[float, ...],
    what_if: tuple[str, ...],
    within: float | None,
    max_share: tuple[str, ...],
    html: str | None,
    as_json: bool,
) -> None:
    """Where the time goes: from a Chrome trace, OTLP JSON (OpenTelemetry) or a cProfile file."""
    from costs.page import duration, times
    from costs.pipeline import load_report

    broken = []
    try:
        report = load_report(trace, at)
        payoffs = {name: report.what_if(name, f) for name, f in map(_pair, what_if)}
        shares = {name: (report[name].share, limit) for name, limit in map(_pair, max_share)}
    except (ValueError, KeyError) as error:
        raise click.ClickException(str(error.args[0])) from error
    lines = [str(report)]
    for text, gain in zip(what_if, payoffs.values(), strict=True):
        lines.append(f"{text}: the whole would be {times(gain)} as fast")
    for each in report.outlook:
        if within is not None and each.total.high > within:
            high, budget = duration(each.total.high), duration(within)
            broken.append(f"up to {high} at n = {each.n:,.0f}, above {budget}")
    if within is not None and not at and report.wall > within:
        broken.append(f"{duration(report.wall)}, above {duration(within)}")
    broken += [
        f"stage {name} takes {share:.0%}, above {limit:.0%}"
        for name, (share, limit) in shares.items()
        if share > limit
    ]
    if html:
        try:
            Path(html).write_text(report.html(), encoding="utf-8")
        except OSError as error:
            raise click.ClickException(f"cannot write {html}: {error.strerror}") from error
    show(as_json, report.as_dict() | {"what_if": payoffs}, "\n".join(lines), broken)


def _pair(text: str) -> tuple[str, float]:
    name, _, value = text.rpartition("=")
    try:
        return name, float(value)
    except ValueError:
        raise ValueError(f"{text!r} is not of the form STAGE=NUMBER") from None


def _columns(path: str, *names: str) -> list[list[float]]:
    """Columns of a CSV file, by name or, without a header, by position."""
    with open(path, newline="", encoding="utf-8") as file:
        rows = [row for row in csv.reader(file) if row]
    if not rows:
        raise ValueError(f"{path} is empty")
    places = list(range(len(names)))
    if not _numeric(rows[0]):
        head = [cell.strip().lower() for cell in rows.pop(0)]
        missing = [name for name in names if name not in head]
        if missing:
            raise ValueError(f"{path} has no column {missing[0]!r}; its columns are {head}")
        places = [head.index(name) for name in names]
    try:
        return [[float(row[place]) for row in rows] for place in places]
    except (ValueError, IndexError):
        raise ValueError(f"{path} has a row without two numbers") from None


def _numeric(row: list[str]) -> bool:
    try:
        return bool([float(cell) for cell in row])
    except ValueError:
        return False


def _function(name: str) -> Callable[[Any], Any]:
    module, _, path = name.partition(":")
    if not path:
        raise ValueError(f"{name!r} is neither a file nor of the form module:function")
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())  # as `python -m` finds modules
    found: Any = importlib.import_module(module)
    for part in path.split("."):
        if not hasattr(found, part):
            raise ValueError(f"{module} has no {path}")
        found = getattr(found, part)
    if not callable(found):
        raise ValueError(f"{name} is no function")
    return found  # type: ignore[no-any-return]


costs.add_command(llm)
