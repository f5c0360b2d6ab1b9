"""The time of one pass on a chip, from what it computes, reads and sends.

Matrices and attention run one after the other, each as a roofline has it; nothing is faster than
its slowest resource, nor, if no two of them ever overlap, slower than their sum:

    max over all parts <= T <= sum of all parts.

Between them, `mid` takes the larger of arithmetic and memory for the matrices and again for
attention, and adds the link: decoding a batch of B is B KV / W + max(2 B P / F, bytes of P / W),
as J. Austin et al. have it ("How to scale your model", 2025).
"""

from dataclasses import dataclass

from costs._checks import number, whole
from costs.llm.chips import Chip
from costs.usl import Interval

PARTS = ("matrices", "weights", "attention", "cache", "link")


@dataclass(frozen=True)
class Step:
    """Seconds that one pass needs of each resource.

    Attributes
    ----------
    matrices, attention : float
        Of arithmetic: products with weights, and of queries with keys and values.
    weights, cache : float
        Of memory: reading the weights; reading and writing keys, values and scores.
    link : float
        Of communication between chips.
    """

    matrices: float
    weights: float
    attention: float
    cache: float
    link: float

    @classmethod
    def on(
        cls,
        chip: Chip,
        chips: int = 1,
        *,
        flops: float = 0.0,
        weight_bytes: float = 0.0,
        attention_flops: float = 0.0,
        cache_bytes: float = 0.0,
        link_bytes: float = 0.0,
        messages: int = 0,
        math: str | None = None,
    ) -> "Step":
        """Split a pass evenly among chips.

        Parameters
        ----------
        chip : Chip
        chips : int, default 1
        flops, weight_bytes : float
            Of all products with weights, and bytes of those weights.
        attention_flops, cache_bytes : float
            Of attention.
        link_bytes : float
            That each chip sends.
        messages : int
            Steps of communication that wait for each other.
        math : str, optional
            Kind of arithmetic.
        """
        count = whole(chips, "chips", least=1)
        rate, width = count * chip.rate(math), count * chip.bandwidth
        link = 0.0
        if link_bytes or messages:
            if not chip.link:
                raise ValueError(f"{chip.name} has no link to others: chips must be 1")
            link = max(messages * chip.link_latency, link_bytes / chip.link)
        return cls(
            number(flops, "flops", least=0.0) / rate,
            number(weight_bytes, "weight_bytes", least=0.0) / width,
            number(attention_flops, "attention_flops", least=0.0) / rate,
            number(cache_bytes, "cache_bytes", least=0.0) / width,
            link,
        )

    @property
    def low(self) -> float:
        """The least: every resource is busy all the time it can be."""
        return max(self.matrices + self.attention, self.weights + self.cache, self.link)

    @property
    def mid(self) -> float:
        """Matrices, then attention, each bound by one resource; then the link."""
        return max(self.matrices, self.weights) + max(self.attention, self.cache) + self.link

    @property
    def high(self) -> float:
        """The most: nothing overlaps. At most three times the least, twice without a link."""
        return float(sum(vars(self).values()))

    @property
    def interval(self) -> Interval:
        """``low, mid, high``."""
        return Interval(self.low, self.mid, self.high)

    @property
    def bound(self) -> str:
        """The largest part: "matrices", "weights", "attention", "cache" or "link"."""
        return max(PARTS, key=lambda name: getattr(self, name))

    def as_dict(self) -> dict[str, float | str]:
        """For JSON."""
        return vars(self) | {
            "low": self.low,
            "mid": self.mid,
            "high": self.high,
            "bound": self.bound,
        }
