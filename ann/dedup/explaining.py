"""Why two documents are near-duplicates, or are not: what the search makes of one pair.

Everything is computed as the job computes it: the sets of shingles and what they have in common,
the signatures and the bands in which they meet, and beside that the texts with their differences.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np

from ann import _pairs
from ann.bands import choose_bands, s_curve
from ann.dedup.differences import Difference, differences
from ann.dedup.settings import InputError, Settings
from ann.dedup.sources import Source, check_file, row_format
from ann.dedup.texts import text_at
from ann.dedup.words import counted, printable, probability
from ann.text import TextSketcher
from sketches._files import explained


@dataclass(frozen=True)
class Explanation:
    """One pair, as the search sees it."""

    names: tuple[str, str]
    shingles: tuple[int, int]  # distinct ones of each
    common: int
    jaccard: float
    contained: tuple[float, float]  # the share of each one's shingles that the other has
    estimate: float  # of the Jaccard similarity, from the signatures
    error: float  # its standard error, at most
    bands_met: list[int]  # from 0 on
    bands: int
    rows: int
    found: float  # the probability with which a pair so similar meets in a band
    near_duplicates: bool
    settings: Settings
    differences: list[Difference]

    def as_dict(self) -> dict[str, Any]:
        """Everything, ready for JSON."""
        return asdict(self) | {"differences": [part._asdict() for part in self.differences]}


def explain(names: Sequence[str], texts: Sequence[str], settings: Settings) -> Explanation:
    """Compare two texts as the job would."""
    bands, rows = choose_bands(settings.threshold, settings.recall, settings.num_perm)
    sketcher = TextSketcher(
        num_perm=settings.num_perm, ngram=settings.ngram, unit=settings.unit, seed=settings.seed
    )
    signatures, offsets, shingles = sketcher.sketch(list(texts))
    a, b = (np.unique(shingles[offsets[i] : offsets[i + 1]]) for i in (0, 1))
    common = len(np.intersect1d(a, b, assume_unique=True))
    jaccard = common / max(1, len(a) + len(b) - common)
    keys = _pairs.band_keys(signatures, bands, rows)
    both = bool(len(a) and len(b))  # an empty document resembles nothing
    return Explanation(
        names=(names[0], names[1]),
        shingles=(len(a), len(b)),
        common=common,
        jaccard=jaccard,
        contained=(common / max(1, len(a)), common / max(1, len(b))),
        estimate=float((signatures[0] == signatures[1]).mean()) if both else 0.0,
        error=float(np.sqrt(jaccard * (1 - jaccard) / settings.num_perm)),
        bands_met=np.flatnonzero(keys[0] == keys[1]).tolist() if both else [],
        bands=bands,
        rows=rows,
        found=float(s_curve(jaccard, bands, rows)),
        near_duplicates=jaccard >= settings.threshold,
        settings=settings,
        differences=differences(texts[0], texts[1], settings.unit),
    )


def find_texts(sources: Iterable[Source], wanted: Sequence[str]) -> list[str]:
    """The texts of documents by their ids, or their row numbers where there are none."""
    found: dict[str, str] = {}
    row, named = 0, False
    for source in sources:
        for batch in source.batches(lambda told: None):
            named |= batch.ids is not None
            names = range(row, row + len(batch.sizes)) if batch.ids is None else batch.ids
            for place, name in enumerate(map(str, names)):
                if name in wanted and name not in found:
                    found[name] = text_at(batch.texts, place)
            row += len(batch.sizes)
            if all(name in found for name in wanted):
                return [found[name] for name in wanted]
    missing = next(name for name in wanted if name not in found)
    among = f"among {counted(row, 'document')}"
    if named:
        raise InputError(f"no id {missing!r} {among}")
    raise InputError(
        f"no row {missing!r} {among}, numbered from 0: for an id name its column with --id"
    )


def file_texts(paths: Sequence[str]) -> list[str]:
    """The texts of files of text."""
    for path in map(Path, paths):
        if row_format(path):
            raise InputError(f"{path} holds rows: name two of them, and the file with --in")
        if path.is_dir():
            raise InputError(f"{path} is a folder: name two files, or two in it, and it with --in")
        check_file(path)
    with explained(" and ".join(paths)):
        return [Path(path).read_bytes().decode("utf-8", "replace") for path in paths]


def explained_lines(e: Explanation) -> Iterator[str]:
    """What the terminal shows; on one, click colours what differs, and in a pipe it does not."""
    s = e.settings
    yield click.style(f"{e.names[0]} and {e.names[1]}", bold=True)
    unit = f"{s.unit} {s.ngram}-gram"
    yield (
        f"  Similarity  {e.jaccard:.4f}: of {counted(sum(e.shingles) - e.common, unit)}"
        f" {e.common:,} in both ({e.shingles[0]:,} and {e.shingles[1]:,} in each)"
    )
    yield f"  Contained   {e.contained[0]:.4f} of the first, {e.contained[1]:.4f} of the second"
    yield f"  Estimate    {e.estimate:.4f} from {s.num_perm} slots, standard error {e.error:.4f}"
    met = ", ".join(map(str, e.bands_met)) or "none"
    yield (
        f"  Bands       {len(e.bands_met)} of {e.bands} met ({met}); at {e.jaccard:.4f} one meets"
        f" with probability {probability(e.found)}"
    )
    if e.near_duplicates:
        verdict = "near-duplicates" + ("" if e.bands_met else ", which this search would miss")
    else:
        verdict = "not near-duplicates"
        verdict += ": compared, and found too different" if e.bands_met else ", and not compared"
    yield click.style("  Verdict     ", bold=True) + f"{verdict} (threshold {s.threshold:g})"
    yield ""
    yield "".join(map(_shown, e.differences)).strip("\n") or "Both are empty."


def _shown(part: Difference) -> str:
    if part.kind == "gap":
        return f" ... {part.units:,} more ... "
    a, b = map(printable, (part.a, part.b))
    if part.kind == "same":
        return a
    gone = click.style(f"[-{a}-]", fg="red") if a else ""
    return gone + (click.style(f"{{+{b}+}}", fg="green") if b else "")
