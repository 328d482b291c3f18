"""How the values of a request are read: text of a command and numbers of JSON say the same."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from numbers import Real
from typing import Any, Final

from cryptai.errors import InputError
from cryptai.market.symbol import parse_symbol
from cryptai.market.timeframe import Timeframe
from cryptai.market.times import parse_time
from cryptai.trading.options import BY_NAME, FILLS, FLAGS

MOST_SYMBOLS: Final = 1000
_SAID: Final = {
    "true": True, "on": True, "yes": True, "1": True, "false": False, "off": False, "no": False, "0": False,
}  # fmt: skip


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


def number(name: str, value: object) -> float:
    """Return a finite number, NaN for the `none` of a rule that may be off; raise `InputError` for others."""
    if isinstance(value, str) and value.strip().lower() == "none" and name in BY_NAME and BY_NAME[name].off:
        return math.nan
    found: float | None = None
    if not isinstance(value, bool) and isinstance(value, Real | str):
        with suppress(ValueError, OverflowError):
            found = float(value)
    if found is None:
        raise InputError(f"{name} must be a number, was {str(value)[:40]!r}.", field=name)
    if not math.isfinite(found):
        raise InputError(f"{name} must be a finite number, was {found}.", field=name)
    return found


def _symbols(name: str, value: object) -> tuple[str, ...]:
    given = value.split(",") if isinstance(value, str) else value
    if not isinstance(given, list | tuple):
        raise InputError(f"{name} must be a list of markets, was {str(value)[:40]!r}.", field=name)
    found = [_symbol(name, one) for one in given if not (isinstance(one, str) and not one.strip())]
    twice = next((one for one in found if found.count(one) > 1), None) if len(found) <= MOST_SYMBOLS else None
    if twice:
        raise InputError(f"{name} names {twice} twice.", field=name)
    if not 0 < len(found) <= MOST_SYMBOLS:
        raise InputError(f"{name} must name 1 to {MOST_SYMBOLS:,} markets, was {len(found)}.", field=name)
    return tuple(found)


def _steps(name: str, value: object) -> tuple[tuple[int, float], ...]:
    # "0:0.15,48:0.05", {"0": 0.15, "48": 0.05} or [[0, 0.15], [48, 0.05]].
    if isinstance(value, str):
        value = [part.split(":") for part in value.split(",") if part.strip()]
    pairs = list(value.items()) if isinstance(value, Mapping) else value
    if not isinstance(pairs, list | tuple) or not all(
        isinstance(pair, list | tuple) and len(pair) == 2 for pair in pairs
    ):
        raise InputError(
            f"{name} must be pairs of bars and fraction, such as 0:0.15,48:0.05, was {str(value)[:40]!r}.",
            field=name,
        )
    found = [(number(name, bars), number(name, fraction)) for bars, fraction in pairs]
    for bars, _ in found:
        if bars != int(bars):
            raise InputError(f"{name} counts whole bars, was {bars:g}.", field=name)
    return tuple((int(bars), fraction) for bars, fraction in found)


def _fill(name: str, value: object) -> str:
    if value not in FILLS:
        raise InputError(f"{name} must be open or close, was {str(value)[:40]!r}.", field=name)
    return str(value)


def _flag(name: str, value: object) -> bool:
    if isinstance(value, bool):
        return value
    said = _SAID.get(str(value).strip().lower()) if isinstance(value, str | int) else None
    if said is None:
        raise InputError(f"{name} must be true or false, was {str(value)[:40]!r}.", field=name)
    return said


def _groups(name: str, value: object) -> dict[str, str]:
    given = [value] if isinstance(value, str) else value
    if isinstance(given, list | tuple):
        pairs = [str(one).partition("=") for one in given]
        wrong = next((one for one in pairs if not (one[0].strip() and one[2].strip())), None)
        if wrong:
            raise InputError(f"{name} must be written NAME=SYMBOL,SYMBOL, was {wrong[0][:40]!r}.", field=name)
        given = {group.strip(): symbols for group, _, symbols in pairs}
    if not isinstance(given, Mapping):
        raise InputError(f"{name} must be an object of lists, was {str(value)[:40]!r}.", field=name)
    found: dict[str, str] = {}
    for group, symbols in given.items():
        for symbol in _symbols(name, symbols):
            if symbol in found:
                raise InputError(f"{symbol} is in two groups, {found[symbol]} and {group}.", field=name)
            found[symbol] = str(group)[:40]
    return found


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


READERS: Final[Mapping[str, Callable[[str, object], Any]]] = {
    "strategy": _text, "exchange": _text, "symbol": _symbol, "timeframe": _timeframe,
    "symbols": _symbols, "from": _time, "to": _time, "param": _params, "target_steps": _steps, "fill": _fill,
    "group": _groups, "fee_tier": _text, **dict.fromkeys(FLAGS, _flag), **dict.fromkeys(BY_NAME, number),
}  # fmt: skip
