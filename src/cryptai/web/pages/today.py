"""Today answers: what should I look at, and may I believe it."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final

from django.shortcuts import render
from django.views.decorators.http import require_safe

from cryptai.errors import CryptaiError
from cryptai.market.timeframe import HOUR_MS
from cryptai.seams import now_ms, sleep
from cryptai.web import board, live
from cryptai.web.context import shown
from cryptai.web.pages import stored, watch

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

    from cryptai.screening.selection import Correlation

# A process's first scan starts Numba: a page waits this long for it, then shows what is coming.
_PATIENCE_S: Final = 3.0
_STEP_S: Final = 0.1
# More rows than this are a list, and Market is its page.
_WATCHED: Final = 24
_BEST: Final = 5
# As many of the others; the rest is for the address that answers programs.
_ALSO: Final = 20
_computed: Final[dict[str, tuple[tuple[int, int], Correlation]]] = {}


@require_safe
def today(request: HttpRequest) -> HttpResponse:
    """Show the five best signals, the watchlist and the state of the data."""
    common = shown(request)
    exchange, moment = common["exchange"], common["now_ms"]
    page: dict[str, object] = {"section": "today"}
    try:
        store = live.store()
        found = store.markets(exchange)
        symbols = stored.symbols(found)
        near = set(symbols[:_WATCHED])
        stops = stored.stops(exchange)
        few = [one for one in found if one.symbol in near]
        watchlist = watch.watchlist(store, few, live.latest(exchange), moment, stops)
    except CryptaiError as error:
        return render(request, "pages/today.html", {**page, "failure": str(error)}, status=500)
    if found:
        from cryptai.screening.card import NOT_SUPPORTED  # noqa: PLC0415 (the engine waits until there is data)
        from cryptai.screening.selection import clusters, top  # noqa: PLC0415

        state = _scan_state(exchange)
        signals = board.signals(exchange)
        decimals = {row.symbol: row.decimals for row in watchlist}
        page["scan"] = state
        page["standing"] = len(signals)
        best = top(signals, _BEST, correlation=_alike(exchange))
        # As the best are: stale ones last, and before them what the evidence speaks against.
        ideas = sorted(
            clusters(signals), key=lambda one: (one.stale, one.evidence["status"] == NOT_SUPPORTED)
        )
        taken = {(one.symbol, one.side) for one in best}
        page["signals"] = [(signal, decimals.get(signal.symbol)) for signal in best]
        page["ideas"] = len(ideas)
        page["also"] = [one for one in ideas if (one.symbol, one.side) not in taken][:_ALSO]
        page["awaits"] = any(one.evidence.get("past") is None for one in best)
        page["unscanned"] = _unscanned()
    page |= {"watchlist": watchlist, "markets": len(symbols), "stock": watch.stock(found, moment, stops)}
    return render(request, "pages/today.html", page)


@cache
def _unscanned() -> dict[str, str]:
    """Return which of the built-in strategies give no signals, each with the reason."""
    from cryptai.screening.screen import why_unscanned  # noqa: PLC0415
    from cryptai.strategies.strategy import strategies  # noqa: PLC0415

    told = ((name, why_unscanned(strategies.get(name))) for name in strategies.names())
    return {name: why for name, why in told if why is not None}


def _alike(exchange: str) -> Correlation:
    """Return how alike the markets move, as the choice of a day has it; what was computed serves the hour."""
    from cryptai.screening.selection import correlations  # noqa: PLC0415

    store, hour_ms = live.store(), now_ms() // HOUR_MS * HOUR_MS
    key, known = (id(store), hour_ms), _computed.get(exchange)
    if known is None or known[0] != key:
        known = _computed[exchange] = (key, correlations(store, exchange, hour_ms))
    return known[1]


def _scan_state(exchange: str) -> board.BoardState:
    for _ in range(round(_PATIENCE_S / _STEP_S)):
        if board.state(exchange).state != "scanning":
            break
        sleep(_STEP_S)
    return board.state(exchange)
