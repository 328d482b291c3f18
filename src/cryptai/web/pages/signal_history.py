"""Signals by day with what came of them, and how good signals have been: what was sealed in time only."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from django.shortcuts import render
from django.views.decorators.http import require_safe

from cryptai.analytics.significance import wilson
from cryptai.market.times import iso
from cryptai.web import live
from cryptai.web.context import shown
from cryptai.web.pages import stored

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from django.http import HttpRequest, HttpResponse

    from cryptai.screening.record import Event, Sealed

_SHOWN: Final = 200
_COUNTED: Final = 5_000
_ENDED: Final = ("target", "stop", "expired")


class Row(NamedTuple):
    """A recorded signal and the last thing that befell it."""

    signal: Sealed
    last: Event | None


class Rate(NamedTuple):
    """How often signals of a kind reached their target."""

    name: str
    ended: int
    hits: int
    low: float
    high: float
    needed: float
    mean_r: float


@require_safe
@stored.tells
def signals(request: HttpRequest) -> HttpResponse:
    """Show recorded signals by day, and the hit rates of those that were sealed in time."""
    from cryptai.screening.record import Record  # noqa: PLC0415 (the engine waits until it is asked for)

    exchange = shown(request)["exchange"]
    record = Record(live.store().catalog)
    counted = record.newest(exchange, limit=_COUNTED)
    lives = record.events([one.id for one in counted])
    rows = [Row(one, lives[one.id][-1] if lives[one.id] else None) for one in counted]
    sealed = [row for row in rows if not row.signal.retrospective]
    days: dict[str, list[Row]] = defaultdict(list)
    for row in rows[:_SHOWN]:
        days[iso(row.signal.body["decided_ms"])[:10]].append(row)
    number, head = record.head()
    page = {
        "section": "signals", "days": list(days.items()), "shown": min(len(rows), _SHOWN), "count": len(rows),
        "by_strategy": rates(sealed, lambda body: body["strategy"]),
        "by_regime": rates(sealed, lambda body: body["regime"] or "unknown"),
        "by_quality": rates(sealed, _fifth), "in_time": len(sealed), "chain": number, "head": head,
    }  # fmt: skip
    return render(request, "pages/signals.html", page)


def rates(rows: Iterable[Row], kind: Any) -> list[Rate]:
    """Return the hit rate of each kind of signal that has ended, the most frequent kind first."""
    kinds: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        if row.last is not None and row.last.event in _ENDED:
            kinds[kind(row.signal.body)].append(row)
    found = [_rate(name, some) for name, some in kinds.items()]
    return sorted(found, key=lambda rate: (-rate.ended, rate.name))


def _rate(name: str, rows: Sequence[Row]) -> Rate:
    ended = [row for row in rows if row.last is not None]
    hits = sum(row.last is not None and row.last.event == "target" for row in ended)
    low, high = wilson(hits, len(ended)) or (0.0, 1.0)
    needed = sum(row.signal.body["evidence"]["break_even"] for row in ended) / len(ended)
    mean = sum(row.last.body["r"] for row in ended if row.last is not None) / len(ended)
    return Rate(name, len(ended), hits, low, high, needed, mean)


def _fifth(body: dict[str, Any]) -> str:
    low = min(int(body["quality"] * 5), 4) / 5
    return f"{low:.1f} to {low + 0.2:.1f}"
