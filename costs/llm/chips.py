"""Chips that models are served on: arithmetic, bandwidth, memory, link.

Dense rates throughout: those with sparsity on data sheets are twice as high, for matrices that are
half zero. Bandwidth is the data sheet's, too; what a kernel sees is less, which is what calibration
is for. The ridge, operations a byte, is where decoding stops being bound by memory.
"""

import os
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from costs.machine import Machine


@dataclass(frozen=True)
class Chip:
    """One accelerator, or processor.

    Attributes
    ----------
    name : str
    flops : dict
        Operations a second by kind of arithmetic ("bf16", "int8", ...); the first is the usual one.
    bandwidth : float
        Bytes a second of its memory.
    memory : float
        Bytes.
    link : float
        Bytes a second it can send to its neighbours while it receives as many; 0: it stands alone.
    link_latency : float, default 8e-6
        Seconds of one step of communication (C. Chen, "Transformer inference arithmetic", 2022).
    source : str
        Where the figures are from.
    """

    name: str
    flops: dict[str, float] = field(hash=False)
    bandwidth: float
    memory: float
    link: float = 0.0
    link_latency: float = 8e-6
    source: str = ""

    def __post_init__(self) -> None:
        if not self.flops:
            raise ValueError(f"{self.name} needs at least one kind of arithmetic")
        for name, value in (*self.flops.items(), ("bandwidth", self.bandwidth)):
            if not value > 0:
                raise ValueError(f"{name} of {self.name} must be above 0, not {value!r}")
        if not (self.memory > 0 and self.link >= 0 and self.link_latency >= 0):
            raise ValueError(f"{self.name}: memory must be above 0, a link not below it")

    @classmethod
    def of(cls, machine: "str | Chip | Machine") -> "Chip":
        """A chip by name, one of yours, or the processor of a measured `Machine`."""
        if isinstance(machine, Chip):
            return machine
        if isinstance(machine, str):
            if machine.lower() not in CHIPS:
                raise ValueError(f"{machine!r} is none of {', '.join(CHIPS)}")
            return CHIPS[machine.lower()]
        kinds: dict[str, float] = {}
        for name, measured in sorted(machine.flops.items()):
            how, _, kind = name.partition(" ")  # "blas f32" comes before "vector f32"
            if how in ("blas", "vector") and kind in ("f32", "f64"):
                kinds.setdefault(kind, measured.best)
        read = machine.bandwidth["DRAM"]["read"].best
        return cls(machine.name, dict(sorted(kinds.items())), read, _memory(), source="measured")

    def ridge(self, math: str | None = None) -> float:
        """Operations a byte from which on arithmetic is the bound."""
        return self.rate(math) / self.bandwidth

    def rate(self, math: str | None = None) -> float:
        """Operations a second of a kind of arithmetic, by default the first."""
        kind = next(iter(self.flops)) if math is None else math
        if kind not in self.flops:
            raise ValueError(f"{self.name} has no {kind!r}; it has {', '.join(self.flops)}")
        return self.flops[kind]

    def utilisation(self, flops: float, seconds: float, math: str | None = None) -> float:
        """The share of the peak that so many operations in so many seconds are (MFU)."""
        return flops / seconds / self.rate(math)

    def scaled(self, flops: float = 1.0, bandwidth: float = 1.0) -> "Chip":
        """The same with a share of its arithmetic and of its bandwidth."""
        rates = {name: flops * value for name, value in self.flops.items()}
        return replace(self, flops=rates, bandwidth=bandwidth * self.bandwidth)


def _memory() -> float:
    """Bytes of this machine's memory."""
    return float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))


_A100 = {"bf16": 312e12, "int8": 624e12, "tf32": 156e12}
_H100 = {"bf16": 989e12, "fp8": 1979e12, "int8": 1979e12, "tf32": 494e12}
_NVIDIA = "NVIDIA {} data sheet, dense rates; NVLink one way"
_GOOGLE = "Google Cloud documentation of TPU {}; link: one axis of the torus, both ways round"

CHIPS = {
    chip.name: chip
    for chip in (
        Chip("a100-40g", _A100, 1555e9, 40e9, 300e9, source=_NVIDIA.format("A100 (SXM, 40 GB)")),
        Chip("a100", _A100, 2039e9, 80e9, 300e9, source=_NVIDIA.format("A100 (SXM, 80 GB)")),
        Chip("h100", _H100, 3.35e12, 80e9, 450e9, source=_NVIDIA.format("H100 (SXM)")),
        Chip("h200", _H100, 4.8e12, 141e9, 450e9, source=_NVIDIA.format("H200 (SXM)")),
        Chip(
            "b200",
            {"bf16": 2250e12, "fp8": 4500e12, "int8": 4500e12, "fp4": 9000e12},
            8.0e12,  # the driver's clock and bus width give 7.672 TB/s
            180e9,
            900e9,
            source=_NVIDIA.format("B200 (HGX)"),
        ),
        Chip(
            "tpu-v5e",
            {"bf16": 197e12, "int8": 393e12},
            819e9,
            16e9,
            90e9,
            link_latency=1e-6,
            source=_GOOGLE.format("v5e"),
        ),
        Chip(
            "tpu-v6e",
            {"bf16": 918e12, "int8": 1836e12},
            1640e9,
            32e9,
            180e9,
            link_latency=1e-6,
            source=_GOOGLE.format("v6e"),
        ),
    )
}
