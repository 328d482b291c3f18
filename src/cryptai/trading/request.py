"""BacktestRequest: the options of a backtest by name, as command, API and form give them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cryptai.errors import InputError, UnknownName
from cryptai.market.times import iso
from cryptai.portfolio.rules import MIN_REWARD_RISK
from cryptai.trading.options import FILLS, FLAGS, MORE_COSTS, MORE_RULES, SYNONYMS
from cryptai.trading.readers import READERS, number

_NUMBERS = ("capital", "fee", "slippage", "stop", "target", "size", "risk", "min_reward_risk")
_FIELDS = {"from": "start_ms", "to": "end_ms", "param": "params", "group": "groups"}


@dataclass(frozen=True)
class BacktestRequest:
    """What to run. Text is parsed and numbers are finite; whether they make sense is the engine's to say.

    `symbols` are the markets of a portfolio, `symbol` is the one of a run over one; never both. `stop` and
    `target` are None for the strategy's own bracket (8 % and 15 % unless it states another), NaN for none at
    all. `rules` and `costs` hold every other rule and cost that was given, by name; `groups` names the group
    of a symbol. `funding`, `filters` and `finer` ask for what the workspace knows of the markets; `fee_tier`
    (`binance:vip1`) is where fee and maker come from.
    """

    strategy: str
    symbol: str | None = None
    symbols: tuple[str, ...] = ()
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
    rules: Mapping[str, float] = field(default_factory=dict)
    costs: Mapping[str, float] = field(default_factory=dict)
    target_steps: tuple[tuple[int, float], ...] = ()
    fill: str = "open"
    groups: Mapping[str, str] = field(default_factory=dict)
    funding: bool = False
    filters: bool = False
    finer: bool = False
    fee_tier: str | None = None
    params: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def parse(cls, options: Mapping[str, Any]) -> BacktestRequest:
        """Read the command's options by name (`from`, `to`, `param` …); absent, None and "" are defaults.

        A rule that can be off may be `"none"`. `symbols` is a list, or text with commas; one alone is
        `symbol`. `target_steps` are pairs of bars and fraction: a list, an object, or text
        (`0:0.15,48:0.05`). `group` is `NAME=SYMBOL,SYMBOL`, or an object of lists. `stop_loss_percentage` 8
        is `stop` 0.08, and `take_profit_percentage` 15 is `target` 0.15.

        Raises
        ------
        UnknownName
            For an option that does not exist.
        InputError
            For a value that cannot be read; its `field` is the option's name.
        """
        given = _in_our_names(options)
        read = {name: READERS[name](name, value) for name, value in given.items()}
        if len(read.get("symbols", ())) == 1 and "symbol" not in read:
            read["symbol"] = read.pop("symbols")[0]
        if "fee_tier" in read and ("fee" in read or "maker" in read):
            raise InputError("fee_tier says fee and maker; give it, or give those.", field="fee_tier")
        if "symbol" in read and "symbols" in read:
            raise InputError("symbol is one market, symbols are several; give one of them.", field="symbols")
        of_rules = {name: read.pop(name) for name in MORE_RULES if name in read}
        of_costs = {name: read.pop(name) for name in MORE_COSTS if name in read}
        own = {_FIELDS.get(name, name): value for name, value in read.items()}
        return cls(**own, rules=of_rules, costs=of_costs)

    @property
    def markets(self) -> tuple[str, ...]:
        """Return the symbols asked for: several, one, or none at all."""
        return self.symbols or (() if self.symbol is None else (self.symbol,))

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
            if not (name == "fee" and self.fee_tier is not None):
                told[name] = _told(getattr(self, name))
        # What is not asked for is not told: a request of the plain rules stays as short as it was.
        told |= {name: _told(value) for name, value in {**self.rules, **self.costs}.items()}
        if self.symbols:
            told["symbols"] = list(self.symbols)
        if self.target_steps:
            told["target_steps"] = [list(step) for step in self.target_steps]
        if self.fill != FILLS[0]:
            told["fill"] = self.fill
        if self.fee_tier is not None:
            told["fee_tier"] = self.fee_tier
        if self.groups:
            names = dict.fromkeys(self.groups.values())
            told["group"] = {
                name: [symbol for symbol, group in self.groups.items() if group == name] for name in names
            }
        return told | {name: True for name in FLAGS if getattr(self, name)}


def with_defaults(options: Any, defaults: Mapping[str, Any]) -> Any:
    """Return the options with what they do not say, under any of its names, taken from `defaults`.

    What is no object of options is returned as it is: `BacktestRequest.parse` refuses it.
    """
    if not isinstance(options, Mapping):
        return options
    said = {
        str(name).replace("-", "_") for name, value in options.items() if value is not None and value != ""
    }
    said |= {ours for name, ours in SYNONYMS.items() if name in said}
    return {**options, **{name: value for name, value in defaults.items() if name not in said}}


def _told(value: float | None) -> float | str | None:
    return "none" if value is not None and math.isnan(value) else value


def _in_our_names(options: Mapping[str, Any]) -> dict[str, Any]:
    if not isinstance(options, Mapping):
        raise InputError(f"A backtest is asked for by an object of options, was {type(options).__name__}.")
    given = {str(k).replace("-", "_"): v for k, v in options.items() if v is not None and v != ""}
    if "params" in given:
        given.setdefault("param", given.pop("params"))
    if "groups" in given:
        given.setdefault("group", given.pop("groups"))
    for name in given:
        if name not in READERS and name not in SYNONYMS:
            raise UnknownName("option", name, [*READERS, *SYNONYMS], field=name)
    if "strategy" not in given:
        raise InputError("strategy is missing; name one of `cryptai strategies`.", field="strategy")
    for name, ours in SYNONYMS.items():
        if name in given:
            if ours in given:
                raise InputError(f"{name} and {ours} say the same; give one of them.", field=name)
            given[ours] = number(name, given.pop(name)) / 100.0
    return given
