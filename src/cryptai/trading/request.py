"""BacktestRequest: the options of a backtest by name, as command, API and form give them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from numbers import Real
from typing import Any, Final

from cryptai.errors import InputError, UnknownName
from cryptai.market.symbol import parse_symbol
from cryptai.market.timeframe import Timeframe
from cryptai.market.times import iso, parse_time
from cryptai.portfolio.rules import MIN_REWARD_RISK

_NUMBERS = ("capital", "fee", "slippage", "stop", "target", "size", "risk", "min_reward_risk")
_FIELDS = {"from": "start_ms", "to": "end_ms", "param": "params"}


@dataclass(frozen=True)
class BacktestRequest:
    """What to run. Text is parsed and numbers are finite; whether they make sense is the engine's to say.

    `stop` and `target` are None for the strategy's own bracket (8 % and 15 % unless it states another), NaN
    for none at all.
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
            raise InputError(f"A backtest is asked for by an object of options, was {_kind(options)}.")
        given = {str(k).replace("-", "_"): v for k, v in options.items() if v is not None and v != ""}
        if "params" in given:
            given.setdefault("param", given.pop("params"))
        for name in given:
            if name not in _READERS:
                raise UnknownName("option", name, _READERS, field=name)
        if "strategy" not in given:
            raise InputError("strategy is missing; name one of `cryptai strategies`.", field="strategy")
        return cls(**{_FIELDS.get(name, name): _READERS[name](name, value) for name, value in given.items()})

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


def _kind(value: object) -> str:
    return type(value).__name__


def _text(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise InputError(f"{name} must be text, was {str(value)[:40]!r}.", field=name)
    return value.strip()


def _symbol(name: str, value: object) -> str:
    return parse_symbol(_text(name, value))


def _timeframe(name: str, value: object) -> str:
    return str(Timeframe(_text(name, value)))


def _time(name: str, value: object) -> int:
    return parse_time(_text(name, value), field=name)


def _number(name: str, value: object) -> float:
    if name in ("stop", "target") and isinstance(value, str) and value.strip().lower() == "none":
        return math.nan
    number: float | None = None
    if not isinstance(value, bool) and isinstance(value, Real | str):
        with suppress(ValueError, OverflowError):
            number = float(value)
    if number is None:
        raise InputError(f"{name} must be a number, was {str(value)[:40]!r}.", field=name)
    if not math.isfinite(number):
        raise InputError(f"{name} must be a finite number, was {number}.", field=name)
    return number


def _params(name: str, given: object) -> dict[str, Any]:
    # The command gives ["fast=12", "slow=26"], JSON gives {"fast": 12}.
    if isinstance(given, Mapping):
        return {str(key): value for key, value in given.items()}
    if isinstance(given, str):
        given = [given]
    if not isinstance(given, list | tuple):
        raise InputError(f"{name} must be an object or name=value, was {str(given)[:40]!r}.", field=name)
    found: dict[str, Any] = {}
    for item in given:
        key, equals, value = str(item).partition("=")
        if not equals or not key.strip():
            raise InputError(f"{name} must be written name=value, was {str(item)[:40]!r}.", field=name)
        found[key.strip()] = value.strip()
    return found


_READERS: Final[Mapping[str, Callable[[str, object], Any]]] = {
    "strategy": _text, "exchange": _text, "symbol": _symbol, "timeframe": _timeframe,
    "from": _time, "to": _time, "param": _params, **dict.fromkeys(_NUMBERS, _number),
}  # fmt: skip
