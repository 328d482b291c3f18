"""The request budget of a venue's address: one for all processes of a workspace, kept in one SQLite file.

Follows Binance's page "Rate limits": requests have weights, a minute has a limit of them, an answer
tells what was used (X-MBX-USED-WEIGHT-1M); 429 and then 418 (a ban) tell how long to pause (Retry-After).
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
from contextlib import closing, contextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cryptai import seams
from cryptai.errors import SourceError, WorkspaceError
from cryptai.workspace import open_workspace, workspace_root

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping

CAREFUL_LIMIT: Final = 1200
"""The weight of a minute that is assumed until the venue has told its own."""
LONGEST_PAUSE_S: Final = 3 * 86_400.0

_FILE: Final = "budget.sqlite3"
# Any minute of the venue's clock lies within the last 61 seconds of ours, so no clock need agree with it.
_WINDOW_S: Final = 61.0
# What other programs behind this address use must fit in the rest.
_SHARE: Final = 0.9
# A waiter looks again at least so often; who has not looked for longer than `_GONE_S` is dead.
_LOOK_S: Final = 2.0
_GONE_S: Final = 8.0
_UNTOLD_S: Final = {429: 60.0, 418: 120.0}
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS spent (
    venue TEXT, address TEXT, boot TEXT, at REAL, process INTEGER, weight INTEGER);
CREATE INDEX IF NOT EXISTS spent_at ON spent (venue, address, at);
CREATE TABLE IF NOT EXISTS waiting (
    id INTEGER PRIMARY KEY AUTOINCREMENT, venue TEXT, address TEXT, process INTEGER, weight INTEGER,
    seen REAL);
CREATE TABLE IF NOT EXISTS allowance (venue TEXT, address TEXT, weight INTEGER, PRIMARY KEY (venue, address));
CREATE TABLE IF NOT EXISTS pause (
    address TEXT PRIMARY KEY, boot TEXT, until REAL, until_wall_ms INTEGER, seconds REAL);
"""


@dataclass(frozen=True, slots=True)
class BudgetState:
    """Where a budget stands: weight used in the last minute, the venue's limit, seconds of pause left."""

    venue: str
    address: str
    used: int
    limit: int
    pause_s: float
    waiting: int


class Budget:
    """What may be asked of one address, shared by all who name the same file.

    Weight is spent before a request is sent. A pause that the venue asked for holds for all that is asked at
    that address, across restarts, and by the monotonic clock, so that no clock set forward ends a ban. Of
    those who wait, the process given least in the last minute comes first, and in it the oldest waiter.

    Parameters
    ----------
    venue
        Whose weights are counted together: "binance" (spot) and "binance-perps" have a limit each.
    address
        Scheme and host of the requests.
    file
        The SQLite file; by default `budget.sqlite3` in the workspace, which is made.
    rest
        How to wait: replaced in a simulated world.
    """

    def __init__(
        self,
        venue: str,
        address: str,
        *,
        title: str = "",
        file: Path | None = None,
        limit: int = CAREFUL_LIMIT,
        rest: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self.venue = venue
        self.address = address
        self._title = title or venue
        self._file = file
        self._careful_limit = limit
        self._rest = rest
        self._db: sqlite3.Connection | None = None
        self._lock = threading.Lock()

    async def spend(self, weight: int, *, most_pause_s: float = 60.0) -> None:
        """Return when a request of this weight may be sent at once; its weight is counted.

        Raises
        ------
        SourceError
            If the venue's pause has longer to go than `most_pause_s`.
        WorkspaceError
            If the file cannot be used.
        """
        ticket: int | None = None
        try:
            while True:
                pause, wait, ticket = await asyncio.to_thread(self._try, weight, ticket)
                if pause > most_pause_s:
                    raise SourceError(f"{self._title} asked for a pause, of which {pause:.0f} s are left.")
                if max(pause, wait) <= 0.0:
                    return
                await self._rest(max(pause, wait))
        finally:
            if ticket is not None:
                self._leave(ticket)

    def heard(self, headers: Mapping[str, str]) -> None:
        """Take note of what the venue says was used in its minute: others may share the address.

        Only more than we know of is believed; nonsense is not.
        """
        told = headers.get("X-MBX-USED-WEIGHT-1M", "")
        if not (told.isascii() and told.isdigit()):
            return
        with self._change() as db:
            used, limit = self._used(db), self._limit(db)
            if min(int(told), limit) > used:
                self._count(db, min(int(told), limit) - used, process=0)

    def refused(self, status: int, headers: Mapping[str, str]) -> float:
        """Note the pause that a refusal asks for and return its seconds; 0 where it asks for none.

        A 429 or 418 that does not say how long means a minute and two; Retry-After may be seconds or a date.
        """
        seconds = _retry_after(headers)
        if seconds is None:
            seconds = _UNTOLD_S.get(status, 0.0)
        if seconds <= 0.0:
            return 0.0
        # Our clock may run a little faster than the venue's.
        kept = min(seconds, LONGEST_PAUSE_S) * 1.001 + 0.5
        with self._change() as db:
            if kept > self._paused(db):
                until, until_wall = seams.monotonic() + kept, seams.now_ms() + int(kept * 1000)
                db.execute(
                    "INSERT OR REPLACE INTO pause VALUES (?, ?, ?, ?, ?)",
                    (self.address, _boot(), until, until_wall, kept),
                )
        return min(seconds, LONGEST_PAUSE_S)

    def learn(self, limit: int) -> None:
        """Take the limit of a minute from the venue (exchangeInfo's REQUEST_WEIGHT)."""
        with self._change() as db:
            db.execute(
                "INSERT OR REPLACE INTO allowance VALUES (?, ?, ?)", (self.venue, self.address, max(1, limit))
            )

    def state(self) -> BudgetState:
        """Return where it stands now."""
        with self._change() as db:
            return BudgetState(
                self.venue, self.address, self._used(db), self._limit(db), self._paused(db), self._queued(db)
            )

    def close(self) -> None:
        """Let go of the file; it is opened again when it is needed."""
        with self._lock:
            if self._db:
                self._db.close()
                self._db = None

    def _try(self, weight: int, ticket: int | None) -> tuple[float, float, int | None]:
        """Return seconds of pause left, seconds until there may be room, and the place in the queue."""
        with self._change() as db:
            pause = self._paused(db)
            if pause > 0.0:
                self._drop(db, ticket)
                return pause, 0.0, None
            room = max(int(self._limit(db) * _SHARE), weight)
            now = seams.monotonic()
            db.execute("DELETE FROM waiting WHERE seen < ? OR seen > ?", (now - _GONE_S, now + _GONE_S))
            ahead = self._ahead(db, ticket)
            used = self._used(db)
            if used + ahead + weight <= room:
                self._count(db, weight, process=os.getpid())
                self._drop(db, ticket)
                return 0.0, 0.0, None
            ticket = self._queue(db, weight, ticket)
            return 0.0, self._until(db, used + ahead + weight - room), ticket

    def _ahead(self, db: sqlite3.Connection, ticket: int | None) -> int:
        """Return the weight of those in the queue who come before this one."""
        given = dict(
            db.execute(
                "SELECT process, SUM(weight) FROM spent WHERE venue = ? AND address = ? GROUP BY process",
                (self.venue, self.address),
            ).fetchall()
        )
        mine = (given.get(os.getpid(), 0), ticket if ticket is not None else 1 << 62)
        queue = db.execute(
            "SELECT id, process, weight FROM waiting WHERE venue = ? AND address = ?",
            (self.venue, self.address),
        )
        return sum(weight for id_, process, weight in queue if (given.get(process, 0), id_) < mine)

    def _until(self, db: sqlite3.Connection, needed: int) -> float:
        """Return the seconds until so much weight has left the window, at most those until the next look."""
        freed = 0
        for at, weight in db.execute(
            "SELECT at, weight FROM spent WHERE venue = ? AND address = ? ORDER BY at",
            (self.venue, self.address),
        ):
            freed += weight
            if freed >= needed:
                return float(min(max(at + _WINDOW_S - seams.monotonic(), 0.02), _LOOK_S))
        return _LOOK_S

    def _queue(self, db: sqlite3.Connection, weight: int, ticket: int | None) -> int:
        now = seams.monotonic()
        kept = "UPDATE waiting SET seen = ? WHERE id = ?"
        if ticket is not None and db.execute(kept, (now, ticket)).rowcount:
            return ticket
        place = db.execute(
            "INSERT INTO waiting (venue, address, process, weight, seen) VALUES (?, ?, ?, ?, ?)",
            (self.venue, self.address, os.getpid(), weight, now),
        )
        return int(place.lastrowid or 0)

    def _drop(self, db: sqlite3.Connection, ticket: int | None) -> None:
        if ticket is not None:
            db.execute("DELETE FROM waiting WHERE id = ?", (ticket,))

    def _leave(self, ticket: int) -> None:
        with self._change() as db:
            self._drop(db, ticket)

    def _queued(self, db: sqlite3.Connection) -> int:
        where = (self.venue, self.address)
        found = db.execute("SELECT COUNT(*) FROM waiting WHERE venue = ? AND address = ?", where).fetchone()
        return int(found[0])

    def _count(self, db: sqlite3.Connection, weight: int, *, process: int) -> None:
        db.execute(
            "INSERT INTO spent VALUES (?, ?, ?, ?, ?, ?)",
            (self.venue, self.address, _boot(), seams.monotonic(), process, weight),
        )

    def _used(self, db: sqlite3.Connection) -> int:
        now = seams.monotonic()
        # What another boot spent is older than any window; a time ahead of this clock is of another boot.
        db.execute(
            "DELETE FROM spent WHERE at <= ? OR at > ? OR boot != ?", (now - _WINDOW_S, now + 1.0, _boot())
        )
        found = db.execute(
            "SELECT COALESCE(SUM(weight), 0) FROM spent WHERE venue = ? AND address = ?",
            (self.venue, self.address),
        ).fetchone()
        return int(found[0])

    def _limit(self, db: sqlite3.Connection) -> int:
        found = db.execute(
            "SELECT weight FROM allowance WHERE venue = ? AND address = ?", (self.venue, self.address)
        ).fetchone()
        return int(found[0]) if found else self._careful_limit

    def _paused(self, db: sqlite3.Connection) -> float:
        found = db.execute(
            "SELECT boot, until, until_wall_ms, seconds FROM pause WHERE address = ?", (self.address,)
        ).fetchone()
        if not found:
            return 0.0
        boot, until, until_wall_ms, seconds = found
        left = until - seams.monotonic() if boot == _boot() else (until_wall_ms - seams.now_ms()) / 1000
        # Never longer than was told, whatever the clocks say since.
        return float(min(max(left, 0.0), seconds))

    @contextmanager
    def _change(self) -> Iterator[sqlite3.Connection]:
        path = self._path()
        with self._lock:
            try:
                if self._db is None:
                    self._db = _open(path)
                self._db.execute("BEGIN IMMEDIATE")
                try:
                    yield self._db
                except BaseException:
                    self._db.execute("ROLLBACK")
                    raise
                self._db.execute("COMMIT")
            except sqlite3.DatabaseError as error:
                raise WorkspaceError(
                    f"The request budget {path} cannot be used ({error}); check the folder's permissions, "
                    "or delete that file while nothing runs."
                ) from error

    def _path(self) -> Path:
        if self._file is None:
            self._file = open_workspace().root / _FILE
        return self._file


def budget_states(file: Path | None = None) -> list[BudgetState]:
    """Return all budgets of the workspace, by venue and address; empty where nothing was ever asked."""
    path = file or workspace_root() / _FILE
    if not path.exists():
        return []
    with closing(_open(path)) as db:
        known = db.execute(
            "SELECT venue, address FROM spent UNION SELECT venue, address FROM allowance ORDER BY 1, 2"
        ).fetchall()
    states = []
    for venue, address in known:
        with closing(Budget(venue, address, file=path)) as budget:
            states.append(budget.state())
    return states


def _open(path: Path) -> sqlite3.Connection:
    # One connection serves the threads of its budget, one at a time.
    db = sqlite3.connect(path, timeout=30.0, isolation_level=None, check_same_thread=False)
    try:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")
        db.executescript(_SCHEMA)
    except BaseException:
        db.close()
        raise
    return db


def _retry_after(headers: Mapping[str, str]) -> float | None:
    told = headers.get("Retry-After", "").strip()
    if told.isascii() and told.isdigit():
        return float(told[:9])
    try:
        until = parsedate_to_datetime(told).timestamp()
        said = parsedate_to_datetime(headers.get("Date", "")).timestamp()
    except (ValueError, OverflowError):
        return None
    return max(0.0, until - said)


@lru_cache(maxsize=1)
def _boot() -> str:
    # The monotonic clock counts from the machine's start: its values mean nothing after the next one.
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""
