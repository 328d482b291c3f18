"""Times as people write them, and back: ISO 8601 in UTC, milliseconds inside."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Final

from cryptai.errors import InputError
from cryptai.market.timeframe import LATEST_MS

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MS: Final = timedelta(milliseconds=1)


def iso(ms: int) -> str:
    """Return an instant as `2021-01-01T00:00:00Z`; milliseconds are written only where there are any.

    >>> iso(1_609_459_200_000)
    '2021-01-01T00:00:00Z'
    """
    moment = datetime.fromtimestamp(ms // 1000, UTC)
    fraction = f".{ms % 1000:03d}" if ms % 1000 else ""
    return moment.strftime("%Y-%m-%dT%H:%M:%S") + fraction + "Z"


def parse_time(text: str, *, field: str = "time") -> int:
    """Return the instant a person wrote, in ms UTC: `2021-01-01`, `20210101`, `2021-01-01T12:00[Z|+02:00]`.

    Without an offset it is UTC. What lies between two milliseconds is cut off.

    Raises
    ------
    InputError
        If it is no such time, or outside the years 1970 to 2200.
    """
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise InputError(
            f"{text[:60]!r} is not a time; write it like 2021-01-01 or 2021-01-01T12:00.", field=field
        ) from error
    # In whole numbers: a float of seconds loses milliseconds.
    ms = ((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - _EPOCH) // _MS
    if not 0 <= ms < LATEST_MS:
        raise InputError(f"{text[:60]!r} lies outside the years 1970 to 2200.", field=field)
    return ms


@lru_cache(16)
def parse_date(header: str | None) -> int | None:
    """Return an HTTP Date in ms UTC, None where there is none to read."""
    # Many answers come within one second, and a date is slower to read than most of them.
    try:
        return int(parsedate_to_datetime(header or "").timestamp()) * 1000
    except (ValueError, OverflowError):
        return None
