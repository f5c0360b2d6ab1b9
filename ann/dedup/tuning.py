"""What a search will cost, and with which parameters it costs least: measured on a sample.

The sample is searched once with each number of slots. What that took is scaled to the size of the
corpus: reading, sketching and sorting grow with the documents; candidates, and the time to compare
them, with the square, since a random sample of a share p of the documents holds a share p^2 of the
pairs. A sample of neighbouring rows is no random one: copies often stand together.

Which bands belong to a number of slots follows from the threshold and the recall (`choose_bands`):
more slots allow more bands of more rows, a steeper S-curve, hence fewer candidates; but they take
longer to make and more memory to hold.
"""

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import click
import numpy as np

from ann.bands import choose_bands, s_curve
from ann.dedup.engines import Heard, choose_engine
from ann.dedup.memory import deduplicate
from ann.dedup.result import Stats
from ann.dedup.settings import InputError, Settings
from ann.dedup.sources import Source
from ann.dedup.texts import text_at
from ann.dedup.unusable import Unusable
from ann.dedup.words import byte_count, counted, duration, probability
from ann.planning.jobs import JobModel, decide
from ann.text import shingle

if TYPE_CHECKING:
    from ann.dedup.job import Reading, Writing

SLOTS = 64, 128, 256, 512  # of a signature: beyond, sketching takes all the time
MOST = 20_000  # documents of the sample that are searched: a second or two for each of SLOTS
BEGINNING = 64_000_000  # bytes read of a corpus to foresee what all of it takes: a second
HELD = 200  # bytes a document that stay in memory where the rest lies in files
DOCUMENT = 150  # bytes a document takes in memory besides its keys and shingles


@dataclass(frozen=True)
class Choice:
    """What one number of slots would cost on the whole corpus."""

    num_perm: int
    bands: int
    rows: int
    recall: float  # at the threshold
    candidates_per_million: float  # of candidate pairs, a million documents
    memory: float  # bytes
    seconds: dict[str, float]  # by stage

    @property
    def total(self) -> float:
        """Seconds of all stages."""
        return sum(self.seconds.values())


@dataclass(frozen=True)
class Plan:
    """Costs on `documents` documents like those of the sample."""

    settings: Settings
    documents: int
    sampled: int
    shingles: float  # a document
    bytes: float  # of text a document
    memory: int | None  # the budget, in bytes
    choices: list[Choice]
    chosen: int  # of the choices

    def as_dict(self) -> dict[str, Any]:
        """Everything, ready for JSON."""
        chosen = self.choices[self.chosen]
        curve = np.linspace(0, 1, 21)
        return asdict(self) | {
            "s_curve": {
                "jaccard": curve.round(2).tolist(),
                "probability": s_curve(curve, chosen.bands, chosen.rows).round(6).tolist(),
            }
        }


class Sample(NamedTuple):
    """Some of the texts of a corpus."""

    texts: list[str]
    documents: int  # in all of the corpus; estimated by its bytes, if it was not all read
    reading: float  # seconds, for all of it


def sample_texts(sources: Sequence[Source], most: int = MOST, budget: float = math.inf) -> Sample:
    """Some of the texts, each of those that were read as likely as any other.

    Within a budget of bytes the beginning of each source is read, and it is taken for the rest.
    """
    random = np.random.default_rng(9001)
    texts: list[str] = []
    size = sum(source.size for source in sources)
    seen, documents, reading = 0, 0.0, 0.0
    for source in sources:
        share = min(1.0, budget / max(1, size)) * source.size
        told, rows = 0, 0

        def advance(position: int) -> None:
            nonlocal told
            told = position

        start = time.perf_counter()
        spent = 0.0  # on keeping texts, which the job does not do
        for batch in source.batches(advance):
            if told >= share < source.size:
                break
            began = time.perf_counter()
            numbers = np.arange(seen, seen + len(batch.sizes))
            slots = random.integers(0, numbers + 1)  # Vitter's algorithm R
            slots[numbers < most] = numbers[numbers < most]
            for place in np.flatnonzero(slots < most).tolist():
                text = text_at(batch.texts, place)
                if slots[place] == len(texts):
                    texts.append(text)
                else:
                    texts[slots[place]] = text
            seen += len(batch.sizes)
            rows += len(batch.sizes)
            spent += time.perf_counter() - began
        else:
            told = source.size
        times = source.size / told if told else 1.0
        documents += rows * times
        reading += (time.perf_counter() - start - spent) * times
    return Sample(texts, round(documents), reading)


class Searched(NamedTuple):
    """A sample after a search."""

    settings: Settings
    documents: int
    shingles: float  # a document
    reading: float  # seconds a document
    stats: Stats

    def at(self, documents: float, neighbours: bool = False) -> Choice:
        """What that took, scaled to so many documents."""
        stats = self.stats
        times = documents / max(1, self.documents)
        alike = min(stats.candidates, stats.pairs) if neighbours else 0
        candidates = alike * times + (stats.candidates - alike) * times**2
        more = candidates / max(1, stats.candidates)
        seconds = {
            stage: seconds * (max(more, times) if stage == "verify" else times)
            for stage, seconds in stats.seconds.items()
        }
        return Choice(
            num_perm=self.settings.num_perm,
            bands=stats.bands,
            rows=stats.rows,
            recall=stats.recall_at_threshold,
            candidates_per_million=candidates / max(1, documents) * 1e6,
            memory=documents * (8 * stats.bands + 8 * self.shingles + DOCUMENT),
            seconds=seconds | {"read": self.reading * documents},
        )


def search(sample: Sample, settings: Settings) -> Searched:
    """Search a sample once."""
    hashes = shingle(sample.texts, ngram=settings.ngram, unit=settings.unit)[1]
    stats = deduplicate(
        sample.texts,
        threshold=settings.threshold,
        recall=settings.recall,
        ngram=settings.ngram,
        unit=settings.unit,
        num_perm=settings.num_perm,
        engine=settings.engine,
        threads=settings.threads,
    ).stats
    count = max(1, len(sample.texts))
    reading = sample.reading / max(1, sample.documents)
    return Searched(settings, len(sample.texts), len(hashes) / count, reading, stats)


def plan(
    sample: Sample,
    settings: Settings,
    documents: int | None = None,
    memory: int | None = None,
    slots: Sequence[int] = SLOTS,
    neighbours: bool = False,
) -> Plan:
    """What a search of so many documents like these would cost; as many as there are by default.

    Of `neighbours` it is taken that they hold all the pairs of theirs that resemble one another.
    """
    texts = sample.texts
    if len(texts) < 2 and not neighbours:
        raise InputError("a sample needs two documents at least")
    documents = documents or sample.documents
    sizes = [len(text.encode()) for text in texts]
    searched = search_slots(sample, settings, slots)
    choices = [each.at(documents, neighbours) for each in searched]
    decided = decide(documents, [JobModel(settings.engine, searched, neighbours)], memory)
    if decided.choice is None:
        least = byte_count(min(choice.memory for choice in choices))
        raise InputError(
            f"{counted(documents, 'document')} take {least} of memory at least. A run with --memory"
            f" keeps most of that in files, and about {byte_count(HELD * documents)} in memory; or"
            " divide the corpus, by language or time, say (docs/dedup-howto.md)"
        )
    taken = decided.choice.parameters.get("num_perm", settings.num_perm)
    chosen = next(i for i, choice in enumerate(choices) if choice.num_perm == taken)
    return Plan(
        settings=replace(settings, num_perm=choices[chosen].num_perm),
        documents=documents,
        sampled=len(texts),
        shingles=searched[0].shingles,
        bytes=sum(sizes) / max(1, len(sizes)),
        memory=memory,
        choices=choices,
        chosen=chosen,
    )


def _within_reach(settings: Settings, num_perm: int) -> bool:
    try:
        choose_bands(settings.threshold, settings.recall, num_perm)
    except ValueError:
        return False
    return True


def search_slots(
    sample: Sample, settings: Settings, slots: Sequence[int] = SLOTS
) -> list[Searched]:
    """Search a sample with each number of slots that reaches the recall."""
    within = [num_perm for num_perm in slots if _within_reach(settings, num_perm)]
    if not within:
        choose_bands(settings.threshold, settings.recall, slots[-1])  # says what is
    return [search(sample, replace(settings, num_perm=num_perm)) for num_perm in within]


def plan_lines(plan: Plan) -> Iterator[str]:
    """What the terminal shows."""
    s = plan.settings
    yield click.style(
        f"{counted(plan.documents, 'document')} like the {plan.sampled:,} of the sample", bold=True
    )
    yield (
        f"  {byte_count(plan.documents * plan.bytes)} of text, {plan.shingles:,.0f} {s.ngram}-grams"
        f" of {s.unit}s a document; threshold {s.threshold:g}, recall {s.recall:g}"
    )
    yield ""
    yield "  --num-perm  bands x rows  recall  candidates a million   memory      time"
    for place, choice in enumerate(plan.choices):
        line = (
            f"{choice.num_perm:12}  {f'{choice.bands} x {choice.rows}':>12}"
            f"  {probability(choice.recall)}  {choice.candidates_per_million:20,.0f}"
            f"  {byte_count(choice.memory):>8}  {duration(choice.total):>8}"
        )
        yield click.style(
            line + "  <- least time" * (place == plan.chosen), bold=place == plan.chosen
        )
    chosen = plan.choices[plan.chosen]
    yield ""
    yield f"  The probability that a pair is found, with {chosen.bands} bands of {chosen.rows}:"
    for similarity in np.arange(0.3, 1.01, 0.1).tolist():
        found = float(s_curve(similarity, chosen.bands, chosen.rows))
        yield f"  {similarity:5.1f}  {probability(found)}  {'#' * round(40 * found)}"
    yield ""
    command = f"tractable dedup ... --num-perm {chosen.num_perm}"
    for name, value, usual in (
        ("threshold", s.threshold, Settings.threshold),
        ("recall", s.recall, Settings.recall),
        ("ngram", s.ngram, Settings.ngram),
        ("unit", s.unit, Settings.unit),
    ):
        command += f" --{name} {value}" * (value != usual)
    yield click.style("Take", bold=True) + f"  {command}"
    yield "      Measured on the sample, and scaled: reading, sketching and sorting with the number"
    yield "      of documents, candidates and comparing with its square. Writing is not in it."
    yield "      These are costs of --engine lsh. --engine auto may take exact instead, for which"
    yield "      signatures do not matter."


# ------------------------------------------------------------------------------------- a dry run


@dataclass(frozen=True)
class Forecast:
    """What a run with these arguments would do, and what that would take."""

    files: int
    input_bytes: int
    writes: list[str]  # below the output
    output: str | None
    plan: Plan
    why: str  # that engine

    def as_dict(self) -> dict[str, Any]:
        """Everything, ready for JSON."""
        plan = self.plan.as_dict()
        del plan["s_curve"], plan["memory"], plan["chosen"]
        (cost,) = plan.pop("choices")
        return asdict(self) | {"plan": plan | cost}


def foresee(
    reading: "Reading", writing: "Writing", settings: Settings, memory: int | None = None
) -> Forecast:
    """Check the arguments as a run does, and search a sample of the beginnings of its inputs.

    The engine is chosen as a run in memory chooses it, from the same first documents; a run in
    stages counts the documents first, and may choose otherwise where the two are close.
    """
    if "-" in reading.inputs:
        raise InputError("standard input can be read only once: a dry run needs files")
    from ann.dedup.job import all_batches

    reading.index(settings)
    target = writing.target(reading.inputs)
    sources = reading.open(Unusable(reading.skip_bad), copy=writing.copy, output=target)
    writing.check(sources)
    files = [original for source in sources for original in source.originals]
    sample = sample_texts(sources, budget=BEGINNING)
    unusable = Unusable(reading.skip_bad)
    heard = Heard(lambda stage, done, total: None)
    begun = all_batches(reading.open(unusable, output=target), unusable, heard)
    _, settings, engine = choose_engine(begun, settings, heard, memory)
    return Forecast(
        files=len(files),
        input_bytes=sum(source.size for source in sources),
        writes=writing.names(sources) if target is not None else [],
        output=None if writing.output is None else str(writing.output),
        plan=plan(sample, settings, slots=(settings.num_perm,), neighbours=True),
        why=engine.why,
    )


def forecast_lines(forecast: Forecast) -> Iterator[str]:
    """What the terminal shows."""
    p = forecast.plan
    s, cost = p.settings, p.choices[0]
    yield click.style("Would read", bold=True) + (
        f"    {counted(forecast.files, 'file')} of {byte_count(forecast.input_bytes)}:"
        f" about {counted(p.documents, 'document')}"
    )
    yield click.style("Would search", bold=True) + (
        f"  {s.ngram}-grams of {s.unit}s, {p.shingles:,.0f} a document, for pairs of similarity"
        f" >= {s.threshold:g}"
    )
    if s.engine == "lsh":
        candidates = cost.candidates_per_million * p.documents / 1e6
        yield (
            f"              by {cost.bands} bands of {cost.rows} of {s.num_perm} slots: each found"
            f" with probability {probability(cost.recall)}; about {candidates:,.0f} candidates"
        )
    else:
        yield f"              by an exact join: {forecast.why}"
    yield click.style("Would take", bold=True) + (
        f"    {duration(cost.total)} on {counted(s.threads, 'thread')}, and"
        f" {byte_count(cost.memory)} of memory, as a sample of {p.sampled:,} tells"
    )
    yield click.style("Would write", bold=True) + (
        f"   {', '.join(forecast.writes)} to {forecast.output}"
        if forecast.output
        else "   nothing: there is no -o"
    )
