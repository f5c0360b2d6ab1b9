"""Computational cost as a first-class constraint: what it will cost, before it is built."""

try:
    from costs._spans import Span
except ModuleNotFoundError as error:
    if error.name != "costs._spans":
        raise
    raise ImportError(
        f"tractable is not built in {__path__[0]}: run `make dev` in that checkout, or "
        "`pip install .` and start Python in another folder"
    ) from None

from costs.crossing import Crossover, crossover
from costs.fits import Fit, Prediction, fit_times
from costs.fusion import Fusion, FusionCheck
from costs.llm.architecture import Experts, Latent, Transformer
from costs.llm.chips import CHIPS, Chip
from costs.llm.conventions import Conventions
from costs.llm.step import Step
from costs.machine import Machine
from costs.measuring import Measured
from costs.pipeline import Check, Pipeline, load_report
from costs.report import Outlook, Report, Stage
from costs.roofline import AboveRoofError, Point, Roofline
from costs.scaling import Price, amdahl, gustafson, karp_flatt, price_per_speedup
from costs.timing import fit
from costs.usl import Interval, Scaling, usl_fit

__all__ = [
    "CHIPS",
    "AboveRoofError",
    "Check",
    "Chip",
    "Conventions",
    "Crossover",
    "Experts",
    "Fit",
    "Fusion",
    "FusionCheck",
    "Interval",
    "Latent",
    "Machine",
    "Measured",
    "Outlook",
    "Pipeline",
    "Point",
    "Prediction",
    "Price",
    "Report",
    "Roofline",
    "Scaling",
    "Span",
    "Stage",
    "Step",
    "Transformer",
    "amdahl",
    "crossover",
    "fit",
    "fit_times",
    "gustafson",
    "karp_flatt",
    "load_report",
    "price_per_speedup",
    "usl_fit",
]
