"""The choice of a day: the five best of what stood at its end, chosen once and kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cryptai.market.timeframe import DAY_MS
from cryptai.market.times import iso
from cryptai.screening.screen import screen
from cryptai.screening.selection import correlations, top

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from cryptai.market.store import CandleStore
    from cryptai.screening.record import Record
    from cryptai.screening.standing import Evidence
    from cryptai.signals import Signal

BEST: Final = 5


def best_of(
    store: CandleStore,
    exchange: str,
    evidence: Evidence,
    as_of_ms: int,
    *,
    n: int = BEST,
    strategies_folder: Path | None = None,
    names: Sequence[str] | None = None,
) -> list[Signal]:
    """Return the n best setups that stood at a moment, from bars closed by then, best first."""
    found = screen(
        store,
        exchange,
        evidence=evidence,
        as_of_ms=as_of_ms,
        strategies_folder=strategies_folder,
        names=names,
    ).signals
    return top(found, n, correlation=correlations(store, exchange, as_of_ms))


def choose(
    record: Record,
    store: CandleStore,
    exchange: str,
    evidence: Evidence,
    day_ms: int,
    *,
    names: Sequence[str] | None = None,
) -> list[int]:
    """Choose the five best of a UTC day, seal and keep them; return their numbers.

    A day that was chosen before stays as it was chosen. Stale setups are never chosen. What was sealed too
    late to be a forecast is marked `retrospective` in the record.
    """
    day = iso(day_ms)[:10]
    there = record.selected(exchange, day)
    if there:
        return there
    best = best_of(store, exchange, evidence, day_ms + DAY_MS, names=names)
    numbers = record.seal([one.as_sealed() for one in best if not one.stale])
    return record.select(exchange, day, numbers) if numbers else []
