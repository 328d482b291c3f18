"""What the platform follows: markets and timeframes, as the settings name them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from cryptai.errors import InputError
from cryptai.market.source import LARGE_PAIRS
from cryptai.market.symbol import parse_symbol
from cryptai.market.timeframe import Timeframe

if TYPE_CHECKING:
    from collections.abc import Callable

TIMEFRAMES: Final = ("1h", "4h", "1d")


def followed_symbols() -> tuple[str, ...]:
    """Return the markets that CRYPTAI_SYMBOLS names; twelve large ones where it names none.

    Raises
    ------
    InputError
        If one of its names is none of a market.
    """
    return _named("CRYPTAI_SYMBOLS", parse_symbol) or LARGE_PAIRS


def followed_timeframes() -> tuple[str, ...]:
    """Return the timeframes that CRYPTAI_TIMEFRAMES names; 1h, 4h and 1d where it names none.

    Raises
    ------
    InputError
        If one of its names is no timeframe.
    """
    return _named("CRYPTAI_TIMEFRAMES", Timeframe) or TIMEFRAMES


def _named(setting: str, parse: Callable[[str], str]) -> tuple[str, ...]:
    names = [name.strip() for name in os.environ.get(setting, "").split(",")]
    found = []
    for name in filter(None, names):
        try:
            found.append(str(parse(name)))
        except InputError as error:
            raise InputError(f"{setting}: {error}", field=setting) from error
    return tuple(dict.fromkeys(found))
