"""The cache of keys and values, and what it saves.

Without it the t-th token costs a whole pass over t tokens: attention sums to 4 D sum t^2, about
(4/3) T^3 D. With it the t-th token looks back once: 4 D sum t, about 2 T^2 D. Their ratio is
(2 T + 1) / 3 exactly, and that of the matrices (T + 1) / 2.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from costs.llm.conventions import Conventions
from costs.llm.flops import Flops, forward, one_by_one

if TYPE_CHECKING:
    from costs.llm.architecture import Transformer


@dataclass(frozen=True)
class Generation:
    """Operations of generating tokens one by one.

    Attributes
    ----------
    tokens, prompt : int
    cached : Flops
        The prompt at once, then one token a step.
    naive : Flops
        All tokens so far, at every step.
    """

    tokens: int
    prompt: int
    cached: Flops
    naive: Flops

    @property
    def attention_ratio(self) -> Fraction:
        """Naive over cached, of attention: exactly (2 T + 1) / 3 without a prompt if not masked."""
        return Fraction(self.naive.attention, self.cached.attention)

    @property
    def projections_ratio(self) -> Fraction:
        """Naive over cached, of the projections: (T + 1) / 2 without a prompt."""
        return Fraction(self.naive.projections, self.cached.projections)

    @property
    def ratio(self) -> Fraction:
        """Naive over cached, of all."""
        return Fraction(self.naive.total, self.cached.total)


def kv_bytes(model: "Transformer", tokens: int = 1, *, batch: int = 1, bits: float = 16) -> int:
    """See `Transformer.kv_bytes`."""
    for name, value in (("tokens", tokens), ("batch", batch)):
        if not isinstance(value, int) or value < 0:
            raise ValueError(f"{name} must be a whole number, not {value!r}")
    if not 0 < bits <= 64:
        raise ValueError(f"bits must lie between 0 and 64, not {bits:g}")
    if model.latent:
        a_layer = model.latent.kv_rank + model.latent.rope
    else:
        a_layer = 2 * model.kv_heads * model.head_dim
    seen = (model.layers - model.windowed_layers) * tokens
    seen += model.windowed_layers * min(tokens, model.window)
    return math.ceil(batch * seen * a_layer * Fraction(bits) / 8)


def generate(
    model: "Transformer", tokens: int, prompt: int, conventions: Conventions
) -> Generation:
    """See `Transformer.generate`."""
    for name, value, least in (("tokens", tokens, 1), ("prompt", prompt, 0)):
        if not isinstance(value, int) or value < least:
            raise ValueError(f"{name} must be a whole number of at least {least}, not {value!r}")
    cached = one_by_one(model, tokens, prompt, 1, conventions)
    if prompt:
        cached += forward(model, prompt, 0, 1, conventions)
    naive = Flops()
    first, last = prompt + 1, prompt + tokens
    breaks = [model.window] if model.windowed_layers and first <= model.window < last else []
    for low, high in zip([first, *(b + 1 for b in breaks)], [*breaks, last], strict=True):
        naive += _sum(lambda t: forward(model, t, 0, 1, conventions), low, high)
    return Generation(tokens, prompt, cached, naive)


def _sum(f: Callable[[int], Flops], first: int, last: int) -> Flops:
    """Sum of a count that is quadratic in t, from `first` to `last`: by Newton's differences."""
    n = last - first + 1
    parts = [vars(f(first + i)) for i in range(3)]
    found = {}
    for name in parts[0]:
        a, b, c = (part[name] for part in parts)
        found[name] = n * a + math.comb(n, 2) * (b - a) + math.comb(n, 3) * (c - 2 * b + a)
    return Flops(**found)
