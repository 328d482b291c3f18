"""The record of signals: each sealed into a chain before anyone knows what comes of it.

A signal is a row that is written once. Its hash is SHA-256 over the hash of the row before it, its number,
the moment it was sealed, and its body (JSON in one canonical form); the first row follows sixty-four zeros.
So no row can be changed, taken out or put in between without every later hash failing. That the newest
rows were cut off shows to whoever kept a later head: `verify(head=…)`.

What becomes of a signal is told in further rows, its events; what was chosen for a day stands in the
selection. One sealed later than the close of the bar after its own may have been decided knowing the outcome:
it is `retrospective`, and stays out of sealed statistics.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from cryptai.errors import InputError, UnknownName
from cryptai.market.exchange import check_exchange
from cryptai.market.symbol import parse_symbol
from cryptai.market.timeframe import Timeframe
from cryptai.screening.chain import FIRST, REPEATED, link, wrong
from cryptai.seams import now_ms
from cryptai.signals import canonical, identity_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from cryptai.market.rows import Rows
    from cryptai.market.transactions import Transactions

T = TypeVar("T")
_COLUMNS: Final = (
    "id, identity, exchange, symbol, timeframe, strategy, side, decided_ms, quality, status, sealed_ms, "
    "retrospective, body, previous, hash"
)
_AT_A_TIME: Final = 5_000
# Rows of one statement: a database takes some thousands of values in one.
_PORTION: Final = 200


@dataclass(frozen=True)
class Sealed:
    """One signal as it stands in the record; `text` is what was hashed, `body` what it says."""

    id: int
    identity: str
    sealed_ms: int
    retrospective: bool
    text: str
    previous: str
    hash: str

    @cached_property
    def body(self) -> dict[str, Any]:
        """Return what was sealed."""
        found: dict[str, Any] = json.loads(self.text)
        return found


class Event(NamedTuple):
    """Something that befell a signal: `filled`, `target`, `stop`, `expired`, `missed`, `invalidated`."""

    signal: int
    event: str
    at_ms: int
    body: dict[str, Any]


class Broken(NamedTuple):
    """The first row of a chain that is not what it was, and how that shows."""

    id: int
    reason: str


class Record:
    """The tables of signals. Each call is one transaction, durable when it returns."""

    def __init__(self, catalog: Transactions) -> None:
        self._catalog = catalog

    def seal(self, bodies: Iterable[Mapping[str, Any]]) -> list[int]:
        """Add the signals that are not there yet, in this order, and return the numbers of all of them.

        A signal is the same as another where venue, symbol, timeframe, strategy, parameters, side and the bar
        that decided it are: the first one sealed stays.
        """
        named = [(identity_of(body), body) for body in bodies]
        with self._catalog.change() as rows:
            there = _there(rows, [identity for identity, _ in named])
            found = rows.execute("SELECT id, hash FROM signal ORDER BY id DESC LIMIT 1")
            last, previous = (int(found[0][0]), str(found[0][1])) if found else (0, FIRST)
            added = []
            for identity, body in named:
                if identity in there:
                    continue
                last, sealed_ms, text = last + 1, now_ms(), canonical(body)
                digest = link(previous, last, sealed_ms, text)
                after = int(body["decided_ms"]) + Timeframe(str(body["timeframe"])).ms
                added.append(
                    (
                        last, identity, *(body[name] for name in REPEATED), body["evidence"]["status"],
                        sealed_ms, int(sealed_ms > after), text, previous, digest,
                    )
                )  # fmt: skip
                previous, there[identity] = digest, last
            for some in _portions(added):
                marks = ", ".join([f"({', '.join('?' * 15)})"] * len(some))
                rows.execute(
                    f"INSERT INTO signal ({_COLUMNS}) VALUES {marks}",  # noqa: S608
                    [value for row in some for value in row],
                )
        return [there[identity] for identity, _ in named]

    def note(self, events: Iterable[Event]) -> int:
        """Add what befell signals, each event of a signal once; return how many were new."""
        new = 0
        with self._catalog.change() as rows:
            for one in events:
                if rows.execute(
                    "SELECT id FROM signal_event WHERE signal = ? AND event = ?", (one.signal, one.event)
                ):
                    continue
                rows.execute(
                    "INSERT INTO signal_event (signal, event, at_ms, noted_ms, body) VALUES (?, ?, ?, ?, ?) "
                    "RETURNING id",
                    (one.signal, one.event, one.at_ms, now_ms(), canonical(one.body)),
                )
                new += 1
        return new

    def select(self, exchange: str, day: str, signals: Sequence[int]) -> list[int]:
        """Keep the choice of a day, the best first; one that was made already stays, and is returned."""
        with self._catalog.change() as rows:
            there = _chosen(rows, exchange, day)
            if there:
                return there
            for place, signal in enumerate(signals, 1):
                rows.execute(
                    "INSERT INTO selection (exchange, day, place, signal, selected_ms) "
                    "VALUES (?, ?, ?, ?, ?) RETURNING id",
                    (exchange, day, place, signal, now_ms()),
                )
        return list(signals)

    def selected(self, exchange: str, day: str) -> list[int]:
        """Return the numbers of a day's signals, the best first; empty where none were chosen."""
        with self._catalog.look() as rows:
            return _chosen(rows, exchange, day)

    def days(self, exchange: str, limit: int = 1_000) -> list[str]:
        """Return the days that have a selection, the newest first."""
        with self._catalog.look() as rows:
            found = rows.execute(
                "SELECT DISTINCT day FROM selection WHERE exchange = ? ORDER BY day DESC LIMIT ?",
                (exchange, limit),
            )
        return [str(day) for (day,) in found]

    def get(self, number: int) -> Sealed:
        """Return one signal.

        Raises
        ------
        UnknownName
            If there is none of that number.
        """
        found = self._read("WHERE id = ?", (number,))
        if not found:
            raise UnknownName("signal", str(number), (), field="id")
        return found[0]

    def named(self, identity: str) -> Sealed | None:
        """Return the signal of an identity, or None."""
        found = self._read("WHERE identity = ?", (identity,))
        return found[0] if found else None

    def several(self, numbers: Sequence[int]) -> list[Sealed]:
        """Return signals by number, in that order; those that are not there are left out."""
        marks = ", ".join("?" * len(numbers))
        found = (
            {one.id: one for one in self._read(f"WHERE id IN ({marks})", tuple(numbers))} if numbers else {}
        )
        return [found[number] for number in numbers if number in found]

    def newest(
        self,
        exchange: str | None = None,
        *,
        symbol: str | None = None,
        timeframe: str | None = None,
        strategy: str | None = None,
        side: str | None = None,
        since_ms: int | None = None,
        until_ms: int | None = None,
        limit: int = 100,
    ) -> list[Sealed]:
        """Return the newest signals of these, by the time they were decided, the newest first."""
        if exchange is not None:
            check_exchange(exchange)
        if not 1 <= limit <= 10_000:
            raise InputError(f"limit must be 1 to 10000, was {limit}.", field="limit")
        kinds = {
            "symbol": None if symbol is None else parse_symbol(symbol),
            "strategy": strategy,
            "timeframe": None if timeframe is None else str(Timeframe(timeframe)),
            "side": side,
        }
        asked = [(name, value) for name, value in kinds.items() if value is not None]
        # The first has an index that holds the others, too. Else a planner without figures takes another one,
        # and reads every row of the commoner kind.
        clauses = [(f"{name} = ?" if i == 0 else f"{name} || '' = ?", v) for i, (name, v) in enumerate(asked)]
        given = {
            "exchange = ?": exchange, **dict(clauses), "decided_ms >= ?": since_ms, "decided_ms < ?": until_ms
        }  # fmt: skip
        known = {clause: value for clause, value in given.items() if value is not None}
        where = f"WHERE {' AND '.join(known)} " if known else ""
        return self._read(f"{where}ORDER BY decided_ms DESC, id DESC LIMIT ?", (*known.values(), limit))

    def events(self, numbers: Sequence[int]) -> dict[int, list[Event]]:
        """Return what befell these signals, each in the order it was noted."""
        found: dict[int, list[Event]] = {number: [] for number in numbers}
        if not numbers:
            return found
        marks = ", ".join("?" * len(numbers))
        with self._catalog.look() as rows:
            told = rows.execute(
                f"SELECT signal, event, at_ms, body FROM signal_event WHERE signal IN ({marks}) ORDER BY id",  # noqa: S608
                tuple(numbers),
            )
        for signal, event, at_ms, body in told:
            found[int(signal)].append(Event(int(signal), str(event), int(at_ms), json.loads(body)))
        return found

    def unresolved(self, exchange: str, limit: int = 10_000) -> list[Sealed]:
        """Return the signals whose outcome is not noted yet, the oldest first."""
        return self._read(
            "WHERE exchange = ? AND NOT EXISTS (SELECT 1 FROM signal_event WHERE signal = signal.id AND "
            "event IN ('target', 'stop', 'expired', 'missed')) ORDER BY id LIMIT ?",
            (exchange, limit),
        )

    def state(self) -> tuple[int, str, int]:
        """Return what changes with whatever is added: number and hash of the newest signal, newest event."""
        with self._catalog.look() as rows:
            ((event,),) = rows.execute("SELECT COALESCE(max(id), 0) FROM signal_event")
        return (*self.head(), int(event))

    def newest_decided(self, exchange: str) -> int | None:
        """Return when the newest signal of a venue was decided (ms UTC); None where there is none."""
        with self._catalog.look() as rows:
            ((newest,),) = rows.execute("SELECT max(decided_ms) FROM signal WHERE exchange = ?", (exchange,))
        return None if newest is None else int(newest)

    def head(self) -> tuple[int, str]:
        """Return the number and the hash of the newest signal; 0 and sixty-four zeros of none."""
        with self._catalog.look() as rows:
            found = rows.execute("SELECT id, hash FROM signal ORDER BY id DESC LIMIT 1")
        return (int(found[0][0]), str(found[0][1])) if found else (0, FIRST)

    def verify(self, head: str | None = None) -> Broken | None:
        """Return the first row that is not what it was when it was sealed; None where all are.

        Parameters
        ----------
        head
            A hash that was the newest at some time: it must be in the chain, or rows were cut off.
        """
        previous, number, met = FIRST, 0, head in (None, FIRST)
        while True:
            with self._catalog.look() as rows:
                found = rows.execute(
                    f"SELECT {_COLUMNS} FROM signal WHERE id > ? ORDER BY id LIMIT {_AT_A_TIME}",  # noqa: S608
                    (number,),
                )
            if not found:
                break
            for row in found:
                number += 1
                broken = wrong(row, number, previous)
                if broken:
                    return Broken(number, broken)
                previous = str(row[-1])
                met = met or previous == head
        return None if met else Broken(number + 1, f"the head {str(head)[:16]} is not in the chain any more")

    def _read(self, clause: str, values: tuple[Any, ...]) -> list[Sealed]:
        with self._catalog.look() as rows:
            found = rows.execute(
                "SELECT id, identity, sealed_ms, retrospective, body, previous, hash FROM signal "  # noqa: S608
                f"{clause}",
                values,
            )
        return [
            Sealed(int(key), str(identity), int(sealed), bool(late), str(text), str(before), str(own))
            for key, identity, sealed, late, text, before, own in found
        ]


def _there(rows: Rows, identities: Sequence[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for some in _portions(identities):
        marks = ", ".join("?" * len(some))
        found |= rows.execute(f"SELECT identity, id FROM signal WHERE identity IN ({marks})", some)  # noqa: S608
    return found


def _portions(of: Sequence[T]) -> Iterator[Sequence[T]]:
    return (of[i : i + _PORTION] for i in range(0, len(of), _PORTION))


def _chosen(rows: Rows, exchange: str, day: str) -> list[int]:
    found = rows.execute(
        "SELECT signal FROM selection WHERE exchange = ? AND day = ? ORDER BY place", (exchange, day)
    )
    return [int(signal) for (signal,) in found]
