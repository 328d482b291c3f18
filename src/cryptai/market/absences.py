"""Recorded holes: spans of bars that a source was asked for and did not have, and when that was."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from cryptai.market.exchange import check_exchange
from cryptai.market.symbol import parse_symbol
from cryptai.market.timeframe import DAY_MS, Timeframe
from cryptai.seams import now_ms

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryptai.market.spans import Span
    from cryptai.market.transactions import Transactions


class Absence(NamedTuple):
    """No bar that opens in `[first_ts, end_ts)` was to be had of `source` at `asked_at_ms` (ms UTC)."""

    first_ts: int
    end_ts: int
    source: str
    asked_at_ms: int


class Absences:
    """The catalog's table of recorded holes. It only grows; a bar that comes later is simply stored."""

    def __init__(self, catalog: Transactions) -> None:
        self._catalog = catalog

    def add(
        self, exchange: str, symbol: str, timeframe: str, spans: Sequence[Span], *, source: str | None = None
    ) -> None:
        """Record spans that `source` (None: the exchange itself) has just been asked for in vain; durable.

        What was recorded of it within a day is not recorded once more.
        """
        series = _series(exchange, symbol, timeframe)
        asked, now = source or exchange, now_ms()
        with self._catalog.change() as rows:
            for first, end in spans:
                known = rows.execute(
                    "SELECT 1 FROM absence WHERE exchange = ? AND symbol = ? AND timeframe = ? "
                    "AND first_ts <= ? AND end_ts >= ? AND source = ? AND asked_at_ms > ? LIMIT 1",
                    (*series, first, end, asked, now - DAY_MS),
                )
                if not known:
                    rows.execute(
                        "INSERT INTO absence "
                        "(exchange, symbol, timeframe, first_ts, end_ts, source, asked_at_ms) "
                        "VALUES (?, ?, ?, ?, ?, ?, ?)",
                        (*series, first, end, asked, now),
                    )

    def of(self, exchange: str, symbol: str, timeframe: str) -> list[Absence]:
        """Return what is recorded for one series, oldest bars first."""
        with self._catalog.look() as rows:
            found = rows.execute(
                "SELECT first_ts, end_ts, source, asked_at_ms FROM absence "
                "WHERE exchange = ? AND symbol = ? AND timeframe = ? ORDER BY first_ts, asked_at_ms",
                _series(exchange, symbol, timeframe),
            )
        return [Absence(*row) for row in found]

    def lately(self, exchange: str, since_ms: int) -> dict[tuple[str, str], list[Span]]:
        """Return what the exchange itself was asked for in vain after a moment, by symbol and timeframe."""
        check_exchange(exchange)
        with self._catalog.look() as rows:
            found = rows.execute(
                "SELECT symbol, timeframe, first_ts, end_ts FROM absence "
                "WHERE exchange = ? AND source = ? AND asked_at_ms > ?",
                (exchange, exchange, since_ms),
            )
        spans: dict[tuple[str, str], list[Span]] = {}
        for symbol, timeframe, first, end in found:
            spans.setdefault((symbol, timeframe), []).append((first, end))
        return spans


def _series(exchange: str, symbol: str, timeframe: str) -> tuple[str, str, str]:
    check_exchange(exchange)
    return exchange, parse_symbol(symbol), str(Timeframe(timeframe))
