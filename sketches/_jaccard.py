"""How far the share of equal slots may be from the Jaccard similarity."""

import math

import numpy as np


def check_confidence(confidence: float) -> float:
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie in (0, 1), not {confidence}")
    return confidence


def samples_for(error: float, confidence: float) -> int:
    """Samples that keep a mean within `error` with `confidence` (Hoeffding 1963)."""
    if not 0 < error < 1:
        raise ValueError(f"error must lie in (0, 1), not {error}")
    return math.ceil(math.log(2 / (1 - check_confidence(confidence))) / (2 * error * error))


def interval(share: float, n: int, confidence: float) -> tuple[float, float]:
    """Clopper-Pearson: every p that n Bernoulli samples could have shown `share` for."""
    tail = (1 - check_confidence(confidence)) / 2
    hits = round(share * n)
    log_factorial = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, n + 1)))])
    k = np.arange(n + 1)
    log_choose = log_factorial[n] - log_factorial[k] - log_factorial[n - k]

    def upper_tail(p: float, hits: int) -> float:
        """P(X >= hits)."""
        terms = log_choose[hits:] + k[hits:] * math.log(p) + (n - k[hits:]) * math.log1p(-p)
        return float(np.exp(terms).sum())

    def solve(hits: int, target: float) -> float:
        """The p at which P(X >= hits) = target: the tail rises with p."""
        low, high = 0.0, 1.0
        for _ in range(40):  # 2**-40: far below the width of any interval
            middle = (low + high) / 2
            low, high = (middle, high) if upper_tail(middle, hits) < target else (low, middle)
        return (low + high) / 2

    return (
        solve(hits, tail) if hits else 0.0,
        solve(hits + 1, 1 - tail) if hits < n else 1.0,
    )
