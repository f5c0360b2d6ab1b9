"""A report for people: as text, and as one page of HTML that needs nothing else.

Colours are those of M. Okabe and K. Ito's palette, which the colour-blind tell apart.
"""

import html
import math
from typing import Any

from costs.classes import CLASSES
from costs.fits import Fit
from costs.report import Outlook, Report

COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#999999")
SHOWN = 12  # stages; the others are put together

STYLE = """
body{font:15px/1.5 system-ui,sans-serif;max-width:56rem;margin:2rem auto;padding:0 1rem;color:#222}
table{border-collapse:collapse;width:100%;margin:1rem 0}td,th{padding:.3rem .6rem;text-align:right}
td:first-child,th:first-child{text-align:left}tr+tr td{border-top:1px solid #ddd}
.bar{display:flex;height:2.2rem;margin:.3rem 0 1rem;border-radius:4px;overflow:hidden}
.bar div{color:#fff;font-size:12px;padding:.45rem .3rem;overflow:hidden;white-space:nowrap}
.swatch{display:inline-block;width:.8em;height:.8em;border-radius:2px;margin-right:.4em}
.note{color:#666}
"""


def duration(seconds: float | None) -> str:
    """Three digits and a unit."""
    if seconds is None:
        return "-"
    if not math.isfinite(seconds):
        return "inf"
    if seconds >= 172800:
        return f"{seconds / 86400:.3g} days"
    for unit, size in (("h", 3600.0), ("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-9:.3g} ns"


def times(factor: float) -> str:
    """A speed-up."""
    return f"{factor:.3g} x" if math.isfinite(factor) else "no limit"


def text(report: Report) -> str:
    """A table of the stages, a line for each n asked about."""
    head = f"{duration(report.wall)} in {report.runs} run{'s' * (report.runs != 1)}"
    names = [stage.name for stage in report.stages[:SHOWN]]
    width = max([5, *map(len, names)])
    lines = [
        head,
        "",
        f"{'stage':{width}}  share      own    calls      p50      p99  at most  grows as",
    ]
    for stage in report.stages[:SHOWN]:
        grows = _growth(stage.fit)
        lines.append(
            f"{stage.name:{width}} {stage.share:6.1%} {duration(stage.seconds):>8} {stage.calls:8,}"
            f" {duration(stage.p50):>8} {duration(stage.p99):>8} {times(stage.ceiling):>8}  {grows}"
        )
    if len(report.stages) > SHOWN:
        lines.append(f"and {len(report.stages) - SHOWN} more")
    lines += ["", *(_sentence(each) for each in report.outlook)] if report.outlook else []
    lines += [f"note: {note}" for note in notes(report)]
    return "\n".join(map(_printable, lines))


def _printable(line: str) -> str:
    """A line that no terminal obeys, whatever the names of stages are."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in line)


def _growth(fit: Fit | None) -> str:
    """The class, or the least and the largest that the data do not tell apart."""
    if fit is None:
        return ""
    least, largest = (pick(fit.classes, key=CLASSES.index) for pick in (min, max))
    return f"O({least})" if least == largest else f"O({least}) .. O({largest})"


def _sentence(each: Outlook) -> str:
    low, mid, high = each.total
    where = " or ".join(each.bottleneck)
    part = each.seconds[each.bottleneck[0]].mid / mid if len(each.bottleneck) == 1 else 0
    share = f" ({min(part, 1.0):.0%} of it)" if part else " (these data do not tell)"
    return (
        f"at n = {each.n:,.0f}: {duration(mid)} ({duration(low)} .. {duration(high)}); "
        f"the bottleneck is {where}{share}"
    )


def notes(report: Report) -> list[str]:
    """What a reader has to know about what is missing."""
    found = [
        f"{count} of stage {name!r} never closed, left out"
        for name, count in report.unclosed.items()
    ]
    if report.dropped:
        found.append(f"{report.dropped:,} spans beyond the recorder's limit are missing")
    return found


def page(report: Report) -> str:
    """One page: shares now and at each n as bars, a table, the outlook in words."""
    shown = report.stages[:SHOWN]
    colour = {stage.name: COLOURS[i % len(COLOURS)] for i, stage in enumerate(shown)}
    now = {stage.name: stage.seconds for stage in report.stages}
    bars = [_bar("now", now, colour)]
    for each in report.outlook:
        bars.append(_bar(f"n = {each.n:,.0f}", {k: p.mid for k, p in each.seconds.items()}, colour))
    rows = "".join(
        f'<tr><td><span class="swatch" style="background:{colour[s.name]}"></span>'
        f"{html.escape(s.name)}</td><td>{s.share:.1%}{_range(s.share_interval)}</td>"
        f"<td>{duration(s.seconds)}</td><td>{s.calls:,}</td><td>{duration(s.p50)}</td>"
        f"<td>{duration(s.p99)}</td><td>{times(s.ceiling)}</td>"
        f"<td>{_growth(s.fit)}</td></tr>"
        for s in shown
    )
    words = "".join(f"<p>{html.escape(_sentence(each))}</p>" for each in report.outlook)
    missing = "".join(f'<p class="note">{html.escape(note)}</p>' for note in notes(report))
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Where the time goes</title>'
        f"<style>{STYLE}</style><h1>Where the time goes</h1>"
        f"<p>{duration(report.wall)} in {report.runs:,} run{'s' * (report.runs != 1)}</p>"
        f"{''.join(bars)}{words}<table><tr><th>stage</th><th>share</th><th>own</th><th>calls</th>"
        "<th>p50</th><th>p99</th><th>payoff at most</th><th>grows as</th></tr>"
        f"{rows}</table>{missing}</html>"
    )


def _bar(label: str, seconds: dict[str, float], colour: dict[str, Any]) -> str:
    total = sum(seconds.values()) or 1.0
    cells = "".join(
        f'<div style="width:{100 * value / total:.2f}%;background:{colour.get(name, "#bbb")}" '
        f'title="{html.escape(name)}: {duration(value)}">{html.escape(name)} '
        f"{value / total:.0%}</div>"
        for name, value in sorted(seconds.items(), key=lambda item: -item[1])
    )
    head = f"<div>{html.escape(label)}: {duration(sum(seconds.values()))}</div>"
    return f'{head}<div class="bar">{cells}</div>'


def _range(interval: tuple[float, float] | None) -> str:
    return "" if interval is None else f" ({interval[0]:.0%} .. {interval[1]:.0%})"
