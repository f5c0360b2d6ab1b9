"""Spans as columns: what every report starts from, wherever the spans were recorded.

Beside our own recorder there are three sources. A Chrome trace (the JSON of chrome://tracing,
Perfetto, VizTracer) has events with a beginning and a duration, or pairs of begin and end, nested
by time on each thread. OpenTelemetry's OTLP JSON has spans with ids and parents. A cProfile file
has no spans, only totals a function: it becomes one span a function, end to end, so that shares are
right and percentiles are not to be had.

A root is a span without a parent. One that another thread opened while exactly one other root was
open is taken for a child of that one: it is a worker of it.
"""

import json
import pstats
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from costs._checks import Floats
from costs._spans import Recorder

FUNCTIONS = 40  # of a cProfile file; the others are put together


@dataclass(frozen=True, eq=False)
class Trace:
    """Closed spans in the order of their beginnings.

    Attributes
    ----------
    names : list of str
        The stages.
    stage : numpy.ndarray of int64
        Of each span, an index into `names`.
    n, start, end : numpy.ndarray of float64
        Size (-1 where none was given), seconds.
    parent : numpy.ndarray of int64
        An index of a span, -1 for a root.
    lane : numpy.ndarray of int64
        The thread or asyncio task: one thing at a time.
    calls : numpy.ndarray of int64
        What a span stands for: 1, or the calls of a function that cProfile counted.
    unclosed : dict
        Stages with spans that were still open, and how many.
    dropped : int
        Spans beyond the recorder's limit.
    """

    names: list[str]
    stage: NDArray[np.int64]
    n: Floats
    start: Floats
    end: Floats
    parent: NDArray[np.int64]
    lane: NDArray[np.int64]
    calls: NDArray[np.int64]
    unclosed: dict[str, int]
    dropped: int = 0

    @classmethod
    def build(
        cls, rows: Iterable[tuple[Any, ...]], unclosed: dict[str, int], dropped: int = 0
    ) -> "Trace":
        """From rows of (key, name, n, start, end, key of the parent or None, lane, calls)."""
        spans = sorted(rows, key=lambda row: (row[3], -row[4]))
        position = {row[0]: i for i, row in enumerate(spans)}
        names = {name: i for i, name in enumerate(dict.fromkeys(row[1] for row in spans))}
        n, start, end = (np.array([row[i] for row in spans], float) for i in (2, 3, 4))
        parent = np.array([position.get(row[5], -1) for row in spans], np.int64)
        parent[parent >= np.arange(len(spans))] = -1  # no span is within one that opened later
        lane = np.array([row[6] for row in spans], np.int64)
        return cls(
            list(names),
            np.array([names[row[1]] for row in spans], np.int64),
            n,
            start,
            end,
            _adopt(start, end, parent, lane),
            lane,
            np.array([row[7] for row in spans], np.int64),
            unclosed,
            dropped,
        )

    def __len__(self) -> int:
        return len(self.stage)

    @property
    def seconds(self) -> Floats:
        """How long each span took."""
        return np.asarray(self.end - self.start)

    def as_chrome(self) -> dict[str, Any]:
        """The events of a Chrome trace, sizes as arguments."""
        origin = self.start.min(initial=np.inf)
        return {
            "traceEvents": [
                {
                    "name": self.names[self.stage[i]],
                    "ph": "X",
                    "pid": 1,
                    "tid": int(self.lane[i]),
                    "ts": float(self.start[i] - origin) * 1e6,
                    "dur": float(self.end[i] - self.start[i]) * 1e6,
                    "args": {"n": float(self.n[i])} if self.n[i] >= 0 else {},
                }
                for i in range(len(self))
            ]
        }


def _adopt(start: Floats, end: Floats, parent: Any, lane: Any) -> NDArray[np.int64]:
    """Give roots in other lanes to the one root that was open all the while."""
    parent = parent.copy()
    roots = np.flatnonzero(parent < 0)
    if len(np.unique(lane[roots])) < 2:
        return np.asarray(parent)
    open_ones: list[int] = []  # roots that stay roots, and may contain what comes
    for i in roots.tolist():
        open_ones = [j for j in open_ones if end[j] >= start[i]]
        around = [j for j in open_ones if end[j] >= end[i] and lane[j] != lane[i]]
        if len(around) == 1:
            parent[i] = around[0]
        else:
            open_ones.append(i)
    return np.asarray(parent)


def from_recorder(recorder: Recorder) -> Trace:
    """The closed spans of a pipeline."""
    unclosed: dict[str, int] = {}
    lanes: dict[int, int] = {}
    rows = []
    for span in list(recorder.spans):
        if not span.end:
            unclosed[span.name] = unclosed.get(span.name, 0) + 1
            continue
        above = span.parent
        rows.append(
            (
                id(span),
                span.name,
                span.n,
                span.start * 1e-9,
                span.end * 1e-9,
                None if above is None else id(above),
                lanes.setdefault(span.lane, len(lanes)),
                1,
            )
        )
    return Trace.build(rows, unclosed, recorder.dropped)


def load(path: str | Path) -> Trace:
    """Read a file of any kind that is known here.

    Raises
    ------
    ValueError
        If it is none of them, is damaged, or holds no span.
    """
    path = Path(path)
    data = path.read_bytes()
    if not data.strip():
        raise ValueError(f"{path} is empty")
    if data.lstrip()[:1] not in (b"{", b"["):
        return from_cprofile(path)
    try:
        found = [json.loads(data)]
    except ValueError:
        try:  # OpenTelemetry's file exporter writes an object a line
            found = [json.loads(line) for line in data.splitlines() if line.strip()]
        except ValueError as error:
            raise ValueError(f"{path} is neither JSON nor JSON Lines: {error}") from None
    if all(isinstance(part, dict) and "resourceSpans" in part for part in found):
        return from_opentelemetry(found, str(path))
    events = found[0].get("traceEvents") if isinstance(found[0], dict) else found[0]
    if not isinstance(events, list):
        raise ValueError(
            f"{path} is neither a Chrome trace (traceEvents) nor OTLP JSON (resourceSpans)"
        )
    return from_chrome(events, str(path))


def from_chrome(events: list[Any], label: str = "the trace") -> Trace:
    """Complete events and pairs of begin and end; nested by time within a thread."""
    rows: list[tuple[Any, ...]] = []
    begun: dict[tuple[Any, Any], list[dict[str, Any]]] = {}
    threads: dict[tuple[Any, Any], int] = {}
    try:
        for event in sorted(
            (e for e in events if e.get("ph") in ("X", "B", "E")), key=lambda e: float(e["ts"])
        ):
            lane = event.get("pid", 0), event.get("tid", 0)
            number = threads.setdefault(lane, len(threads))
            if event["ph"] == "B":
                begun.setdefault(lane, []).append(event)
                continue
            if event["ph"] == "E":
                if not begun.get(lane):
                    raise ValueError(f"{label} ends a stage at {event['ts']} that never began")
                end, event = float(event["ts"]), begun[lane].pop()
            else:
                end = float(event["ts"]) + float(event["dur"])
            start = float(event["ts"])
            n = _size(event.get("args", {}).get("n"))
            row = (len(rows), str(event["name"]), n, start * 1e-6, end * 1e-6, None, number, 1)
            rows.append(row)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{label} has an event without {error}") from None
    unclosed: dict[str, int] = {}
    for event in (event for left in begun.values() for event in left):
        unclosed[str(event["name"])] = unclosed.get(str(event["name"]), 0) + 1
    if not rows:
        raise ValueError(f"{label} holds no event with a duration")
    return Trace.build(_nest(rows), unclosed)


def _nest(rows: list[tuple[Any, ...]]) -> Iterable[tuple[Any, ...]]:
    """Parents by containment, thread by thread."""
    around: dict[int, list[tuple[Any, ...]]] = {}
    for row in sorted(rows, key=lambda row: (row[3], -row[4])):
        stack = around.setdefault(row[6], [])
        while stack and stack[-1][4] < row[4]:
            stack.pop()
        yield (*row[:5], stack[-1][0] if stack else None, *row[6:])
        stack.append(row)


def from_opentelemetry(parts: list[dict[str, Any]], label: str = "the trace") -> Trace:
    """OTLP JSON; the size of a span is its attribute ``n``."""
    rows = []
    unclosed: dict[str, int] = {}
    try:
        spans = [
            (i, span)
            for part in parts
            for i, resource in enumerate(part["resourceSpans"])
            for scope in resource["scopeSpans"]
            for span in scope["spans"]
        ]
        for process, span in spans:
            start, end = int(span["startTimeUnixNano"]), int(span.get("endTimeUnixNano") or 0)
            if not end:
                unclosed[span["name"]] = unclosed.get(span["name"], 0) + 1
                continue
            attributes = {a["key"]: a["value"] for a in span.get("attributes", ())}
            n = next(iter(attributes.get("n", {}).values()), None)
            lane = attributes.get("thread.id", {}).get("intValue", process)
            key, above = span["spanId"], span.get("parentSpanId") or None
            rows.append(
                (key, span["name"], _size(n), start * 1e-9, end * 1e-9, above, int(lane), 1)
            )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{label} has a span without {error}") from None
    if not rows:
        raise ValueError(f"{label} holds no closed span")
    return Trace.build(rows, unclosed)


def _size(value: Any) -> float:
    """A size from outside, or -1."""
    try:
        found = float(value)
    except (TypeError, ValueError):
        return -1.0
    return found if 0 <= found < 1e300 else -1.0


def from_cprofile(profiles: str | Path | Mapping[float, str | Path]) -> Trace:
    """One profile, or one for each of several sizes: ``{1000: "a.prof", 2000: "b.prof"}``."""
    runs = profiles if isinstance(profiles, Mapping) else {-1.0: profiles}
    rows: list[tuple[Any, ...]] = []
    at = 0.0
    for n, path in runs.items():
        try:
            stats = pstats.Stats(str(path)).stats  # type: ignore[attr-defined]
        except (ValueError, EOFError, TypeError) as error:
            raise ValueError(f"{path} is no profile of cProfile: {error}") from None
        own = sorted(
            ((total, calls, _label(*key)) for key, (_, calls, total, _, _) in stats.items()),
            reverse=True,
        )
        rest = sum(total for total, _, _ in own[FUNCTIONS:])
        shown = [*own[:FUNCTIONS], (rest, sum(calls for _, calls, _ in own[FUNCTIONS:]), "others")]
        root, begin = len(rows), at
        rows.append(())
        for total, calls, name in shown:
            if total > 0:
                rows.append((len(rows), name, -1.0, at, at + total, root, 0, calls))
                at += total
        rows[root] = (root, "profile", float(n), begin, at, None, 0, 1)
    return Trace.build(rows, {})


def _label(file: str, line: int, function: str) -> str:
    return function if file == "~" else f"{Path(file).name}:{line}({function})"
