"""The read model of a user's runs: filtered by strategy, market and status, a page at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from django.core.paginator import Paginator
from django.db.models import Q

from cryptai.errors import InputError
from cryptai.market.symbol import parse_symbol
from cryptai.web.research.models import Run

if TYPE_CHECKING:
    from django.http import HttpRequest

_PAGE: Final = 25


def history(request: HttpRequest, kept: dict[str, str]) -> dict[str, Any]:
    """Return what `components/run_history.html` shows; `kept` stays in the addresses beside the filter."""
    wanted = {key: request.GET.get(key, "").strip()[:64] for key in ("of", "market", "status")}
    everything = runs = Run.objects.for_user(request.user)
    if wanted["of"]:
        runs = runs.filter(strategy=wanted["of"])
    if wanted["market"]:
        runs = runs.filter(_of_market(wanted["market"]))
    if wanted["status"] in Run.Status.values:
        runs = runs.filter(status=wanted["status"])
    page = Paginator(runs, _PAGE).get_page(request.GET.get("page"))
    filtered = any(wanted.values())
    return {
        "history": page, "wanted": wanted, "filtered": filtered, "kept": kept,
        "query": urlencode({key: value for key, value in {**kept, **wanted}.items() if value}),
        "any_run": bool(page) or (filtered and everything.exists()),
        "statuses": [(value, label.lower()) for value, label in Run.Status.choices],
    }  # fmt: skip


def _of_market(text: str) -> Q:
    # A part of a name, or a whole one in any of its spellings; BTC/USDT finds its perpetual too.
    part = Q(symbol__icontains=text.replace("-", "/").replace("_", "/"))
    try:
        return part | Q(symbol__startswith=parse_symbol(text))
    except InputError:
        return part
