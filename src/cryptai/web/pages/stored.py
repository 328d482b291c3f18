"""What lies in the candle store, in the words of the pages: symbols, timeframes, near names, freshness."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

from cryptai.market.timeframe import TIMEFRAMES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cryptai.market.store import Stored


def symbols(stored: Iterable[Stored]) -> list[str]:
    """Return the symbols of stored markets, each once, in order of name."""
    return sorted({one.symbol for one in stored})


def timeframes(stored: Iterable[Stored], symbol: str) -> list[str]:
    """Return the timeframes stored for a symbol, shortest first."""
    found = {str(one.timeframe) for one in stored if one.symbol == symbol}
    return [name for name in TIMEFRAMES if name in found]


def near(wanted: str, known: Iterable[str]) -> list[str]:
    """Return known symbols that look like what was asked for, nearest first."""
    by_letters = {symbol.replace("/", ""): symbol for symbol in known}
    letters = "".join(c for c in wanted.upper() if c.isalnum())[:40]
    found = get_close_matches(letters, by_letters, n=5, cutoff=0.45)
    return [by_letters[name] for name in found]


def freshness(stored: Stored, now_ms: int) -> str:
    """Return one word for how new the newest bar is: fresh, late (up to two bars missing) or stale."""
    missing = (stored.timeframe.last_closed(now_ms) - stored.last_ts) // stored.timeframe.ms
    return "fresh" if missing <= 0 else "late" if missing <= 2 else "stale"
