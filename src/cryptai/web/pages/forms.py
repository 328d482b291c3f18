"""The backtest form: fields of a request and of a strategy's declared parameters, errors in their place."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cryptai.parameters import Parameter


@dataclass(frozen=True)
class Field:
    """One field as the page shows it; `kind` is number, text, check, choice or lines."""

    name: str
    label: str
    kind: str
    value: str
    unit: str = ""
    hint: str = ""
    error: str = ""
    choices: tuple[str, ...] = ()
    placeholder: str = ""

    @property
    def id(self) -> str:
        """Return the name as an HTML id."""
        return f"f-{self.name.replace('.', '-')}"

    @property
    def checked(self) -> bool:
        """Return whether a check is ticked."""
        return self.value.strip().lower() in ("true", "1", "on", "yes")


@dataclass(frozen=True)
class BacktestForm:
    """The form for one strategy: its parameters, the market and range, money and costs, limits."""

    strategy: str
    parameters: list[Field]
    market: list[Field]
    money: list[Field]
    limits: list[Field]
    error: str = ""


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
            "Symbol",
            "text",
            "BTC/USDT",
            choices=tuple(symbols),
            hint="BTCUSDT and BTC-USDT are understood.",
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
    return BacktestForm(strategy, own, market, money, limits, "" if blamed in names else message)


def options_of(posted: Mapping[str, str], declared: list[Parameter] | None) -> dict[str, Any]:
    """Return a posted form as the command's options by name; empty fields are left to their defaults."""
    plain = ("strategy", "exchange", "symbol", "timeframe", "from", "to")
    names = (*plain, *(row[0] for row in _MONEY), *(row[0] for row in _LIMITS))
    options: dict[str, Any] = {name: posted[name].strip() for name in names if posted.get(name, "").strip()}
    if declared is None:
        options["param"] = [line.strip() for line in posted.get("param", "").splitlines() if line.strip()]
    else:
        given = {p.name: posted.get(f"param.{p.name}", "").strip() for p in declared}
        options["param"] = {name: value for name, value in given.items() if value}
    return options


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
