"""Backtest answers: would it have worked, and how sure am I."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

from django.http import HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from cryptai.errors import InputError, LimitExceeded, UnknownName
from cryptai.web.context import of_venue
from cryptai.web.pages import forms
from cryptai.web.pages.history import history
from cryptai.web.pages.offered import about, declared_of, markets_of, strategy_names, venue_of
from cryptai.web.research.models import Run

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

# Most runs end within this: the answer is then the result, and a mistake is told in the form.
_PATIENCE_S: Final = 2.0


@require_http_methods(["GET", "HEAD", "POST"])
def backtesting(request: HttpRequest) -> HttpResponse:
    """Show the form and the user's runs; a posted form starts a run and goes to its page."""
    given = request.POST if request.method == "POST" else request.GET
    names = strategy_names()
    strategy = given.get("strategy", "") or "ema_trend"
    if strategy not in names:
        error = UnknownName("strategy", strategy[:64], names, field="strategy")
        return _form(request, names[0], {}, (error.field or "", str(error)), status=400)
    if request.method != "POST":
        if request.headers.get("HX-Target") == "runs":
            kept = {"strategy": strategy, "exchange": venue_of(request, given.dict())}
            return render(request, "components/run_history.html", {**history(request, kept), "names": names})
        return _form(request, strategy, given.dict())
    options = forms.options_of(given.dict(), declared_of(strategy))
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
    exchange = venue_of(request, given)
    symbols, frames, given = markets_of(exchange, given)
    page = {
        **of_venue(exchange), **history(request, {"strategy": strategy, "exchange": exchange}),
        "section": "backtest", "tab": "run", "names": strategy_names(), "strategy": strategy,
        "about": about(strategy),
        "form": forms.form_of(
            strategy, declared_of(strategy), given, symbols=symbols, timeframes=frames, error=error
        ),
        "any_stored": bool(symbols), "venue_keep": urlencode({"strategy": strategy}) + "&",
    }  # fmt: skip
    return render(request, "pages/backtesting.html", page, status=status)
