"""What of a budget is kept: weights spent, who waits, the limits told, the pauses asked for."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cryptai import seams
from cryptai.errors import WorkspaceError
from cryptai.market.durable import sync_log
from cryptai.market.wal import keep_log

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cryptai.market.revisions import Database

# Any minute of the venue's clock lies within the last 61 seconds of ours, so no clock need agree with it.
_WINDOW_S: Final = 61.0
# A waiter looks again at least so often; who has not looked for longer than `GONE_S` is dead.
_LOOK_S: Final = 2.0
GONE_S: Final = 8.0
SCHEMA: Final = """
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
class Account:
    """The rows of one venue and address, within one transaction of who made it.

    Attributes
    ----------
    now, boot
        Seconds of the clock that these rows go by, at the transaction's begin, and what tells this run of
        that clock from others.
    process
        The number of this process among all that share these rows.
    """

    db: Database
    venue: str
    address: str
    careful_limit: int
    now: float
    boot: str
    process: int

    def used(self) -> int:
        """Return the weight spent in the last minute."""
        # What another boot spent is older than any window; a time ahead of this clock is of another boot.
        found = self.db.execute(
            "SELECT COALESCE(SUM(weight), 0) FROM spent "
            "WHERE venue = ? AND address = ? AND at > ? AND at <= ? AND boot = ?",
            (self.venue, self.address, self.now - _WINDOW_S, self.now + 1.0, self.boot),
        ).fetchone()
        return int(found[0])

    def forget(self) -> None:
        """Forget what no window holds any more, and who waited and died."""
        self.db.execute(
            "DELETE FROM spent WHERE at <= ? OR at > ? OR boot <> ?",
            (self.now - _WINDOW_S, self.now + 1.0, self.boot),
        )
        self.db.execute(
            "DELETE FROM waiting WHERE seen < ? OR seen > ?", (self.now - GONE_S, self.now + GONE_S)
        )

    def limit(self) -> int:
        """Return the venue's limit of a minute, or the careful one until it was told."""
        found = self.db.execute(
            "SELECT weight FROM allowance WHERE venue = ? AND address = ?", (self.venue, self.address)
        ).fetchone()
        return int(found[0]) if found else self.careful_limit

    def count(self, weight: int, *, process: int) -> None:
        """Note a weight as spent now; process 0 is somebody else behind this address."""
        self.db.execute(
            "INSERT INTO spent VALUES (?, ?, ?, ?, ?, ?)",
            (self.venue, self.address, self.boot, self.now, process, weight),
        )

    def paused(self) -> float:
        """Return the seconds of pause that are left."""
        found = self.db.execute(
            "SELECT boot, until, until_wall_ms, seconds FROM pause WHERE address = ?", (self.address,)
        ).fetchone()
        if not found:
            return 0.0
        then, until, until_wall_ms, seconds = found
        left = until - self.now if then == self.boot else (until_wall_ms - seams.now_ms()) / 1000
        # Never longer than was told, whatever the clocks say since.
        return float(min(max(left, 0.0), seconds))

    def pause(self, seconds: float) -> None:
        """Note that nothing may be asked of this address for so long."""
        until_wall = seams.now_ms() + int(seconds * 1000)
        self.db.execute(
            "INSERT INTO pause VALUES (?, ?, ?, ?, ?) ON CONFLICT (address) DO UPDATE SET "
            "boot = excluded.boot, until = excluded.until, until_wall_ms = excluded.until_wall_ms, "
            "seconds = excluded.seconds",
            (self.address, self.boot, self.now + seconds, until_wall, seconds),
        )

    def learn(self, limit: int) -> None:
        """Note the venue's limit of a minute."""
        self.db.execute(
            "INSERT INTO allowance VALUES (?, ?, ?) "
            "ON CONFLICT (venue, address) DO UPDATE SET weight = excluded.weight",
            (self.venue, self.address, limit),
        )

    def ahead(self, ticket: int | None) -> int:
        """Return the weight of those in the queue who come before this one."""
        queue = self.db.execute(
            "SELECT id, process, weight FROM waiting WHERE venue = ? AND address = ?",
            (self.venue, self.address),
        ).fetchall()
        if all(id_ == ticket for id_, _, _ in queue):
            return 0
        given = dict(
            self.db.execute(
                "SELECT process, SUM(weight) FROM spent WHERE venue = ? AND address = ? GROUP BY process",
                (self.venue, self.address),
            ).fetchall()
        )
        mine = (given.get(self.process, 0), ticket if ticket is not None else 1 << 62)
        return sum(weight for id_, process, weight in queue if (given.get(process, 0), id_) < mine)

    def until(self, needed: int) -> float:
        """Return the seconds until so much weight has left the window, at most those until the next look."""
        freed = 0
        for at, weight in self.db.execute(
            "SELECT at, weight FROM spent WHERE venue = ? AND address = ? ORDER BY at",
            (self.venue, self.address),
        ):
            freed += weight
            if freed >= needed:
                return float(min(max(at + _WINDOW_S - self.now, 0.02), _LOOK_S))
        return _LOOK_S

    def queue(self, weight: int, ticket: int | None) -> int:
        """Take a place in the queue, or say that the one taken is still wanted; return it."""
        kept = "UPDATE waiting SET seen = ? WHERE id = ?"
        if ticket is not None and self.db.execute(kept, (self.now, ticket)).rowcount:
            return ticket
        place = self.db.execute(
            "INSERT INTO waiting (venue, address, process, weight, seen) VALUES (?, ?, ?, ?, ?) RETURNING id",
            (self.venue, self.address, self.process, weight, self.now),
        )
        return int(place.fetchone()[0])

    def drop(self, ticket: int | None) -> None:
        """Give a place back."""
        if ticket is not None:
            self.db.execute("DELETE FROM waiting WHERE id = ?", (ticket,))

    def queued(self) -> int:
        """Return how many wait."""
        where = (self.venue, self.address)
        found = self.db.execute(
            "SELECT COUNT(*) FROM waiting WHERE venue = ? AND address = ?", where
        ).fetchone()
        return int(found[0])


class AccountFile:
    """Accounts in a SQLite file, for the processes of one machine; they go by its monotonic clock."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._db: sqlite3.Connection | None = None

    @contextmanager
    def change(
        self, venue: str, address: str, careful_limit: int, *, durable: bool = False
    ) -> Iterator[Account]:
        """Hold the file's write lock while the block runs. One thread at a time may call this.

        What a `durable` one has changed is on the disk when it ends.
        """
        try:
            if self._db is None:
                self._db = _open(self._path)
            self._db.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield Account(self._db, venue, address, careful_limit, seams.monotonic(), boot(), os.getpid())
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")
            if durable:
                sync_log(self._path)
        except (sqlite3.DatabaseError, OSError) as error:
            raise WorkspaceError(
                f"The request budget {self._path} cannot be used ({error}); check the folder's permissions, "
                "or delete that file while nothing runs."
            ) from error

    @contextmanager
    def look(self) -> Iterator[Account | None]:
        """Look at what is there, and change nothing; None where nothing was ever asked for."""
        if not self._path.exists():
            yield None
            return
        address = f"{self._path.absolute().as_uri()}?mode=ro"
        with closing(sqlite3.connect(address, uri=True, timeout=30.0, isolation_level=None)) as db:
            db.execute("BEGIN")
            yield Account(db, "", "", 0, seams.monotonic(), boot(), os.getpid())

    def close(self) -> None:
        """Let go of the file; it is opened again when it is needed."""
        if self._db:
            self._db.close()
            self._db = None


def _open(path: Path) -> sqlite3.Connection:
    # One connection serves the threads of its budget, one at a time.
    db = sqlite3.connect(path, timeout=30.0, isolation_level=None, check_same_thread=False)
    try:
        keep_log(db)
        db.execute("PRAGMA synchronous = NORMAL")
        db.executescript(SCHEMA)
    except BaseException:
        db.close()
        raise
    return db


@lru_cache(maxsize=1)
def boot() -> str:
    """Return what tells this run of the machine from the one before."""
    # The monotonic clock counts from the machine's start: its values mean nothing after the next one.
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""
