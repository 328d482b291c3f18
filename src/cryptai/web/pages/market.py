"""Market answers: what is happening here, and why did we say so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from django.http import HttpResponseRedirect, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from cryptai.errors import DataError, InputError
from cryptai.market.symbol import parse_symbol, url_symbol
from cryptai.market.timeframe import DAY_MS, LATEST_MS, Timeframe
from cryptai.web import board, live
from cryptai.web.context import marked, shown
from cryptai.web.errors import problem
from cryptai.web.pages import chart, drawing, stored, watch
from cryptai.web.pages.numbers import decimals_of, number
from cryptai.web.pages.provenance import provenance
from cryptai.web.pages.queries import whole

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

    from cryptai.market.candles import Candles
    from cryptai.signals import Signal

_PICTURE_BARS: Final = 120
_TABLE_BARS: Final = 24
_MOST_TRADES: Final = 500
_PREFERRED: Final = ("1h", "4h", "1d", "30m", "15m", "5m", "1w", "1m")


@require_safe
@stored.tells
def market_list(request: HttpRequest) -> HttpResponse:
    """List the markets of the venue; `?q=` keeps those whose name has it, and one alone is gone to."""
    common = shown(request)
    exchange, wanted = common["exchange"], request.GET.get("q", "").strip()[:40]
    store = live.store()
    found = store.markets(exchange)
    letters = "".join(c for c in wanted.upper() if c.isalnum())
    some = [one for one in found if letters in one.symbol.replace("/", "")]
    names = stored.symbols(some)
    if wanted and len(names) == 1:
        return HttpResponseRedirect(_address(names[0], exchange))
    rows = watch.watchlist(store, some, live.latest(exchange), common["now_ms"], stored.stops(exchange))
    frames = {symbol: stored.timeframes(some, symbol) for symbol in names}
    page = {
        "section": "market", "wanted": wanted, "any_stored": bool(found),
        "rows": [(row, frames[row.symbol]) for row in rows],
        "near": [] if rows else stored.near(wanted, stored.symbols(found)),
    }  # fmt: skip
    return render(request, "pages/market_list.html", page)


@require_safe
@stored.tells
def markets_json(request: HttpRequest) -> HttpResponse:
    """Answer the names of all markets of the venue, for the search field and the palette."""
    exchange = shown(request)["exchange"]
    names = stored.symbols(live.store().markets(exchange))
    rows = [{"symbol": name, "exchange": exchange, "url": _address(name, exchange)} for name in names]
    return JsonResponse({**marked(exchange), "markets": rows})


@require_safe
@stored.tells
def market(request: HttpRequest, symbol: str) -> HttpResponse:
    """Show one market: chart, figures, what is said about it, the last bars."""
    common = shown(request)
    exchange, now_ms = common["exchange"], common["now_ms"]
    found = live.store().markets(exchange)
    try:
        name = parse_symbol(symbol)
    except InputError as error:
        return _unknown(request, str(error), symbol, stored.symbols(found))
    if url_symbol(name) != symbol:
        query = request.GET.urlencode()
        address = reverse("market", args=[url_symbol(name)])
        return HttpResponseRedirect(f"{address}?{query}" if query else address)
    frames = stored.readable(live.store(), exchange, found, name)
    if not frames:
        detail = f"No candles of {name} are stored for {exchange}."
        return _unknown(request, detail, name, stored.symbols(found))
    frame = request.GET.get("timeframe", "")
    if not frame:
        own = stored.timeframes(found, name)
        frame = next(one for one in _PREFERRED if one in own)
    if frame not in frames:
        detail = (
            f"No {frame[:12]!r} candles of {name} are stored for {exchange}; there are {', '.join(frames)}."
        )
        return _unknown(request, detail, name, [])
    this = live.store().stored(exchange, name, frame)
    if not this.bars:
        detail = f"No whole {frame} bar can be made of the stored {this.derived_from} bars of {name}."
        return _unknown(request, detail, name, [])
    bars, wide, older = chart.window(live.store(), exchange, name, frame)
    columns = chart.indicators(wide, len(bars))
    signals = [s for s in board.signals(exchange) if s.symbol == name]
    at = frames.index(frame)
    page = {
        "section": "market", "symbol": name, "timeframe": frame, "timeframes": frames,
        "shorter": frames[at - 1] if at else "", "longer": frames[at + 1] if at + 1 < len(frames) else "",
        "figures": _figures(bars, wide, columns, live.latest(exchange).get(name)),
        "state": stored.state(this, now_ms, stored.stops(exchange)), "stored": this,
        "from_where": provenance(live.store(), this, _bar(request)),
        "signals": signals,
        "picture": _picture(bars, columns),
        "table": list(reversed(_rows(bars))),
        "data": {
            **marked(exchange), **chart.as_json(bars, columns, older=older),
            "signals": [_band(s) for s in signals if s.timeframe == frame],
        },
        "strategies": _strategies(),
    }  # fmt: skip
    return render(request, "pages/market.html", page)


@require_safe
@stored.tells
def candles_json(request: HttpRequest, symbol: str) -> HttpResponse:
    """Answer older bars: those before `before` (ms UTC), at most `limit` (1,000)."""
    exchange = shown(request)["exchange"]
    try:
        frame = Timeframe(request.GET.get("timeframe", ""))
        before = whole(request, "before", None, 0, LATEST_MS)
        limit = whole(request, "limit", chart.FIRST_BARS, 1, chart.MOST_BARS)
        bars, wide, older = chart.window(
            live.store(),
            exchange,
            parse_symbol(symbol),
            frame,
            before_ms=before,
            bars=limit or chart.FIRST_BARS,
        )
    except DataError as error:
        return problem(404, str(error))
    except InputError as error:
        return problem(400, str(error), field=error.field)
    columns = chart.indicators(wide, len(bars))
    return JsonResponse({**marked(exchange), **chart.as_json(bars, columns, older=older)})


@require_safe
@stored.tells
def trades_json(request: HttpRequest, symbol: str) -> HttpResponse:
    """Answer the newest trades a built-in strategy would have made here with its defaults, for the chart."""
    exchange = shown(request)["exchange"]
    from cryptai.strategies.strategy import strategies  # noqa: PLC0415 (Numba waits until trades are asked for)
    from cryptai.trading.request import BacktestRequest  # noqa: PLC0415
    from cryptai.trading.run import run_request  # noqa: PLC0415

    try:
        name = request.GET.get("strategy", "")
        strategies.get(name, field="strategy")
        asked = BacktestRequest.parse(
            {
                "strategy": name,
                "exchange": exchange,
                "symbol": symbol,
                "timeframe": request.GET.get("timeframe", ""),
            }
        )
        result = run_request(asked, live.store())
    except DataError as error:
        return problem(404, str(error))
    except InputError as error:
        return problem(400, str(error), field=error.field)
    newest = chart.marks(result.trades[-_MOST_TRADES:])
    return JsonResponse({**marked(exchange), "strategy": name, "trades": newest, "all": len(result.trades)})


def _figures(
    bars: Candles, wide: Candles, columns: dict[str, Any], price: dict[str, Any] | None
) -> dict[str, Any]:
    day = wide.between(int(wide.close_ts[-1]) - DAY_MS)
    return {
        "price": price["price"] if price else float(bars.close[-1]),
        "change_24h": price["change_24h"] if price else watch.change_over(wide, DAY_MS),
        "decimals": decimals_of(bars.close[-50:].tolist()),
        "high": float(day.high.max()) if len(day) else None,
        "low": float(day.low.min()) if len(day) else None,
        "volume": float((day.volume * day.close).sum()) if len(day) else None,
        "rsi": (rsi := float(columns["rsi"][-1])),
        "rsi_says": "overbought" if rsi > 70 else "oversold" if rsi < 30 else "between" if rsi >= 0 else "",
        "macd": float(columns["macd_histogram"][-1]),
        "atr": float(columns["atr"][-1] / bars.close[-1]),
        "ema_above": bool(columns["ema_12"][-1] > columns["ema_26"][-1]),
        "ema_known": number(columns["ema_26"][-1]) is not None,
        "closed_ms": int(bars.close_ts[-1]),
    }


def _picture(bars: Candles, columns: dict[str, Any]) -> drawing.CandlePicture | None:
    last = bars[max(0, len(bars) - _PICTURE_BARS) :]
    lines = {name: columns[name][-len(last) :].tolist() for name in ("ema_12", "ema_26")}
    return drawing.candle_picture(last, lines)


def _rows(bars: Candles) -> list[tuple[int, float, float, float, float, float, float]]:
    last = bars[max(0, len(bars) - _TABLE_BARS) :]
    change = last.close / last.open - 1.0
    columns = (last.ts, last.open, last.high, last.low, last.close, last.volume, change)
    return list(zip(*(column.tolist() for column in columns), strict=True))


def _band(signal: Signal) -> dict[str, Any]:
    row = signal.as_object()
    keep = ("side", "strategy", "entry", "stop", "target", "score", "reason")
    return {**{name: row[name] for name in keep}, "decided_at_ms": signal.decided_at_ms}


def _strategies() -> list[str]:
    from cryptai.strategies.strategy import strategies  # noqa: PLC0415 (the registry imports the strategies' files)

    return strategies.names()


def _unknown(request: HttpRequest, detail: str, symbol: str, known: list[str]) -> HttpResponse:
    page = {"section": "market", "detail": detail, "near": stored.near(symbol, known), "known": known[:12]}
    return render(request, "errors/404.html", page, status=404)


def _bar(request: HttpRequest) -> int | None:
    try:
        return whole(request, "bar", None, 0, LATEST_MS)
    except InputError:
        return None  # an address that names no time shows the newest bar


def _address(symbol: str, exchange: str) -> str:
    return f"{reverse('market', args=[url_symbol(symbol)])}?exchange={exchange}"
