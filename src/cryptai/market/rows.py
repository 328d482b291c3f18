"""The catalog's rows as one transaction sees them: markets, segments, revisions, the tail and its history."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from cryptai.market.bits import pack, unpack
from cryptai.market.timeframe import TIMEFRAMES, Timeframe
from cryptai.seams import now_ms

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from cryptai.market.candles import Candles

# What stood at a moment was written by then and not yet superseded (or folded); now, it is not at all.
_NOW: Final = "{0} IS NULL"
_THEN: Final = "written_at_ms <= ? AND ({0} IS NULL OR {0} > ?)"


class Market(NamedTuple):
    """What candles are kept by: venue, symbol and timeframe."""

    exchange: str
    symbol: str
    timeframe: Timeframe

    def __str__(self) -> str:
        return f"{self.symbol} {self.timeframe} of {self.exchange}"


class State(NamedTuple):
    """What a write must know of a market: its key, newest bar, last change, and how long its tail is."""

    id: int
    last_ts: int
    changed_at_ms: int
    tail_rows: int
    tail_bars: int


class Segment(NamedTuple):
    """One file of candles: its partition, the digest of its bars and their extent."""

    partition: str
    digest: str
    rows: int
    first_ts: int
    last_ts: int


class Revision(NamedTuple):
    """What one write changed in a market: which bars, their digest, where they came from, and when.

    `digest` is that of the added and corrected bars alone. `source` and `fetched_at_ms` are None where the
    writer did not tell. `superseded_at_ms` is when the first of its bars was corrected; None while all stand.
    """

    id: int
    first_ts: int
    last_ts: int
    bars: int
    digest: str
    source: str | None
    fetched_at_ms: int | None
    written_at_ms: int
    superseded_at_ms: int | None


class Rows:
    """The catalog as one transaction sees it."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def execute(self, statement: str, values: Sequence[Any] = ()) -> list[Any]:
        """Run one statement in this transaction and return its rows."""
        return self._db.execute(statement, values).fetchall()

    def markets(self, exchange: str | None = None) -> list[Market]:
        """Return the markets with bars, by venue, symbol and length of bar."""
        found = self._db.execute("SELECT exchange, symbol, timeframe FROM market")
        markets = [Market(e, s, Timeframe(t)) for e, s, t in found if exchange in (None, e)]
        return sorted(markets, key=lambda m: (m.exchange, m.symbol, TIMEFRAMES.index(m.timeframe)))

    def state(self, market: Market) -> State | None:
        """Return what a write must know of a market; None if it holds no bars."""
        row = self._db.execute(
            "SELECT id, last_ts, changed_at_ms, tail_rows, tail_bars FROM market "
            "WHERE exchange = ? AND symbol = ? AND timeframe = ?",
            market,
        ).fetchone()
        return State(*row) if row else None

    def segments(self, market: Market, as_of_ms: int | None = None) -> list[Segment]:
        """Return the segments in force, now or at a moment, oldest bars first."""
        stood, moment = _stood("superseded_at_ms", as_of_ms)
        found = self._db.execute(
            "SELECT partition, digest, rows, first_ts, last_ts FROM segment "  # noqa: S608 (one of the two above)
            f"WHERE exchange = ? AND symbol = ? AND timeframe = ? AND {stood} ORDER BY first_ts",
            (*market, *moment),
        )
        return [Segment(*row) for row in found]

    def tail(self, market: Market, as_of_ms: int | None = None) -> Candles:
        """Return the bars that are not in a segment, now or at a moment; they count before the segments'."""
        stood, moment = _stood("folded_at_ms", as_of_ms)
        found = self._db.execute(
            "SELECT data FROM revision WHERE market = (SELECT id FROM market "  # noqa: S608 (as above)
            f"WHERE exchange = ? AND symbol = ? AND timeframe = ?) AND {stood} ORDER BY id",
            (*market, *moment),
        )
        return unpack([data for (data,) in found], market.symbol, market.timeframe)

    def revisions(self, market: Market, ts: int | None = None) -> list[Revision]:
        """Return every write that changed the market, the first one first; with `ts`, those of that bar."""
        one = "" if ts is None else "AND first_ts <= ? AND last_ts >= ?"
        found = self._db.execute(
            "SELECT id, first_ts, last_ts, bars, digest, source, fetched_at_ms, written_at_ms, "  # noqa: S608
            "superseded_at_ms, spans FROM revision WHERE market = (SELECT id FROM market "
            f"WHERE exchange = ? AND symbol = ? AND timeframe = ?) {one} ORDER BY id",
            (*market, *(() if ts is None else (ts, ts))),
        )
        return [
            Revision(*row)
            for *row, spans in found
            if ts is None or _holds(row[1], row[2], spans, np.array([ts]))
        ]

    def append(
        self,
        market: Market,
        candles: Candles,
        source: str | None = None,
        fetched_at_ms: int | None = None,
        *,
        corrected: NDArray[np.int64] | None = None,
    ) -> None:
        """Lay bars over what stands, as a revision in the tail; `corrected` are the times it changes."""
        state, now = self._begin(market, candles, corrected)
        self._note(state.id, candles, source, fetched_at_ms, now, None, pack(candles))
        self._db.execute(
            "UPDATE market SET last_ts = max(last_ts, ?), changed_at_ms = ?, tail_rows = tail_rows + 1, "
            "tail_bars = tail_bars + ? WHERE id = ?",
            (int(candles.ts[-1]), now, len(candles), state.id),
        )

    def fold(
        self,
        market: Market,
        candles: Candles,
        segments: list[Segment],
        source: str | None = None,
        fetched_at_ms: int | None = None,
        *,
        corrected: NDArray[np.int64] | None = None,
    ) -> None:
        """Make segments, which hold the tail and these new bars, the truth of their partitions.

        What they supersede stays as history.
        """
        state, now = self._begin(market, candles, corrected)
        for segment in segments:
            self._db.execute(
                "UPDATE segment SET superseded_at_ms = ? WHERE exchange = ? AND symbol = ? "
                "AND timeframe = ? AND partition = ? AND superseded_at_ms IS NULL",
                (now, *market, segment.partition),
            )
            self._db.execute(
                "INSERT INTO segment (exchange, symbol, timeframe, partition, digest, rows, first_ts, "
                "last_ts, written_at_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (*market, *segment, now),
            )
        self._db.execute(
            "UPDATE revision SET folded_at_ms = ? WHERE market = ? AND folded_at_ms IS NULL", (now, state.id)
        )
        self._note(state.id, candles, source, fetched_at_ms, now, now, None)
        self._db.execute(
            "UPDATE market SET last_ts = max(last_ts, ?), changed_at_ms = ?, tail_rows = 0, tail_bars = 0 "
            "WHERE id = ?",
            (int(candles.ts[-1]), now, state.id),
        )

    def _supersede(self, market: int, ts: NDArray[np.int64], now: int) -> None:
        # The revisions that brought these bars stand no longer as they came.
        found = self._db.execute(
            "SELECT id, first_ts, last_ts, spans FROM revision WHERE market = ? "
            "AND superseded_at_ms IS NULL AND first_ts <= ? AND last_ts >= ?",
            (market, int(ts[-1]), int(ts[0])),
        ).fetchall()
        hit = [(now, key) for key, first, last, spans in found if _holds(first, last, spans, ts)]
        self._db.executemany("UPDATE revision SET superseded_at_ms = ? WHERE id = ?", hit)

    def _begin(
        self, market: Market, candles: Candles, corrected: NDArray[np.int64] | None
    ) -> tuple[State, int]:
        state, now = self.state(market), now_ms()
        if state is None:
            newest = int(candles.ts[-1])
            (key,) = self._db.execute(
                "INSERT INTO market (exchange, symbol, timeframe, last_ts, changed_at_ms, tail_rows, "
                "tail_bars) VALUES (?, ?, ?, ?, ?, 0, 0) RETURNING id",
                (*market, newest, now),
            ).fetchone()
            return State(key, newest, now, 0, 0), now
        now = max(now, state.changed_at_ms)  # a clock set back does not reorder history
        if corrected is not None and len(corrected):
            self._supersede(state.id, corrected, now)
        return state, now

    def _note(
        self,
        market: int,
        candles: Candles,
        source: str | None,
        fetched_at_ms: int | None,
        now: int,
        folded_at_ms: int | None,
        data: bytes | None,
    ) -> None:
        row: tuple[Any, ...] = (
            market, int(candles.ts[0]), int(candles.ts[-1]), len(candles), candles.digest,
            source, fetched_at_ms, now, folded_at_ms, _spans(candles), data,
        )  # fmt: skip
        self._db.execute(
            "INSERT INTO revision (market, first_ts, last_ts, bars, digest, source, fetched_at_ms, "
            "written_at_ms, folded_at_ms, spans, data) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            row,
        )


def _stood(until: str, as_of_ms: int | None) -> tuple[str, tuple[int, ...]]:
    if as_of_ms is None:
        return _NOW.format(until), ()
    return _THEN.format(until), (as_of_ms, as_of_ms)


def _spans(candles: Candles) -> bytes | None:
    ts, step = candles.ts, candles.timeframe.ms
    if (ts[-1] - ts[0]) // step + 1 == len(ts):
        return None
    breaks = np.flatnonzero(np.diff(ts) != step)
    return np.stack([ts[np.r_[0, breaks + 1]], ts[np.r_[breaks, -1]]], axis=1).astype("<i8").tobytes()


def _holds(first: int, last: int, spans: bytes | None, ts: NDArray[np.int64]) -> bool:
    runs = np.array([[first, last]]) if spans is None else np.frombuffer(spans, "<i8").reshape(-1, 2)
    return bool(np.any(np.searchsorted(ts, runs[:, 0]) < np.searchsorted(ts, runs[:, 1], "right")))
