"""Signals by day with what came of them: the record, as it was sealed."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Final, NamedTuple

from django.shortcuts import render
from django.views.decorators.http import require_safe

from cryptai.market.times import iso
from cryptai.web import live
from cryptai.web.context import shown
from cryptai.web.pages import stored
from cryptai.web.pages.hit_rates import recorded

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

    from cryptai.web.pages.hit_rates import Row

_SHOWN: Final = 200


class Day(NamedTuple):
    """A day's signals, and how many of them came to what."""

    name: str
    tally: str
    rows: list[Row]


@require_safe
@stored.tells
def signals(request: HttpRequest) -> HttpResponse:
    """Show the newest recorded signals by day."""
    from cryptai.screening.record import Record  # noqa: PLC0415 (the engine waits until it is asked for)

    exchange = shown(request)["exchange"]
    record = Record(live.store().catalog)
    rows = recorded(record, exchange, _SHOWN + 1)
    days: dict[str, list[Row]] = defaultdict(list)
    for row in rows[:_SHOWN]:
        days[iso(row.signal.body["decided_ms"])[:10]].append(row)
    number, head = record.head()
    page = {
        "section": "signals", "tab": "record", "shown": min(len(rows), _SHOWN),
        "days": [Day(day, _tally(some), some) for day, some in days.items()],
        "more": len(rows) > _SHOWN, "chain": number, "head": head,
    }  # fmt: skip
    return render(request, "pages/signals.html", page)


def _tally(rows: list[Row]) -> str:
    """Return how a day's signals stand, in words: `2 target, 1 stop, 3 open`."""
    last = Counter(_state(row) for row in rows)
    order = ("target", "stop", "expired", "missed", "open")
    return ", ".join(f"{last[name]} {name}" for name in order if last[name])


def _state(row: Row) -> str:
    return row.last.event if row.last is not None and row.last.event != "filled" else "open"
