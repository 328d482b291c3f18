"""One run's pages: its progress, its failure, or its result with all that can be taken away of it."""

from __future__ import annotations

from mimetypes import guess_type
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from django.core.paginator import Paginator
from django.http import Http404, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe
from django_htmx.http import HttpResponseClientRefresh

from cryptai.errors import CryptaiError
from cryptai.market.timeframe import Timeframe
from cryptai.web import live
from cryptai.web.context import marked, of_venue
from cryptai.web.pages import beside, chart, curve, downloads, evidence, outcome
from cryptai.web.pages.forms import as_typed
from cryptai.web.pages.heat_map import MONTHS, heat_map
from cryptai.web.pages.trade_pictures import excursions, histogram
from cryptai.web.research.models import Run

if TYPE_CHECKING:
    import numpy as np
    from django.http import HttpRequest
    from numpy.typing import NDArray

    from cryptai.analytics.report import Report

_MOST_MARKS: Final = 20_000


@require_safe
def run(request: HttpRequest, pk: str) -> HttpResponse:
    """Show one run of the user: its progress, its failure, or its result."""
    row = _row(request, pk)
    if request.headers.get("HX-Request"):
        # The progress asks; once the run has ended, its page is another one, with other scripts.
        if row.finished:
            return HttpResponseClientRefresh()
        return render(request, "components/run_progress.html", {"run": row})
    page: dict[str, Any] = {**of_venue(row.exchange), "section": "backtest", "run": row, "again": again(row)}
    if row.status != Run.Status.COMPLETED:
        return render(request, "pages/run.html", page)
    try:
        found, equity = row.result(), row.equity()
    except (OSError, ValueError):
        return render(request, "pages/run.html", {**page, "lost": True})
    told = _reported(found, equity)
    page |= {**_figures(row, found, told), **_trades(request, row, found, told)}
    return render(request, "pages/run.html", page)


@require_safe
def run_equity(request: HttpRequest, pk: str) -> HttpResponse:
    """Answer `[time, equity, drawdown, held]` points, 2,000 at most, extremes kept."""
    row = _completed(request, pk)
    from cryptai.analytics.report import holding  # noqa: PLC0415

    found, (ts, equity) = row.result(), row.equity()
    clock, capital = ts.astype("i8"), float(found["capital"])
    markets = beside.markets_of(live.store(), found, int(clock[-1])) if len(clock) else {}
    points = curve.points(ts, equity, capital, holding(capital, clock, markets))
    return JsonResponse({**marked(row.exchange), "points": points})


@require_safe
def run_trades(request: HttpRequest, pk: str) -> HttpResponse:
    """Answer the run's trades as the page draws and lists them, the newest 20,000."""
    row = _completed(request, pk)
    found = row.result()
    trades = found["trades"]
    newest = chart.rows(trades[-_MOST_MARKS:], row.symbol, before=max(0, len(trades) - _MOST_MARKS))
    return JsonResponse({**marked(row.exchange), "trades": newest, "all": len(trades)})


@require_safe
def run_file(request: HttpRequest, pk: str, name: str) -> HttpResponse:
    """Hand out one of the run's files by its name, or all of them as `run.zip`, or `freqtrade.json`."""
    row = _completed(request, pk)
    content = downloads.content(row, name)
    if content is None:
        raise Http404
    told = f'attachment; filename="{row.strategy}-{row.pk[:8]}-{name}"'
    kind = guess_type(name)[0] or "application/octet-stream"
    return HttpResponse(content, content_type=kind, headers={"Content-Disposition": told})


def again(row: Run) -> str:
    """Return the address of the form as it was filled in for this run."""
    params = {f"param.{k}": str(v).lower() if isinstance(v, bool) else v for k, v in row.params.items()}
    return f"{reverse('backtesting')}?{urlencode({**as_typed(row.request), **params})}"


def _reported(found: dict[str, Any], equity: NDArray[np.float64]) -> Report:
    from cryptai.analytics.report import report  # noqa: PLC0415 (its indicators wait for the first result)

    ts = equity[0].astype("i8")
    markets = beside.markets_of(live.store(), found, int(ts[-1])) if len(ts) else {}
    return report(found, ts, equity[1], markets)


def _figures(row: Run, found: dict[str, Any], told: Report) -> dict[str, Any]:
    capital = float(found["capital"])
    return {
        "found": found, "metrics": outcome.metrics(found), "rules": outcome.rules(found), "told": told,
        "evidence": evidence.told(found, row.evidence(found), beside=outcome.left_open(found)),
        "undecided": outcome.undecided(found),
        "picture": curve.curve_picture(told.ts, told.equity, capital, told.held),
        "held_return": None if told.held is None else float(told.held[-1]) / capital - 1.0,
        "years": heat_map(told.months, told.years), "month_names": MONTHS,
        "downloads": downloads.offered(row),
    }  # fmt: skip


def _trades(request: HttpRequest, row: Run, found: dict[str, Any], told: Report) -> dict[str, Any]:
    trades, markets = found["trades"], beside.symbols_of(found)
    stop = found["rules"].get("stop")
    symbol = request.GET.get("symbol", "")
    pages = Paginator(list(enumerate(trades, start=1)), outcome.PAGE_TRADES)
    return {
        "groups": outcome.groups(told), "histogram": histogram(told.trips, stop), "stop": stop,
        "excursions": excursions(told.trips), "markets": markets, "several": len(markets) > 1,
        "trades": pages.get_page(request.GET.get("page")), "trades_src": reverse("run-trades", args=[row.pk]),
        "data": _chart(row, found, symbol if symbol in markets else markets[0]),
    }  # fmt: skip


def _chart(row: Run, found: dict[str, Any], symbol: str) -> dict[str, Any] | None:
    # The candles under the newest trade; None where they are not stored any more.
    from cryptai.market.times import parse_time  # noqa: PLC0415

    own = [trade for trade in found["trades"] if trade.get("symbol", symbol) == symbol]
    newest = own[-1]["exit_time"] if own else found["to"]
    try:
        until = parse_time(newest, field="to") + 40 * Timeframe(row.timeframe).ms
        bars, _, older = chart.window(
            live.store(), row.exchange, symbol, row.timeframe, before_ms=until, bars=chart.FIRST_BARS
        )
    except CryptaiError:
        return None
    return {**marked(row.exchange), **chart.as_json(bars, {}, older=older)} if len(bars) else None


def _row(request: HttpRequest, pk: str) -> Run:
    found = Run.objects.for_user(request.user).filter(pk=pk).first()
    if found is None:
        raise Http404
    row: Run = found
    return row


def _completed(request: HttpRequest, pk: str) -> Run:
    row = _row(request, pk)
    if row.status != Run.Status.COMPLETED or not (row.folder / "result.json").is_file():
        raise Http404
    return row
