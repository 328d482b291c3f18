"""The book of symbols: what each market's rules are and what became of it, as events that are only added.

Each event says when we learned of it (`known_ms`) and since when it holds (`ts`). The state of a symbol,
today or as of a day, is the fold of its events; so a universe of the past has what was delisted since.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from cryptai.errors import InputError, UnknownName
from cryptai.market.book_file import BookFile
from cryptai.market.exchange import check_exchange
from cryptai.market.newness import Stop
from cryptai.market.symbol import parse_symbol
from cryptai.seams import now_ms as clock_ms

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable
    from pathlib import Path

Status: TypeAlias = Literal["trading", "halted", "announced", "delisted"]
Kind: TypeAlias = Literal["listed", "delisted", "halted", "resumed", "rules", "renamed"]

_FILE: Final = "symbols.sqlite3"
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS event (
    id INTEGER PRIMARY KEY, exchange TEXT NOT NULL, symbol TEXT NOT NULL, kind TEXT NOT NULL,
    ts INTEGER NOT NULL, known_ms INTEGER NOT NULL, detail TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS synced (exchange TEXT PRIMARY KEY, ms INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS event_symbol ON event (exchange, symbol, id);
CREATE TRIGGER IF NOT EXISTS event_stays BEFORE UPDATE ON event
    BEGIN SELECT RAISE(ABORT, 'events are only ever added'); END;
CREATE TRIGGER IF NOT EXISTS event_kept BEFORE DELETE ON event
    BEGIN SELECT RAISE(ABORT, 'events are only ever added'); END;
"""


# The newest event of each market has its whole state.
_STOPPED: Final = """
SELECT symbol, json_extract(detail, '$.status') AS status, known_ms FROM event WHERE id IN (
    SELECT max(id) FROM event WHERE exchange = ?1 AND (?2 IS NULL OR known_ms <= ?2) GROUP BY symbol)
AND status IN ('halted', 'delisted')
"""


@dataclass(frozen=True, slots=True)
class SymbolInfo:
    """One market of a venue.

    Attributes
    ----------
    status
        `trading`; `halted` (for now); `announced` (not yet); `delisted` (for ever).
    tick, step
        What a price and an amount are multiples of, in quote and in base currency.
    min_amount, min_notional
        The smallest amount in base and value in quote currency; None where there is no such rule.
    listed_ms, delisted_ms
        When trading began and ended, ms UTC; None where it is not known, or has not ended.
    venue_status
        The venue's own word.
    renamed_to
        The market that goes on in its place.
    """

    symbol: str
    status: Status
    tick: Decimal
    step: Decimal
    min_amount: Decimal | None = None
    min_notional: Decimal | None = None
    listed_ms: int | None = None
    delisted_ms: int | None = None
    venue_status: str = ""
    renamed_to: str | None = None

    def as_object(self) -> dict[str, Any]:
        """Return it as JSON has it: sizes are decimal strings."""
        return {name: _plain(getattr(self, name)) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class SymbolEvent:
    """What happened to a market: it holds since `ts`, we know it since `known_ms` (ms UTC)."""

    exchange: str
    symbol: str
    kind: Kind
    ts: int
    known_ms: int
    detail: dict[str, Any]


class SymbolBook:
    """All symbols of all venues of a workspace, in one SQLite file that is only ever added to."""

    def __init__(self, file: Path | None = None) -> None:
        self._book = BookFile("symbols", _FILE, _SCHEMA, file)

    def sync(self, exchange: str, symbols: Iterable[SymbolInfo], now_ms: int) -> list[SymbolEvent]:
        """Take the venue's list of today; return, and keep, what has changed since the last one.

        A market that the list lacks is delisted, since now as far as anyone can tell. An empty list is
        refused: no venue closes all its markets at once.
        """
        check_exchange(exchange)
        fresh = {info.symbol: info for info in symbols}
        if not fresh:
            raise InputError(f"{exchange} gave no symbols at all; nothing was changed.", field="exchange")
        with self._book.changed() as db:
            known = _states(_events(db, exchange))
            events = []
            for symbol, info in fresh.items():
                events += _changes(exchange, known.get(symbol), info, now_ms)
            for symbol, before in known.items():
                if symbol not in fresh and before.status != "delisted":
                    gone = replace(before, status="delisted", delisted_ms=now_ms, venue_status="")
                    events.append(_event(exchange, "delisted", gone, now_ms, now_ms))
            _add(db, events)
            db.execute("INSERT OR REPLACE INTO synced VALUES (?, ?)", (exchange, clock_ms()))
        return events

    def synced_ms(self, exchange: str) -> int:
        """Return when the venue's list was last taken, by this machine's clock (ms UTC); 0 for never."""
        with self._book.looked_at() as db:
            found = db.execute("SELECT ms FROM synced WHERE exchange = ?", (exchange,)).fetchone()
        return int(found[0]) if found else 0

    def listed(self, exchange: str, symbol: str, listed_ms: int, now_ms: int) -> None:
        """Note when trading began, where the venue's list does not tell it (the first bar does)."""
        info = self.info(exchange, symbol)
        if info.listed_ms == listed_ms:
            return
        with self._book.changed() as db:
            fixed = replace(info, listed_ms=listed_ms)
            _add(db, [_event(exchange, "listed", fixed, listed_ms, now_ms)])

    def renamed(self, exchange: str, old: str, new: str, ts: int, now_ms: int) -> SymbolEvent:
        """Note that a market goes on under another name. A venue's list does not say so: a person does.

        Raises
        ------
        UnknownName
            If the book has not both of them.
        InputError
            If it is the same name, or the new one was once renamed to the old one.
        """
        before, after = self.info(exchange, old), self.info(exchange, new)
        if before.symbol in (after.symbol, after.renamed_to):
            raise InputError(f"{before.symbol} cannot be renamed to {after.symbol}.", field="new")
        event = _event(
            exchange, "renamed",
            replace(before, status="delisted", delisted_ms=before.delisted_ms or ts, renamed_to=after.symbol),
            ts, now_ms,
        )  # fmt: skip
        with self._book.changed() as db:
            _add(db, [event])
        return event

    def info(self, exchange: str, symbol: str, *, as_of_ms: int | None = None) -> SymbolInfo:
        """Return a market as it was known at an instant (default: now); raise `UnknownName` for none."""
        name = parse_symbol(symbol)
        states = self._at(exchange, as_of_ms)
        if name not in states:
            raise UnknownName(f"symbol of {exchange}", name, states, field="symbol")
        return states[name]

    def universe(self, exchange: str, *, as_of_ms: int | None = None) -> list[SymbolInfo]:
        """Return the markets that were trading at an instant (default: now), by name.

        By what is known today: a market delisted since is in it, one listed later is not. Where the day of
        listing is not known, a market counts from the day that its venue's list was first seen.
        """
        states = self._at(exchange, None)
        if as_of_ms is None:
            return [info for _, info in sorted(states.items()) if info.status == "trading"]
        found = []
        for symbol, info in sorted(states.items()):
            events = self.events(exchange, symbol)
            # What was delisted and listed anew began with its first listing.
            begun = min(event.detail["listed_ms"] or event.ts for event in events)
            if begun > as_of_ms or (info.delisted_ms is not None and info.delisted_ms <= as_of_ms):
                continue
            then = [event for event in events if event.ts <= as_of_ms]
            status = _states(then)[symbol].status if then else "trading"
            if status == "trading":
                found.append(replace(info, status="trading"))
        return found

    def stopped(self, exchange: str, *, as_of_ms: int | None = None) -> dict[str, Stop]:
        """Return the markets that were halted or delisted, as was known at an instant (default: now)."""
        with self._book.looked_at() as db:
            rows = db.execute(_STOPPED, (exchange, as_of_ms)).fetchall()
        return {symbol: Stop(status, known_ms) for symbol, status, known_ms in rows}

    def events(self, exchange: str | None = None, symbol: str | None = None) -> list[SymbolEvent]:
        """Return what happened, in the order in which we learned of it."""
        with self._book.looked_at() as db:
            return _events(db, exchange, symbol)

    def _at(self, exchange: str, as_of_ms: int | None) -> dict[str, SymbolInfo]:
        events = self.events(exchange)
        return _states([e for e in events if as_of_ms is None or e.known_ms <= as_of_ms])


def _changes(exchange: str, before: SymbolInfo | None, info: SymbolInfo, now_ms: int) -> list[SymbolEvent]:
    """Return the events that lead from what was known to what the venue says."""
    if before is None:
        events = [_event(exchange, "listed", info, info.listed_ms or now_ms, now_ms)]
        if info.status == "halted":
            events.append(_event(exchange, "halted", info, now_ms, now_ms))
        if info.status == "delisted":
            events.append(_event(exchange, "delisted", info, info.delisted_ms or now_ms, now_ms))
        return events
    merged = replace(info, listed_ms=info.listed_ms or before.listed_ms, renamed_to=before.renamed_to)
    if before.status == "delisted" and info.status == "delisted":
        merged = replace(merged, delisted_ms=merged.delisted_ms or before.delisted_ms)
    if merged == before:
        return []
    if merged.status == before.status:
        return [_event(exchange, "rules", merged, now_ms, now_ms)]
    if merged.status == "delisted":
        gone = replace(merged, delisted_ms=merged.delisted_ms or now_ms)
        return [_event(exchange, "delisted", gone, gone.delisted_ms or now_ms, now_ms)]
    if before.status == "delisted":
        # Listed anew: the venue's old day of listing is not this one's.
        anew = replace(merged, listed_ms=info.listed_ms or now_ms, renamed_to=None)
        return [_event(exchange, "listed", anew, now_ms, now_ms)]
    kind: Kind = "resumed" if merged.status == "trading" else "halted"
    return [_event(exchange, kind, merged, now_ms, now_ms)]


def _event(exchange: str, kind: Kind, info: SymbolInfo, ts: int, known_ms: int) -> SymbolEvent:
    return SymbolEvent(exchange, info.symbol, kind, ts, known_ms, info.as_object())


def _states(events: Iterable[SymbolEvent]) -> dict[str, SymbolInfo]:
    """Fold events: each carries the whole state that it leads to."""
    return {event.symbol: _info(event.detail) for event in events}


def _info(detail: dict[str, Any]) -> SymbolInfo:
    sizes = {name: Decimal(detail[name]) for name in ("tick", "step")}
    least = {
        name: None if detail[name] is None else Decimal(detail[name])
        for name in ("min_amount", "min_notional")
    }
    return SymbolInfo(**(detail | sizes | least))


def _plain(value: object) -> object:
    return format(value, "f") if isinstance(value, Decimal) else value


def _add(db: sqlite3.Connection, events: Iterable[SymbolEvent]) -> None:
    db.executemany(
        "INSERT INTO event (exchange, symbol, kind, ts, known_ms, detail) VALUES (?, ?, ?, ?, ?, ?)",
        [(e.exchange, e.symbol, e.kind, e.ts, e.known_ms, json.dumps(e.detail)) for e in events],
    )


def _events(db: sqlite3.Connection, exchange: str | None, symbol: str | None = None) -> list[SymbolEvent]:
    rows = db.execute(
        "SELECT exchange, symbol, kind, ts, known_ms, detail FROM event "
        "WHERE (?1 IS NULL OR exchange = ?1) AND (?2 IS NULL OR symbol = ?2) ORDER BY id",
        (exchange, symbol),
    )
    return [SymbolEvent(*row[:5], *map(json.loads, row[5:])) for row in rows]
