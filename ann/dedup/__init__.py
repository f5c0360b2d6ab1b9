"""The near-duplicate job: find near-duplicate documents, verify each pair, keep one of a kind.

settings    the parameters and their limits
pipeline    the stages in their order
arrays      what one stage hands to the next
running     seconds a stage, threads that keep the order
sketching   text in; shingles, fingerprints, band keys out
banding     candidates from band keys that lie in files
verifying   copies folded, candidates found and verified
joining     all pairs, exactly
engines     which engine to take
keeping     which document of a kind is most worth keeping
linking     which stay, and whom they stand for
work        the folder in which a long run keeps its stages
store       columns in files, and the journal that says how far they are whole
stages      the stages over a work folder
steps       each of them as a command
seen        `DuplicateIndex`: what the commands do with an index, from Python
index       documents seen before, in a folder that grows
indexing    what is done with one; `index_cli` has the commands
options     the options of the commands
listing     pairs of rows, from pairs of groups of copies
result      what a search hands back
memory      `deduplicate`: frames, tables and lists
sources     files, folders and streams of rows: read once, then copied out by row
values      a column that the preference goes by
unusable    rows and files that cannot be used: refused, or skipped and noted
output      the folder that is written: all or nothing
locks       folders that a process at work holds
job         the command: sources in, a folder out, all or nothing
writing     rows in another format, or with notes
report      what the terminal shows
explaining  one pair: `tractable explain`
tuning      costs foreseen from a sample: `tractable tune`, --dry-run
figures     report.json, from a few texts that are read again (texts)
page        report.html, its drawing; differences: where two texts differ; words: numbers as text
"""

from typing import TYPE_CHECKING, Any

from ann.dedup.arrays import Pairs
from ann.dedup.memory import deduplicate
from ann.dedup.result import Cluster, Result, Stats
from ann.dedup.settings import InputError

if TYPE_CHECKING:
    from ann.dedup.seen import DuplicateIndex

__all__ = ["Cluster", "DuplicateIndex", "InputError", "Pairs", "Result", "Stats", "deduplicate"]


def __getattr__(name: str) -> Any:
    if name == "DuplicateIndex":  # with all that reads files, which is loaded where it is needed
        from ann.dedup.seen import DuplicateIndex

        return DuplicateIndex
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
