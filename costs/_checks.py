"""What every entry asks of its numbers, in the words of its caller."""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def number(value: Any, name: str, *, above: float = -math.inf, least: float = -math.inf) -> float:
    """`value` as a float that is above `above` and not below `least`."""
    try:
        found = float(value)
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be a number, not {value!r}") from None
    if math.isnan(found) or found <= above or found < least:
        bound = f"above {above:g}" if above > -math.inf else f"at least {least:g}"
        raise ValueError(f"{name} must be {bound}, not {found:g}")
    return found


def finite(value: Any, name: str, *, above: float = -math.inf, least: float = -math.inf) -> float:
    """`number` that is not infinite."""
    found = number(value, name, above=above, least=least)
    if math.isinf(found):
        raise ValueError(f"{name} must be finite")
    return found


def whole(value: Any, name: str, *, least: int) -> int:
    """`value` as an int that is not below `least`; 1e6 is whole, 1.5 is not."""
    found = finite(value, name, least=least)
    if not found.is_integer():
        raise ValueError(f"{name} must be whole, not {found:g}")
    return int(found)


def share(value: Any, name: str) -> float:
    """`value` as a float from 0 to 1."""
    found = number(value, name, least=0.0)
    if found > 1:
        raise ValueError(f"{name} must lie between 0 and 1, not {found:g}")
    return found


def level(value: Any) -> float:
    """A confidence level: strictly between 0 and 1."""
    found = share(value, "level")
    if found in (0.0, 1.0):
        raise ValueError(f"level must lie strictly between 0 and 1, not {found:g}")
    return found


def positive(values: ArrayLike | Iterable[float], name: str) -> Floats:
    """One dimension of finite numbers above zero, as float64."""
    try:
        found = np.asarray(
            values if isinstance(values, (np.ndarray, list, tuple)) else list(values),  # type: ignore[arg-type]
            np.float64,
        )
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be numbers, not {values!r}") from None
    if found.ndim != 1:
        raise ValueError(f"{name} must have one dimension, not shape {found.shape}")
    bad = np.flatnonzero(~(np.isfinite(found) & (found > 0)))
    if len(bad):
        raise ValueError(f"{name} must be finite and above 0; entry {bad[0]} is {found[bad[0]]:g}")
    return found
