"""report.html: the figures of a run as one page that needs nothing else, network least of all.

Charts are inline SVG drawn 320 wide, which is what a phone has for them, so that their letters can
be read there; colours follow prefers-color-scheme. All that comes from the documents is escaped.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from pathlib import Path
from string import Template
from typing import Any

from ann.dedup.words import (
    byte_count,
    counted,
    measure_name,
    percent,
    printable,
    probability,
)

PAGE = Template(Path(__file__).with_name("page.html").read_text("utf-8"))
AFTER = re.compile(r"\W*$")  # what follows a word goes with it, and is not marked
WIDTH, HEIGHT = 320, 180  # of a chart
LEFT, RIGHT, TOP, BOTTOM = 46, 10, 14, 28  # what its axes leave


def page(figures: dict[str, Any]) -> str:
    """The whole page."""
    s = figures["summary"]
    p = s["settings"]
    removed = counted(s["removed"], "near-duplicate")
    measure = measure_name(p["measure"])
    linked = "resembles" if p["link"] == "representative" else "is linked by such pairs to"
    return PAGE.substitute(
        title=f"{counted(s['documents'], 'document')}: {s['kept']:,} kept, {removed} removed",
        intro=(
            f"<p class=soft>Every pair below was verified: its exact {measure} on"
            f" {p['ngram']}-grams of {p['unit']}s is at least {p['threshold']:g}, and every removed"
            f" document {linked} the one that stays in its place.</p>"
        ),
        tiles="".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in _tiles(s)),
        charts="".join(_charts(figures)),
        largest="".join(_largest(figures)),
        samples="".join(_samples(figures)),
        parameters="".join(_parameters(s)),
    )


def _tiles(s: dict[str, Any]) -> Iterator[tuple[str, str]]:
    yield "documents", f"{s['documents']:,}"
    yield "removed", f"{s['removed']:,}{percent(s['removed'], s['documents'])}"
    yield "clusters", f"{s['clusters']:,}"
    yield "verified pairs", f"{s['pairs'] + s['pairs_unlisted']:,}"
    yield "of text", byte_count(s["bytes"])
    yield "saved", byte_count(s["bytes_removed"]) + percent(s["bytes_removed"], s["bytes"])
    yield "seconds", f"{sum(s['seconds'].values()):,.2f}"


# ----------------------------------------------------------------------------------------- charts


def _charts(figures: dict[str, Any]) -> Iterator[str]:
    similarity, curve, sizes = figures["similarity"], figures["s_curve"], figures["sizes"]
    edges = similarity["edges"]
    bars = [
        (f"{low:g} to {high:g}: {counted(count, 'pair')}", count, "bar")
        for low, high, count in zip(edges, edges[1:], similarity["pairs"], strict=False)
    ]
    identical = similarity["identical"]
    bars.append((f"identical: {counted(identical, 'pair')}", identical, "other"))
    middle = len(edges) // 2
    ticks = [(place, f"{edges[place]:g}") for place in (0, middle, len(edges) - 1)]
    yield _figure(
        "Similarity of the verified pairs",
        f"{measure_name(figures['summary']['settings']['measure'])};"
        " the last bar is of identical documents",
        _bars(bars, ticks),
    )
    how = f"an exact join: every pair at {curve['threshold']:g} or above"
    if curve["bands"]:
        how = (
            f"{curve['bands']} bands of {curve['rows']} slots: a pair at {curve['threshold']:g}"
            f" becomes a candidate with probability {probability(curve['recall'])}"
        )
    yield _figure("What the search finds", how, _curve(curve))
    if sizes:
        bars = [
            (
                f"{_range(size)} documents: {counted(size['clusters'], 'cluster')},"
                f" {counted(size['documents'], 'document')}",
                size["clusters"],
                "bar",
            )
            for size in sizes
        ]
        every = -(-len(sizes) // 6)
        places = [(i + 0.5, _range(sizes[i])) for i in range(0, len(sizes), every)]
        yield _figure("Size of the clusters", "documents in a cluster", _bars(bars, places))


def _range(size: dict[str, int]) -> str:
    low, high = size["from"], size["to"]
    return f"{high:,}" if low == high else f"{low:,}-{high:,}"


def _figure(title: str, caption: str, drawing: str) -> str:
    return (
        f"<figure><h3>{title}</h3><svg viewBox='0 0 {WIDTH} {HEIGHT}' role=img"
        f" aria-label='{title}'>{drawing}</svg><figcaption>{caption}</figcaption></figure>"
    )


def _x(share: float) -> float:
    return LEFT + share * (WIDTH - LEFT - RIGHT)


def _y(share: float) -> float:
    return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)


def _axes(ticks: Iterable[tuple[float, str]], levels: Iterable[tuple[float, str]]) -> Iterator[str]:
    """Shares of the width and of the height, with what is written there."""
    for share, label in levels:
        yield f"<path class=axis d='M{LEFT} {_y(share):.1f}H{WIDTH - RIGHT}'/>"
        yield f"<text x={LEFT - 5} y={_y(share) + 4:.1f} text-anchor=end>{label}</text>"
    for share, label in ticks:
        yield f"<text x={_x(share):.1f} y={HEIGHT - BOTTOM + 17} text-anchor=middle>{label}</text>"


def _bars(bars: list[tuple[str, int, str]], ticks: Sequence[tuple[float, str]]) -> str:
    """Bars with their titles; ticks in bars from the left."""
    most = max(1, *(count for _, count, _ in bars))
    drawn = list(
        _axes(
            ((place / len(bars), label) for place, label in ticks),
            ((0, "0"), (1, _short(most))),
        )
    )
    gap = 0.1 / len(bars)
    for place, (title, count, kind) in enumerate(bars):
        x, width = _x(place / len(bars) + gap), _x(1 / len(bars) - 2 * gap) - LEFT
        height = max(_y(0) - _y(count / most), 1.5 * (count > 0))  # one pair can be seen
        drawn.append(
            f"<rect class={kind} x={x:.1f} y={_y(0) - height:.1f} width={width:.1f}"
            f" height={height:.1f}><title>{title}</title></rect>"
        )
    return "".join(drawn)


def _curve(curve: dict[str, Any]) -> str:
    points = zip(curve["jaccard"], curve["probability"], strict=True)
    path = "L".join(f"{_x(jaccard):.1f} {_y(probability):.1f}" for jaccard, probability in points)
    x, y = _x(curve["threshold"]), _y(curve["recall"])
    levels = [(share, f"{share:g}") for share in (0, 0.5, 1)]
    return (
        "".join(_axes(levels, levels))
        + f"<path class=curve d='M{path}'/><path class=at d='M{x:.1f} {_y(0):.1f}V{y:.1f}'/>"
        + f"<circle class=point cx={x:.1f} cy={y:.1f} r=4><title>at {curve['threshold']:g}:"
        f" {probability(curve['recall'])}</title></circle>"
        + f"<text class=strong x={x - 8:.1f} y={_y(0.06):.1f} text-anchor=end>threshold</text>"
    )


def _short(number: int) -> str:
    """A number in the room beside an axis."""
    for size, letter in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if number >= size:
            return f"{number / size:.3g} {letter}"
    return str(number)


# -------------------------------------------------------------------------------------- documents


def _printable(text: Any) -> str:
    """Escaped, and without characters that have no shape."""
    return escape(printable(str(text)))


def _largest(figures: dict[str, Any]) -> Iterator[str]:
    if not figures["largest"]:
        return
    yield "<h2>Largest clusters</h2>"
    for cluster in figures["largest"]:
        members = "".join(
            f"<li>{member['jaccard']:.3f} {_printable(member['id'])}"
            for member in cluster["members"]
        )
        more = cluster["size"] - 1 - len(cluster["members"])
        if more:
            members += f"<li class=soft>and {more:,} more, none below {cluster['lowest']:.3f}"
        yield (
            f"<details class=panel><summary><b>{_printable(cluster['id'])}</b>"
            f" and {counted(cluster['size'] - 1, 'other')}</summary>"
            f"<pre>{_printable(cluster['text'])}</pre><ul>{members}</ul></details>"
        )


def _samples(figures: dict[str, Any]) -> Iterator[str]:
    if not figures["samples"]:
        return
    yield (
        "<h2>Pairs side by side</h2><p class=soft>From the least similar on, one a cluster. Marked"
        " is what the other one has not; case, spaces and punctuation do not count.</p>"
    )
    for sample in figures["samples"]:
        sides = "".join(
            f"<div><p><span class=soft>{side}</span> {_printable(sample[side])}</p><pre>"
            + "".join(_piece(part, side, tag) for part in sample["differences"])
            + "</pre></div>"
            for side, tag in (("kept", "del"), ("removed", "ins"))
        )
        yield (
            f"<div class=panel><h3>{sample['jaccard']:.3f}</h3><div class=both>{sides}</div></div>"
        )


def _piece(part: dict[str, Any], side: str, tag: str) -> str:
    if part["kind"] == "gap":
        return f"<i class=gap> … {part['units']:,} more … </i>"
    text = part[side]
    if part["kind"] == "same" or not text:
        return _printable(text)
    end = max(len(text) - len(AFTER.search(text)[0]), 1)  # type: ignore[index]
    return f"<{tag}>{_printable(text[:end])}</{tag}>{_printable(text[end:])}"


def _parameters(s: dict[str, Any]) -> Iterator[str]:
    rows: dict[str, Any] = s["settings"] | {"bands x rows": f"{s['bands']} x {s['rows']}"}
    rows["candidates compared"] = f"{s['candidates']:,}"
    rows |= {f"seconds, {stage}": f"{seconds:.2f}" for stage, seconds in s["seconds"].items()}
    notes = {
        "empty documents (kept)": s["empty"],
        f"of at most {counted(s['settings']['ngram'], s['settings']['unit'])}": s["short"],
        "invalid UTF-8 sequences replaced": s["invalid_utf8"],
        "rows or files skipped": s["skipped"],
        "binary files passed over": s["binary"],
    }
    rows |= {name: f"{count:,}" for name, count in notes.items() if count}
    for name, value in rows.items():
        yield f"<tr><th>{name.replace('_', ' ')}<td>{_printable(value)}"
