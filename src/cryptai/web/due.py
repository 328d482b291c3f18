"""When a job is due: `every="30m"` or `cron="30 2 * * *"`, always in UTC, the same in every process."""

from __future__ import annotations

import re
from calendar import timegm
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

_UNITS_MS: Final = {"s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_DAY_MS: Final = 86_400_000
# Name, lowest and highest value of each field; a Sunday is 0 and, as everywhere, 7 too.
_FIELDS: Final = (("minute", 0, 59), ("hour", 0, 23), ("day", 1, 31), ("month", 1, 12), ("weekday", 0, 7))
_PART: Final = re.compile(r"(?:\*|(\d+)(?:-(\d+))?)(?:/(\d+))?")
_DAYS, _MONTHS = 31, 12
_WEEKDAYS: Final = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
# The 29th of February comes after eight years at the latest (1896 to 1904, 2096 to 2104).
_FARTHEST_DAYS: Final = 8 * 366


class Due(Protocol):
    """The moments at which a job is due, in ms UTC."""

    @property
    def text(self) -> str:
        """How it was declared."""

    @property
    def words(self) -> str:
        """How people read it."""

    def last(self, now_ms: int) -> int:
        """Return the newest moment that is not after `now_ms`."""

    def next(self, now_ms: int) -> int:
        """Return the first moment after `now_ms`."""


@dataclass(frozen=True)
class Every:
    """Every so often: the moments are whole multiples since 1970, whenever a process was started."""

    text: str
    ms: int

    @property
    def words(self) -> str:
        """Return `every 30m` and the like."""
        return self.text

    def last(self, now_ms: int) -> int:
        """Return the newest multiple that is not after `now_ms`."""
        return now_ms - now_ms % self.ms

    def next(self, now_ms: int) -> int:
        """Return the first multiple after `now_ms`."""
        return self.last(now_ms) + self.ms


@dataclass(frozen=True)
class Cron:
    """The five fields of cron(5): minute, hour, day of the month, month, day of the week (0 is Sunday)."""

    text: str
    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]

    @property
    def words(self) -> str:
        """Return `daily at 02:30 UTC`, `Sundays at 03:00 UTC`; what is less simple as it was declared."""
        if len(self.minutes) * len(self.hours) != 1 or len(self.days) < _DAYS or len(self.months) < _MONTHS:
            return self.text
        days = "daily" if len(self.weekdays) == len(_WEEKDAYS) else ""
        if len(self.weekdays) == 1:
            days = f"{_WEEKDAYS[min(self.weekdays)]}s"
        return f"{days} at {min(self.hours):02}:{min(self.minutes):02} UTC" if days else self.text

    def last(self, now_ms: int) -> int:
        """Return the newest moment that is not after `now_ms`."""
        day = now_ms - now_ms % _DAY_MS
        for _ in range(_FARTHEST_DAYS):
            moments = [moment for moment in self._of_day(day) if moment <= now_ms]
            if moments:
                return moments[-1]
            day -= _DAY_MS
        raise ValueError(f"{self.text!r} never comes.")

    def next(self, now_ms: int) -> int:
        """Return the first moment after `now_ms`."""
        day = now_ms - now_ms % _DAY_MS
        for _ in range(_FARTHEST_DAYS):
            for moment in self._of_day(day):
                if moment > now_ms:
                    return moment
            day += _DAY_MS
        raise ValueError(f"{self.text!r} never comes.")

    def _of_day(self, day_ms: int) -> Iterator[int]:
        day = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=day_ms)
        if day.month in self.months and day.day in self.days and day.isoweekday() % 7 in self.weekdays:
            start = timegm(day.timetuple()) * 1000
            for hour in sorted(self.hours):
                for minute in sorted(self.minutes):
                    yield start + hour * 3_600_000 + minute * 60_000


def parse_every(text: str) -> Every:
    """Return what `"30m"`, `"1h"`, `"1d"` mean; a wrong one is a programming error (ValueError)."""
    number, unit = text[:-1], text[-1:]
    if unit not in _UNITS_MS or not number.isdecimal() or not int(number):
        raise ValueError(f"{text!r} is no interval; write it like 30m, 1h or 1d.")
    return Every(f"every {text}", int(number) * _UNITS_MS[unit])


def parse_cron(text: str) -> Cron:
    """Return what five fields mean: numbers, lists `1,2`, ranges `1-5`, steps `*/15`.

    A day of the month and a day of the week together are refused: cron joins them with "or", others with
    "and", and readers guess.
    """
    fields = text.split()
    if len(fields) != len(_FIELDS):
        raise ValueError(f"{text!r} is no cron line; write five fields like 30 2 * * *.")
    sets = [_values(field, *bounds, text) for field, bounds in zip(fields, _FIELDS, strict=True)]
    if fields[2] != "*" and fields[4] != "*":
        raise ValueError(f"{text!r} names a day of the month and one of the week; name one of them.")
    sets[4] = frozenset(day % 7 for day in sets[4])
    cron = Cron(f"{text} UTC", *sets)
    cron.next(0)
    return cron


def _values(field: str, name: str, low: int, high: int, text: str) -> frozenset[int]:
    found: set[int] = set()
    for part in field.split(","):
        match = _PART.fullmatch(part)
        if match is None:
            raise ValueError(f"{part!r} in {text!r} is no {name}.")
        first, last, step = match.groups()
        start = low if first is None else int(first)
        # A lone number with a step goes on to the end, as cron has it: 5/15 is 5,20,35,50.
        end = int(last) if last else high if first is None or step else start
        if not low <= start <= end <= high or step == "0":
            raise ValueError(f"{part!r} in {text!r} is no {name} from {low} to {high}.")
        found.update(range(start, end + 1, int(step or 1)))
    return frozenset(found)
