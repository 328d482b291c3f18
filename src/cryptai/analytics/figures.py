"""Numbers as a person reads them, for reports in text and HTML: one way each, undefined as a dash."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

FRACTIONS: Final = frozenset(
    {
        "total_return", "max_drawdown", "win_rate", "time_in_market", "cagr", "volatility", "var_95",
        "cvar_95", "var_95_normal", "cvar_95_normal", "ulcer_index", "kelly", "buy_and_hold_return",
        "mean_return", "mae", "mfe", "depth", "mean", "highest",
    }
)  # fmt: skip
"""Figures that are fractions and are told in per cent."""
_SIGNED: Final = frozenset({"total_return", "cagr", "buy_and_hold_return", "mean_return"})
_AMOUNTS: Final = frozenset(
    {"pnl", "average_win", "average_loss", "best", "worst", "expectancy", "fees", "final_equity"}
)
_MOST_NAMES: Final = 6
NONE: Final = "–"
# A space that is narrow and breaks no line.
_SPACE: Final = "\u202f"
_PERCENT: Final = f"{_SPACE}%"


def figure(name: str, value: object) -> str:
    """Return a figure of a report by its name: per cent for fractions, two digits for amounts, None a dash.

    >>> figure("win_rate", 0.5) == percent(0.5), figure("sharpe_ratio", 1.23456), figure("cagr", None)
    (True, '1.235', '–')
    """
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return NONE
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if name in FRACTIONS:
        return percent(value, signed=name in _SIGNED)
    if isinstance(value, int):
        return grouped(f"{value:,}")
    if name in _AMOUNTS:
        return amount(value, signed=name in ("pnl", "expectancy"))
    return grouped(f"{value:,.4g}") if abs(value) < 1e4 else amount(value)


def percent(value: float, *, signed: bool = False, digits: int = 2) -> str:
    """Return a fraction in per cent."""
    return grouped(f"{100.0 * value:{'+' if signed else ''},.{digits}f}") + _PERCENT


def amount(value: float, *, signed: bool = False) -> str:
    """Return an amount of money: two digits, more where it is small."""
    size = abs(value)
    digits = 2 if size >= 1.0 or size == 0.0 else min(10, 3 - math.floor(math.log10(size)))
    if size >= 1e15:
        return f"{value:{'+' if signed else ''}.4g}"
    return grouped(f"{value:{'+' if signed else ''},.{digits}f}")


def grouped(text: str) -> str:
    """Return a number with narrow spaces between thousands, for a comma is a decimal point to half the world.

    The minus is as wide as a figure, so that columns stand.
    """
    return text.replace(",", _SPACE).replace("-", "\u2212")


def level(value: float) -> str:
    """Return a round value beside a picture: no more digits than it has."""
    return grouped(f"{value:,.6g}")


def confidence(value: float | None) -> str:
    """Return a probability rounded down, for 94.99 % is not 95, and never quite 0 or 100 %."""
    if value is None:
        return NONE
    if value >= 0.9995:
        return f"over 99.9{_PERCENT}"
    return f"{math.floor(value * 1_000) / 10:g}{_PERCENT}" if value >= 0.001 else f"under 0.1{_PERCENT}"


def markets(symbols: Sequence[str]) -> str:
    """Return the names of some markets, or how many there are."""
    return ", ".join(symbols) if len(symbols) <= _MOST_NAMES else f"{len(symbols)} markets"


def moment(ms: int) -> str:
    """Return a time as `2021-01-01 14:05`, UTC."""
    return datetime.fromtimestamp(ms // 1000, UTC).strftime("%Y-%m-%d %H:%M")
