"""What every template may use: the venue shown, the state of its data, the time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from cryptai.market.exchange import PRACTICE
from cryptai.seams import now_ms
from cryptai.web import live

if TYPE_CHECKING:
    from django.http import HttpRequest


def shown(request: HttpRequest) -> dict[str, Any]:
    """Return what `of_venue` does, and `exchanges feed now_ms loopback`; `user` is Django's own."""
    exchanges = live.exchanges()
    exchange = request.GET.get("exchange", "")
    return {
        **of_venue(exchange if exchange in exchanges else live.feed_status().exchange),
        "exchanges": exchanges,
        "feed": live.feed_status(),
        "now_ms": now_ms(),
        "loopback": getattr(request, "loopback", False),
    }


def of_venue(exchange: str) -> dict[str, Any]:
    """Return `exchange venue_state practice venue_query`: what follows from the venue shown.

    `venue_state` is "stored" for one that is not followed; `venue_query` keeps it in a link to another page,
    empty where that is the venue shown anyway.
    """
    feed = live.feed_status()
    return {
        "exchange": exchange,
        "venue_state": feed.state if exchange == feed.exchange else "stored",
        "practice": exchange == PRACTICE,
        "venue_query": "" if exchange == feed.exchange else f"?{urlencode({'exchange': exchange})}",
    }


def marked(exchange: str) -> dict[str, Any]:
    """Return `exchange practice`: what every JSON answer about a venue carries."""
    return {"exchange": exchange, "practice": exchange == PRACTICE}
