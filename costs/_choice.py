"""Which models the data bear, by forward cross-validation.

Sizes come in order, and each is predicted from the smaller ones alone: by least squares on
relative errors, as a Student t whose spread is that of the errors so far. The sum of the log
densities that a model gave to what then happened is its score. That is cross-validation that asks
for extrapolation, which is what a fit is wanted for; and it is the log marginal likelihood, so that
the exponentials of the scores are the posterior weights of the models, with the penalty for
superfluous terms built in (A. Dawid, "Statistical theory: the prequential approach", JRSS A 147,
1984; E. Fong, C. Holmes, "On the marginal likelihood and cross-validation", Biometrika 107, 2020,
arXiv 1905.08737).

What real machines add to a sum of terms comes in two kinds.

*Drift.* The cost of a step rises as data move from one cache to the next: beside independent errors
there may be a random walk in log n (`_drift`). The errors are whitened by the Cholesky factor of
I + K, with K_ij = min(v_i, v_j), v the variance of the walk up to a size; being triangular, it
never looks ahead.

*Breaks.* One regime ends and another begins, at once. A broken model says: up to some size
anything, from there on this model. Its score is that of the best mixture below plus its own above;
the first sizes above, on which it cannot be judged yet, are charged at the density of a guess
within a factor e, which is what a break has to earn back.

All windows of all models with as many terms are solved at once, as a stack of QR decompositions
with zeros in the rows outside a window.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from costs._checks import Floats
from costs._drift import Drift, Way, drifts
from costs.classes import MODELS, Model

WALK_FREEDOM = 20.0  # how firmly they are held, in errors
WALK_SPREAD = 0.01  # least white noise beside a walk: its share of the walk stays within bounds
PRIOR_FREEDOM = 1.0  # of the spread expected from repeats: one error's worth, for the first sizes
EXTRA_TERM = math.log(0.2)  # prior odds of a term beyond leading one and intercept
BREAK = math.log(0.1)  # prior odds that there is a break at all; shared by all places
GUESS = -0.5 * math.log(2 * math.pi) - 0.5  # mean log density of a normal within a factor e
FIRST = 5  # sizes that a score starts from; three if there are fewer than eight in all
ABOVE = 3  # sizes above a break on which the model is not judged yet
LOST = 1e-9  # of a value: what a sum that is lower or negative counts as
NEGLIGIBLE = 12.0  # log odds: fewer than one draw in 10^5

Integers = NDArray[np.int64]
Scores = dict[tuple[int, int, int], float]  # of a model's number, its drift's and its first size


@dataclass(frozen=True)
class Candidate:
    """A model that fits, from size number `start` on, and how much it is believed."""

    model: Model
    drift: Drift
    start: int
    weight: float
    coefficients: Floats
    factor: Floats  # of their covariance: factor @ factor.T at a spread of 1
    rss: float  # of whitened relative errors, that of a spread expected from repeats included
    freedom: float
    octaves: Floats  # log2 of the sizes
    walk: Floats  # the expected drift at each of them
    loose: Floats  # its variance, at a spread of 1


class _Errors(NamedTuple):
    """What errors are like: the prior of their spread, and how they hang together."""

    drift: Drift
    spread: float
    freedom: float
    rise: Floats  # [sizes]: what caches left cost on average
    covariance: Floats  # [sizes, sizes]: of the walk
    whiten: Floats  # [sizes, sizes]: inverse Cholesky factor of that and the white noise


class _Stack(NamedTuple):
    """Windows of sizes, and for each the number of its kind of errors."""

    kind: Integers
    start: Integers
    end: Integers

    def repeated(self, times: int, kinds: int) -> "_Stack":
        """The same windows for each of several designs, which are laid kind by kind."""
        shift = np.repeat(np.arange(times) * kinds, len(self.kind))
        return _Stack(*(np.tile(part, times) for part in self))._replace(
            kind=np.tile(self.kind, times) + shift
        )


def choose(n: Floats, y: Floats, spread: float, ways: Sequence[Way] = ()) -> list[Candidate]:
    """Candidates by falling weight; n rising, y a positive value a size, `spread` from repeats,
    `ways` out of the caches that data of these sizes outgrow."""
    m = len(n)
    first = FIRST if m >= 8 else 3
    kinds = [_errors(n, drift, spread) for drift in drifts(ways, max(spread, WALK_SPREAD))]
    ends = np.arange(first, m)
    stack = _Stack(
        np.repeat(np.arange(len(kinds)), len(ends)),
        np.zeros(len(kinds) * len(ends), int),
        np.tile(ends, len(kinds)),
    )
    scores: Scores = {}
    below = np.full(m + 1, -math.inf)  # the best mixture of the sizes before each place
    judged = [i for i, model in enumerate(MODELS) if len(model.terms) < first]
    for i, gained in _judge(judged, n, y, stack, kinds):
        running = gained.reshape(len(kinds), -1).cumsum(axis=1) + _prior(MODELS[i])
        running += np.log([[kind.drift.odds] for kind in kinds])
        below[first + 1 :] = np.logaddexp(below[first + 1 :], np.logaddexp.reduce(running))
        scores |= {(i, kind, 0): float(total) for kind, total in enumerate(running[:, -1])}
    starts = np.arange(first + 1, m - ABOVE - 1)
    if len(starts):
        below -= math.log(len(judged) * len(kinds))
        scores |= _score_breaks(n, y, starts, below, kinds)
    return _weigh(n, y, scores, kinds)


def _errors(n: Floats, drift: Drift, spread: float) -> _Errors:
    reached = drift.variance(n)
    if not reached.any():
        held = spread, PRIOR_FREEDOM
    else:
        held = max(spread, WALK_SPREAD), WALK_FREEDOM
    reached -= reached[0]
    covariance = np.minimum(reached[:, None], reached)
    whiten = np.linalg.inv(np.linalg.cholesky(np.eye(len(n)) + covariance))
    return _Errors(drift, *held, drift.rise(n), covariance, whiten)


def _prior(model: Model) -> float:
    return EXTRA_TERM * max(0, len(model.terms) - 1 - (model.terms[-1] == "1"))


def _score_breaks(
    n: Floats, y: Floats, starts: Integers, below: Floats, kinds: list[_Errors]
) -> Scores:
    windows = np.array([(s, end) for s in starts for end in range(s + ABOVE, len(n))])
    start, end = windows.T
    stack = _Stack(np.zeros(len(windows), int), start, end)  # white noise alone
    scores: Scores = {}
    judged = [i for i, model in enumerate(MODELS) if len(model.terms) < ABOVE]
    for i, gained in _judge(judged, n, y, stack, kinds):
        for s in starts:
            above = float(gained[start == s].sum()) + ABOVE * GUESS + _prior(MODELS[i])
            scores[i, 0, int(s)] = float(below[s]) + above + BREAK - math.log(len(starts))
    return scores


def _judge(
    models: list[int], n: Floats, y: Floats, stack: _Stack, kinds: list[_Errors]
) -> Iterator[tuple[int, Floats]]:
    """Each model's number with the log densities of the sizes after the windows."""
    for count in sorted({len(MODELS[i].terms) for i in models}):
        alike = [i for i in models if len(MODELS[i].terms) == count]
        designs = np.stack([MODELS[i].design(n) for i in alike])
        yield from zip(alike, _densities(designs, y, stack, kinds), strict=True)


def _solve(a: Floats, target: Floats, stack: _Stack) -> tuple[Floats, Floats]:
    """Least squares in windows: coefficients [windows, terms] and inverse triangles.

    `a` is [kinds, sizes, terms] and `target` [kinds, sizes], both whitened.
    """
    p = a.shape[2]
    scale = np.abs(a).max(axis=1)
    inside = _inside(stack, a.shape[1])
    q, r = np.linalg.qr((a / scale[:, None])[stack.kind] * inside[:, :, None])
    diagonal = np.abs(r[:, range(p), range(p)])
    inverse = np.linalg.inv(r + (diagonal < 1e-12)[:, :, None] * np.eye(p))  # terms that agree
    inverse /= scale[stack.kind][:, :, None]
    aim = target[stack.kind] * inside
    return (inverse @ (q.transpose(0, 2, 1) @ aim[:, :, None]))[:, :, 0], inverse


def _inside(stack: _Stack, sizes: int) -> Floats:
    rows = np.arange(sizes)
    return ((rows >= stack.start[:, None]) & (rows < stack.end[:, None])).astype(float)


def _densities(designs: Floats, y: Floats, stack: _Stack, kinds: list[_Errors]) -> Floats:
    """Log density of the size after each window, under what the window says.

    `designs` is [models, sizes, terms]; the result [models, windows].
    """
    models, sizes, terms = designs.shape
    rise = np.tile(np.stack([kind.rise for kind in kinds]), (models, 1))[:, :, None]
    plain = np.repeat(designs / y[:, None], len(kinds), axis=0) * rise
    white = np.tile(np.stack([kind.whiten for kind in kinds]), (models, 1, 1))
    held = np.tile([kind.freedom for kind in kinds], models)
    spread = np.tile([kind.spread for kind in kinds], models)
    stack = stack.repeated(models, len(kinds))
    kind, rows = stack.kind, np.arange(len(stack.end))

    a = white @ plain
    c, inverse = _solve(a, white.sum(axis=2), stack)  # a relative value is 1
    errors = -np.log(np.maximum((plain[kind] @ c[:, :, None])[:, :, 0], LOST))
    inside = _inside(stack, sizes)
    inside[rows, stack.end] = 1  # what is predicted
    errors = (white[kind] @ (errors * inside)[:, :, None])[:, :, 0] * inside
    error = errors[rows, stack.end]
    freedom = stack.end - stack.start - terms + held[kind]
    square = ((errors**2).sum(axis=1) - error**2 + (held * spread**2)[kind]) / freedom
    leverage = ((a[kind, stack.end][:, None] @ inverse)[:, 0] ** 2).sum(axis=1)
    narrowed = np.log(white[kind, stack.end, stack.end])  # by the whitening
    found = _student(error, square * (1 + leverage), freedom) + narrowed
    return np.asarray(found.reshape(models, -1))


_LGAMMA = np.array([math.lgamma(max(v, 1) / 2) for v in range(4096)])  # at halves


def _student(error: Floats, square: Floats, freedom: Floats) -> Floats:
    """Log density of Student's t with scale sqrt(square)."""
    v = freedom.astype(int)
    made: Floats = (
        _LGAMMA[v + 1]
        - _LGAMMA[v]
        - 0.5 * np.log(np.pi * freedom * square)
        - (freedom + 1) / 2 * np.log1p(error**2 / (freedom * square))
    )
    return made


def _weigh(n: Floats, y: Floats, scores: Scores, kinds: list[_Errors]) -> list[Candidate]:
    """Those models whose final coefficients make sense, with normalised weights."""
    found: list[Candidate] = []
    for (i, kind, start), score in sorted(scores.items(), key=lambda item: -item[1]):
        if found and score < found[0].weight - NEGLIGIBLE:
            break
        fitted = _fit(MODELS[i], kinds[kind], start, n, y, score)
        if fitted is not None:
            found.append(fitted)
    odds = np.exp([each.weight - found[0].weight for each in found])
    shares = odds / odds.sum()
    return [replace(each, weight=float(w)) for each, w in zip(found, shares, strict=True)]


def _fit(
    model: Model, kind: _Errors, start: int, n: Floats, y: Floats, score: float
) -> Candidate | None:
    """The model on all its sizes, or None if its coefficients make no sense."""
    x, fitted = model.design(n) * kind.rise[:, None], y
    window = _Stack(np.array([0]), np.array([start]), np.array([len(n)]))
    for _ in range(3):  # errors relative to the model, not to the noisy values
        a, target = kind.whiten @ (x / fitted[:, None]), kind.whiten @ (y / fitted)
        c, inverse = _solve(a[None], target[None], window)
        fitted = x @ c[0]
        if not model.allows(c[0], x[start], x[-1]) or (fitted[start:] <= 0).any():
            return None
        fitted = np.where(fitted > 0, fitted, y)
    errors = np.log(y / fitted)
    rss = float(((kind.whiten @ errors)[start:] ** 2).sum()) + kind.freedom * kind.spread**2
    freedom = len(n) - start - x.shape[1] + kind.freedom
    walk, loose = _walk(errors, kind)
    return Candidate(
        model, kind.drift, start, score, c[0], inverse[0], rss, freedom, np.log2(n), walk, loose
    )


def _walk(errors: Floats, kind: _Errors) -> tuple[Floats, Floats]:
    """Mean and variance of the walk at each size, given the errors: ordinary kriging."""
    half = kind.whiten @ kind.covariance
    loose = np.maximum(kind.covariance.diagonal() - (half**2).sum(axis=0), 0)
    return half.T @ (kind.whiten @ errors), loose
