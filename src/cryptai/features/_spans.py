"""Spans of the calendar and of the day, in UTC: which one a bar opens in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from cryptai.market.timeframe import DAY_MS, HOUR_MS, MINUTE_MS, WEEK_MS, Timeframe

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Hours(NamedTuple):
    """A part of every day: its first hour (UTC) and its length in hours; it may pass midnight."""

    first: int
    length: int


# Office hours of the places, and Inner Circle Trader's kill zones (New York's winter time), in UTC.
SESSIONS: Final = {
    "sydney": Hours(21, 9),
    "tokyo": Hours(0, 9),
    "london": Hours(7, 9),
    "new_york": Hours(13, 9),
}
KILL_ZONES: Final = {
    "asian_kill_zone": Hours(0, 4), "london_open_kill_zone": Hours(7, 3),
    "new_york_kill_zone": Hours(12, 3), "london_close_kill_zone": Hours(15, 2),
}  # fmt: skip
PERIODS: Final = ("day", "week", "month", *SESSIONS)
_MONDAY: Final = Timeframe("1w").origin_ms


class Spans(NamedTuple):
    """For each bar the number of its span (-1: in none), and when that span ends (ms UTC)."""

    number: NDArray[np.int64]
    end: NDArray[np.int64]


def hours_of(ts: NDArray[np.int64], hours: Hours, shift: int = 0) -> Spans:
    """Return the day, counted from its first hour, whose span of hours each bar opens in."""
    begins = ts - (hours.first + shift) * HOUR_MS
    day = begins // DAY_MS
    inside = begins - day * DAY_MS < hours.length * HOUR_MS
    end = (day * 24 + hours.first + shift + hours.length) * HOUR_MS
    return Spans(np.where(inside, day, -1), end)


def period_of(ts: NDArray[np.int64], period: str) -> Spans:
    """Return the day, week (from Monday), month or session that each bar opens in."""
    if period == "month":
        month = ts.astype("M8[ms]").astype("M8[M]")
        return Spans(month.astype(np.int64), (month + 1).astype("M8[ms]").astype(np.int64))
    if period in SESSIONS:
        return hours_of(ts, SESSIONS[period])
    length, first = (WEEK_MS, _MONDAY) if period == "week" else (DAY_MS, 0)
    number = (ts - first) // length
    return Spans(number, first + (number + 1) * length)


def period_bars(period: str) -> int:
    """Return how many bars of a minute, the shortest there are, two periods and what lies between have."""
    days = {"day": 2, "week": 14, "month": 62}.get(period, 2)
    return days * DAY_MS // MINUTE_MS


def bars_fit(period: str, step: int) -> bool:
    """Return whether bars of `step` ms are short enough to tell such periods apart."""
    if period in SESSIONS:
        return 2 * step <= SESSIONS[period].length * HOUR_MS
    return step <= {"day": 1, "week": 7, "month": 28}[period] * DAY_MS
