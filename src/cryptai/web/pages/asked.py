"""What was asked of the venues and what came of it: syncs, request budgets, and why a hole is there."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Final

from cryptai.errors import CryptaiError
from cryptai.market.budget import budget_states
from cryptai.market.timeframe import Timeframe

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cryptai.market.absences import Absence
    from cryptai.market.budget import BudgetState
    from cryptai.market.store import CandleStore
    from cryptai.market.synclog import SyncEntry
    from cryptai.web.pages.series import Hole

_SYNCS: Final = 8
_RUNNING: Final = 20


@dataclass(frozen=True)
class Explained:
    """A hole with what is known of its cause, and when a source was last asked for it (None: never)."""

    hole: Hole
    cause: str
    asked_at_ms: int | None


def explained(store: CandleStore, exchange: str, holes: Iterable[Hole]) -> list[Explained]:
    """Return the holes with their causes, in their order."""
    listed = list(holes)
    absences = {
        key: store.absences.of(exchange, *key)
        for key, _ in groupby(sorted((hole.symbol, hole.timeframe) for hole in listed))
    }
    return [_explained(hole, absences[hole.symbol, hole.timeframe]) for hole in listed]


def syncs(store: CandleStore, exchange: str) -> list[SyncEntry]:
    """Return the syncs of a venue that run now, then the newest that ended, failed ones among them."""
    log = store.sync_log
    running = log.entries(exchange, status="PENDING", limit=_RUNNING)
    failed = log.entries(exchange, status="FAILED", limit=_SYNCS // 2)
    done = log.entries(exchange, status="COMPLETED", limit=_SYNCS - len(failed))
    return running + sorted(failed + done, key=lambda entry: entry.id, reverse=True)


def budgets() -> tuple[list[BudgetState], str]:
    """Return the request budgets of the workspace, and a sentence if their file cannot be read."""
    try:
        return budget_states(), ""
    except (CryptaiError, sqlite3.Error) as error:
        return [], f"The venues' request budgets cannot be read: {error}"


def _explained(hole: Hole, absences: Iterable[Absence]) -> Explained:
    asked = [one for one in absences if one.first_ts < hole.end_ms and one.end_ts > hole.first_ms]
    if not asked:
        return Explained(hole, "not asked for yet", None)
    sources = " and ".join(sorted({one.source for one in asked}))
    told = f"{sources} had none"
    left = _unasked(hole, asked)
    if left:
        told += f" of {hole.bars - left}, the rest was not asked for yet"
    return Explained(hole, told, max(one.asked_at_ms for one in asked))


def _unasked(hole: Hole, asked: Iterable[Absence]) -> int:
    # The bars of the hole that lie in no span that was asked for; the spans may overlap.
    at, left = hole.first_ms, 0
    for first, end in sorted((one.first_ts, one.end_ts) for one in asked):
        left += max(0, first - at)
        at = max(at, end)
    return (left + max(0, hole.end_ms - at)) // Timeframe(hole.timeframe).ms
