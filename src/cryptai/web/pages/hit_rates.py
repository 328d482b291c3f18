"""Hit rates of recorded signals: of what was sealed in time and has ended, beside the rate it needed."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from cryptai.analytics.significance import wilson
from cryptai.market.times import iso

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from cryptai.screening.record import Event, Record, Sealed

ENDED: Final = ("target", "stop", "expired")


class Row(NamedTuple):
    """A recorded signal and the last thing that befell it."""

    signal: Sealed
    last: Event | None

    @property
    def ended(self) -> bool:
        """Whether it has come to its end, having been entered."""
        return self.last is not None and self.last.event in ENDED


class Rate(NamedTuple):
    """How often signals of a kind reached their target, with Wilson's interval, and how often they had to."""

    name: str
    ended: int
    hits: int
    low: float
    high: float
    needed: float
    mean_r: float

    @property
    def value(self) -> float:
        """Return the share."""
        return self.hits / self.ended


def recorded(record: Record, exchange: str, limit: int) -> list[Row]:
    """Return the newest recorded signals of a venue, each with what befell it last."""
    found = record.newest(exchange, limit=limit)
    lives = record.events([one.id for one in found])
    return [Row(one, lives[one.id][-1] if lives[one.id] else None) for one in found]


def rates(rows: Iterable[Row], kind: Callable[[dict[str, Any]], str]) -> list[Rate]:
    """Return the hit rate of each kind of signal that has ended, the most frequent kind first."""
    kinds: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        if row.ended:
            kinds[kind(row.signal.body)].append(row)
    found = [_rate(name, some) for name, some in kinds.items()]
    return sorted(found, key=lambda rate: (-rate.ended, rate.name))


def by_month(rows: Iterable[Row], most: int) -> list[Rate]:
    """Return the hit rates of the newest months in which signals were decided, the newest first."""
    found = rates(rows, lambda body: iso(body["decided_ms"])[:7])
    return sorted(found, key=lambda rate: rate.name, reverse=True)[:most]


def fifth(body: dict[str, Any]) -> str:
    """Return the fifth that a signal's quality lies in."""
    low = min(int(body["quality"] * 5), 4) / 5
    return f"{low:.1f} to {low + 0.2:.1f}"


def _rate(name: str, rows: Sequence[Row]) -> Rate:
    lasts = [row.last for row in rows if row.last is not None]
    hits = sum(last.event == "target" for last in lasts)
    low, high = wilson(hits, len(rows)) or (0.0, 1.0)
    needed = sum(row.signal.body["evidence"]["break_even"] for row in rows) / len(rows)
    mean = sum(last.body["r"] for last in lasts) / len(rows)
    return Rate(name, len(rows), hits, low, high, needed, mean)
