"""`GET /signals/api/signals/` and its neighbours: what stands now, and the best of a day."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from django.conf import settings
from django.http import HttpResponse, JsonResponse

from cryptai.market.timeframe import DAY_MS
from cryptai.market.times import iso
from cryptai.seams import now_ms
from cryptai.web import board, live
from cryptai.web.context import marked, shown
from cryptai.web.errors import problem
from cryptai.web.once import Once
from cryptai.web.signals.asking import Answers, chosen_of, day_of, options
from cryptai.web.signals.recorded import listed, texts_of
from cryptai.web.tagged import tagged, tagged_once

if TYPE_CHECKING:
    from django.http import HttpRequest
    from rest_framework.request import Request

    from cryptai.signals import Signal


_computed: dict[tuple[object, ...], list[dict[str, Any]]] = {}
_KEPT: Final = 64
# A venue each: what stands, and the texts of those that somebody asked for.
_texts: Final[Once[tuple[list[Signal], dict[int, str]]]] = Once(8)


class Signals(Answers):
    """What stands now."""

    def get(self, request: Request) -> HttpResponse:
        """Answer the signals of the newest screen, best first.

        `?symbol=BTC-USDT&timeframe=1h&signal_type=long&is_valid=true&limit=50&mode=hybrid`. `is_valid` asks
        for those that are not stale (`false`: for those that are); `signal_type` is `long` or `short`
        (`BUY`, `SELL`).
        """
        asked = options(
            request, "symbol", "timeframe", "strategy", "signal_type", "is_valid", "limit", "mode", "exchange"
        )
        exchange = shown(request._request)["exchange"]  # noqa: SLF001 (Django's own request, as pages have it)
        standing, state = board.signals(exchange), board.state(exchange)

        def made() -> bytes:
            found = chosen_of(standing, asked)
            told = {
                **marked(exchange), "state": state.state, "message": state.message,
                "scanned_at": iso(state.scanned_ms) if state.scanned_ms else None, "count": len(found),
            }  # fmt: skip
            return listed(told, _texts_of(standing, found))

        return tagged_once(request, (exchange, state), made, of=standing)


class DailyBest(Answers):
    """The best of a day."""

    def get(self, request: Request) -> HttpResponse:
        """Answer the five best of `?date=YYYY-MM-DD` (yesterday), as they were chosen at 00:05 UTC after it.

        Where no choice was recorded (`recorded` is false), they are what a choice would have been, from bars
        closed by the end of that day; while it lasts, from what stands on the board.
        """
        asked = options(request, "date", "exchange")
        exchange = shown(request._request)["exchange"]  # noqa: SLF001
        day_ms = day_of(asked.get("date", ""))
        day = iso(day_ms)[:10]
        from cryptai.screening.record import Record  # noqa: PLC0415 (the engine waits until it is asked for)

        record = Record(live.store().catalog)
        numbers = record.selected(exchange, day)
        told = {**marked(exchange), "date": day, "recorded": bool(numbers)}
        standing = board.signals(exchange)
        if numbers:
            return tagged(request, listed(told, texts_of(record, record.several(numbers))))
        if day_ms + DAY_MS <= now_ms() or not standing:
            return tagged(request, told | {"signals": _chosen(exchange, day_ms)})
        return tagged_once(
            request, (exchange,), lambda: told | {"signals": _best(exchange, standing)}, of=standing
        )


class AvailableDates(Answers):
    """The days that have a choice."""

    def get(self, request: Request) -> HttpResponse:
        """Answer the days whose choice was recorded, the newest first."""
        options(request, "exchange")
        exchange = shown(request._request)["exchange"]  # noqa: SLF001
        from cryptai.screening.record import Record  # noqa: PLC0415

        days = Record(live.store().catalog).days(exchange)
        return tagged(request, {**marked(exchange), "dates": days})


class ClearCache(Answers):
    """Forget what was computed; signals that were recorded stay."""

    http_method_names = ["post", "options"]  # noqa: RUF012 (as Django's own class has it)

    def http_method_not_allowed(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Refuse a GET, and say why: what changes what others see is not done by following a link."""
        del request, args, kwargs
        return problem(
            405, "Clearing the cache changes what others see, so it is asked for with POST, not GET."
        )

    def post(self, request: Request) -> HttpResponse:
        """Forget the screens of all venues and the days that were computed; they are made anew."""
        del request
        cleared = len(_computed) + board.forget()
        _computed.clear()
        return JsonResponse({"cleared": cleared})


def _texts_of(standing: list[Signal], found: list[Signal]) -> list[str]:
    """Return some of what stands as JSON texts, each made once whatever is asked."""
    # While what stands is held, its signals lie where they lay.
    _, texts = _texts.get((id(standing),), lambda: (standing, {}))
    return [texts.get(id(one)) or texts.setdefault(id(one), json.dumps(one.as_object())) for one in found]


def _best(exchange: str, standing: list[Signal]) -> list[dict[str, Any]]:
    """Return the best of what stands, as a choice of this moment has them."""
    from cryptai.screening.daily import BEST  # noqa: PLC0415
    from cryptai.screening.selection import correlations, top  # noqa: PLC0415
    from cryptai.strategies.strategy import strategies  # noqa: PLC0415

    # The choice of a day is among our own strategies only.
    names = strategies.names()
    ours = [one for one in standing if one.strategy in names]
    best = top(ours, BEST, correlation=correlations(live.store(), exchange, now_ms()))
    return [one.as_object() for one in best]


def _chosen(exchange: str, day_ms: int) -> list[dict[str, Any]]:
    from cryptai.screening.daily import best_of  # noqa: PLC0415
    from cryptai.screening.evidence import Evidence  # noqa: PLC0415
    from cryptai.strategies.strategy import strategies  # noqa: PLC0415

    store = live.store()
    moment = min(day_ms + DAY_MS, now_ms())
    key = (exchange, day_ms, moment // 60_000, *store.markets(exchange))
    if key not in _computed:
        evidence = Evidence(settings.WORKSPACE, store, exchange)
        best = best_of(store, exchange, evidence, moment, names=strategies.names())
        while len(_computed) >= _KEPT:
            _computed.pop(next(iter(_computed)))
        _computed[key] = [one.as_object() for one in best]
    return _computed[key]
