"""The later life of recorded signals: entered, target, stop, expired, missed, as further rows."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np

from cryptai.errors import DataError
from cryptai.market.timeframe import Timeframe
from cryptai.screening.outcomes import HORIZON, MISSED, OPEN, OUTCOMES, outcomes
from cryptai.screening.record import Event
from cryptai.screening.setups import Setups

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryptai.market.candles import Candles
    from cryptai.market.store import CandleStore
    from cryptai.screening.record import Record, Sealed


def follow(record: Record, store: CandleStore, exchange: str) -> int:
    """Note what stored candles say of signals without an outcome yet; return how many events are new."""
    waiting: dict[tuple[str, str], list[Sealed]] = defaultdict(list)
    for one in record.unresolved(exchange):
        waiting[one.body["symbol"], one.body["timeframe"]].append(one)
    events: list[Event] = []
    for (symbol, timeframe), some in waiting.items():
        first = min(one.body["decided_ms"] for one in some) - Timeframe(timeframe).ms
        try:
            candles = store.read(exchange, symbol, timeframe, start_ms=first)
        except DataError:
            continue
        events.extend(befallen(some, candles))
    return record.note(events) if events else 0


def befallen(signals: Sequence[Sealed], candles: Candles) -> list[Event]:
    """Return what these candles say became of signals of their market; one whose bar is missing has none."""
    rows = np.searchsorted(candles.close_ts, [one.body["decided_ms"] for one in signals])
    known = [
        (one, int(row))
        for one, row in zip(signals, rows, strict=True)
        if row < len(candles) and candles.close_ts[row] == one.body["decided_ms"]
    ]
    if not known:
        return []
    bodies = [one.body for one, _ in known]
    entry, low, high, stop, target = (
        np.array([body[name] for body in bodies], np.float64)
        for name in ("entry", "entry_low", "entry_high", "stop", "target")
    )
    side = np.array([1 if body["side"] == "long" else -1 for body in bodies], np.int8)
    found = Setups(np.array([row for _, row in known]), side, entry, low, high, stop, target)
    came = outcomes(found, candles)
    events = []
    for i, (one, row) in enumerate(known):
        outcome = int(came.outcome[i])
        entered = row + 1 < len(candles) and outcome != MISSED
        if entered:
            at = int(candles.ts[row + 1])
            events.append(Event(one.id, "filled", at, {"price": float(came.fill[i])}))
        if outcome != OPEN:
            body = {} if outcome == MISSED else {
                "price": float(came.price[i]), "net": float(came.net[i]), "r": float(came.r[i]),
                "mae": float(came.mae[i]), "mfe": float(came.mfe[i]), "horizon": HORIZON,
            }  # fmt: skip
            events.append(Event(one.id, OUTCOMES[outcome], int(candles.close_ts[came.row[i]]), body))
    return events
