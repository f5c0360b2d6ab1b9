"""Operations of a transformer: projections n d^2, attention n^2 d, MLP, logits.

A matrix of w weights costs 2 w a token. Attention costs 2 N (key + value dimensions) a pair of
query and key; how many pairs there are is what the causal convention and the window decide. Latent
attention decodes on the latents themselves (the matrices of keys and values are multiplied into
those of queries and output), so that a pair costs 2 N (2 c + r) then.
"""

import math
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from costs.llm.conventions import USUAL, Conventions
from costs.llm.parameters import count as count_parameters

if TYPE_CHECKING:
    from costs.llm.architecture import Transformer

SOFTMAX = 5  # operations a score: largest, difference, exponential, sum, quotient
NORM = 4  # a number: square and sum, scale, weight
ROTATION = 3  # a number of a query or key: two products, a sum
GATE = 5  # a number of the MLP: the activation (exponential, sum, quotient, product) and the gate
RESIDUALS = 2  # a layer, of D additions


@dataclass(frozen=True)
class Flops:
    """Operations by part, exact.

    Attributes
    ----------
    projections : int
        Queries, keys, values, output.
    attention : int
        Scores, and values weighed by them.
    mlp : int
        Router included.
    logits : int
    elementwise : int
        0 unless the conventions count it.
    """

    projections: int = 0
    attention: int = 0
    mlp: int = 0
    logits: int = 0
    elementwise: int = 0

    @property
    def total(self) -> int:
        return sum(vars(self).values())

    @property
    def layers(self) -> int:
        """All but the logits."""
        return self.total - self.logits

    def __add__(self, other: "Flops") -> "Flops":
        return Flops(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    def as_dict(self) -> dict[str, int]:
        """For JSON."""
        return vars(self) | {"total": self.total}


@dataclass(frozen=True)
class Lengths:
    """Lengths from which on attention's n^2 d is the larger part.

    Attributes
    ----------
    orders : float
        n^2 d = n d^2, constants left out: D.
    qkvo : float
        Attention overtakes the projections of queries, keys, values and output; inf where a window
        keeps it from that.
    layer : float
        It overtakes all matrices of the layers together.
    """

    orders: float
    qkvo: float
    layer: float


def pairs2(new: int, past: int, window: float, causal: str) -> int:
    """Twice the pairs of query and key, an integer by any convention."""
    if causal == "full":
        return 2 * new * int(min(past + new, window))
    free = int(min(new, max(window - past, 0)))  # queries that see all before them
    exact2 = free * (2 * past + free + 1)
    if free < new:
        exact2 += 2 * (new - free) * int(window)
    return exact2 if causal == "exact" else exact2 - free  # half: a query sees half of itself


def all_pairs2(model: "Transformer", new: int, past: int, causal: str) -> int:
    """The same, summed over layers."""
    windowed = model.windowed_layers
    found = (model.layers - windowed) * pairs2(new, past, math.inf, causal)
    return found + windowed * pairs2(new, past, model.window, causal)


def count(
    model: "Transformer",
    prefill: int = 0,
    decode: int = 0,
    train: int = 0,
    *,
    context: int = 0,
    batch: int = 1,
    conventions: Conventions = USUAL,
) -> Flops:
    """See `Transformer.flops`."""
    asked = {"prefill": prefill, "decode": decode, "train": train, "context": context}
    for name, value in asked.items():
        if not isinstance(value, int) or value < 0:
            raise ValueError(f"{name} must be a whole number of tokens, not {value!r}")
    if not isinstance(batch, int) or batch < 1:
        raise ValueError(f"batch must be a whole number above 0, not {batch!r}")
    if train and (prefill or decode or context):
        raise ValueError("training has neither a prefill nor a decode nor a cache")
    if not (prefill or decode or train):
        raise ValueError("say how many tokens: prefill=, decode= or train=")
    if train:
        made = forward(model, train, 0, batch, conventions)
        times = 4 if conventions.recompute else 3
        back = 3 if conventions.logits_backward else 1
        return Flops(
            times * made.projections,
            times * made.attention,
            times * made.mlp,
            back * made.logits,
            times * made.elementwise,
        )
    made = Flops()
    if prefill:
        made += forward(model, prefill, context, batch, conventions)
    if decode:
        made += one_by_one(model, decode, context + prefill, batch, conventions)
    return made


def forward(
    model: "Transformer", new: int, past: int, batch: int, conventions: Conventions
) -> Flops:
    """A pass over `new` tokens of each sequence at once."""
    pairs = batch * all_pairs2(model, new, past, conventions.causal)
    positions = batch * (1 if conventions.logits == "last" else new)
    wide = model.key_dim + model.value_dim
    return _parts(model, batch * new, pairs, wide, positions, conventions)


def one_by_one(
    model: "Transformer", new: int, past: int, batch: int, conventions: Conventions
) -> Flops:
    """Passes over one token of each sequence: each sees all before it, by any convention."""
    pairs = batch * all_pairs2(model, new, past, "exact")
    latent = model.latent
    wide = 2 * latent.kv_rank + latent.rope if latent else model.key_dim + model.value_dim
    return _parts(model, batch * new, pairs, wide, batch * new, conventions)


def _parts(
    model: "Transformer",
    tokens: int,
    pairs: int,
    wide: int,
    positions: int,
    conventions: Conventions,
) -> Flops:
    counted = count_parameters(model)
    each = 1 if conventions.unit == "mac" else 2
    head = 0 if conventions.logits == "none" else positions * model.vocab * model.d_model
    return Flops(
        projections=each * tokens * counted.projections,
        attention=each * pairs * model.heads * wide // 2,
        mlp=each * tokens * (counted.active_mlp + counted.router),
        logits=each * head,
        elementwise=_elementwise(model, tokens, pairs, conventions),
    )


def _elementwise(model: "Transformer", tokens: int, pairs: int, conventions: Conventions) -> int:
    if not conventions.elementwise:
        return 0
    counted = count_parameters(model, conventions)
    experts = model.experts
    sparse = model.layers - experts.dense_layers if experts else 0
    widths = (model.layers - sparse) * model.ffn
    if experts:
        widths += sparse * (experts.active * experts.ffn + experts.shared_ffn)
    norms = counted.norms // (2 if model.norm_bias else 1) * NORM
    turned = model.latent.rope if model.latent else model.head_dim
    rotated = 0 if model.positions else (model.heads + model.kv_heads) * turned
    layers = model.layers * (ROTATION * rotated + RESIDUALS * model.d_model)
    a_token = norms + counted.biases + GATE * widths + layers
    return tokens * a_token + SOFTMAX * model.heads * pairs // 2


def crossover(model: "Transformer", conventions: Conventions = USUAL) -> Lengths:
    """See `Transformer.crossover`."""
    counted = count_parameters(model)
    a_pair = model.heads * (model.key_dim + model.value_dim)
    layer = counted.projections + counted.active_mlp + counted.router
    return Lengths(
        float(model.d_model),
        _length(model, counted.projections / a_pair, conventions.causal),
        _length(model, layer / a_pair, conventions.causal),
    )


def _length(model: "Transformer", keys: float, causal: str) -> float:
    """The n at which a token sees `keys` keys on average, over all layers together."""
    free, windowed = model.layers - model.windowed_layers, model.windowed_layers
    a_layer = keys / model.layers
    alone = {"full": a_layer, "half": 2 * a_layer, "exact": 2 * a_layer - 1}[causal]
    if not windowed or alone <= model.window:
        return float(alone)
    if not free:
        return math.inf if a_layer >= model.window else _beyond(0, keys, model, causal)
    return _beyond(free, keys, model, causal)


def _beyond(free: int, keys: float, model: "Transformer", causal: str) -> float:
    """The same where n exceeds the window w: a windowed layer shows w - c / n keys a token."""
    w, windowed = model.window, model.windowed_layers
    a, b = {"full": (1.0, 0.0), "half": (0.5, 0.0), "exact": (0.5, 0.5)}[causal]
    c = {"full": 0.0, "half": w * w / 2, "exact": w * (w - 1) / 2}[causal]
    # free (a n + b) + windowed (w - c / n) = keys, times n
    linear, constant = free * b + windowed * w - keys, -windowed * c
    if not free:
        return -constant / linear
    root = math.sqrt(linear**2 - 4 * free * a * constant)
    return (root - linear) / (2 * free * a)
