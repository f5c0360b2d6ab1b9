"""Rows and files that cannot be used: the first ends the run, or all are skipped and counted."""

from dataclasses import asdict, dataclass
from typing import Any

from ann.dedup.settings import InputError

NOTED = 10  # of those skipped: enough to see what is wrong, few enough to read


@dataclass(frozen=True)
class Skipped:
    """One of them, and why."""

    file: str
    place: str  # "line 3"; empty for a whole file
    why: str

    def __str__(self) -> str:
        return f"{self.file}, {self.place}: {self.why}" if self.place else self.why


class Unusable:
    """All of a run."""

    def __init__(self, skip: bool) -> None:
        self.skip = skip
        self.count = 0
        self.noted: list[Skipped] = []
        self.last: Skipped | None = None

    def meet(self, file: str, place: str, why: str) -> None:
        """Count it, or raise."""
        met = Skipped(file, place, why)
        if not self.skip:
            kind = "rows" if place else "files"
            raise InputError(f"{met} (--on-error skip passes over such {kind})")
        self.count += 1
        self.last = met
        if len(self.noted) < NOTED:
            self.noted.append(met)

    def remember(self) -> dict[str, Any]:
        """What a later run must know of those met so far."""
        last = asdict(self.last) if self.last else None
        return {"count": self.count, "noted": [asdict(met) for met in self.noted], "last": last}

    def recall(self, told: dict[str, Any]) -> None:
        """Be what `remember` has told."""
        self.count = told["count"]
        self.noted = [Skipped(**met) for met in told["noted"]]
        self.last = Skipped(**told["last"]) if told["last"] else None

    def as_dict(self) -> dict[str, Any]:
        """What summary.json says of them."""
        return {"skipped": self.count, "first_skipped": [asdict(met) for met in self.noted]}
