"""The complexity classes, and the models that stand for them.

A class is its leading term. A *model* of it is a sum with positive leading coefficient:

    t(n) = c1 g(n) + c2 h(n) + c0

g the leading term, h a companion of lower order, c0 an intercept; h and c0 may be absent. The
companions are what real programs of a class carry (n log n comes with n, n^2 with n), so that a
sort with a linear pass in it is not taken for n^1.5. A companion may be negative, as quicksort's
1.39 n log n - 2.85 n is; an intercept may not. At the largest n the leading term has to outweigh
its companion: a sort on its way out of the caches is not n^1.5 because a little of that would do.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from costs._checks import Floats

TERMS = {  # in growing order: the power of n, and whether log n comes with it
    "1": (0.0, False),
    "log n": (0.0, True),
    "n": (1.0, False),
    "n log n": (1.0, True),
    "n^1.5": (1.5, False),
    "n^2": (2.0, False),
    "n^2 log n": (2.0, True),
    "n^3": (3.0, False),
}
CLASSES = tuple(TERMS)

COMPANIONS: dict[str, tuple[str, ...]] = {
    "1": (),
    "log n": (),
    "n": ("log n",),
    "n log n": ("n",),
    "n^1.5": ("n", "n log n"),
    "n^2": ("n", "n log n", "n^1.5"),
    "n^2 log n": ("n", "n^2"),
    "n^3": ("n", "n^2", "n^2 log n"),
}


def term(name: str, n: Floats) -> Floats:
    """A term at each n; logarithms are binary."""
    exponent, logarithmic = TERMS[name]
    made: Floats = n**exponent
    return made * np.log2(n) if logarithmic else made


class Model(NamedTuple):
    """The terms of a sum, the leading one first."""

    terms: tuple[str, ...]

    @property
    def name(self) -> str:
        """The class."""
        return self.terms[0]

    def design(self, n: Floats) -> Floats:
        """A column for each term: float64[len(n), len(terms)]."""
        return np.stack([term(name, n) for name in self.terms], axis=1)

    def allows(self, coefficients: Floats, first: Floats, last: Floats) -> NDArray[np.bool_]:
        """Whether coefficients [..., terms] make sense; the design at the least and largest n."""
        least, most = coefficients * first, coefficients * last
        fine = coefficients[..., 0] > 0
        for i, name in enumerate(self.terms[1:], 1):
            if name == "1":
                fine &= least[..., i] > 0
            else:
                fine &= least[..., i] > -NEGATIVE * least[..., 0]
                fine &= most[..., i] < most[..., 0]
        return np.asarray(fine, np.bool_)


NEGATIVE = 0.7  # of the leading term at the least n: as far as a companion may take away from it


def _models() -> tuple[Model, ...]:
    found = [Model(("1",))]
    for name in CLASSES[1:]:
        for rest in ((), *((each,) for each in COMPANIONS[name])):
            found += [Model((name, *rest)), Model((name, *rest, "1"))]
    return tuple(found)


MODELS = _models()
