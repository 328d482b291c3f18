"""What a transaction writes of many markets, gathered so that it goes to the database together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cryptai.market.revisions import reach, spans_of

if TYPE_CHECKING:
    from cryptai.market.candles import Candles
    from cryptai.market.kept import State
    from cryptai.market.revisions import Database


class Gathered:
    """New revisions, and where their markets stand with them; neither is to be read before `flush`."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._new: list[tuple[Any, ...]] = []
        self._grown: list[tuple[int, ...]] = []

    def note(
        self,
        market: int,
        candles: Candles,
        source: str | None,
        fetched_at_ms: int | None,
        now: int,
        folded_at_ms: int | None,
        data: bytes | None,
    ) -> None:
        """Write down that bars came, as a revision of a market."""
        first, last = int(candles.ts[0]), int(candles.ts[-1])
        self._new.append((
            market, first, last, reach(first, last), len(candles), candles.digest,
            source, fetched_at_ms, now, folded_at_ms, spans_of(candles), data,
        ))  # fmt: skip

    def grow(self, state: State) -> None:
        """Write down where a market stands now."""
        self._grown.append((*state[1:], state.id))

    def flush(self) -> None:
        """Bring what was gathered to the database."""
        if self._new:
            self._db.executemany(
                "INSERT INTO revision (market, first_ts, last_ts, reach, bars, digest, source, "
                "fetched_at_ms, written_at_ms, folded_at_ms, spans, data) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                self._new,
            )
            self._new = []
        if self._grown:
            self._db.executemany(
                "UPDATE market SET last_ts = ?, changed_at_ms = ?, tail_rows = ?, tail_bars = ? WHERE id = ?",
                self._grown,
            )
            self._grown = []
