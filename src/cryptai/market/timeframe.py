"""Timeframe: "15m", and arithmetic on bars."""

from __future__ import annotations

from typing import Final, Self

from cryptai.errors import UnknownName

MINUTE_MS: Final = 60_000
HOUR_MS: Final = 60 * MINUTE_MS
DAY_MS: Final = 24 * HOUR_MS
WEEK_MS: Final = 7 * DAY_MS
# A time before 1970 or from 2200 on is a mistake in its unit, or a slip of the pen.
LATEST_MS: Final = 7_258_118_400_000
# 1970-01-01 was a Thursday; weekly bars open on Monday (Binance, ISO 8601).
_FIRST_MONDAY_MS: Final = 4 * DAY_MS

_LENGTHS: Final = {
    "1m": MINUTE_MS,
    "5m": 5 * MINUTE_MS,
    "15m": 15 * MINUTE_MS,
    "30m": 30 * MINUTE_MS,
    "1h": HOUR_MS,
    "4h": 4 * HOUR_MS,
    "1d": DAY_MS,
    "1w": WEEK_MS,
}
TIMEFRAMES: Final = tuple(_LENGTHS)


class Timeframe(str):
    """One of the eight bar lengths; a `str`, so it prints, compares and stores as "1h".

    >>> Timeframe("4h").ms // Timeframe("1h").ms
    4
    >>> Timeframe("1h").floor(5_400_000)
    3600000
    """

    __slots__ = ("ms",)
    ms: int

    def __new__(cls, name: str) -> Self:
        """Return the timeframe of that name; raise `UnknownName` for any other."""
        if isinstance(name, cls):
            return name
        if name not in _LENGTHS:
            raise UnknownName("timeframe", str(name), TIMEFRAMES, field="timeframe")
        self = super().__new__(cls, name)
        self.ms = _LENGTHS[name]
        return self

    @property
    def origin_ms(self) -> int:
        """A time at which a bar of this timeframe opens: bars open at `origin + k × ms`."""
        return _FIRST_MONDAY_MS if self == "1w" else 0

    def floor(self, ts: int) -> int:
        """Return the open time of the bar that holds the instant `ts` (ms UTC)."""
        return ts - (ts - self.origin_ms) % self.ms

    def last_closed(self, now_ms: int) -> int:
        """Return the open time of the newest bar that is closed at `now_ms`."""
        return self.floor(now_ms) - self.ms

    def divides(self, coarser: Timeframe) -> bool:
        """Return whether bars of `coarser` are made of whole bars of this timeframe."""
        return coarser.ms > self.ms and coarser.ms % self.ms == 0
