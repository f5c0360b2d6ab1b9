"""The command line: one group, whose commands live in the packages and are loaded when called."""

import atexit
import gc
import importlib
import os
import sys
from functools import partial

import click

COMMANDS = {  # name -> module, and what `tractable --help` says without loading it
    "count": ("sketches.cli", "Count how often given items come."),
    "costs": ("costs.cli", "What it will cost: machine, roofline, fit, speedup, pipeline, llm."),
    "dedup": ("ann.cli", "Find near-duplicate documents and keep one of a kind."),
    "plan": ("tractable", "Choose by budgets: knn, dedup, distinct, frequency, similar."),
    "sketch": ("ann.cli", "First stage of dedup: read the texts into a work folder."),
    "pairs": ("ann.cli", "Second stage: find and verify the pairs."),
    "cluster": ("ann.cli", "Third stage: decide which documents stay."),
    "explain": ("ann.cli_look", "Say why two documents are near-duplicates, or are not."),
    "tune": ("ann.cli_look", "Say what a search would cost, and choose its parameters."),
    "apply": ("ann.cli", "Last stage: write the rows that stay."),
    "top": ("sketches.cli", "Show what comes most often, in a file or a live stream."),
    "index": ("ann.dedup.index_cli", "Documents seen before: add, query, stats, merge."),
    "distinct": ("sketches.cli_distinct", "Count distinct values of a column or of lines."),
}

PLANS = {
    "dedup": ("ann.planning.cli_dedup", "Find near-duplicates: which engine, which parameters?"),
    "distinct": ("sketches.cli_plan", "Count distinct items: a set, or a sketch?"),
    "frequency": ("sketches.cli_plan", "Count how often each item comes."),
    "knn": ("ann.planning.cli", "Find nearest neighbours: compare all, or by an index?"),
    "similar": ("sketches.cli_plan", "Compare sets: their items, or signatures?"),
}


def start_quickly(ctx: click.Context) -> None:
    """What a process that runs one command need not do; before NumPy is imported."""
    # 50 ms for BLAS threads, which no command here uses
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # what imports allocate stays: looking through it for garbage is a tenth of a short run
    ctx.call_on_close(partial(gc.set_threshold, *gc.get_threshold()))
    gc.set_threshold(100_000)
    # nor as the process ends, where it is all the command's: 30 ms
    if ctx.info_name == os.path.basename(sys.argv[0]):
        atexit.register(gc.freeze)


class LazyGroup(click.Group):
    """A group that imports the module of a command when the command is called."""

    places: dict[str, tuple[str, str]] = COMMANDS

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(self.places)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.places:
            return None
        start_quickly(ctx)
        module, _ = self.places[cmd_name]
        command: click.Command = getattr(importlib.import_module(module), cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, self.places[name][1]) for name in self.list_commands(ctx)])


class PlanGroup(LazyGroup):
    """What `tractable plan` answers, each in the package that would do it."""

    places = PLANS


@click.command(cls=PlanGroup)
def plan() -> None:
    """Choose a structure by your budgets, before it is built; 1 if nothing keeps them."""


@click.command(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="tractable")
def main() -> None:
    """Streaming sketches and approximate analytics: compiled, honest about cost and error."""


if __name__ == "__main__":
    main(prog_name="python -m tractable")
