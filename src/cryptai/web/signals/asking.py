"""What may be asked of the signals' API, and how it is read."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from rest_framework.throttling import ScopedRateThrottle
from rest_framework.views import APIView

from cryptai.errors import InputError, UnknownName
from cryptai.market.symbol import parse_symbol
from cryptai.market.timeframe import DAY_MS, Timeframe
from cryptai.market.times import iso, parse_time
from cryptai.seams import now_ms

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rest_framework.request import Request

    from cryptai.signals import Signal

MODES: Final = ("hybrid", "rules")
"""`hybrid` ranks by everything there is, `rules` by the rules' part of the quality alone."""
MOST: Final = 500
_SIDES: Final = {"long": "long", "short": "short", "buy": "long", "sell": "short"}


class Answers(APIView):
    """What all addresses of signals have in common."""

    # Who may ask is the permission table's to say; it has let the caller in by now.
    permission_classes = ()
    throttle_classes = (ScopedRateThrottle,)
    throttle_scope: ClassVar[str] = "signals"


def chosen_of(signals: Sequence[Signal], asked: dict[str, str]) -> list[Signal]:
    """Return the signals that are asked for, in the order of the mode."""
    mode = asked.get("mode", MODES[0])
    if mode not in MODES:
        raise UnknownName("mode", mode, MODES, field="mode")
    found = list(signals)
    if mode == "rules":
        found.sort(key=lambda s: (s.stale, -(s.parts["rules"] or 0.0), s.symbol, s.timeframe, s.strategy))
    side, valid = side_of(asked.get("signal_type")), asked.get("is_valid")
    if valid not in (None, "true", "false", "1", "0"):
        raise InputError(f"is_valid must be true or false, was {valid[:20]!r}.", field="is_valid")
    symbol = parse_symbol(asked["symbol"]) if asked.get("symbol") else None
    timeframe = Timeframe(asked["timeframe"]) if asked.get("timeframe") else None
    strategy = asked.get("strategy")
    kept = [
        one
        for one in found
        if (symbol is None or one.symbol == symbol)
        and (timeframe is None or one.timeframe == timeframe)
        and (strategy is None or one.strategy == strategy)
        and (side is None or one.side == side)
        and (valid is None or one.stale == (valid in ("false", "0")))
    ]
    return kept[: limit_of(asked.get("limit", ""))]


def options(request: Request, *names: str) -> dict[str, str]:
    """Return the options of a request that say something; refuse those that do not exist."""
    for name in request.query_params:
        if name not in names:
            raise UnknownName("option", name, names, field=name)
    return {name: str(value) for name, value in request.query_params.items() if value}


def side_of(said: str | None) -> str | None:
    """Read a `signal_type`: long or short, BUY or SELL."""
    if said is None:
        return None
    if said.lower() not in _SIDES:
        raise UnknownName("signal_type", said, _SIDES, field="signal_type")
    return _SIDES[said.lower()]


def limit_of(text: str) -> int:
    """Read a `limit`; 50 where none is given."""
    if not text:
        return 50
    if not (text.isascii() and text.isdigit() and len(text) < 6 and 1 <= int(text) <= MOST):
        raise InputError(f"limit must be a whole number from 1 to {MOST}, was {text[:20]!r}.", field="limit")
    return int(text)


def day_of(text: str) -> int:
    """Read a `date` and return the beginning of that UTC day, yesterday where none is given."""
    today = now_ms() // DAY_MS * DAY_MS
    if not text:
        return today - DAY_MS
    start = parse_time(text, field="date")
    if start % DAY_MS:
        raise InputError(f"date must be a day, such as 2023-06-30, was {text[:40]!r}.", field="date")
    if start > today:
        raise InputError(f"date {text} lies in the future; today is {iso(today)[:10]} UTC.", field="date")
    return start
