"""Numbers, times and ages as a trader reads them: plain functions from a value to its text.

Thousands are set apart by a narrow no-break space (U+202F), minus is U+2212, and whatever is not a
finite number is an en dash. The same rules are written once more for live values in `static/js/numbers.js`.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

NOTHING: Final = "–"
MINUS: Final = "\u2212"
THIN: Final = "\u202f"

_LOOKS: Final = ((r"(?<![\w.])-(?=\d)", MINUS), (r"(?<=\d),(?=\d{3})|(?<=\d) (?=%)", THIN))
_MOST_DECIMALS: Final = 10
_MINUTE: Final = 60
_HOUR: Final = 60 * _MINUTE
_DAY: Final = 24 * _HOUR


def number(value: object) -> float | None:
    """Return the value as a finite float, or None for what is none (None, NaN, infinity, words)."""
    if value is None or isinstance(value, bool):
        return None
    try:
        n = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return None
    return n if math.isfinite(n) else None


def fixed_text(value: object, decimals: int = 2, *, sign: bool = False) -> str:
    """Return a number with that many decimals; `sign` shows + too, and a rounded zero has none.

    >>> fixed_text(1234567.891), fixed_text(-0.5, 1), fixed_text(0.5, 1, sign=True), fixed_text(None)
    ('1\u202f234\u202f567.89', '\u22120.5', '+0.5', '–')
    """
    n = number(value)
    if n is None:
        return NOTHING
    text = f"{abs(n):,.{decimals}f}".replace(",", THIN)
    if not any(digit in text for digit in "123456789"):
        return text
    return f"{MINUS if n < 0 else '+' if sign else ''}{text}"


def typeset(sentence: str) -> str:
    """Return a sentence of the engine, which is plain ASCII, with numbers as everywhere on the pages.

    >>> typeset("-1,200 of them, 6 to 26 %")
    '\u22121\u202f200 of them, 6 to 26\u202f%'
    """
    for pattern, looks in _LOOKS:
        sentence = re.sub(pattern, looks, sentence)
    return sentence


def price_text(value: object, decimals: int | None = None) -> str:
    """Return a price in the instrument's precision; without one, in five significant figures or cents.

    >>> price_text(0.00000001), price_text(67012.5), price_text(0.06543), price_text(1e9)
    ('0.00000001', '67\u202f012.50', '0.06543', '1\u202f000\u202f000\u202f000.00')
    """
    n = number(value)
    if n is None:
        return NOTHING
    return fixed_text(n, significant_decimals(n) if decimals is None else decimals)


def significant_decimals(value: float) -> int:
    """Return how many decimals show five significant figures of a price, two at least, without idle zeros."""
    if value == 0:
        return 2
    most = min(_MOST_DECIMALS, max(2, 4 - math.floor(math.log10(abs(value)))))
    text = f"{abs(value):.{most}f}".rstrip("0")
    return max(2, len(text.partition(".")[2]))


def decimals_of(prices: Iterable[float]) -> int:
    """Return the instrument's precision: the fewest decimals that write all of these prices exactly.

    At least 2, at most 10; NaN and infinite prices are passed over.
    """
    most = 2
    for price in prices:
        n = number(price)
        while n is not None and most < _MOST_DECIMALS and abs(round(n, most) - n) > abs(n) * 1e-9:
            most += 1
    return most


def percent_text(fraction: object, decimals: int = 2, *, sign: bool = False) -> str:
    """Return a fraction as percent: 0.0123 is 1.23 %.

    >>> percent_text(-1, sign=True), percent_text(0.0123), percent_text(float("nan"))
    ('\u2212100.00\u202f%', '1.23\u202f%', '–')
    """
    n = number(fraction)
    return NOTHING if n is None else f"{fixed_text(n * 100, decimals, sign=sign)}{THIN}%"


def amount_text(value: object) -> str:
    """Return a large amount short, in three to four figures: 12.3 K, 4.56 M, 7.89 B, 1.20 T."""
    n = number(value)
    if n is None:
        return NOTHING
    for size, letter in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e4, "K")):
        if abs(n) >= size:
            unit = 1e3 if letter == "K" else size
            return f"{fixed_text(n / unit, 1 if abs(n) / unit >= 100 else 2)}{THIN}{letter}"
    return fixed_text(n, 2 if abs(n) < 1000 else 0)


def when_text(ms: object) -> str:
    """Return milliseconds UTC as `2026-11-21 14:05 UTC`."""
    told = _moment(ms)
    return NOTHING if told is None else f"{told:%Y-%m-%d %H:%M} UTC"


def short_when_text(ms: object) -> str:
    """Return milliseconds UTC as `2026-11-21 14:05`, for columns whose header says UTC."""
    told = _moment(ms)
    return NOTHING if told is None else f"{told:%Y-%m-%d %H:%M}"


def iso_text(ms: object) -> str:
    """Return milliseconds UTC in ISO 8601 for `<time datetime>`; nothing for what is no time."""
    told = _moment(ms)
    return "" if told is None else f"{told:%Y-%m-%dT%H:%M:%SZ}"


def age_text(ms: object) -> str:
    """Return a length of time in its one telling unit: 12 s, 5 min, 3 h, 2 d; never less than nothing."""
    n = number(ms)
    if n is None:
        return NOTHING
    seconds = max(0, int(n // 1000))
    for length, unit in ((_DAY, "d"), (_HOUR, "h"), (_MINUTE, "min")):
        if seconds >= length * (2 if unit != "min" else 1):
            return f"{fixed_text(seconds // length, 0)} {unit}"
    return f"{seconds} s"


def _moment(ms: object) -> datetime | None:
    n = number(ms)
    # Years 0001 to 9999 are what the calendar here knows.
    if n is None or not -62_135_596_800_000 <= n < 253_402_300_800_000:
        return None
    return datetime.fromtimestamp(n // 1000, UTC)
