"""`tractable plan distinct|frequency|similar`: exact or sketched, by bytes, time and error."""

from collections.abc import Callable
from typing import Any

import click

from costs._command import Duration, Number, refuse, show_plan

MEMORY = "Budget, such as 1MB; within one, what is exact is preferred."


def _options(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        click.option("--json", "as_json", is_flag=True, help="Print one JSON object."),
        click.option("--confidence", type=click.FloatRange(0, 1), default=0.95, show_default=True),
        click.option("--seconds", type=Duration(), help="Budget of taking all of it in."),
        click.option("--memory", metavar="SIZE", help=MEMORY),
        click.option("--error", type=click.FloatRange(0, 1), default=0.01, show_default=True),
        click.option("--n", type=Number(), required=True, help="Items, or sets to be compared."),
    ):
        command = option(command)
    return command


def _plan(question: Any, as_json: bool, **asked: Any) -> None:
    from sketches.planning import plan

    try:
        found = plan(question, **asked)
    except ValueError as error:
        raise refuse(error) from error
    show_plan(found, as_json)


@click.command()
@_options
@click.option("--distinct", "many", type=Number(), help="Different items, if fewer.")
def distinct(as_json: bool, many: float | None, **asked: Any) -> None:
    """Count distinct items of a stream: --error is relative."""
    _plan("distinct", as_json, distinct=many, **asked)


@click.command()
@_options
@click.option("--distinct", "many", type=Number(), help="Different items, if fewer.")
def frequency(as_json: bool, many: float | None, **asked: Any) -> None:
    """Count how often each item comes: --error is a share of all items."""
    _plan("frequency", as_json, distinct=many, **asked)


@click.command()
@_options
@click.option("--size", type=Number(), default=1000, show_default=True, help="Items of a set.")
def similar(as_json: bool, size: float, **asked: Any) -> None:
    """Compare sets by Jaccard similarity: --error is of that."""
    _plan("similar", as_json, size=size, **asked)
