"""How good signals are: what the sealed ones came to, what a confidence was worth, what each filter stops."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

from django.conf import settings
from django.shortcuts import render
from django.views.decorators.http import require_safe

from cryptai.web import live
from cryptai.web.context import shown
from cryptai.web.once import Once
from cryptai.web.pages import stored
from cryptai.web.pages.hit_rates import ENDED, by_month, fifth, rates
from cryptai.web.pages.looked_back import looked_back

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

    from cryptai.market.store import CandleStore
    from cryptai.screening.fared import Fared, Newest

_COUNTED: Final = 5_000
_MONTHS: Final = 12
_ASKS: Final = {
    "quality": "its quality is under 0.4",
    "against_the_trend": "the market's trend goes the other way",
    "no_volume": "its bar traded less than a tenth of the usual",
    "passed": "none of these",
}


# Of each store and venue.
_newest: Final[WeakKeyDictionary[CandleStore, dict[str, Newest]]] = WeakKeyDictionary()
_counted: Final[Once[dict[str, Any]]] = Once(8)


@require_safe
@stored.tells
def quality(request: HttpRequest) -> HttpResponse:
    """Show hit rates against break-even, their decay, calibration, and the volume through each filter."""
    exchange = shown(request)["exchange"]
    newest = _newest_of(exchange)
    state, some = newest.fared()
    past = looked_back(settings.WORKSPACE.root / "evidence", exchange)
    page = {
        "section": "signals", "tab": "quality", "most": _COUNTED,
        **_counted.get((newest, state), lambda: _count(some)), **past._asdict(),
        "filters": [(_ASKS[one.name], one) for one in past.filters],
    }  # fmt: skip
    return render(request, "pages/signal_quality.html", page)


def _newest_of(exchange: str) -> Newest:
    from cryptai.screening.fared import Newest  # noqa: PLC0415 (the engine waits until it is asked for)

    store = live.store()
    of_store = _newest.setdefault(store, {})
    return of_store.setdefault(exchange, Newest(store.catalog, exchange, _COUNTED))


def _count(some: list[Fared]) -> dict[str, Any]:
    in_time = [one for one in some if not one.retrospective]
    return {
        "recorded": len(some), "in_time": len(in_time), "ended": sum(one.event in ENDED for one in in_time),
        "missed": sum(one.event == "missed" for one in in_time),
        "by_strategy": rates(in_time, lambda one: one.strategy),
        "by_regime": rates(in_time, lambda one: one.regime or "unknown"),
        "by_quality": rates(in_time, fifth), "by_month": by_month(in_time, _MONTHS),
    }  # fmt: skip
