"""How wrong predictions were on this machine, which is how wide the next ones are.

`Plan.verify` adds log(measured / predicted) of each quantity; of three or more the ninth decile of
their size is the next interval's half-width. Kept below ``$XDG_CACHE_HOME/tractable``.
"""

import json
import math
import os
from pathlib import Path

LEAST = 3  # residuals, from which on they count instead of what is taken without any
KEPT = 50  # the latest, of each structure and quantity


def _path() -> Path:
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "tractable" / "residuals.json"


def load() -> dict[str, list[float]]:
    """All that were kept; none if there is no file, or another one."""
    try:
        found = json.loads(_path().read_text(encoding="utf-8"))
        return {str(name): [float(v) for v in values] for name, values in found.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def keep(name: str, quantity: str, measured: float, predicted: float) -> None:
    """Add one."""
    known = load()
    key = f"{name}/{quantity}"
    ratio = math.log(max(measured, 1e-12) / max(predicted, 1e-12))
    known[key] = [*known.get(key, []), ratio][-KEPT:]
    path = _path()
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.write_text(json.dumps(known), encoding="utf-8")
    partial.replace(path)


def spread(known: dict[str, list[float]], name: str, quantity: str, usual: float) -> float:
    """The factor by which a quantity may be off, either way."""
    sizes = sorted(abs(v) for v in known.get(f"{name}/{quantity}", []))
    if len(sizes) < LEAST:
        return usual
    return math.exp(sizes[min(len(sizes) - 1, math.ceil(0.9 * len(sizes)) - 1)])
