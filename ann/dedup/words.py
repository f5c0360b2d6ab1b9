"""Numbers as people read them."""

from math import floor


def counted(number: int, noun: str) -> str:
    """`1 pair`, `2,000 pairs`."""
    return f"{number:,} {noun}" + "s" * (number != 1)


def byte_count(count: float) -> str:
    """`512 bytes`, `1.5 MB`."""
    if count < 1000:
        return counted(round(count), "byte")
    for unit in ("kB", "MB", "GB"):
        count /= 1000
        if count < 1000:
            return f"{count:.1f} {unit}"
    return f"{count / 1000:,.1f} TB"


def percent(part: int, whole: int) -> str:
    """A share in brackets, to put behind a number; nothing of nothing."""
    return f" ({100 * part / whole:.1f} %)" if whole else ""


def probability(value: float) -> str:
    """Four places, never rounded up to a certainty."""
    return f"{floor(value * 1e4) / 1e4:.4f}"


def measure_name(measure: str) -> str:
    """What a similarity is called."""
    return {"jaccard": "Jaccard similarity", "containment": "containment"}[measure]


def duration(seconds: float) -> str:
    """`0.25 s`, `12 s`, `3 min`, `5.5 h`."""
    if seconds < 10:
        return f"{seconds:.2f} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:,.1f} h"


def printable(text: str) -> str:
    """Text without characters that have no shape, or move others."""
    return "".join(c if c.isprintable() or c in "\n\t" else "\ufffd" for c in text)
