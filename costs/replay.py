"""What the whole would have taken, had one stage been faster: the spans, scheduled again.

A span follows the last one of its own thread or task, and waits for those of others that ended
between that one and its own beginning, among the spans with the same parent (close to how Z. Zhang
et al., "CRISP: Critical path analysis of large-scale microservice architectures", USENIX ATC 2022,
find critical paths). With that as the only rule every span gets a new beginning and a new end from
those before it: a stage that others ran beside gains nothing until they are done, and a stage in a
chain gains all of it. The time of a span outside its children is its own work, and shrinks with its
stage.

It is a model: what it cannot see (a lock, the interpreter's, a queue that happened never to be
waited for) `Pipeline.check` finds out.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from costs._checks import Floats
from costs.trace import Trace


def own_seconds(trace: Trace) -> Floats:
    """Of each span: its time outside its children, where several at once count once."""
    own = trace.seconds
    for i, members in children(trace).items():
        if i >= 0:
            own[i] -= covered(
                trace.start[members], trace.end[members], trace.start[i], trace.end[i]
            )
    return np.maximum(own, 0.0)


def children(trace: Trace) -> dict[int, NDArray[np.int64]]:
    """The children of each span that has any, and under -1 the roots, in the order they began."""
    order = np.argsort(trace.parent, kind="stable")
    edges = np.flatnonzero(np.diff(trace.parent[order])) + 1
    groups = np.split(order, edges)
    return {int(trace.parent[group[0]]): group for group in groups if len(group)}


def covered(start: Floats, end: Floats, low: float = -np.inf, high: float = np.inf) -> float:
    """The time in which at least one interval was open, within bounds; starts are sorted."""
    start, end = np.clip(start, low, high), np.clip(end, low, high)
    reach = np.maximum.accumulate(end)
    gaps = np.maximum(start[1:] - reach[:-1], 0.0).sum() if len(start) else 0.0
    return float(reach[-1] - start[0] - gaps) if len(start) else 0.0


def replay(trace: Trace, speedups: Mapping[str, float]) -> float:
    """Seconds of the whole, waiting between roots aside, with stages sped up by a factor each.

    A factor below 1 slows down.
    """
    factors = np.array([speedups.get(name, 1.0) for name in trace.names])[trace.stage]
    seconds = trace.seconds.copy()
    family = children(trace)
    changed = factors != 1.0
    for i in range(len(trace) - 1, -1, -1):  # children began after their parent
        members = family.get(i)
        if members is None:
            seconds[i] /= factors[i]
            continue
        if not (changed[i] or changed[members].any()):
            continue
        changed[i] = True  # its end may move
        seconds[i] = _schedule(
            trace, members, seconds, float(trace.start[i]), float(trace.end[i]), factors[i]
        )
    roots = family.get(-1)
    if roots is None:
        return 0.0
    return _schedule(trace, roots, seconds, float(trace.start[roots[0]]), None, np.inf)


def _schedule(
    trace: Trace,
    members: NDArray[np.int64],
    seconds: Floats,
    start: float,
    end: float | None,
    factor: float,
) -> float:
    """New length of a span whose children last `seconds`; its own work goes `factor` as fast."""
    begins, ends = trace.start[members], trace.end[members]
    finish = np.zeros(len(members))
    by_end = np.argsort(ends, kind="stable")
    sorted_ends = ends[by_end]
    reach = np.maximum.accumulate(ends)
    last: dict[int, int] = {}  # of each lane: the span before
    for k, (i, begin) in enumerate(zip(members, begins, strict=True)):
        lane = int(trace.lane[i])
        own = last.get(lane)
        since, at = start, 0.0
        if own is not None and ends[own] <= begin:
            since, at = float(ends[own]), float(finish[own])
        low, high = np.searchsorted(sorted_ends, [since, begin], side="right")
        awaited = by_end[low:high]
        if len(awaited):
            since, at = float(ends[awaited[-1]]), max(at, float(finish[awaited].max()))
        idle = k == 0 or begin > reach[k - 1]  # nothing else ran: the parent itself did
        at += (begin - since) / factor if idle else begin - since
        finish[k] = at + seconds[i]
        last[lane] = k
    whole = float(finish.max())
    if end is None:
        return whole
    return whole + max(end - float(reach[-1]), 0.0) / factor
