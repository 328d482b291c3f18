"""Signals by day with what came of them: the record, as it was sealed."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Final, NamedTuple

from django.shortcuts import render
from django.template.loader import render_to_string
from django.views.decorators.http import require_safe

from cryptai.market.times import iso
from cryptai.web import live
from cryptai.web.context import shown
from cryptai.web.once import Once
from cryptai.web.pages import stored

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

    from cryptai.screening.record import Event, Record, Sealed

_SHOWN: Final = 200


# A venue each.
_tables: Final[Once[str]] = Once(8)


class Row(NamedTuple):
    """A recorded signal and the last thing that befell it."""

    signal: Sealed
    last: Event | None


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
    state = record.state()
    table = _tables.get((exchange, state), lambda: _table(record, exchange))
    page = {"section": "signals", "tab": "record", "table": table, "chain": state[0], "head": state[1]}
    return render(request, "pages/signals.html", page)


def _table(record: Record, exchange: str) -> str:
    """Return the table of the days, empty where nothing is recorded."""
    found = record.newest(exchange, limit=_SHOWN + 1)
    lives = record.events([one.id for one in found])
    days: dict[str, list[Row]] = defaultdict(list)
    for one in found[:_SHOWN]:
        life = lives[one.id]
        days[iso(one.body["decided_ms"])[:10]].append(Row(one, life[-1] if life else None))
    if not days:
        return ""
    made = [Day(day, _tally(some), some) for day, some in days.items()]
    told = {"days": made, "shown": min(len(found), _SHOWN), "more": len(found) > _SHOWN}
    return render_to_string("components/recorded_days.html", told)


def _tally(rows: list[Row]) -> str:
    """Return how a day's signals stand, in words: `2 target, 1 stop, 3 open`."""
    last = Counter(_state(row) for row in rows)
    order = ("target", "stop", "expired", "missed", "open")
    return ", ".join(f"{last[name]} {name}" for name in order if last[name])


def _state(row: Row) -> str:
    return row.last.event if row.last is not None and row.last.event != "filled" else "open"
