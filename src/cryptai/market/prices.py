"""The book of last prices: what each source said a market's price was, and when we heard it.

Prices are observations, only ever added, each with its source, its own time and the time it became known.
They are kept for eight days: farther back candles say more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cryptai.errors import InputError
from cryptai.market.book_file import BookFile
from cryptai.market.exchange import check_exchange
from cryptai.market.symbol import parse_symbol
from cryptai.market.timeframe import DAY_MS
from cryptai.seams import now_ms

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable
    from pathlib import Path

    from cryptai.market.source import Price

KEPT_MS: Final = 8 * DAY_MS
"""How long a price is kept."""

_FILE: Final = "prices.sqlite3"
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS price (
    id INTEGER PRIMARY KEY, exchange TEXT NOT NULL, symbol TEXT NOT NULL, source TEXT NOT NULL,
    ts INTEGER NOT NULL, known_ms INTEGER NOT NULL, price REAL NOT NULL, change_24h REAL);
CREATE INDEX IF NOT EXISTS price_symbol ON price (exchange, symbol, id);
CREATE INDEX IF NOT EXISTS price_known ON price (known_ms);
"""
_COLUMNS: Final = "exchange, symbol, source, price, ts, known_ms, change_24h"


@dataclass(frozen=True, slots=True)
class Quote:
    """What `source` said of a market of `exchange`.

    `ts` is the price's own time and `known_ms` when we heard it (ms UTC); `change_24h` is a fraction, None if
    it was not told.
    """

    exchange: str
    symbol: str
    source: str
    price: float
    ts: int
    known_ms: int
    change_24h: float | None


class PriceBook:
    """The last prices of a workspace, in one SQLite file."""

    def __init__(self, file: Path | None = None) -> None:
        self._book = BookFile("prices", _FILE, _SCHEMA, file, comes_again=True)

    def add(
        self,
        exchange: str,
        prices: Iterable[Price],
        *,
        source: str | None = None,
        known_ms: int | None = None,
    ) -> int:
        """Keep what `source` (None: the exchange itself) just said; return how many prices were new.

        A price that its source said before, with the same time, is not kept once more. Prices older than
        `KEPT_MS` are let go.

        Raises
        ------
        InputError
            For a price that is not a number above 0; nothing is kept then.
        """
        check_exchange(exchange)
        now = now_ms() if known_ms is None else known_ms
        rows = []
        for one in prices:
            if not 0.0 < one.price < float("inf"):
                raise InputError(f"{one.symbol} of {exchange} cannot have the price {one.price}.")
            symbol = parse_symbol(one.symbol)
            rows.append((exchange, symbol, source or exchange, one.price, one.ts, now, one.change_24h))
        with self._book.changed() as db:
            added = sum(_add(db, row) for row in rows)
            db.execute("DELETE FROM price WHERE known_ms < ?", (now - KEPT_MS,))
        return added

    def latest(self, exchange: str) -> dict[str, Quote]:
        """Return the newest price of each market that the exchange itself told, by symbol."""
        return {quote.symbol: quote for quote in self._newest(exchange) if quote.source == exchange}

    def opinions(self, exchange: str) -> list[Quote]:
        """Return the newest price of each market from each source, by symbol and source."""
        return self._newest(exchange)

    def history(self, exchange: str, symbol: str) -> list[Quote]:
        """Return all that is kept of a market, in the order in which it became known."""
        with self._book.looked_at() as db:
            rows = db.execute(
                f"SELECT {_COLUMNS} FROM price WHERE exchange = ? AND symbol = ? ORDER BY id",  # noqa: S608
                (exchange, parse_symbol(symbol)),
            ).fetchall()
        return [Quote(*row) for row in rows]

    def _newest(self, exchange: str) -> list[Quote]:
        with self._book.looked_at() as db:
            rows = db.execute(
                f"SELECT {_COLUMNS} FROM price WHERE id IN "  # noqa: S608
                "(SELECT max(id) FROM price WHERE exchange = ? GROUP BY symbol, source) "
                "ORDER BY symbol, source",
                (exchange,),
            ).fetchall()
        return [Quote(*row) for row in rows]


def _add(db: sqlite3.Connection, row: tuple[object, ...]) -> int:
    exchange, symbol, source, price, ts, *_ = row
    known = db.execute(
        "SELECT 1 FROM price WHERE exchange = ? AND symbol = ? AND source = ? AND ts = ? AND price = ? "
        "LIMIT 1",
        (exchange, symbol, source, ts, price),
    ).fetchone()
    if known:
        return 0
    db.execute(f"INSERT INTO price ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)", row)  # noqa: S608
    return 1
