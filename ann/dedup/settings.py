"""The parameters of a near-duplicate search, checked in one place, and the errors people see."""

import os
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, Literal, NamedTuple, get_args

from sketches._files import InputError as InputError
from sketches._files import need as need

Unit = Literal["word", "char"]
PLAIN = ("first", "longest")
OF_COLUMN = ("newest", "oldest", "highest", "lowest", "priority", "one-per")
Engine = Literal["auto", "lsh", "exact"]
Measure = Literal["jaccard", "containment"]
Link = Literal["representative", "transitive"]


def available_threads() -> int:
    """The cores this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def available_memory() -> int:
    """Bytes of memory the machine has."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


class Keep(NamedTuple):
    """A policy of `keeping`, and what it goes by."""

    policy: str
    column: str | None = None
    values: tuple[str, ...] = ()


def parse_keep(text: str) -> Keep:
    """A policy as it is written: ``newest:date``, ``priority:source=a,b``."""
    if not isinstance(text, str):
        raise TypeError(f"keep must be a str, not {text!r}")
    policy, colon, column = text.partition(":")
    if not colon and policy in PLAIN:
        return Keep(policy)
    values: tuple[str, ...] = ()
    if policy == "priority":
        column, equals, listed = column.partition("=")
        values = tuple(listed.split(",")) if equals and listed else ()
    if policy not in OF_COLUMN or not column or (policy == "priority") != bool(values):
        raise InputError(
            f"keep must be {', '.join(PLAIN)}, newest:COL, oldest:COL, highest:COL, lowest:COL,"
            f" priority:COL=a,b,c or one-per:COL, not {text!r}"
        )
    return Keep(policy, column, values)


@dataclass(frozen=True)
class Settings:
    """What counts as a near-duplicate, how surely it is found, and which copy stays.

    Parameters
    ----------
    threshold : float
        Two documents are near-duplicates when the exact Jaccard similarity of their sets of
        n-grams is at least this.
    recall : float
        The smallest probability with which a pair right at the threshold is found.
    ngram : int
        Units in a shingle.
    unit : {"word", "char"}
        What a shingle is made of.
    num_perm : int
        Slots of a MinHash signature.
    bits : {8, 16, 32}
        Of each slot, that are kept: fewer make a shorter signature, some more candidates, and no
        pair less.
    keep : str
        Which of a cluster stays: see `keeping`.
    engine : {"auto", "lsh", "exact"}
        Whether pairs are found by MinHash signatures, with probability `recall` at least, or all of
        them by a join; or the join where it fits and makes the job a quarter longer at most.
    measure : {"jaccard", "containment"}
        What is common in two sets of n-grams is measured against their union, or against the
        smaller one of them.
    link : {"representative", "transitive"}
        Whether a document is removed only for one that it resembles itself, or for any that it is
        connected with by a chain of resemblances.
    seed : int
        Seed of the shingle hash.
    threads : int
        Threads that sketch and verify; the results are the same for any number.
    """

    threshold: float = 0.8
    recall: float = 0.99
    ngram: int = 5
    unit: Unit = "word"
    num_perm: int = 128
    bits: int = 32
    keep: str = "first"
    engine: Engine = "auto"
    measure: Measure = "jaccard"
    link: Link = "representative"
    seed: int = 9001
    threads: int = 1

    def __post_init__(self) -> None:
        for name in ("threshold", "recall"):
            if not isinstance(getattr(self, name), Real):
                raise TypeError(f"{name} must be a number, not {getattr(self, name)!r}")
        for name in ("ngram", "num_perm", "threads", "seed"):
            if not isinstance(getattr(self, name), Integral):
                raise TypeError(f"{name} must be a whole number, not {getattr(self, name)!r}")
        if not 0 < self.threshold <= 1:
            raise InputError(f"threshold must be above 0 and at most 1, not {self.threshold}")
        if not 0 < self.recall < 1:
            raise InputError(f"recall must lie between 0 and 1, not {self.recall}")
        for name in ("ngram", "num_perm", "threads"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} must be at least 1, not {getattr(self, name)}")
        if self.bits not in (8, 16, 32):
            raise InputError(f"bits must be 8, 16 or 32, not {self.bits!r}")
        kinds: dict[str, Any] = {
            "unit": Unit,
            "engine": Engine,
            "measure": Measure,
            "link": Link,
        }
        for name, kind in kinds.items():
            choices = get_args(kind)
            if getattr(self, name) not in choices:
                raise InputError(f"{name} must be one of {choices}, not {getattr(self, name)!r}")
        parse_keep(self.keep)
        if (self.measure, self.engine) == ("containment", "lsh"):
            raise InputError(
                "containment needs the engine exact: a document inside one of ten times its length"
                " has a Jaccard similarity of a tenth or less, at which no signature can promise"
                " to find it"
            )
