"""Today answers: what should I look at, and may I believe it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from django.shortcuts import render
from django.views.decorators.http import require_safe

from cryptai.errors import CryptaiError
from cryptai.seams import sleep
from cryptai.web import board, live
from cryptai.web.context import shown
from cryptai.web.pages import stored, watch

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

# A process's first scan starts Numba: a page waits this long for it, then shows what is coming.
_PATIENCE_S: Final = 3.0
_STEP_S: Final = 0.1
# More rows than this are a list, and Market is its page.
_WATCHED: Final = 24
_BEST: Final = 5
# As many of the others; the rest is for the address that answers programs.
_ALSO: Final = 20


@require_safe
def today(request: HttpRequest) -> HttpResponse:
    """Show the five best signals, the watchlist and the state of the data."""
    common = shown(request)
    exchange, now_ms = common["exchange"], common["now_ms"]
    page: dict[str, object] = {"section": "today"}
    try:
        store = live.store()
        found = store.markets(exchange)
        symbols = stored.symbols(found)
        near = set(symbols[:_WATCHED])
        stops = stored.stops(exchange)
        few = [one for one in found if one.symbol in near]
        watchlist = watch.watchlist(store, few, live.latest(exchange), now_ms, stops)
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
        best = top(signals, _BEST)
        # As the best are: stale ones last, and before them what the evidence speaks against.
        ideas = sorted(
            clusters(signals), key=lambda one: (one.stale, one.evidence["status"] == NOT_SUPPORTED)
        )
        taken = {(one.symbol, one.side) for one in best}
        page["signals"] = [(signal, decimals.get(signal.symbol)) for signal in best]
        page["ideas"] = len(ideas)
        page["also"] = [one for one in ideas if (one.symbol, one.side) not in taken][:_ALSO]
    page |= {"watchlist": watchlist, "markets": len(symbols), "stock": watch.stock(found, now_ms, stops)}
    return render(request, "pages/today.html", page)


def _scan_state(exchange: str) -> board.BoardState:
    for _ in range(round(_PATIENCE_S / _STEP_S)):
        if board.state(exchange).state != "scanning":
            break
        sleep(_STEP_S)
    return board.state(exchange)
