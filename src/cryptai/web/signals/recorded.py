"""`GET /api/v1/recorded-signals/`: what was promised and what came of it, and whether the record is whole."""

from __future__ import annotations

import json
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

from django.http import HttpResponse, JsonResponse

from cryptai.market.symbol import parse_symbol
from cryptai.market.times import parse_time
from cryptai.seams import monotonic
from cryptai.web import live
from cryptai.web.context import marked, shown
from cryptai.web.errors import problem
from cryptai.web.signals.asking import Answers, limit_of, options, side_of
from cryptai.web.tagged import tagged, tagged_once

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rest_framework.request import Request

    from cryptai.screening.record import Record, Sealed

_SERVES_S: Final = 60.0
_checking: Final = Lock()
_found: Final[dict[tuple[Any, ...], tuple[float, dict[str, Any]]]] = {}


class Recorded(Answers):
    """The record."""

    def get(self, request: Request) -> HttpResponse:
        """Answer recorded signals, the newest first, each with its life since.

        `?symbol=&timeframe=&strategy=&signal_type=&since=&until=&limit=50`; times are ISO UTC.
        """
        asked = options(
            request, "symbol", "timeframe", "strategy", "signal_type", "since", "until", "limit", "exchange"
        )
        exchange = shown(request._request)["exchange"]  # noqa: SLF001
        from cryptai.screening.record import Record  # noqa: PLC0415

        record = Record(live.store().catalog)

        def made() -> bytes:
            found = record.newest(
                exchange,
                symbol=asked.get("symbol") and parse_symbol(asked["symbol"]),
                timeframe=asked.get("timeframe"),
                strategy=asked.get("strategy"),
                side=side_of(asked.get("signal_type")),
                since_ms=parse_time(asked["since"], field="since") if asked.get("since") else None,
                until_ms=parse_time(asked["until"], field="until") if asked.get("until") else None,
                limit=limit_of(asked.get("limit", "")),
            )
            return listed({**marked(exchange), "count": len(found)}, texts_of(record, found))

        return tagged_once(request, (exchange, record.state()), made)


class OneRecorded(Answers):
    """One of the record."""

    def get(self, request: Request, number: int) -> HttpResponse:
        """Answer a recorded signal as it was sealed, with its life since."""
        options(request)
        from cryptai.screening.record import Record  # noqa: PLC0415

        record = Record(live.store().catalog)
        found = texts_of(record, record.several([number]))
        if not found:
            return problem(404, f"There is no signal {number} in the record.")
        return tagged(request, found[0].encode())


class Verified(Answers):
    """Whether the record is whole."""

    def get(self, request: Request) -> HttpResponse:
        """Check the whole chain, against a `?head=` that was printed before if one is given.

        An answer serves for a minute.
        """
        asked = options(request, "head")
        from cryptai.screening.record import Record  # noqa: PLC0415

        record = Record(live.store().catalog)
        return JsonResponse(_checked(record, asked.get("head")))


def _checked(record: Any, head: str | None) -> dict[str, Any]:
    # A million seals take half a minute to check: one caller at a time, and the answer serves a while.
    with _checking:
        key = (head, *record.head())
        if key not in _found or monotonic() - _found[key][0] > _SERVES_S:
            broken = record.verify(head)
            wrong = None if broken is None else {"id": broken.id, "reason": broken.reason}
            told = {"signals": key[1], "head": key[2], "whole": broken is None, "broken": wrong}
            _found.clear()
            _found[key] = (monotonic(), told)
        return _found[key][1]


def texts_of(record: Record, found: Sequence[Sealed]) -> list[str]:
    """Return recorded signals, each with its life since, as JSON texts."""
    from cryptai.screening.told import told_text  # noqa: PLC0415

    lives = record.events([one.id for one in found])
    return [told_text(one, lives[one.id]) for one in found]


def listed(told: dict[str, Any], signals: Sequence[str]) -> bytes:
    """Return an object that tells something, and signals that are JSON texts, as JSON."""
    return f'{json.dumps(told)[:-1]}, "signals": [{", ".join(signals)}]}}'.encode()
