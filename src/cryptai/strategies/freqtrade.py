"""A freqtrade-style class as a strategy: its frames become columns, its attributes rules of execution.

Written from freqtrade's public documentation (freqtrade.io: strategy customization, stoploss, callbacks), so
that a file of that style runs as it stands. What cannot be kept is refused by name with the way out; which
attributes are read, and how, stands in docs/guide/own_strategies.md.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import math
from contextlib import contextmanager
from dataclasses import dataclass
from numbers import Real
from typing import TYPE_CHECKING, Any, ClassVar, Final

import numpy as np

from cryptai.errors import InputError
from cryptai.market.timeframe import MINUTE_MS, Timeframe
from cryptai.signals import Signals
from cryptai.strategies.stand_ins import WAY_OUT, IStrategy, PlainParameter, stood_in
from cryptai.strategies.strategy import param, values_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from cryptai.market.candles import Candles
    from cryptai.strategies.strategy import Strategy

_ENTRY: Final = "say it in populate_entry_trend"
_EXIT: Final = "say it in populate_exit_trend"
_COMPUTE: Final = "compute it in populate_indicators"
_ORDERS: Final = "backtests fill at the next open; for limit orders write a strategy with the column `limit`"
# Methods that steer a bot's trades one by one; a run has rules for some of it.
_METHODS: Final = {
    "custom_stoploss": "state trailing_stop, or write a strategy with the columns `stop` and `trail`",
    "custom_exit": _EXIT, "custom_sell": _EXIT,
    "custom_roi": "state minimal_roi",
    "custom_entry_price": _ORDERS, "custom_exit_price": _ORDERS, "adjust_order_price": _ORDERS,
    "adjust_entry_price": _ORDERS, "adjust_exit_price": _ORDERS,
    "custom_stake_amount": "leave it out, and give the run --stake, --size or --risk",
    "confirm_trade_entry": _ENTRY, "confirm_trade_exit": _EXIT,
    "adjust_trade_position": "leave it out, and give the run --max-entries; or say it by a column `reduce`",
    "check_entry_timeout": _ORDERS, "check_exit_timeout": _ORDERS, "check_buy_timeout": _ORDERS,
    "check_sell_timeout": _ORDERS,
    "leverage": "leave it out, and give the run --leverage",
    "order_filled": WAY_OUT, "bot_start": _COMPUTE, "bot_loop_start": _COMPUTE,
    "populate_any_indicators": _COMPUTE, "feature_engineering_expand_all": _COMPUTE,
    "feature_engineering_expand_basic": _COMPUTE, "feature_engineering_standard": _COMPUTE,
    "set_freqai_targets": "FreqAI is not here; leave it out",
}  # fmt: skip
# Attributes that change what a trade does, where they are set.
_SWITCHES: Final = {
    "use_custom_stoploss": _METHODS["custom_stoploss"], "use_custom_roi": _METHODS["custom_roi"],
    "position_adjustment_enable": _METHODS["adjust_trade_position"],
    "exit_profit_only": "set it to False", "sell_profit_only": "set it to False",
    "ignore_roi_if_entry_signal": "set it to False", "ignore_roi_if_buy_signal": "set it to False",
    "protections": "leave them out, and give the run --cooldown, --stop-guard or --drawdown-halt",
}  # fmt: skip
_NAMES: Final = {
    "long": ("enter_long", "buy"), "exit_long": ("exit_long", "sell"), "short": ("enter_short",),
    "exit_short": ("exit_short",), "tag": ("enter_tag", "buy_tag"),
}  # fmt: skip
_LONGEST_REASON: Final = 100


def freqtrade_style(source: bytes) -> bool:
    """Whether a file's text is of that style."""
    return b"def populate_indicators" in source


def is_plain(thing: type) -> bool:
    """Whether a class is of that style: frames in, frames with columns out."""
    entry = hasattr(thing, "populate_entry_trend") or hasattr(thing, "populate_buy_trend")
    return entry and hasattr(thing, "populate_indicators")


@contextmanager
def importable() -> Iterator[None]:
    """Make the imports of such a file work, while it is read.

    Raises
    ------
    InputError
        If pandas is missing.
    """
    if importlib.util.find_spec("pandas") is None:
        raise InputError(
            'A freqtrade-style class takes pandas\' frames: pip install "cryptai[freqtrade]".',
            field="strategy",
        )
    with stood_in():
        yield


@dataclass(frozen=True)
class _Adapted:
    plain: ClassVar[type[Any]]
    startup: ClassVar[int]
    steps: ClassVar[tuple[tuple[float, float], ...]]
    allow_short: ClassVar[bool]

    def signals(self, candles: Candles) -> Signals:
        """Return what the columns of its frame say, as it documents them.

        An entry beside another signal of its side, or an entry of the other side, is none. The first
        `startup_candle_count` rows decide nothing.
        """
        frame = self._frame(candles) if len(candles) else {}
        said = {key: self._said(frame, key, len(candles)) for key in _NAMES if key != "tag"}
        if not self.allow_short:
            said["short"] = said["exit_short"] = np.zeros(len(candles), bool)
        if not getattr(self.plain, "use_exit_signal", getattr(self.plain, "use_sell_signal", True)):
            said["exit_long"] = said["exit_short"] = np.zeros(len(candles), bool)
        long = said["long"] & ~said["exit_long"] & ~said["short"]
        short = said["short"] & ~said["exit_short"] & ~said["long"]
        return Signals.entries(
            candles, long=long, short=short, exit_long=said["exit_long"], exit_short=said["exit_short"],
            long_reason=_tags(frame, long, "enter_long"), short_reason=_tags(frame, short, "enter_short"),
        )  # fmt: skip

    def target_steps(self, timeframe: str) -> tuple[tuple[int, float], ...]:
        """Return `minimal_roi` as pairs of bars and fraction: from which bar on, on that timeframe."""
        minutes = Timeframe(timeframe).ms // MINUTE_MS
        # Of two within one bar the later one counts.
        return tuple({math.ceil(after / minutes): fraction for after, fraction in self.steps}.items())

    def _said(self, frame: Any, key: str, n: int) -> NDArray[np.bool_]:
        column = next((name for name in _NAMES[key] if name in frame), None)
        if column is None:
            return np.zeros(n, bool)
        if frame[column].dtype.kind == "V":  # what pandas makes of a new column that no row was given
            return np.zeros(n, bool)
        said = np.array(frame[column] == 1, dtype=bool)
        said[: self.startup] = False
        return said

    def _frame(self, candles: Candles) -> Any:
        import pandas as pd  # noqa: PLC0415 (an extra's, and slow)

        one: Any = _made(self.plain)
        for name, value in values_of(self).items():  # type: ignore[arg-type]
            setattr(one, name, getattr(self.plain, name).at(value))
        columns = {name: getattr(candles, name).copy() for name in ("open", "high", "low", "close", "volume")}
        frame = pd.DataFrame({"date": pd.to_datetime(candles.ts, unit="ms", utc=True), **columns})
        opens = frame["date"].copy()
        for names in (
            ("populate_indicators",),
            ("populate_entry_trend", "populate_buy_trend"),
            ("populate_exit_trend", "populate_sell_trend"),
        ):
            method = next((each for each in names if hasattr(one, each)), None)
            if method is None:
                continue
            frame = getattr(one, method)(frame, {"pair": candles.symbol})
            if not isinstance(frame, pd.DataFrame) or len(frame) != len(candles):
                gave = f"{len(frame):,} rows" if isinstance(frame, pd.DataFrame) else type(frame).__name__
                raise InputError(
                    f"{method} of {self.plain.__name__} gave {gave} for {len(candles):,} bars; it must "
                    "return the frame with every row (no dropna).",
                    field="strategy",
                )
            # As arrays of pandas: NumPy would make an object of each time.
            if "date" not in frame or not np.all(frame["date"].array == opens.array):
                raise InputError(
                    f"{method} of {self.plain.__name__} changed the column `date`; rows keep their order.",
                    field="strategy",
                )
        return frame


def adapted(plain: type[Any]) -> type[Strategy]:
    """Return a freqtrade-style class as a strategy class: bracket, steps, trailing, parameters, memory.

    Raises
    ------
    InputError
        For what it asks and a backtest here cannot keep, by name, with the way out.
    """
    _refuse(plain)
    startup = getattr(plain, "startup_candle_count", 0)
    if isinstance(startup, bool) or not isinstance(startup, int) or startup < 0:
        raise InputError(f"startup_candle_count must be a whole number from 0 on, was {startup!r}.")
    Timeframe(str(getattr(plain, "timeframe", None)))
    stop = -_number(plain, "stoploss", None)
    if not 0.0 < stop <= 1.0:
        raise InputError(f"stoploss must be below 0 and at least -1 (-0.1 is 10 %), was {-stop:g}.")
    short = bool(getattr(plain, "can_short", False))
    holds: dict[str, Any] = {
        "__doc__": plain.__doc__ or f"The freqtrade-style class {plain.__name__}.",
        "plain": plain, "startup": startup, "allow_short": short,
        "steps": _roi(getattr(plain, "minimal_roi", None) or {}, short=short),
        # A stop of all that there is, is none; the target is the steps' alone.
        "stop": math.nan if stop == 1.0 else stop, "target": math.nan,
        "rules": _trailing(plain, stop),
    }  # fmt: skip
    if startup:
        # The row after so many silent ones is the first that may speak.
        holds["memory"] = _memory
    return _with_fields(plain, holds)


def _memory(self: _Adapted, timeframe: str) -> int:
    """Return the bars it needs, by its own declaration."""
    del timeframe
    return self.startup + 1


def _with_fields(plain: type[Any], holds: dict[str, Any]) -> type[Strategy]:
    declared = {
        name: value
        for base in reversed(plain.__mro__)
        for name, value in vars(base).items()
        if isinstance(value, PlainParameter) and value.kind is not None
    }
    taken = next((name for name in declared if name in holds or hasattr(_Adapted, name)), None)
    if taken is not None:
        raise InputError(f"A parameter cannot be named {taken} here; rename it.")
    fields = [
        (name, one.kind, param(one.value, low=one.low, high=one.high, meaning="as its class declares it"))
        for name, one in declared.items()
    ]
    cls: Any = dataclasses.make_dataclass(
        plain.__name__, fields, bases=(_Adapted,), namespace=holds, frozen=True
    )
    cls.__module__ = plain.__module__
    made: type[Strategy] = cls
    return made


def _made(plain: type[Any]) -> Any:
    return plain({}) if issubclass(plain, IStrategy) else plain()


def _refuse(plain: type[Any]) -> None:
    for name, way_out in _METHODS.items():
        if hasattr(plain, name):
            raise InputError(f"{name} cannot be kept in a backtest here; {way_out}.")
    one = _made(plain)
    for name, way_out in _SWITCHES.items():
        if getattr(one, name, False):
            raise InputError(f"{name} cannot be kept in a backtest here; {way_out}.")
    pairs = one.informative_pairs() if hasattr(one, "informative_pairs") else ()
    if pairs:
        raise InputError(
            f"informative_pairs asks for {str(pairs)[:60]}, but a strategy sees its own market; {WAY_OUT}."
        )


def _number(plain: type[Any], name: str, otherwise: float | None) -> float:
    value = getattr(plain, name, None)
    if value is None and otherwise is not None:
        return otherwise
    if isinstance(value, bool) or not isinstance(value, Real) or not math.isfinite(value):
        raise InputError(f"{name} must be a number, was {value!r}.")
    return float(value)


def _roi(told: Any, *, short: bool) -> tuple[tuple[float, float], ...]:
    try:
        steps = sorted((float(minutes), float(fraction)) for minutes, fraction in told.items())
    except (AttributeError, TypeError, ValueError):
        raise InputError(
            f'minimal_roi must be minutes and fractions, such as {{"0": 0.04}}, was {str(told)[:60]}.'
        ) from None
    for minutes, fraction in steps:
        if fraction <= -1.0:
            raise InputError(
                f"minimal_roi of {fraction:g} after {minutes:g} minutes is an exit by time; leave it out, "
                "and give the run --max-bars."
            )
        if not (minutes >= 0.0 and math.isfinite(fraction)) or (short and fraction >= 1.0):
            raise InputError(
                f"minimal_roi of {fraction:g} after {minutes:g} minutes cannot be reached"
                f"{', since a short earns less than 1' if short else ''}; leave it out: "
                "minimal_roi = {} is no target."
            )
    return tuple(steps)


def _trailing(plain: type[Any], stop: float) -> dict[str, float]:
    """Return the rules of the trailing stop; the engine's has one distance, from one profit on."""
    if not getattr(plain, "trailing_stop", False):
        return {}
    offset = _number(plain, "trailing_stop_positive_offset", 0.0)
    only = bool(getattr(plain, "trailing_only_offset_is_reached", False))
    distance = _number(plain, "trailing_stop_positive", stop)
    if distance != stop and offset > 0.0 and not only:
        raise InputError(
            f"trailing_stop_positive {distance:g} from {offset:g} on and {stop:g} before it are two "
            "distances, and a trailing stop has one here; set trailing_only_offset_is_reached = True, or "
            "leave trailing_stop_positive out."
        )
    if not 0.0 < distance < 1.0:
        raise InputError(f"A trailing stop must be above 0 and below 1 (0.05 is 5 %), was {distance:g}.")
    return {"trailing": distance, "trailing_from": offset if only else 0.0}


def _tags(frame: Any, rows: NDArray[np.bool_], otherwise: str) -> str:
    column = next((name for name in _NAMES["tag"] if name in frame), None)
    if column is None or not rows.any():
        return otherwise
    tags = [str(one) for one in dict.fromkeys(frame[column][rows].dropna())]
    return " or ".join(tags)[:_LONGEST_REASON] or otherwise
