"""Where a candle came from: every write that brought or corrected it, and the digest of all that stands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from cryptai.market.revisions import Revision
    from cryptai.market.store import CandleStore, Stored

_MOST: Final = 24


@dataclass(frozen=True)
class Provenance:
    """The revisions of the bar that opens at `bar_ms`, the newest first; `chosen` if it was asked for."""

    bar_ms: int
    chosen: bool
    revisions: list[Revision]


def provenance(store: CandleStore, stored: Stored, bar_ms: int | None) -> Provenance:
    """Return where one bar of a series came from; without a bar that can be stored, the newest one."""
    inside = bar_ms is not None and stored.first_ts <= bar_ms <= stored.last_ts
    bar = bar_ms if inside and bar_ms is not None else stored.last_ts
    revisions = store.revisions(stored.exchange, stored.symbol, stored.timeframe, ts=bar)
    # A day made of minutes may have come in many hundred writes.
    return Provenance(bar, inside, revisions[: -_MOST - 1 : -1])
