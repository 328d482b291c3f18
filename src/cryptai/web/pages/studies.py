"""Sweeps and walk-forwards: their forms, their progress, and what they found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import urlencode

from django.http import Http404, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django_htmx.http import HttpResponseClientRefresh

from cryptai.errors import InputError, LimitExceeded, UnknownName
from cryptai.seams import now_ms
from cryptai.web.context import marked, of_venue
from cryptai.web.pages import curve, study_words
from cryptai.web.pages.offered import about, declared_of, markets_of, strategy_names, venue_of
from cryptai.web.pages.study_form import study_form, study_options
from cryptai.web.pages.study_page import account, of_sweep, of_walk, typed_again
from cryptai.web.pages.study_words import in_words
from cryptai.web.research.models import Study
from cryptai.web.research.worker import RESULT

if TYPE_CHECKING:
    from django.http import HttpRequest

    from cryptai.web.accounts.models import User
    from cryptai.web.research.plans import Kind

_LISTED: Final = 25


@require_http_methods(["GET", "HEAD", "POST"])
def sweep_form(request: HttpRequest) -> HttpResponse:
    """Show the form of a sweep and the user's searches; a posted form starts one and goes to its page."""
    return _asked(request, "sweep")


@require_http_methods(["GET", "HEAD", "POST"])
def walkforward_form(request: HttpRequest) -> HttpResponse:
    """Show the same for a walk-forward."""
    return _asked(request, "walkforward")


@require_safe
def study(request: HttpRequest, pk: str) -> HttpResponse:
    """Show one search of the user: how far it is, why it ended, or what it found."""
    row = _row(request, pk)
    if request.headers.get("HX-Request"):
        # The progress asks; once it has ended, its page is another one, with other scripts.
        if row.finished:
            return HttpResponseClientRefresh()
        return render(request, "components/study_progress.html", _progress(row))
    page: dict[str, Any] = {**of_venue(row.exchange), **_progress(row), "section": "backtest"}
    page["again"] = f"{reverse(f'{row.kind}-form')}?{typed_again(row)}"
    if row.status != Study.Status.COMPLETED:
        return render(request, "pages/study.html", page)
    try:
        found = row.result(whole=row.kind == Study.Kind.WALKFORWARD)
    except (OSError, ValueError):
        return render(request, "pages/study.html", {**page, "lost": True})
    page |= {"found": found, "evidence": study_words.told(found)}
    page |= of_sweep(row, found) if row.kind == Study.Kind.SWEEP else of_walk(found)
    return render(request, "pages/study.html", page)


@require_safe
def study_equity(request: HttpRequest, pk: str) -> HttpResponse:
    """Answer a walk-forward's stitched account as `[time, equity, drawdown, null]` points."""
    row = _row(request, pk)
    if row.kind != Study.Kind.WALKFORWARD or row.status != Study.Status.COMPLETED:
        raise Http404
    try:
        ts, equity, capital = account(row.result())
    except (OSError, ValueError) as error:
        raise Http404 from error
    return JsonResponse({**marked(row.exchange), "points": curve.points(ts, equity, capital)})


@require_safe
def study_result(request: HttpRequest, pk: str) -> HttpResponse:
    """Hand out the whole result, the object that the command prints."""
    row = _row(request, pk)
    file = row.folder / RESULT
    if row.status != Study.Status.COMPLETED or not file.is_file():
        raise Http404
    named = f'attachment; filename="{row.kind}-{row.strategy}-{row.pk[:8]}.json"'
    headers = {"Content-Disposition": named}
    return HttpResponse(file.read_bytes(), content_type="application/json", headers=headers)


@require_POST
def study_cancel(request: HttpRequest, pk: str) -> HttpResponse:
    """Stop a search of the user's; one that has ended stays as it is."""
    row = _row(request, pk)
    Study.objects.cancel(cast("User", request.user), pk)
    return HttpResponseRedirect(reverse("study", args=[row.pk]))


def _asked(request: HttpRequest, kind: Kind) -> HttpResponse:
    given = (request.POST if request.method == "POST" else request.GET).dict()
    names = strategy_names()
    strategy = given.get("strategy", "") or "ema_trend"
    if strategy not in names:
        unknown = UnknownName("strategy", strategy[:64], names, field="strategy")
        return _form(request, kind, names[0], {}, ("strategy", str(unknown)), status=400)
    if request.method != "POST":
        return _form(request, kind, strategy, given)
    try:
        options = study_options(kind, given, declared_of(strategy))
        started = Study.objects.start(cast("User", request.user), kind, options)
    except InputError as error:
        return _form(request, kind, strategy, given, (error.field or "", str(error)), status=400)
    except LimitExceeded as error:
        return _form(request, kind, strategy, given, ("", str(error)), status=429)
    return HttpResponseRedirect(reverse("study", args=[started.pk]))


def _form(
    request: HttpRequest,
    kind: Kind,
    strategy: str,
    given: dict[str, str],
    error: tuple[str, str] | None = None,
    *,
    status: int = 200,
) -> HttpResponse:
    exchange = venue_of(request, given)
    symbols, frames, given = markets_of(exchange, given)
    form = study_form(
        kind, strategy, declared_of(strategy), given, symbols=symbols, timeframes=frames, error=error
    )
    page = {
        **of_venue(exchange), "section": "backtest", "kind": kind, "tab": kind, "names": strategy_names(),
        "strategy": strategy, "about": about(strategy), "form": form, "any_stored": bool(symbols),
        "studies": _listed(request), "venue_keep": urlencode({"strategy": strategy}) + "&",
    }  # fmt: skip
    return render(request, "pages/study_form.html", page, status=status)


def _listed(request: HttpRequest) -> list[dict[str, Any]]:
    return [_progress(row) for row in Study.objects.for_user(request.user)[:_LISTED]]


def _row(request: HttpRequest, pk: str) -> Study:
    found = Study.objects.for_user(request.user).filter(pk=pk).first()
    if found is None:
        raise Http404
    row: Study = found
    return row


def _progress(row: Study) -> dict[str, Any]:
    best = row.best or {}
    objective = str(row.request.get("objective") or "sharpe_ratio")
    return {
        "study": row, "best_words": in_words(best.get("params")),
        "best_value": study_words.figure(objective, best.get("value")),
        "objective": study_words.named(objective), "left_ms": _left_ms(row),
    }  # fmt: skip


def _left_ms(row: Study) -> float | None:
    """Return about how long a search will take yet, at its pace so far; None where that cannot be told."""
    if row.status != Study.Status.RUNNING or not row.done or row.started_ms is None:
        return None
    return (now_ms() - row.started_ms) * max(0, row.total - row.done) / row.done
