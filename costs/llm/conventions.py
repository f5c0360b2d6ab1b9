"""What is counted. Published figures differ by up to a factor of four in nothing but this."""

from dataclasses import dataclass
from typing import Literal

CAUSAL = ("exact", "half", "full")
UNITS = ("flop", "mac")
LOGITS = ("all", "last", "none")


@dataclass(frozen=True)
class Conventions:
    """Switches of every count. The defaults count what a good implementation does.

    Attributes
    ----------
    causal : {"exact", "half", "full"}, default "exact"
        Pairs of query and key in n tokens: n (n + 1) / 2, what the mask leaves; n^2 / 2, as
        Megatron counts; or n^2, as PaLM's rule does, and a kernel that has no causal path.
    unit : {"flop", "mac"}, default "flop"
        A multiplication and an addition are 2 operations, or one.
    logits : {"all", "last", "none"}, default "all"
        Of which positions logits are computed (and whether their matrix counts as a parameter).
        Serving needs those of the last alone.
    logits_backward : bool, default True
        Whether training goes back through the logits.
    recompute : bool, default False
        Training runs the layers forward twice, for activations were not kept.
    embeddings : bool, default True
        Count the embedding of tokens and of positions as parameters.
    norms, biases : bool, default True
        Count them as parameters, and with `elementwise` as operations.
    elementwise : bool, default False
        Count what is no matrix product: norms, biases, softmax, activations, rotations, residuals.
    lookup : bool, default False
        A step reads the whole embedding of tokens, as the rule "all parameters a step" has it,
        instead of one row a token.
    ring : bool, default True
        An all-reduce among p chips sends 2 (p - 1) / p of its data through each; without, 2.
    """

    causal: Literal["exact", "half", "full"] = "exact"
    unit: Literal["flop", "mac"] = "flop"
    logits: Literal["all", "last", "none"] = "all"
    logits_backward: bool = True
    recompute: bool = False
    embeddings: bool = True
    norms: bool = True
    biases: bool = True
    elementwise: bool = False
    lookup: bool = False
    ring: bool = True

    def __post_init__(self) -> None:
        for name, allowed in (("causal", CAUSAL), ("unit", UNITS), ("logits", LOGITS)):
            if getattr(self, name) not in allowed:
                raise ValueError(
                    f"{name} must be one of {', '.join(allowed)}, not {getattr(self, name)!r}"
                )


USUAL = Conventions()
SERVING = Conventions(logits="last")
