"""What the commands of `costs` share: numbers and durations, JSON, budgets, pictures, progress."""

import json
import math
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from costs.planning import Plan

BROKEN = 1  # exit code of a budget that is broken, as of any other failure


class Number(click.ParamType):  # type: ignore[type-arg]  # generic in the stubs alone
    """A number such as 1000000, 1e6 or 10_000."""

    name = "number"

    def convert(self, value: Any, param: Any, ctx: Any) -> float:
        try:
            found = float(value)
        except ValueError:
            self.fail(f"{value!r} is no number", param, ctx)
        if not (math.isfinite(found) and found > 0):
            self.fail(f"{value!r} is not above 0", param, ctx)
        return found


class Duration(click.ParamType):  # type: ignore[type-arg]
    """Seconds, or a number with a unit."""

    name = "duration"
    UNITS = (("ns", 1e-9), ("us", 1e-6), ("ms", 1e-3), ("min", 60.0), ("h", 3600.0), ("s", 1.0))

    def convert(self, value: Any, param: Any, ctx: Any) -> float:
        text, factor = str(value).strip(), 1.0
        for unit, size in self.UNITS:
            if text.endswith(unit):
                text, factor = text.removesuffix(unit), size
                break
        return Number().convert(text, param, ctx) * factor


def as_json(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")(command)


def show(as_json: bool, found: dict[str, Any], text: str, broken: list[str]) -> None:
    """Print, and leave with 1 if a budget is broken."""
    if as_json:
        click.echo(json.dumps(_plain(found | {"broken": broken}), allow_nan=False))
    else:
        click.echo(text)
    for each in broken:
        click.echo(f"over budget: {each}", err=True)
    if broken:
        raise SystemExit(BROKEN)


def _plain(value: Any) -> Any:
    """With null for what JSON has no number for: infinite, or unknown."""
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)


def show_plan(plan: "Plan", as_json: bool) -> None:
    """Print a plan, and leave with 1 if nothing keeps its budgets."""
    click.echo(json.dumps(plan.as_dict()) if as_json else str(plan))
    if plan.choice is None:
        raise SystemExit(BROKEN)


def refuse(error: Exception) -> click.ClickException:
    return click.ClickException(str(error))


def save(axes: Any, path: str) -> None:
    try:
        axes.figure.savefig(path)
    except OSError as error:
        raise ValueError(f"cannot write {path}: {error.strerror}") from error


def on_terminal(label: str) -> Callable[[float, float], None]:
    """Seconds used, on a terminal; nothing in a pipe."""
    if not sys.stderr.isatty():
        return lambda done, budget: None

    def tell(done: float, budget: float) -> None:
        end = "\r" if done < budget else "\r\033[K"
        click.echo(f"{label}: {done:.0f} of {budget:.0f} s{end}", nl=False, err=True)

    return tell
