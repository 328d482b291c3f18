"""The backtest form: fields of a request and of a strategy's declared parameters, errors in their place."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from cryptai.trading.options import FLAGS
from cryptai.web.pages.execution_fields import MORE, more_fields
from cryptai.web.pages.fields import Field

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cryptai.parameters import Parameter


@dataclass(frozen=True)
class BacktestForm:
    """The form for one strategy: its parameters, the market and range, money and costs, limits.

    `more` are the rules and costs that are off unless asked for, by heading; folded unless one is `in_use`.
    """

    strategy: str
    parameters: list[Field]
    market: list[Field]
    money: list[Field]
    limits: list[Field]
    more: list[tuple[str, list[Field]]]
    in_use: bool = False
    error: str = ""


# Where an option is shown whose field bears another's name.
_WHERE: Final = {"symbols": "symbol"}
_MONEY: Final = (
    ("capital", "Capital", "10000", "quote", "What the run starts with."),
    ("fee", "Fee", "0.001", "a side", "Fraction of each fill's value: 0.001 is 0.1 %."),
    (
        "slippage",
        "Slippage",
        "0.0005",
        "a fill",
        "Always against you on market and stop fills; none on a target.",
    ),
)
_LIMITS: Final = (
    ("stop", "Stop", "", "of fill", "0.08 is 8 %. Empty: the strategy's own, else 0.08. none: no stop."),
    (
        "target",
        "Target",
        "",
        "of fill",
        "0.15 is 15 %. Empty: the strategy's own, else 0.15. none: no target.",
    ),
    ("size", "Size", "1", "of equity", "Share of the equity in one position: 1 is all of it."),
    (
        "risk",
        "Risk",
        "",
        "of equity",
        "Share of the equity lost if the stop fills; it makes the size. Empty: off.",
    ),
    ("min_reward_risk", "Reward : risk", "1.5", "at least", "Refuse a target nearer than this many stops."),
)


def form_of(
    strategy: str,
    declared: list[Parameter] | None,
    given: Mapping[str, str],
    *,
    symbols: list[str],
    timeframes: list[str],
    error: tuple[str, str] | None = None,
) -> BacktestForm:
    """Return the form; `declared` is None for a user's own strategy, whose file the server does not import.

    `error` is the field that is to blame and what is wrong with it; one that no field bears stands above all.
    """
    blamed, message = error or ("", "")
    blamed = _WHERE.get(blamed, blamed)
    names: list[str] = []

    def field(name: str, label: str, kind: str, default: str, **more: Any) -> Field:
        names.append(name)
        value = given.get(name, default)
        return Field(name, label, kind, value, error=message if name == blamed else "", **more)

    if declared is None:
        hint = "One name=value in each line. The file's own defaults stand for what is left out."
        own = [field("param", "Parameters", "lines", "", hint=hint)]
    else:
        own = [_of_parameter(p, field) for p in declared]
    market = [
        field(
            "symbol",
            "Market",
            "text",
            "BTC/USDT",
            choices=tuple(symbols),
            hint="BTCUSDT is understood. Several, with commas, share the capital.",
        ),
        field("timeframe", "Timeframe", "choice", "1h", choices=tuple(timeframes)),
        field(
            "from",
            "From",
            "text",
            "",
            unit="UTC",
            placeholder="2021-01-01",
            hint="This bar and later; earlier ones warm the indicators.",
        ),
        field(
            "to",
            "To",
            "text",
            "",
            unit="UTC",
            placeholder="2024-01-01",
            hint="Bars before this. Empty: the newest.",
        ),
    ]
    money = [
        field(name, label, "number", value, unit=unit, hint=hint) for name, label, value, unit, hint in _MONEY
    ]
    limits = [
        field(name, label, "text", value, unit=unit, hint=hint) for name, label, value, unit, hint in _LIMITS
    ]
    more = more_fields(field)
    in_use = any(one.error or one.used for _, fields in more for one in fields)
    return BacktestForm(
        strategy, own, market, money, limits, more, in_use, "" if blamed in names else message
    )


def options_of(posted: Mapping[str, str], declared: list[Parameter] | None) -> dict[str, Any]:
    """Return a posted form as the command's options by name; empty fields are left to their defaults."""
    options = plain_options(posted)
    if declared is None:
        options["param"] = [line.strip() for line in posted.get("param", "").splitlines() if line.strip()]
    else:
        given = {p.name: posted.get(f"param.{p.name}", "").strip() for p in declared}
        options["param"] = {name: value for name, value in given.items() if value}
    return options


def plain_options(posted: Mapping[str, str]) -> dict[str, Any]:
    """Return what was posted, parameters apart; several markets with commas are `symbols`."""
    plain = ("strategy", "exchange", "symbol", "timeframe", "from", "to")
    names = (*plain, *(row[0] for row in _MONEY), *(row[0] for row in _LIMITS), *MORE)
    options: dict[str, Any] = {name: posted[name].strip() for name in names if posted.get(name, "").strip()}
    if "," in options.get("symbol", ""):
        options["symbols"] = options.pop("symbol")
    if "group" in options:
        options["group"] = [line.strip() for line in options["group"].splitlines() if line.strip()]
    for name in FLAGS:
        if options.get(name) != "true":
            options.pop(name, None)
    return options


def as_typed(options: Mapping[str, Any]) -> dict[str, str]:
    """Return a request's options, parameters apart, as they are typed into the form: `options_of` undone."""
    asked = {name: value for name, value in options.items() if name != "param" and value is not None}
    if "symbols" in asked:
        asked["symbol"] = ", ".join(asked.pop("symbols"))
    if "target_steps" in asked:
        asked["target_steps"] = ",".join(f"{bars}:{share:g}" for bars, share in asked["target_steps"])
    if "group" in asked:
        asked["group"] = "\n".join(f"{name}={','.join(some)}" for name, some in asked["group"].items())
    for name in ("from", "to"):
        if name in asked:
            asked[name] = str(asked[name]).replace("T00:00:00Z", "")
    return {name: _typed(value) for name, value in asked.items()}


def _typed(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:g}" if isinstance(value, float) and math.isfinite(value) else str(value)


def _of_parameter(p: Parameter, field: Callable[..., Field]) -> Field:
    name, label = f"param.{p.name}", p.name.replace("_", " ").capitalize()
    meaning = f"{p.meaning[:1].upper()}{p.meaning[1:]}" if p.meaning else ""
    if p.type is bool:
        return field(
            name, label, "check", "true" if p.default else "false", hint=f"{meaning}." if meaning else ""
        )
    low, high = (f"{v:g}" if math.isfinite(v) else "" for v in (p.low, p.high))
    span = (
        f"{low} to {high}"
        if low and high
        else f"at least {low}"
        if low
        else f"at most {high}"
        if high
        else ""
    )
    hint = "; ".join(part for part in (meaning, span) if part)
    return field(name, label, "number", f"{p.default:g}", unit=p.unit, hint=f"{hint}." if hint else "")
