"""Serving a transformer: what a pass computes, reads and sends, and what that makes of a plan.

Weights, heads and their cache are split among the chips; keys and values that are fewer heads than
chips, or latent, are held by several. Each layer ends attention and MLP with an all-reduce of the
residual stream: four steps of communication, 2 x 2 (p - 1) / p x B T D numbers sent by each chip
(M. Shoeybi et al., 2019, arXiv 1909.08053). A step reads those experts alone that one of its tokens
chose: of E with k chosen by each of t tokens, E (1 - (1 - k / E)^t) if they choose evenly.
"""

import math as maths
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from costs._checks import number
from costs.llm import flops as operations
from costs.llm.chips import Chip
from costs.llm.conventions import SERVING, Conventions
from costs.llm.parameters import mlp_matrix
from costs.llm.step import Step
from costs.page import duration
from costs.usl import Interval

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from costs.llm.architecture import Transformer
    from costs.machine import Machine

ACTIVATION_BITS = 16  # at least, of a number of the residual stream or of a score


@dataclass(frozen=True)
class Serving:
    """A plan of serving, and what it costs.

    Attributes
    ----------
    model : Transformer
    chip : Chip
    chips, batch, context, prompt : int
    prefill, decode : Step
        A prompt of one sequence; a token of each of `batch` sequences.
    weight_bytes, cache_bytes : float
        On all chips together: of the weights, and of the cache of the whole batch.
    largest_batch : int
        The memory wall: sequences whose cache fits beside the weights; 0: not even those do.
    price_per_hour : float or None
        Of one chip.
    """

    model: "Transformer"
    chip: Chip
    chips: int
    batch: int
    context: int
    prompt: int
    prefill: Step
    decode: Step
    weight_bytes: float
    cache_bytes: float
    largest_batch: int
    price_per_hour: float | None
    options: dict[str, Any] = field(repr=False)

    @property
    def bytes(self) -> float:
        """Of weights and cache, on all chips together (activations apart)."""
        return self.weight_bytes + self.cache_bytes

    @property
    def memory(self) -> float:
        """Bytes of all chips."""
        return self.chips * self.chip.memory

    @property
    def fits(self) -> bool:
        return self.batch <= self.largest_batch

    @property
    def first_token(self) -> Interval:
        """Seconds from a request to its first token, if nobody waits before it."""
        return self.prefill.interval

    @property
    def per_token(self) -> Interval:
        """Seconds from a token to the next."""
        return self.decode.interval

    @property
    def tokens_per_second(self) -> Interval:
        """Of all sequences together, while they are decoded."""
        low, mid, high = self.decode.interval
        return Interval(self.batch / high, self.batch / mid, self.batch / low)

    @property
    def tokens_per_dollar(self) -> Interval | None:
        """Or per whatever `price_per_hour` is in; None without one."""
        if self.price_per_hour is None:
            return None
        seconds = 3600 / (self.chips * self.price_per_hour)
        return Interval(*(rate * seconds for rate in self.tokens_per_second))

    def plot(self) -> "Figure":
        """Where operations and time go, by context and by batch (the extra `plots`)."""
        from costs.llm.pictures import draw_serving

        return draw_serving(self)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        dollars = self.tokens_per_dollar
        return {
            "model": self.model.name,
            "chip": self.chip.name,
            "chips": self.chips,
            "batch": self.batch,
            "context": self.context,
            "prompt": self.prompt,
            "weight_bytes": self.weight_bytes,
            "cache_bytes": self.cache_bytes,
            "memory": self.memory,
            "fits": self.fits,
            "largest_batch": self.largest_batch,
            "prefill": self.prefill.as_dict(),
            "decode": self.decode.as_dict(),
            "tokens_per_second": self.tokens_per_second._asdict(),
            "tokens_per_dollar": dollars._asdict() if dollars else None,
        }

    def __str__(self) -> str:
        def span(value: Interval) -> str:
            low, mid, high = (duration(v) for v in value)
            return f"{mid} ({low} .. {high})"

        rate = self.tokens_per_second
        weights, cache = (f"{v / 1e9:,.4g} GB" for v in (self.weight_bytes, self.cache_bytes))
        times = f"{self.chips} x " if self.chips > 1 else ""
        lines = [
            f"{self.model.name} on {times}{self.chip.name}, batch {self.batch:,}, "
            f"{self.context:,} tokens of context",
            f"memory        {weights} of weights, {cache} of cache, of {self.memory / 1e9:,.4g} GB"
            + ("" if self.fits else ": does not fit"),
            f"largest batch {self.largest_batch:,}",
            f"first token   {span(self.first_token)}, bound by {self.prefill.bound}",
            f"each token    {span(self.per_token)}, bound by {self.decode.bound}",
            f"throughput    {rate.mid:,.4g} tokens/s ({rate.low:,.4g} .. {rate.high:,.4g})",
        ]
        if (dollars := self.tokens_per_dollar) is not None:
            assert self.price_per_hour is not None
            lines.append(
                f"price         {dollars.mid:,.4g} tokens a unit of money "
                f"({1e6 / dollars.mid:,.3g} a million)"
            )
        return "\n".join(lines)


def serve(
    model: "Transformer",
    machine: "str | Chip | Machine",
    *,
    batch: int,
    context: int,
    prompt: int,
    price_per_hour: float | None = None,
    **options: Any,
) -> Serving:
    """See `Transformer.serve`."""
    chip, chips = Chip.of(machine), options["chips"]
    for name, value in (
        ("batch", batch),
        ("context", context),
        ("prompt", prompt),
        ("chips", chips),
    ):
        if not isinstance(value, int) or value < 1:
            raise ValueError(f"{name} must be a whole number above 0, not {value!r}")
    if price_per_hour is not None:
        number(price_per_hour, "price_per_hour", above=0.0)
    weights = model.params().total * options["weight_bits"] / 8
    cached = model.kv_bytes(context, bits=options["cache_bits"]) * copies(model, chips)
    free = chips * chip.memory - weights
    return Serving(
        model=model,
        chip=chip,
        chips=chips,
        batch=batch,
        context=context,
        prompt=prompt,
        prefill=one_pass(model, chip, 1, prompt, 0, **options),
        decode=one_pass(model, chip, batch, 1, context, **options),
        weight_bytes=weights,
        cache_bytes=batch * cached,
        largest_batch=max(0, int(free // cached)),
        price_per_hour=price_per_hour,
        options=options,
    )


def copies(model: "Transformer", chips: int) -> float:
    """How often the cache is held: heads of keys are split, what cannot be is copied."""
    parts = 1 if model.latent else model.kv_heads
    return max(1.0, chips / parts)


def weights_read(model: "Transformer", tokens: int, conventions: Conventions) -> float:
    """Parameters that a pass over so many tokens reads."""
    counted = model.params(conventions)
    experts = model.experts
    found = float(counted.total if conventions.lookup else counted.total - counted.embedding)
    if model.tied and not conventions.lookup and conventions.logits != "none":
        found += model.vocab * model.d_model  # the embedding is the matrix of the logits
    if experts:
        one = (model.layers - experts.dense_layers) * mlp_matrix(model, experts.ffn)
        touched = experts.count * (1 - (1 - experts.active / experts.count) ** tokens)
        found -= one * (experts.count - touched)
    return found


def one_pass(
    model: "Transformer",
    chip: Chip,
    batch: int,
    new: int,
    past: int,
    *,
    chips: int = 1,
    weight_bits: float = 16,
    cache_bits: float = 16,
    math: str | None = None,
    score_passes: float = 0,
    conventions: Conventions = SERVING,
) -> Step:
    """The time of `new` tokens of each sequence behind `past` in the cache."""
    if new > 1:
        counted = operations.forward(model, new, past, batch, conventions)
    else:  # the token itself is in the cache by then, or counted there
        counted = operations.one_by_one(model, 1, past - 1, batch, conventions)
    number_bytes = max(ACTIVATION_BITS, weight_bits) / 8
    pairs = operations.all_pairs2(model, new, past, "full") / 2
    scores = batch * model.heads * pairs * score_passes * number_bytes
    cached = batch * model.kv_bytes(max(past, new), bits=cache_bits) * copies(model, chips)
    split = chips > 1
    share = (chips - 1) / chips if conventions.ring else 1.0
    sent = 4 * model.layers * batch * new * model.d_model * share * number_bytes
    return Step.on(
        chip,
        chips,
        flops=counted.total - counted.attention,
        weight_bytes=weights_read(model, batch * new, conventions) * weight_bits / 8,
        attention_flops=counted.attention,
        cache_bytes=cached + scores,
        link_bytes=split * sent,
        messages=split * 4 * model.layers,
        math=math,
    )


MOST = 1e6  # times what a chip is said to do: as good as free


def calibrate(
    model: "Transformer",
    machine: "str | Chip | Machine",
    *,
    prefill: tuple[int, float],
    decode: tuple[int, float],
    batch: int = 1,
    **served: Any,
) -> Chip:
    """See `Transformer.calibrate`."""
    chip = Chip.of(machine)
    (prompt, first), (context, each) = prefill, decode
    number(first, "seconds of the prefill", above=0.0)
    number(each, "seconds of the decode", above=0.0)
    options = {"chips": 1, "weight_bits": 16.0, "cache_bits": 16.0} | served

    def times(flops: float, bandwidth: float) -> tuple[float, float]:
        found = chip.scaled(flops, bandwidth)
        return (
            one_pass(model, found, 1, prompt, 0, **options).mid,
            one_pass(model, found, batch, 1, context, **options).mid,
        )

    flops, bandwidth = MOST, 1.0
    for _ in range(30):  # each time fixes one share given the other; they soon agree
        bandwidth = _solve(lambda x, f=flops: times(f, x)[1], each, "decode")
        flops = _solve(lambda x, b=bandwidth: times(x, b)[0], first, "prefill")
    return chip.scaled(flops, bandwidth)


def _solve(seconds: Any, wanted: float, name: str) -> float:
    """The share x, on a falling function, at which it is `wanted`: bisection in logarithms."""
    low, high = 1 / MOST, MOST
    if seconds(high) > wanted:
        raise ValueError(
            f"the {name} took {duration(wanted)}, less than the other resource alone needs "
            f"({duration(seconds(high))}): measure a longer prompt, or a decode of fewer sequences"
        )
    for _ in range(100):
        mid = maths.sqrt(low * high)
        low, high = (mid, high) if seconds(mid) > wanted else (low, mid)
    return high
