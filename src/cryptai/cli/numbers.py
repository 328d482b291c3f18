"""The numbers of a backtest as options of the command, in the order and under the headings of their table."""

from __future__ import annotations

import inspect
from functools import wraps
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer
from typer.core import TyperCommand

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def with_numbers(verb: Callable[..., None]) -> Callable[..., None]:
    """Give a verb that takes `**numbers` one option for each number of a backtest.

    Each is text until the request reads it, so that whatever is no number is refused in one way.
    """
    # The table alone: the command's help must not wait for the engine.
    from cryptai.trading.options import NUMBERS

    added = [
        inspect.Parameter(
            option.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=None,
            annotation=Annotated[
                str | None,
                typer.Option(
                    f"--{option.name.replace('_', '-')}",
                    metavar="NUMBER",
                    help=option.help,
                    rich_help_panel=option.group,
                ),
            ],
        )
        for option in NUMBERS
    ]
    return _with([*_parameters_of(verb), *added], verb)


def with_options_of(verb: Callable[..., None], template: Callable[..., None]) -> Callable[..., None]:
    """Give a verb that takes `**options` those that a template declares, after its arguments."""
    own = _parameters_of(verb)
    arguments = [one for one in own if one.default is one.empty]
    return _with([*arguments, *_parameters_of(template), *own[len(arguments) :]], verb)


def _with(parameters: Sequence[inspect.Parameter], verb: Callable[..., None]) -> Callable[..., None]:
    signature = inspect.Signature(parameters)
    annotations = {name: one.annotation for name, one in signature.parameters.items()}

    # The verb itself stays as it is written: an application may be made more than once.
    @wraps(verb)
    def with_all(**options: Any) -> None:
        verb(**options)

    with_all.__signature__ = signature  # type: ignore[attr-defined]
    with_all.__annotations__ = {**annotations, "return": None}
    return with_all


def _parameters_of(verb: Callable[..., None]) -> list[inspect.Parameter]:
    given = inspect.signature(verb)
    types = get_type_hints(verb, include_extras=True)
    return [
        one.replace(kind=one.KEYWORD_ONLY, annotation=types.get(name, one.annotation))
        for name, one in given.parameters.items()
        if one.kind is not one.VAR_KEYWORD
    ]


class Grouped(TyperCommand):
    """A verb whose help shows its options under their headings, those without one first."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the options, one section a heading."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for param in self.get_params(ctx):
            told = param.get_help_record(ctx)
            if told is not None:
                heading = getattr(param, "rich_help_panel", None) or "Options"
                sections.setdefault(
                    "Arguments" if param.param_type_name == "argument" else heading, []
                ).append(told)
        for heading, rows in sections.items():
            with formatter.section(heading):
                formatter.write_dl(rows)
