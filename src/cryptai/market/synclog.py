"""The log of every sync: what was asked for, when it began and ended, and how."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from cryptai.market.exchange import check_exchange
from cryptai.market.symbol import parse_symbol
from cryptai.market.timeframe import Timeframe
from cryptai.seams import now_ms

if TYPE_CHECKING:
    from cryptai.market.transactions import Transactions

_CUT_OFF: Final = "cut off before it ended"
# Each begin ends the one before it, so that only the newest of a series can be PENDING; the log is long.
_CUT: Final = (
    "UPDATE sync_log SET status = 'FAILED', reason = ?, ended_ms = ? WHERE status = 'PENDING' AND id = "
    "(SELECT max(id) FROM sync_log WHERE exchange = ? AND symbol = ? AND timeframe = ?)"
)


class SyncEntry(NamedTuple):
    """One sync of one series. A PENDING one has not ended, or its process was killed."""

    id: int
    exchange: str
    symbol: str
    timeframe: str
    started_ms: int
    ended_ms: int | None
    status: Literal["PENDING", "COMPLETED", "FAILED"]
    reason: str | None
    bars: int


class SyncLog:
    """The catalog's table of syncs. Each call is one transaction, durable when it returns."""

    def __init__(self, catalog: Transactions) -> None:
        self._catalog = catalog

    def begin(self, exchange: str, symbol: str, timeframe: str) -> int:
        """Note that a sync has begun and return its id.

        One of the same series that is PENDING still is FAILED by that: one process syncs a series at a time.
        """
        series = _series(exchange, symbol, timeframe)
        now = now_ms()
        with self._catalog.change() as rows:
            rows.execute(_CUT, (_CUT_OFF, now, *series))
            ((key,),) = rows.execute(
                "INSERT INTO sync_log (exchange, symbol, timeframe, started_ms, status) "
                "VALUES (?, ?, ?, ?, 'PENDING') RETURNING id",
                (*series, now),
            )
        return int(key)

    def cut_off(self, exchange: str, symbol: str, timeframe: str) -> None:
        """Note that a PENDING sync of this series was killed; there may be nothing left to begin."""
        with self._catalog.change() as rows:
            rows.execute(_CUT, (_CUT_OFF, now_ms(), *_series(exchange, symbol, timeframe)))

    def end(self, key: int, *, bars: int = 0, failed: str | None = None) -> None:
        """Note that a sync has ended, having stored `bars`: COMPLETED, or FAILED for the reason given.

        One that has ended already (another began meanwhile) stays as it is.
        """
        status = "COMPLETED" if failed is None else "FAILED"
        with self._catalog.change() as rows:
            rows.execute(
                "UPDATE sync_log SET status = ?, reason = ?, ended_ms = ?, bars = ? "
                "WHERE id = ? AND status = 'PENDING'",
                (status, failed, now_ms(), bars, key),
            )

    def entries(
        self,
        exchange: str | None = None,
        symbol: str | None = None,
        timeframe: str | None = None,
        *,
        status: str | None = None,
        limit: int = 100,
    ) -> list[SyncEntry]:
        """Return the newest `limit` syncs of these, the newest first."""
        given = {
            "exchange": exchange,
            "symbol": None if symbol is None else parse_symbol(symbol),
            "timeframe": None if timeframe is None else str(Timeframe(timeframe)),
            "status": status,
        }
        known = {name: value for name, value in given.items() if value is not None}
        where = " AND ".join(f"{name} = ?" for name in known) or "1 = 1"
        with self._catalog.look() as rows:
            found = rows.execute(
                "SELECT id, exchange, symbol, timeframe, started_ms, ended_ms, status, reason, bars "  # noqa: S608
                f"FROM sync_log WHERE {where} ORDER BY id DESC LIMIT ?",
                (*known.values(), limit),
            )
        return [SyncEntry(*row) for row in found]


def _series(exchange: str, symbol: str, timeframe: str) -> tuple[str, str, str]:
    check_exchange(exchange)
    return exchange, parse_symbol(symbol), str(Timeframe(timeframe))
