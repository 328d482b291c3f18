"""What every template may use: the venue shown, the state of its data, the time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cryptai.market.exchange import PRACTICE
from cryptai.seams import now_ms
from cryptai.web import live

if TYPE_CHECKING:
    from django.http import HttpRequest


def shown(request: HttpRequest) -> dict[str, Any]:
    """Return `exchange practice exchanges feed now_ms loopback`; `user` comes from Django's own."""
    feed = live.feed_status()
    exchanges = live.exchanges()
    exchange = request.GET.get("exchange", "")
    if exchange not in exchanges:
        exchange = feed.exchange
    return {
        "exchange": exchange,
        "practice": exchange == PRACTICE,
        "exchanges": exchanges,
        "feed": feed,
        "now_ms": now_ms(),
        "loopback": getattr(request, "loopback", False),
    }
