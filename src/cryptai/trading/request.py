"""BacktestRequest: the options of a backtest by name, as command, API and form give them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cryptai.errors import InputError, UnknownName
from cryptai.market.symbol import parse_symbol
from cryptai.market.timeframe import Timeframe
from cryptai.market.times import iso, parse_time
from cryptai.portfolio.rules import MIN_REWARD_RISK

_NUMBERS = ("capital", "fee", "slippage", "stop", "target", "size", "risk", "min_reward_risk")
_OPTIONS = ("strategy", "exchange", "symbol", "timeframe", "from", "to", "param", *_NUMBERS)


@dataclass(frozen=True)
class BacktestRequest:
    """What to run. Text is parsed and numbers are finite; whether they make sense is the engine's to say.

    `stop` and `target` are None for the strategy's own bracket (8 % and 15 % unless it states another), NaN for
    none at all.
    """

    strategy: str
    symbol: str | None = None
    timeframe: str | None = None
    exchange: str = "binance"
    start_ms: int | None = None
    end_ms: int | None = None
    capital: float = 10_000.0
    fee: float = 0.001
    slippage: float = 0.0005
    stop: float | None = None
    target: float | None = None
    size: float = 1.0
    risk: float | None = None
    min_reward_risk: float = MIN_REWARD_RISK
    params: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def parse(cls, options: Mapping[str, Any]) -> BacktestRequest:
        """Read the command's options by name (`from`, `to`, `param` …); absent, None and "" are defaults.

        `stop` and `target` may be `"none"`.

        Raises
        ------
        UnknownName
            For an option that does not exist.
        InputError
            For a value that cannot be read; its `field` is the option's name.
        """
        if not isinstance(options, Mapping):
            raise InputError(f"A backtest is asked for by an object of options, was {type(options).__name__}.")
        given = {str(k).replace("-", "_"): v for k, v in options.items() if v is not None and v != ""}
        params = given.pop("params", None)
        if params is not None:
            given.setdefault("param", params)
        for name in given:
            if name not in _OPTIONS:
                raise UnknownName("option", name, _OPTIONS, field=name)
        if "strategy" not in given:
            raise InputError("strategy is missing; name one of `cryptai strategies`.", field="strategy")
        read: dict[str, Any] = {name: _number(name, given[name]) for name in _NUMBERS if name in given}
        for name in ("strategy", "exchange"):
            if name in given:
                read[name] = _text(name, given[name])
        if "symbol" in given:
            read["symbol"] = parse_symbol(_text("symbol", given["symbol"]))
        if "timeframe" in given:
            read["timeframe"] = str(Timeframe(_text("timeframe", given["timeframe"])))
        if "from" in given:
            read["start_ms"] = parse_time(_text("from", given["from"]), field="from")
        if "to" in given:
            read["end_ms"] = parse_time(_text("to", given["to"]), field="to")
        return cls(**read, params=_params(given.get("param", {})))

    def as_options(self) -> dict[str, Any]:
        """Return the options by name again, as JSON takes them: `parse(as_options())` is the same request."""
        told: dict[str, Any] = {
            "strategy": self.strategy,
            "exchange": self.exchange,
            "symbol": self.symbol,
            "timeframe": self.timeframe,
            "from": None if self.start_ms is None else iso(self.start_ms),
            "to": None if self.end_ms is None else iso(self.end_ms),
            "param": dict(self.params),
        }
        for name in _NUMBERS:
            value = getattr(self, name)
            told[name] = "none" if value is not None and math.isnan(value) else value
        return told


def _text(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise InputError(f"{name} must be text, was {str(value)[:40]!r}.", field=name)
    return value.strip()


def _number(name: str, value: object) -> float:
    if name in ("stop", "target") and isinstance(value, str) and value.strip().lower() == "none":
        return math.nan
    try:
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise ValueError
        number = float(value)
    except (ValueError, OverflowError) as error:
        raise InputError(f"{name} must be a number, was {str(value)[:40]!r}.", field=name) from error
    if not math.isfinite(number):
        raise InputError(f"{name} must be a finite number, was {number}.", field=name)
    return number


def _params(given: object) -> dict[str, Any]:
    # The command gives ["fast=12", "slow=26"], JSON gives {"fast": 12}.
    if isinstance(given, Mapping):
        return {str(name): value for name, value in given.items()}
    if isinstance(given, str):
        given = [given]
    if not isinstance(given, list | tuple):
        raise InputError(f"param must be an object or name=value, was {str(given)[:40]!r}.", field="param")
    found: dict[str, Any] = {}
    for item in given:
        name, equals, value = str(item).partition("=")
        if not equals or not name.strip():
            raise InputError(f"param must be written name=value, was {str(item)[:40]!r}.", field="param")
        found[name.strip()] = value.strip()
    return found
