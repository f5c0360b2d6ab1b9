"""The shape of a decoder-only transformer, and the questions that can be asked of it.

D is the width of the model (`d_model`), N the heads, K the heads of keys and values, H their size,
F the width of the MLP, L the layers, V the vocabulary, T tokens. Counts are exact integers.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from costs.llm import cache, flops, parameters
from costs.llm.cache import Generation
from costs.llm.conventions import SERVING, USUAL, Conventions
from costs.llm.flops import Flops, Lengths
from costs.llm.parameters import Parameters

if TYPE_CHECKING:
    from costs.llm.chips import Chip
    from costs.llm.serving import Serving
    from costs.machine import Machine


@dataclass(frozen=True)
class Latent:
    """Ranks of multi-head latent attention. A query or key of a head has ``nope + rope`` numbers.

    Attributes
    ----------
    q_rank : int
        Of queries; 0 if they are projected at once.
    kv_rank : int
        Of keys and values: what the cache keeps of a token, beside `rope` numbers.
    nope, rope, value : int
        Numbers a head without and with rotation, and of a value.
    """

    q_rank: int
    kv_rank: int
    nope: int
    rope: int
    value: int


@dataclass(frozen=True)
class Experts:
    """A mixture of experts in place of the MLP.

    Attributes
    ----------
    count, active : int
        How many there are in a layer, and how many of them work on a token.
    ffn : int
        Width of one.
    shared_ffn : int
        Width of those together that work on every token; 0 for none.
    dense_layers : int
        Layers that have an ordinary MLP, of the model's `ffn`, instead.
    shared_gate, bias : bool
        Whether the shared ones are weighed by a gate, and the router has a bias.
    """

    count: int
    active: int
    ffn: int
    shared_ffn: int = 0
    dense_layers: int = 0
    shared_gate: bool = False
    bias: bool = False


@dataclass(frozen=True)
class Transformer:
    """A decoder-only transformer, by its shape.

    Attributes
    ----------
    name : str
    layers, d_model, heads, kv_heads, head_dim, ffn, vocab : int
        L, D, N, K, H, F, V.
    gated : bool, default True
        The MLP has three matrices (SwiGLU, GeGLU), not two.
    tied : bool, default False
        The embedding serves for the logits, too.
    context : int
        The most tokens it was made for; 0: not said.
    positions : int, default 0
        Learned positions.
    norms, extra_norms : int
        Norms of width D in a layer, and beside the layers.
    norm_bias, qk_norm, qkv_bias, out_bias, mlp_bias, head_bias : bool
        What has a bias, and whether queries and keys are normed a head.
    window, windowed_layers : int
        So many layers attend to the last `window` tokens alone.
    latent : Latent, optional
        Multi-head latent attention.
    experts : Experts, optional

    Examples
    --------
    >>> from costs import Conventions, Transformer
    >>> model = Transformer.from_config("llama-3-8b")
    >>> model.params().total, model.kv_bytes()
    (8030261248, 131072)
    >>> model.crossover(Conventions(causal="full")).qkvo
    5120.0
    """

    name: str
    layers: int
    d_model: int
    heads: int
    kv_heads: int
    head_dim: int
    ffn: int
    vocab: int
    gated: bool = True
    tied: bool = False
    context: int = 0
    positions: int = 0
    norms: int = 2
    extra_norms: int = 1
    norm_bias: bool = False
    qk_norm: bool = False
    qkv_bias: bool = False
    out_bias: bool = False
    mlp_bias: bool = False
    head_bias: bool = False
    window: int = 0
    windowed_layers: int = 0
    latent: Latent | None = None
    experts: Experts | None = None

    def __post_init__(self) -> None:
        for name in ("layers", "d_model", "heads", "kv_heads", "head_dim", "ffn", "vocab"):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise ValueError(f"{name} must be a whole number above 0, not {value!r}")
        if self.heads % self.kv_heads:
            raise ValueError(f"{self.heads} heads do not share {self.kv_heads} of keys evenly")
        if not 0 <= self.windowed_layers <= self.layers:
            raise ValueError(f"windowed_layers must lie between 0 and {self.layers}")
        if self.windowed_layers and self.window < 1:
            raise ValueError("layers with a window need a window of at least 1")
        if (e := self.experts) and not 1 <= e.active <= e.count:
            raise ValueError(f"{e.active} of {e.count} experts cannot be active")
        if self.experts and not 0 <= self.experts.dense_layers <= self.layers:
            raise ValueError(f"dense_layers must lie between 0 and {self.layers}")

    @classmethod
    def from_config(cls, source: str | Path | Mapping[str, Any]) -> "Transformer":
        """Read a Hugging Face ``config.json``, or take a known model.

        Parameters
        ----------
        source : str, Path or mapping
            A name (`costs.llm.presets.PRESETS`, such as "llama-3-8b"), a path to a
            ``config.json``, or what it holds. Families: see `costs.llm.families.FAMILIES`.

        Returns
        -------
        Transformer

        Raises
        ------
        ValueError
            For a name or family that is not known, a missing or senseless number, and for a key
            that is not known and may change the cost.
        """
        from costs.llm.families import read

        return read(source)

    @property
    def key_dim(self) -> int:
        """Numbers of a query or key of a head."""
        return self.latent.nope + self.latent.rope if self.latent else self.head_dim

    @property
    def value_dim(self) -> int:
        """Numbers of a value of a head."""
        return self.latent.value if self.latent else self.head_dim

    def params(self, conventions: Conventions = USUAL) -> Parameters:
        """Parameters by purpose; ``.total`` and ``.active``."""
        return parameters.count(self, conventions)

    def flops(
        self,
        *,
        prefill: int = 0,
        decode: int = 0,
        train: int = 0,
        context: int = 0,
        batch: int = 1,
        conventions: Conventions = USUAL,
    ) -> Flops:
        """Operations of a pass, by part.

        Parameters
        ----------
        prefill : int, default 0
            Tokens of a prompt, all at once.
        decode : int, default 0
            Tokens after it, one by one, with a cache.
        train : int, default 0
            Tokens of a sequence forward and back (3 times forward); not with the others.
        context : int, default 0
            Tokens in the cache before.
        batch : int, default 1
            Sequences.
        conventions : Conventions, optional

        Returns
        -------
        Flops
            ``projections, attention, mlp, logits, elementwise`` and their ``total``.
        """
        return flops.count(
            self, prefill, decode, train, context=context, batch=batch, conventions=conventions
        )

    def palm(self, tokens: int, context: int | None = None) -> int:
        """Operations of training on `tokens` tokens by PaLM's rule: 6 P + 12 L N H T each.

        P are all parameters but positions (active ones, of experts), T is `context`, by default
        `tokens`. (A. Chowdhery et al., 2022, arXiv 2204.02311, appendix B.)
        """
        counted = self.params()
        p = counted.active - counted.positions
        length = tokens if context is None else context
        return tokens * (6 * p + 12 * self.layers * self.heads * self.key_dim * length)

    def crossover(self, conventions: Conventions = USUAL) -> Lengths:
        """From which length on attention's n^2 d costs more than n d^2."""
        return flops.crossover(self, conventions)

    def kv_bytes(self, tokens: int = 1, *, batch: int = 1, bits: float = 16) -> int:
        """Bytes of keys and values in the cache: 2 L K H a token, or L (rank + rope) if latent.

        Parameters
        ----------
        tokens : int, default 1
            Of a sequence. Layers with a window keep no more than that.
        batch : int, default 1
            Sequences.
        bits : float, default 16
            Of a number.
        """
        return cache.kv_bytes(self, tokens, batch=batch, bits=bits)

    def generate(
        self, tokens: int, *, prompt: int = 0, conventions: Conventions = USUAL
    ) -> Generation:
        """Operations of generating one by one: with a cache, and running all anew each time.

        Parameters
        ----------
        tokens : int
            To be generated, or to be run through one by one.
        prompt : int, default 0
            Tokens before.
        conventions : Conventions, optional
            With ``causal="full"`` and no prompt the ratio of attention is (2 T + 1) / 3.
        """
        return cache.generate(self, tokens, prompt, conventions)

    def serve(
        self,
        machine: "str | Chip | Machine",
        batch: int = 1,
        context: int = 1024,
        price_per_hour: float | None = None,
        *,
        prompt: int | None = None,
        chips: int = 1,
        weight_bits: float = 16,
        cache_bits: float = 16,
        math: str | None = None,
        score_passes: float = 0,
        conventions: Conventions = SERVING,
    ) -> "Serving":
        """What serving it costs: times, throughput, memory, price.

        Parameters
        ----------
        machine : str, Chip or Machine
            A chip by name (`costs.CHIPS`), one of yours, or this machine as measured.
        batch : int, default 1
            Sequences that are decoded together.
        context : int, default 1024
            Tokens of each in the cache.
        price_per_hour : float, optional
            Of one chip.
        prompt : int, optional
            Tokens of a request before its first one; by default `context`.
        chips : int, default 1
            Among which heads and widths are split (tensor parallel).
        weight_bits, cache_bits : float, default 16
            Of a weight, and of a number in the cache.
        math : str, optional
            Kind of arithmetic, a key of `Chip.flops`; by default the chip's first.
        score_passes : float, default 0
            How often the matrix of scores goes through memory; a fused kernel never writes it.
        conventions : Conventions, optional

        Returns
        -------
        Serving
        """
        from costs.llm.serving import serve

        return serve(
            self,
            machine,
            batch=batch,
            context=context,
            prompt=context if prompt is None else prompt,
            chips=chips,
            weight_bits=weight_bits,
            cache_bits=cache_bits,
            math=math,
            score_passes=score_passes,
            price_per_hour=price_per_hour,
            conventions=conventions,
        )

    def calibrate(
        self,
        machine: "str | Chip | Machine",
        *,
        prefill: tuple[int, float],
        decode: tuple[int, float],
        batch: int = 1,
        **served: Any,
    ) -> "Chip":
        """The chip as this model finds it: arithmetic and bandwidth from two measured times.

        Parameters
        ----------
        machine : str, Chip or Machine
        prefill : tuple of int and float
            Tokens of a prompt (one sequence), and the seconds it took.
        decode : tuple of int and float
            Tokens in the cache of each sequence, and the seconds of a step.
        batch : int, default 1
            Sequences of that step.
        **served
            As it was run: the further parameters of `serve`.

        Returns
        -------
        Chip
            Whose `serve` says what was measured, at those two.

        Raises
        ------
        ValueError
            If the two times contradict each other: a prefill that is shorter than reading the
            weights, at the bandwidth of the decode.
        """
        from costs.llm.serving import calibrate

        return calibrate(self, machine, prefill=prefill, decode=decode, batch=batch, **served)
