"""What lies in the candle store, in the words of the pages: symbols, timeframes, near names, freshness."""

from __future__ import annotations

from difflib import get_close_matches
from functools import wraps
from typing import TYPE_CHECKING

from django.conf import settings
from django.shortcuts import render

from cryptai.errors import DataError, WorkspaceError
from cryptai.market.newness import newness
from cryptai.market.symbols import SymbolBook
from cryptai.market.timeframe import TIMEFRAMES
from cryptai.web.errors import problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from django.http import HttpRequest, HttpResponse

    from cryptai.market.newness import Stop
    from cryptai.market.store import CandleStore, Stored


def tells(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Let a view of stored candles say what is wrong with the store, if it cannot be read."""

    @wraps(view)
    def told(request: HttpRequest, *args: object, **kwargs: object) -> HttpResponse:
        try:
            return view(request, *args, **kwargs)
        except (DataError, WorkspaceError) as error:
            if request.path.endswith(".json"):
                return problem(500, str(error))
            return render(request, "errors/500.html", {"detail": str(error)}, status=500)

    return told


def symbols(stored: Iterable[Stored]) -> list[str]:
    """Return the symbols of stored markets, each once, in order of name."""
    return sorted({one.symbol for one in stored})


def timeframes(stored: Iterable[Stored], symbol: str) -> list[str]:
    """Return the timeframes stored for a symbol, shortest first."""
    found = {str(one.timeframe) for one in stored if one.symbol == symbol}
    return [name for name in TIMEFRAMES if name in found]


def readable(store: CandleStore, exchange: str, found: Iterable[Stored], symbol: str) -> list[str]:
    """Return the timeframes that can be read of a stored symbol: stored, or made of finer bars."""
    own = timeframes(found, symbol)
    made = {str(market.timeframe) for market in store.derivable(exchange, symbol)} if own else set()
    return [name for name in TIMEFRAMES if name in made or name in own]


def near(wanted: str, known: Iterable[str]) -> list[str]:
    """Return known symbols that look like what was asked for, nearest first."""
    by_letters = {symbol.replace("/", ""): symbol for symbol in known}
    letters = "".join(c for c in wanted.upper() if c.isalnum())[:40]
    found = get_close_matches(letters, by_letters, n=3, cutoff=0.6)
    return [by_letters[name] for name in found]


def stops(exchange: str) -> dict[str, Stop]:
    """Return the markets that the venue has halted or delisted, as the book of symbols has it."""
    return SymbolBook(settings.WORKSPACE.root / "symbols.sqlite3").stopped(exchange)


def state(stored: Stored, now_ms: int, stops: Mapping[str, Stop]) -> str:
    """Return one word for how new the newest bar is: fresh, late, stale, or why none is to come."""
    return newness(stored.last_ts, stored.timeframe, now_ms, stops.get(stored.symbol))
