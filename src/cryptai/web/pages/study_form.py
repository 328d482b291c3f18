"""The forms of a search: what values each parameter is to take, and how they are tried."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from cryptai.errors import InputError
from cryptai.web.pages.fields import Field
from cryptai.web.pages.forms import BacktestForm, form_of, plain_options

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cryptai.parameters import Parameter

_STEPS: Final = 5
_METHODS: Final = ("grid", "random", "tpe")


@dataclass(frozen=True)
class RangeField:
    """The values of one parameter: `low` to `high` by `step`, or only `low`; or a list, in `low` too."""

    name: str
    label: str
    low: str
    high: str
    step: str
    about: str
    error: str = ""
    choices: tuple[tuple[str, str], ...] = ()

    @property
    def id(self) -> str:
        """Return the name as an HTML id."""
        return f"r-{self.name}"


@dataclass(frozen=True)
class StudyForm:
    """The form of a search: the space, how it is searched, and the backtest that every set is."""

    ranges: list[RangeField]
    own: Field | None
    search: list[Field]
    run: BacktestForm
    error: str = ""


def study_form(
    kind: str,
    strategy: str,
    declared: list[Parameter] | None,
    given: Mapping[str, str],
    *,
    symbols: list[str],
    timeframes: list[str],
    error: tuple[str, str] | None = None,
) -> StudyForm:
    """Return the form; `declared` is None for a user's own strategy, `error` a field and what is wrong."""
    blamed, message = error or ("", "")
    names: list[str] = []

    def field(name: str, label: str, how: str, default: str, **more: Any) -> Field:
        names.append(name)
        value = given.get(name, default)
        return Field(name, label, how, value, error=message if name == blamed else "", **more)

    search = _search_fields(kind, field)
    ranges, own = [], None
    if declared is None:
        own = field("param", "Values of parameters", "lines", "", hint=_LINES)
    else:
        touched = any(f"from.{p.name}" in given for p in declared)
        wide = 0
        for p in declared:
            varied = p.type in (int, float) and wide < 2
            wide += varied
            names.append(f"param.{p.name}")
            said = message if blamed == f"param.{p.name}" else ""
            ranges.append(_range_field(p, given, said, wide=varied and not touched))
    run = form_of(
        strategy, [], given, symbols=symbols, timeframes=timeframes,
        error=None if blamed in names else error,
    )  # fmt: skip
    return StudyForm(ranges, own, search, run, run.error)


def study_options(kind: str, posted: Mapping[str, str], declared: list[Parameter] | None) -> dict[str, Any]:
    """Return a posted form as the command's options by name; empty fields are left to their defaults.

    Raises
    ------
    InputError
        For a range without its beginning.
    """
    options = plain_options(posted)
    for name in _OWN[kind]:
        if posted.get(name, "").strip():
            options[name] = posted[name].strip()
    for name in ("anchored", "purge"):
        if name in options:
            options[name] = options[name] == "true"
    if options.get("method", "grid") == "grid":
        options.pop("trials", None)
    if declared is None:
        options["param"] = [line.strip() for line in posted.get("param", "").splitlines() if line.strip()]
    else:
        found = {p.name: _values(p.name, posted) for p in declared}
        options["param"] = {name: values for name, values in found.items() if values}
    return options


_OWN: Final = {
    "sweep": ("method", "trials", "seed", "objective", "held_out"),
    "walkforward": ("method", "trials", "seed", "objective", "train", "test", "anchored", "embargo", "purge"),
}
_LINES: Final = "One name=values in each line: fast=5:30:5 (both ends included), fast=5,10,20 or fast=12."


def _search_fields(kind: str, field: Any) -> list[Field]:
    from cryptai.research.measured import OBJECTIVES  # noqa: PLC0415 (the engine waits for the first form)

    drawn = "Sets of a random or guided search. Empty: 200. A grid runs them all."
    fields = [
        field("objective", "Choose by", "choice", "sharpe_ratio", choices=tuple(OBJECTIVES)),
        field("method", "Method", "choice", "grid", choices=_METHODS, hint="tpe: guided, by Optuna."),
        field("trials", "Sets", "number", "", hint=drawn),
        field("seed", "Seed", "number", "0", hint="Of what is drawn at random."),
    ]
    if kind == "sweep":
        last = "The last ones: the choice does not see them."
        return [*fields, field("held_out", "Held out", "number", "0.25", unit="of the bars", hint=last)]
    return [
        *fields,
        field("train", "Train on", "text", "365d", hint="365d, 52w or 48h before each test."),
        field("test", "Test on", "text", "90d", hint="What follows, and was not seen."),
        field("embargo", "Embargo", "number", "0", unit="bars", hint="Left out between training and test."),
        field("anchored", "Anchored", "check", "false", hint="Train from the first bar on each time."),
        field("purge", "Purge", "check", "true", hint="Leave out trades that reach into the test."),
    ]


def _values(name: str, posted: Mapping[str, str]) -> str:
    low, high, step = (posted.get(f"{part}.{name}", "").strip() for part in ("from", "to", "step"))
    if not high:
        return low
    if not low:
        raise InputError(f"{name} has an end and no beginning; give both, or neither.", field=f"param.{name}")
    return f"{low}:{high}:{step}" if step else f"{low}:{high}"


def _range_field(p: Parameter, given: Mapping[str, str], error: str, *, wide: bool) -> RangeField:
    label = p.name.replace("_", " ").capitalize()
    if p.type is bool or p.choices:
        one = str(p.default).lower() if p.type is bool else str(p.default)
        some = ("true", "false") if p.type is bool else p.choices
        choices = (*((value, value) for value in some), (",".join(some), "each of them"))
        value = given.get(f"from.{p.name}", one)
        return RangeField(p.name, label, value, "", "", _about(p), error, choices)
    low, high, step = _around(p) if wide else (f"{p.default:g}", "", "")
    return RangeField(
        p.name, label, given.get(f"from.{p.name}", low), given.get(f"to.{p.name}", high),
        given.get(f"step.{p.name}", step), _about(p), error,
    )  # fmt: skip


def _about(p: Parameter) -> str:
    span = [f"{v:g}" for v in (p.low, p.high) if math.isfinite(v)] if p.type in (int, float) else []
    words = [p.meaning[:1].upper() + p.meaning[1:], " to ".join(span) if len(span) == 2 else "", p.unit]
    return ", ".join(one for one in words if one)


def _around(p: Parameter) -> tuple[str, str, str]:
    """Return a range from half to twice the default, in about five steps, inside what is declared."""
    middle = float(p.default)
    low, high = sorted((middle / 2, middle * 2)) if middle else (0.0, 1.0)
    low, high = max(low, p.low), min(high, p.high)
    step = (high - low) / _STEPS
    if p.type is int:
        whole = max(1, round(step))
        low = math.ceil(low)
        return f"{low:g}", f"{math.floor(high):g}", f"{whole:g}"
    digits = max(0, 1 - math.floor(math.log10(step))) if step > 0 else 0
    step = round(step, digits)
    return f"{round(low, digits):g}", f"{round(low, digits) + round(step * _STEPS, digits):g}", f"{step:g}"
