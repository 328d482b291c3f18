"""`GET /signals/api/signals/` and its neighbours: what stands now, and the best of a day."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from django.conf import settings
from django.http import HttpResponse, JsonResponse

from cryptai.market.timeframe import DAY_MS
from cryptai.market.times import iso
from cryptai.seams import now_ms
from cryptai.web import board, live
from cryptai.web.context import marked, shown
from cryptai.web.errors import problem
from cryptai.web.signals.asking import Answers, chosen_of, day_of, options
from cryptai.web.signals.recorded import recorded
from cryptai.web.tagged import tagged, tagged_once

if TYPE_CHECKING:
    from django.http import HttpRequest
    from rest_framework.request import Request


_computed: dict[tuple[object, ...], list[dict[str, Any]]] = {}
_KEPT: Final = 64


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

        def made() -> dict[str, Any]:
            found = chosen_of(standing, asked)
            return {
                **marked(exchange), "state": state.state, "message": state.message,
                "scanned_at": iso(state.scanned_ms) if state.scanned_ms else None,
                "count": len(found), "signals": [one.as_object() for one in found],
            }  # fmt: skip

        return tagged_once(request, (exchange, state), made, of=standing)


class DailyBest(Answers):
    """The best of a day."""

    def get(self, request: Request) -> HttpResponse:
        """Answer the five best of `?date=YYYY-MM-DD` (yesterday), as they were chosen at 00:05 UTC after it.

        Where no choice was recorded (`recorded` is false), they are what a choice would have been, from bars
        closed by the end of that day.
        """
        asked = options(request, "date", "exchange")
        exchange = shown(request._request)["exchange"]  # noqa: SLF001
        day_ms = day_of(asked.get("date", ""))
        day = iso(day_ms)[:10]
        from cryptai.screening.record import Record  # noqa: PLC0415 (the engine waits until it is asked for)

        record = Record(live.store().catalog)
        numbers = record.selected(exchange, day)
        found = recorded(record, numbers) if numbers else _chosen(exchange, day_ms)
        told = {**marked(exchange), "date": day, "recorded": bool(numbers), "signals": found}
        return tagged(request, told)


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
