"""Backtest answers: would it have worked, and how sure am I."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

from django.conf import settings
from django.http import HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from cryptai.errors import CryptaiError, InputError, LimitExceeded, UnknownName
from cryptai.market.timeframe import TIMEFRAMES
from cryptai.web import live
from cryptai.web.context import of_venue, shown
from cryptai.web.pages import forms, stored
from cryptai.web.pages.history import history
from cryptai.web.research.models import Run

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

    from cryptai.parameters import Parameter

# Most runs end within this: the answer is then the result, and a mistake is told in the form.
_PATIENCE_S: Final = 2.0


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
