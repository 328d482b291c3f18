"""Backtest answers: would it have worked, and how sure am I."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from django.conf import settings
from django.core.paginator import Paginator
from django.http import Http404, HttpResponseRedirect, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe
from django_htmx.http import HttpResponseClientRefresh

from cryptai.errors import CryptaiError, InputError, LimitExceeded, UnknownName
from cryptai.market.timeframe import TIMEFRAMES, Timeframe
from cryptai.web import live
from cryptai.web.context import marked, of_venue, shown
from cryptai.web.pages import chart, curve, evidence, forms, outcome, stored
from cryptai.web.pages.history import history
from cryptai.web.research.models import Run

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

    from cryptai.parameters import Parameter

# Most runs end within this: the answer is then the result, and a mistake is told in the form.
_PATIENCE_S: Final = 2.0
_MOST_MARKS: Final = 20_000


@require_http_methods(["GET", "HEAD", "POST"])
def backtesting(request: HttpRequest) -> HttpResponse:
    """Show the form and the user's runs; a posted form starts a run and goes to its page."""
    given = request.POST if request.method == "POST" else request.GET
    names = _names()
    strategy = given.get("strategy", "") or "ema_trend"
    if strategy not in names:
        error = UnknownName("strategy", strategy[:64], names, field="strategy")
        return _form(request, names[0], {}, (error.field or "", str(error)), status=400)
    if request.method != "POST":
        if request.headers.get("HX-Target") == "runs":
            kept = {"strategy": strategy, "exchange": _venue(request, given.dict())}
            return render(request, "components/run_history.html", {**history(request, kept), "names": names})
        return _form(request, strategy, given.dict())
    options = forms.options_of(given.dict(), _declared(strategy))
    try:
        run = Run.objects.run_backtest(request.user, options, patience_s=_PATIENCE_S)  # type: ignore[arg-type]
    except InputError as error:
        return _form(request, strategy, given.dict(), (error.field or "", str(error)), status=400)
    except LimitExceeded as error:
        return _form(request, strategy, given.dict(), ("", str(error)), status=429)
    return HttpResponseRedirect(reverse("run", args=[run.pk]))


@require_safe
def run(request: HttpRequest, pk: str) -> HttpResponse:
    """Show one run of the user: its progress, its failure, or its result."""
    row = _row(request, pk)
    if request.headers.get("HX-Request"):
        # The progress asks; once the run has ended, its page is another one, with other scripts.
        if row.finished:
            return HttpResponseClientRefresh()
        return render(request, "components/run_progress.html", {"run": row})
    page: dict[str, Any] = {**of_venue(row.exchange), "section": "backtest", "run": row, "again": _again(row)}
    if row.status != Run.Status.COMPLETED:
        return render(request, "pages/run.html", page)
    try:
        found, equity = row.result(), row.equity()
    except (OSError, ValueError):
        return render(request, "pages/run.html", {**page, "lost": True})
    pages = Paginator(list(enumerate(found["trades"], start=1)), outcome.PAGE_TRADES)
    page |= {
        "found": found, "metrics": outcome.metrics(found), "rules": outcome.rules(found),
        "evidence": evidence.told(found, row.evidence(found)),
        "trades": pages.get_page(request.GET.get("page")),
        "picture": curve.curve_picture(equity[0], equity[1], found["capital"]),
        "data": _chart(row, found),
    }  # fmt: skip
    return render(request, "pages/run.html", page)


@require_safe
def run_equity(request: HttpRequest, pk: str) -> HttpResponse:
    """Answer `[time, equity, drawdown]` points, 2,000 at most, extremes kept."""
    row = _completed(request, pk)
    ts, equity = row.equity()
    points = curve.points(ts, equity, float(row.result()["capital"]))
    return JsonResponse({**marked(row.exchange), "points": points})


@require_safe
def run_trades(request: HttpRequest, pk: str) -> HttpResponse:
    """Answer the run's trades as the chart draws them, the newest 20,000."""
    row = _completed(request, pk)
    trades = row.result()["trades"]
    newest = chart.marks_of_rows(trades[-_MOST_MARKS:])
    return JsonResponse({**marked(row.exchange), "trades": newest, "all": len(trades)})


def _form(
    request: HttpRequest,
    strategy: str,
    given: dict[str, str],
    error: tuple[str, str] | None = None,
    *,
    status: int = 200,
) -> HttpResponse:
    exchange = _venue(request, given)
    try:
        found = live.store().markets(exchange)
    except CryptaiError:
        found = []
    symbols = stored.symbols(found)
    frames = [name for name in TIMEFRAMES if any(one.timeframe == name for one in found)]
    if symbols and "symbol" not in given:
        given = {**given, "symbol": "BTC/USDT" if "BTC/USDT" in symbols else symbols[0]}
    names = _names()
    page = {
        **of_venue(exchange), **history(request, {"strategy": strategy, "exchange": exchange}),
        "section": "backtest", "names": names, "strategy": strategy, "about": _about(strategy),
        "form": forms.form_of(
            strategy, _declared(strategy), given, symbols=symbols,
            timeframes=frames or list(TIMEFRAMES), error=error,
        ),
        "any_stored": bool(symbols), "venue_keep": urlencode({"strategy": strategy}) + "&",
    }  # fmt: skip
    return render(request, "pages/backtesting.html", page, status=status)


def _venue(request: HttpRequest, given: dict[str, str]) -> str:
    name = given.get("exchange", "")
    return name if name in live.exchanges() else str(shown(request)["exchange"])


def _chart(row: Run, found: dict[str, Any]) -> dict[str, Any] | None:
    # The candles under the newest trade; None where they are not stored any more.
    from cryptai.market.times import parse_time  # noqa: PLC0415

    newest = found["trades"][-1]["exit_time"] if found["trades"] else found["to"]
    try:
        until = parse_time(newest, field="to") + 40 * Timeframe(row.timeframe).ms
        bars, _, older = chart.window(
            live.store(), row.exchange, row.symbol, row.timeframe, before_ms=until, bars=chart.FIRST_BARS
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


def _again(row: Run) -> str:
    # The form as it was filled in for this run.
    asked = {k: v for k, v in row.request.items() if k != "param" and v is not None}
    params = {f"param.{k}": str(v).lower() if isinstance(v, bool) else v for k, v in row.params.items()}
    for name in ("from", "to"):
        if name in asked:
            asked[name] = str(asked[name]).replace("T00:00:00Z", "")
    numbers = {k: f"{v:g}" if isinstance(v, float) and math.isfinite(v) else v for k, v in asked.items()}
    return f"{reverse('backtesting')}?{urlencode({**numbers, **params})}"


def _names() -> list[str]:
    from cryptai.strategies.user import strategy_names  # noqa: PLC0415 (the registry imports the strategies' files)

    return strategy_names(settings.WORKSPACE.strategies)


def _declared(strategy: str) -> list[Parameter] | None:
    from cryptai.strategies.strategy import parameters, strategies  # noqa: PLC0415

    # A user's file is not imported in the server's process: its parameters are not known here.
    return parameters(strategies.get(strategy)) if strategy in strategies else None


def _about(strategy: str) -> str:
    from cryptai.strategies.strategy import strategies  # noqa: PLC0415

    if strategy not in strategies:
        return (
            "Your own file in the workspace; it runs in a process of its own, with limits of time and memory."
        )
    return (strategies.get(strategy).__doc__ or "").strip().partition("\n")[0]
