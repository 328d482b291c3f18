"""The catalog's rows as one transaction sees them: markets, segments, revisions, the tail and its history."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from cryptai.market.bits import pack, unpack
from cryptai.market.gathered import Gathered
from cryptai.market.kept import Market, Segment, State, Tail
from cryptai.market.revisions import (
    Revision,
    bundle,
    known_by,
    revisions,
    supersede,
    tail_between,
)
from cryptai.market.timeframe import TIMEFRAMES, Timeframe
from cryptai.seams import now_ms

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from cryptai.market.candles import Candles
    from cryptai.market.revisions import Database

# The segments that stood at a moment were written by then and not yet superseded; now, they are not at all.
_NOW: Final = "superseded_at_ms IS NULL"
_THEN: Final = "written_at_ms <= ? AND (superseded_at_ms IS NULL OR superseded_at_ms > ?)"
# So many markets are named in one statement; a minute of a venue is some hundreds.
_ASKED: Final = 250
_EVER_MS: Final = 1 << 60
_KEY: Final = "exchange = ? AND symbol = ? AND timeframe = ?"


class Rows:
    """The catalog as one transaction sees it."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._states: dict[Market, State] = {}
        self._gathered = Gathered(db)

    def execute(self, statement: str, values: Sequence[Any] = ()) -> list[Any]:
        """Run one statement in this transaction and return its rows, none where it gives none."""
        cursor = self._db.execute(statement, values)
        return [] if cursor.description is None else list(cursor.fetchall())

    def markets(self, exchange: str | None = None) -> list[Market]:
        """Return the markets with bars, by venue, symbol and length of bar."""
        found = self.execute("SELECT exchange, symbol, timeframe FROM market")
        markets = [Market(e, s, Timeframe(t)) for e, s, t in found if exchange in (None, e)]
        return sorted(markets, key=lambda m: (m.exchange, m.symbol, TIMEFRAMES.index(m.timeframe)))

    def changed(self, exchange: str, since: int) -> tuple[int, dict[Market, int]]:
        """Return the newest revision's number, and the markets of a venue that later ones than one changed.

        With each market when the first bar opens that was changed, or an earlier one. After 0 that is every
        market, from 0 on.
        """
        ((newest,),) = self.execute("SELECT COALESCE(max(id), 0) FROM revision")
        if since == 0:
            return int(newest), dict.fromkeys(self.markets(exchange), 0)
        found = self.execute(
            "SELECT symbol, timeframe, min(first_ts) FROM revision "
            "JOIN market ON market.id = revision.market "
            "WHERE revision.id > ? AND exchange = ? GROUP BY symbol, timeframe",
            (since, exchange),
        )
        return int(newest), {Market(exchange, name, Timeframe(frame)): int(ts) for name, frame, ts in found}

    def learn(self, markets: Sequence[Market]) -> None:
        """Ask for what a write must know of these markets, many in one statement."""
        for i in range(0, len(markets), _ASKED):
            part = markets[i : i + _ASKED]
            named = ", ".join(["(?, ?, ?, ?)"] * len(part))
            found = self.execute(
                "SELECT named.column1, id, last_ts, changed_at_ms, tail_rows, tail_bars "  # noqa: S608
                f"FROM (VALUES {named}) AS named CROSS JOIN market WHERE exchange = named.column2 "
                "AND symbol = named.column3 AND timeframe = named.column4",
                [value for k, market in enumerate(part) for value in (k, *market)],
            )
            self._states |= {part[k]: State(*state) for k, *state in found}

    def state(self, market: Market) -> State | None:
        """Return what a write must know of a market; None if it holds no bars."""
        if market not in self._states:
            found = self.execute(
                f"SELECT id, last_ts, changed_at_ms, tail_rows, tail_bars FROM market WHERE {_KEY}",  # noqa: S608
                market,
            )
            if not found:
                return None
            self._states[market] = State(*found[0])
        return self._states[market]

    def segments(self, market: Market, as_of_ms: int | None = None) -> list[Segment]:
        """Return the segments in force, now or at a moment, oldest bars first."""
        stood, moment = (_NOW, ()) if as_of_ms is None else (_THEN, (as_of_ms, as_of_ms))
        found = self.execute(
            "SELECT partition, digest, rows, first_ts, last_ts FROM segment "  # noqa: S608 (one of the two above)
            f"WHERE {_KEY} AND {stood} ORDER BY first_ts",
            (*market, *moment),
        )
        return [Segment(*row) for row in found]

    def named(self) -> list[tuple[Market, Segment]]:
        """Return every segment there ever was, in force or superseded."""
        found = self.execute(
            "SELECT exchange, symbol, timeframe, partition, digest, rows, first_ts, last_ts FROM segment "
            "ORDER BY id"
        )
        return [(Market(e, s, Timeframe(t)), Segment(*rest)) for e, s, t, *rest in found]

    def tail(
        self,
        market: Market,
        as_of_ms: int | None = None,
        start_ms: int | None = None,
        end_ms: int | None = None,
    ) -> Candles:
        """Return the bars that are not in a segment, now or at a moment; they count before segments.

        Of these those that open in `[start_ms, end_ms)`; None is open-ended.
        """
        if as_of_ms is None:
            packs = self._tail_now(market, start_ms, end_ms)
        else:
            state, packs = self.state(market), []
            if state is not None:
                for written, members, data in self._tail_then(state.id, as_of_ms):
                    packs.append(data if written <= as_of_ms else known_by(members, data, as_of_ms))
        return unpack(packs, market.symbol, market.timeframe).between(start_ms, end_ms)

    def whole_tail(self, market: Market) -> Tail:
        """Return the tail of now with the rows that make it up."""
        self.flush()
        found = self.execute(
            "SELECT revision.id, data, written_at_ms FROM revision "  # noqa: S608 (a constant of ours)
            f"JOIN market ON market.id = revision.market WHERE {_KEY} AND folded_at_ms IS NULL "
            "ORDER BY revision.id",
            market,
        )
        candles = unpack([row[1] for row in found], market.symbol, market.timeframe)
        return Tail(candles, tuple(row[0] for row in found), found[-1][2] if found else 0)

    def extent(self, market: Market, as_of_ms: int | None = None) -> tuple[int, int] | None:
        """Return when the first and the last bar open, now or at a moment; None where there are none."""
        segments, tail = self.segments(market, as_of_ms), self.tail(market, as_of_ms)
        edges = [edge for one in segments for edge in (one.first_ts, one.last_ts)]
        edges += [int(tail.ts[0]), int(tail.ts[-1])] if len(tail) else []
        return (min(edges), max(edges)) if edges else None

    def _tail_now(self, market: Market, start_ms: int | None, end_ms: int | None) -> list[bytes]:
        # Of a long tail a look at some bars reads only the rows that reach into them.
        self.flush()
        end = _EVER_MS if end_ms is None else end_ms
        if start_ms is not None:
            state = self.state(market)
            return [] if state is None else tail_between(self._db, state.id, start_ms, end)
        found = self.execute(
            "SELECT data FROM revision JOIN market ON market.id = revision.market "  # noqa: S608 (a constant of ours)
            f"WHERE {_KEY} AND folded_at_ms IS NULL AND first_ts < ? ORDER BY revision.id",
            (*market, end),
        )
        return [row[0] for row in found]

    def _tail_then(self, market: int, moment: int) -> list[Any]:
        # A fold takes all that was written before the newest it takes: what was the tail at a moment went
        # into segments with the first fold after it, or has not yet.
        self.flush()
        ((fold,),) = self.execute(
            "SELECT min(folded_at_ms) FROM revision WHERE market = ? AND folded_at_ms > ?", (market, moment)
        )
        folded = "folded_at_ms IS NULL" if fold is None else "folded_at_ms = ?"
        return self.execute(
            "SELECT written_at_ms, members, data FROM revision "  # noqa: S608 (one of the two above)
            f"WHERE market = ? AND {folded} AND COALESCE(since_ms, written_at_ms) <= ? ORDER BY id",
            (market, *(() if fold is None else (fold,)), moment),
        )

    def revisions(self, market: Market, ts: int | None = None, end_ms: int | None = None) -> list[Revision]:
        """Return every write that changed the market, the first one first; with `ts`, those of that bar.

        With `end_ms` those of all bars that open in `[ts, end_ms)`.
        """
        self.flush()
        state = self.state(market)
        if state is None:
            return []
        return revisions(self._db, state.id, market.symbol, market.timeframe, ts, end_ms)

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
        self._gathered.note(state.id, candles, source, fetched_at_ms, now, None, pack(candles))
        newest = max(state.last_ts, int(candles.ts[-1]))
        self._keep(market, State(state.id, newest, now, state.tail_rows + 1, state.tail_bars + len(candles)))

    def bundle(self, market: Market) -> None:
        """Make few rows of the many small writes in the tail; nothing of them is forgotten."""
        self.flush()
        state = self.state(market)
        if state is not None:
            fewer = bundle(self._db, state.id, market.symbol, market.timeframe)
            self._keep(market, state._replace(tail_rows=state.tail_rows - fewer))

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
        self.flush()
        bundle(self._db, state.id, market.symbol, market.timeframe)
        self._replace(market, segments, now)
        self.execute(
            "UPDATE revision SET folded_at_ms = ? WHERE market = ? AND folded_at_ms IS NULL", (now, state.id)
        )
        self._gathered.note(state.id, candles, source, fetched_at_ms, now, now, None)
        self._keep(market, State(state.id, max(state.last_ts, int(candles.ts[-1])), now, 0, 0))

    def written(self, market: Market) -> list[tuple[int, str, bytes, int | None]]:
        """Return each row of bars with a digest of its own: key, digest, packed bars, when it was folded."""
        state = self.state(market)
        found = self.execute(
            "SELECT id, digest, data, folded_at_ms FROM revision "
            "WHERE market = ? AND data IS NOT NULL AND members IS NULL AND digest <> '' ORDER BY id",
            (-1 if state is None else state.id,),
        )
        return [(key, digest, bytes(data), folded) for key, digest, data, folded in found]

    def fold_tail(self, market: Market, segments: list[Segment], before: list[Segment], tail: Tail) -> bool:
        """Make segments the truth that hold a tail which was read earlier; False if it is another one now.

        Bars written since stay in the tail. It is no change of the truth, so it counts as made when the
        newest of these bars was written: what stood at any moment is what stood.
        """
        state, newest = self.state(market), tail.ids[-1]
        if state is None or self.segments(market) != before:
            return False
        found = self.execute(
            "SELECT id, bars FROM revision WHERE market = ? AND folded_at_ms IS NULL ORDER BY id", (state.id,)
        )
        if tuple(row[0] for row in found if row[0] <= newest) != tail.ids:
            return False
        self._replace(market, segments, tail.written_at_ms)
        self.execute(
            "UPDATE revision SET folded_at_ms = ? WHERE market = ? AND folded_at_ms IS NULL AND id <= ?",
            (tail.written_at_ms, state.id, newest),
        )
        bundle(self._db, state.id, market.symbol, market.timeframe, tail.written_at_ms)
        left = [row[1] for row in found if row[0] > newest]
        self._keep(market, state._replace(tail_rows=len(left), tail_bars=sum(left)))
        return True

    def flush(self) -> None:
        """Bring what was gathered to the database."""
        self._gathered.flush()

    def _replace(self, market: Market, segments: list[Segment], now: int) -> None:
        for segment in segments:
            self.execute(
                f"UPDATE segment SET superseded_at_ms = ? WHERE {_KEY} AND partition = ? "  # noqa: S608
                "AND superseded_at_ms IS NULL",
                (now, *market, segment.partition),
            )
            self.execute(
                "INSERT INTO segment (exchange, symbol, timeframe, partition, digest, rows, first_ts, "
                "last_ts, written_at_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (*market, *segment, now),
            )

    def _begin(
        self, market: Market, candles: Candles, corrected: NDArray[np.int64] | None
    ) -> tuple[State, int]:
        state, now = self.state(market), now_ms()
        if state is None:
            newest = int(candles.ts[-1])
            ((key,),) = self.execute(
                "INSERT INTO market (exchange, symbol, timeframe, last_ts, changed_at_ms, tail_rows, "
                "tail_bars) VALUES (?, ?, ?, ?, ?, 0, 0) RETURNING id",
                (*market, newest, now),
            )
            return State(key, newest, now, 0, 0), now
        now = max(now, state.changed_at_ms)  # a clock set back does not reorder history
        if corrected is not None and len(corrected):
            self.flush()
            supersede(self._db, state.id, market.symbol, market.timeframe, corrected, now)
        return state, now

    def _keep(self, market: Market, state: State) -> None:
        self._states[market] = state
        self._gathered.grow(state)
