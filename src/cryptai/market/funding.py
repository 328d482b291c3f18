"""The book of funding: what perpetuals' holders paid each other, and when; rates are only ever added."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from cryptai.errors import ConflictError, DataError
from cryptai.market.book_file import BookFile
from cryptai.market.exchange import check_exchange
from cryptai.market.symbol import is_perpetual, parse_symbol
from cryptai.market.timeframe import MINUTE_MS
from cryptai.market.times import iso
from cryptai.seams import now_ms

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

    from numpy.typing import ArrayLike, NDArray

_FILE: Final = "funding.sqlite3"
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS rate (
    exchange TEXT NOT NULL, symbol TEXT NOT NULL, ts INTEGER NOT NULL, rate REAL NOT NULL,
    source TEXT NOT NULL, known_ms INTEGER NOT NULL, PRIMARY KEY (exchange, symbol, ts)) WITHOUT ROWID;
CREATE TRIGGER IF NOT EXISTS rate_stays BEFORE UPDATE ON rate
    BEGIN SELECT RAISE(ABORT, 'rates are only ever added'); END;
CREATE TRIGGER IF NOT EXISTS rate_kept BEFORE DELETE ON rate
    BEGIN SELECT RAISE(ABORT, 'rates are only ever added'); END;
"""


@dataclass(frozen=True, eq=False)
class Funding:
    """One perpetual's funding.

    Attributes
    ----------
    symbol
        `BTC/USDT:USDT`.
    ts
        When each was paid, int64 ms UTC, strictly rising, at whole minutes: venues tell it with some
        milliseconds that mean nothing, and two sources tell other ones.
    rate
        What a long paid a short, as a fraction of the position's worth; negative: what it got.

    Raises
    ------
    DataError
        With the row that cannot be: times that do not rise, a rate that is not between -1 and 1.
    """

    symbol: str
    ts: NDArray[np.int64]
    rate: NDArray[np.float64]

    def __init__(self, symbol: str, ts: ArrayLike, rate: ArrayLike) -> None:
        times, rates = np.asarray(ts), np.asarray(rate)
        if times.ndim != 1 or times.shape != rates.shape or times.dtype.kind not in "iu":
            raise DataError("Funding is times in whole milliseconds and as many rates.", field="ts")
        whole = (times.astype(np.int64) + MINUTE_MS // 2) // MINUTE_MS * MINUTE_MS
        values = np.ascontiguousarray(rates, np.float64)
        late = np.flatnonzero(whole[1:] <= whole[:-1])
        if len(late):
            row = int(late[0]) + 1
            raise DataError(f"Row {row}: ts {int(times[row])} is not later than the row before.", field="ts")
        wrong = np.flatnonzero(~(np.abs(values) < 1.0))
        if len(wrong):
            row = int(wrong[0])
            raise DataError(
                f"Row {row}: a funding rate is a fraction between -1 and 1 (0.0001 is 0.01 %), was "
                f"{values[row]:g}.",
                field="funding_rate",
            )
        whole.flags.writeable = values.flags.writeable = False
        object.__setattr__(self, "symbol", perpetual_of(symbol))
        object.__setattr__(self, "ts", whole)
        object.__setattr__(self, "rate", values)

    def __len__(self) -> int:
        return len(self.ts)

    def between(self, start_ms: int | None, end_ms: int | None) -> Funding:
        """Return what was paid in `[start_ms, end_ms)`; None is open-ended."""
        lo = 0 if start_ms is None else int(np.searchsorted(self.ts, start_ms))
        hi = len(self) if end_ms is None else int(np.searchsorted(self.ts, end_ms))
        return Funding(self.symbol, self.ts[lo : max(lo, hi)], self.rate[lo : max(lo, hi)])

    @cached_property
    def digest(self) -> str:
        """SHA-256 over times and rates, hex: equal digests are equal funding."""
        h = hashlib.sha256(f"cryptai.funding.1 {len(self)}\n".encode())
        h.update(np.ascontiguousarray(self.ts).data)
        h.update(self.rate.data)
        return h.hexdigest()


class Stored(NamedTuple):
    """What is stored of one perpetual's funding: how many rates, from and to when (ms UTC)."""

    exchange: str
    symbol: str
    rates: int
    first_ts: int
    last_ts: int
    mean_rate: float

    def as_object(self) -> dict[str, Any]:
        """Return it as JSON takes it; times in ISO UTC."""
        return self._asdict() | {"first_ts": iso(self.first_ts), "last_ts": iso(self.last_ts)}


class FundingBook:
    """All funding of a workspace, in one SQLite file that is only ever added to."""

    def __init__(self, file: Path | None = None) -> None:
        self._book = BookFile("funding", _FILE, _SCHEMA, file)

    def add(self, exchange: str, *funding: Funding, source: str) -> list[tuple[int, int]]:
        """Store rates, all of them or none; return for each how many were new, and how many known already.

        Raises
        ------
        ConflictError
            For a rate that differs from the stored one of the same time.
        """
        check_exchange(exchange)
        with self._book.changed() as db:
            return [self._added(db, exchange, one, source) for one in funding]

    def _added(self, db: sqlite3.Connection, exchange: str, one: Funding, source: str) -> tuple[int, int]:
        found = db.execute(
            "SELECT ts, rate FROM rate WHERE exchange = ? AND symbol = ?", (exchange, one.symbol)
        )
        known = dict(found.fetchall())
        rows = list(zip(one.ts.tolist(), one.rate.tolist(), strict=True))
        for ts, rate in rows:
            if known.get(ts, rate) != rate:
                raise ConflictError(
                    f"The funding of {one.symbol} at {iso(ts)} is stored as {known[ts]:g}, not {rate:g}; "
                    "nothing was changed."
                )
        fresh = [(exchange, one.symbol, ts, rate, source, now_ms()) for ts, rate in rows if ts not in known]
        db.executemany("INSERT INTO rate VALUES (?, ?, ?, ?, ?, ?)", fresh)
        return len(fresh), len(rows) - len(fresh)

    def read(
        self, exchange: str, symbol: str, *, start_ms: int | None = None, end_ms: int | None = None
    ) -> Funding:
        """Return the stored funding that was paid in `[start_ms, end_ms)`.

        A spot market's symbol stands for the perpetual of the same pair.

        Raises
        ------
        DataError
            If none at all is stored for it.
        """
        name = perpetual_of(symbol)
        with self._book.looked_at() as db:
            rows = db.execute(
                "SELECT ts, rate FROM rate WHERE exchange = ? AND symbol = ? ORDER BY ts", (exchange, name)
            ).fetchall()
        if not rows:
            raise DataError(
                f"No funding of {exchange} {name} is stored; bring some in with: cryptai data import "
                f"--funding FILE, or: cryptai data funding --download {name} --since 2021-01-01.",
                field="funding",
            )
        ts, rates = zip(*rows, strict=True)
        found = Funding(name, np.array(ts, np.int64), np.array(rates))
        return found if start_ms is None and end_ms is None else found.between(start_ms, end_ms)

    def stored(self, exchange: str | None = None) -> list[Stored]:
        """Return what is stored, by venue and symbol."""
        with self._book.looked_at() as db:
            rows = db.execute(
                "SELECT exchange, symbol, count(*), min(ts), max(ts), avg(rate) FROM rate "
                "WHERE ?1 IS NULL OR exchange = ?1 GROUP BY exchange, symbol ORDER BY exchange, symbol",
                (exchange,),
            ).fetchall()
        return [Stored(*row) for row in rows]


def perpetual_of(symbol: str) -> str:
    """Return the perpetual of a pair, settled in its quote: `BTC/USDT` gives `BTC/USDT:USDT`.

    >>> perpetual_of("BTCUSDT"), perpetual_of("ETH/USDT:USDT")
    ('BTC/USDT:USDT', 'ETH/USDT:USDT')
    """
    name = parse_symbol(symbol)
    return name if is_perpetual(name) else f"{name}:{name.partition('/')[2]}"
