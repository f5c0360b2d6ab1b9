"""How far a count may be from its estimate."""

import math

from sketches._jaccard import check_confidence


def normal_quantile(probability: float) -> float:
    """The z with P(N(0, 1) <= z) = probability."""
    low, high = -40.0, 40.0
    for _ in range(60):  # 80 / 2**60: far below what a double tells apart
        middle = (low + high) / 2
        inside = 0.5 * math.erfc(-middle / math.sqrt(2)) < probability
        low, high = (middle, high) if inside else (low, middle)
    return (low + high) / 2


def two_sided(confidence: float) -> float:
    """The z with P(|N(0, 1)| <= z) = confidence."""
    return -normal_quantile((1 - check_confidence(confidence)) / 2)


def poisson_quantile(mean: float, probability: float) -> int:
    """The least k with P(X <= k) >= probability, for a mean below some hundreds."""
    k, term, below = 0, math.exp(-mean), math.exp(-mean)
    while below < probability and term > 0:
        k += 1
        term *= mean / k
        below += term
    return k


def spread(estimate: float, relative_error: float, confidence: float) -> tuple[float, float]:
    """What lies around an estimate whose logarithm is off by `relative_error` (one sigma)."""
    factor = math.exp(two_sided(confidence) * relative_error)
    return estimate / factor, estimate * factor
