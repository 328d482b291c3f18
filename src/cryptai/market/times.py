"""Times as people write them, and back: ISO 8601 in UTC, milliseconds inside."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from cryptai.errors import InputError

_COMPACT = re.compile(r"(\d{4})(\d{2})(\d{2})")
_YEARS = (1970, 2200)


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

    Without an offset it is UTC.

    Raises
    ------
    InputError
        If it is no such time, or outside the years 1970 to 2200.
    """
    try:
        moment = datetime.fromisoformat(_COMPACT.sub(r"\1-\2-\3", text.strip(), count=1))
    except ValueError as error:
        raise InputError(
            f"{text[:60]!r} is not a time; write it like 2021-01-01 or 2021-01-01T12:00.", field=field
        ) from error
    if not _YEARS[0] <= moment.year < _YEARS[1]:
        raise InputError(f"{text[:60]!r} lies outside the years {_YEARS[0]} to {_YEARS[1]}.", field=field)
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return int(moment.timestamp() * 1000)
