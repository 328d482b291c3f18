"""The candle store's catalog: which segments and tail rows are the truth, in one SQLite file."""

from __future__ import annotations

import sqlite3
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from cryptai.errors import WorkspaceError
from cryptai.market.candles import COLUMNS, Candles
from cryptai.market.durable import make_folder, sync_file, sync_folder
from cryptai.market.timeframe import TIMEFRAMES, Timeframe
from cryptai.seams import new_id, now_ms

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Each entry brings the catalog from the version of its index to the next one; entries are only ever added.
MIGRATIONS: Final[tuple[tuple[str, ...], ...]] = (
    (
        """CREATE TABLE segment (
            id INTEGER PRIMARY KEY,
            exchange TEXT NOT NULL, symbol TEXT NOT NULL, timeframe TEXT NOT NULL, partition TEXT NOT NULL,
            digest TEXT NOT NULL, rows INTEGER NOT NULL, first_ts INTEGER NOT NULL, last_ts INTEGER NOT NULL,
            written_at_ms INTEGER NOT NULL, superseded_at_ms INTEGER
        )""",
        # One truth a partition; what it superseded stays beside it.
        """CREATE UNIQUE INDEX segment_current ON segment (exchange, symbol, timeframe, partition)
            WHERE superseded_at_ms IS NULL""",
        """CREATE TABLE tail (
            exchange TEXT NOT NULL, symbol TEXT NOT NULL, timeframe TEXT NOT NULL, ts INTEGER NOT NULL,
            open REAL NOT NULL, high REAL NOT NULL, low REAL NOT NULL, close REAL NOT NULL,
            volume REAL NOT NULL,
            PRIMARY KEY (exchange, symbol, timeframe, ts)
        ) WITHOUT ROWID""",
    ),
)
_WAIT_SECONDS: Final = 60.0


class Market(NamedTuple):
    """What candles are kept by: venue, symbol and timeframe."""

    exchange: str
    symbol: str
    timeframe: Timeframe

    def __str__(self) -> str:
        return f"{self.symbol} {self.timeframe} of {self.exchange}"


class Segment(NamedTuple):
    """One file of candles: its partition, the digest of its bars and their extent."""

    partition: str
    digest: str
    rows: int
    first_ts: int
    last_ts: int


class Rows:
    """The catalog as one transaction sees it."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def markets(self, exchange: str | None = None) -> list[Market]:
        """Return the markets with bars, by venue, symbol and length of bar."""
        found = self._db.execute(
            "SELECT exchange, symbol, timeframe FROM segment WHERE superseded_at_ms IS NULL "
            "UNION SELECT exchange, symbol, timeframe FROM tail"
        )
        markets = [Market(e, s, Timeframe(t)) for e, s, t in found if exchange in (None, e)]
        return sorted(markets, key=lambda m: (m.exchange, m.symbol, TIMEFRAMES.index(m.timeframe)))

    def segments(self, market: Market) -> list[Segment]:
        """Return the segments in force, oldest bars first."""
        found = self._db.execute(
            "SELECT partition, digest, rows, first_ts, last_ts FROM segment "
            "WHERE exchange = ? AND symbol = ? AND timeframe = ? AND superseded_at_ms IS NULL "
            "ORDER BY first_ts",
            market,
        )
        return [Segment(*row) for row in found]

    def tail(self, market: Market) -> Candles:
        """Return the newest bars, those not in a segment yet; all are newer than every segment's."""
        found = self._db.execute(
            "SELECT ts, open, high, low, close, volume FROM tail "
            "WHERE exchange = ? AND symbol = ? AND timeframe = ? ORDER BY ts",
            market,
        ).fetchall()
        ts, *values = zip(*found, strict=True) if found else ((),) * len(COLUMNS)
        arrays = (np.array(ts, np.int64), *(np.array(v, np.float64) for v in values))
        columns: dict[str, Any] = dict(zip(COLUMNS, arrays, strict=True))
        return Candles(**columns, symbol=market.symbol, timeframe=market.timeframe)

    def append(self, market: Market, candles: Candles) -> None:
        """Add bars to the tail."""
        columns = (getattr(candles, name).tolist() for name in COLUMNS)
        self._db.executemany(
            "INSERT INTO tail VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [(*market, *bar) for bar in zip(*columns, strict=True)],
        )

    def put(self, market: Market, segment: Segment) -> None:
        """Make a segment the truth of its partition; the one before it stays as history."""
        now = now_ms()
        self._db.execute(
            "UPDATE segment SET superseded_at_ms = ? WHERE exchange = ? AND symbol = ? AND timeframe = ? "
            "AND partition = ? AND superseded_at_ms IS NULL",
            (now, *market, segment.partition),
        )
        self._db.execute(
            "INSERT INTO segment (exchange, symbol, timeframe, partition, digest, rows, first_ts, last_ts, "
            "written_at_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (*market, *segment, now),
        )

    def clear_tail(self, market: Market) -> None:
        """Forget the tail; its bars are in a segment now."""
        self._db.execute("DELETE FROM tail WHERE exchange = ? AND symbol = ? AND timeframe = ?", market)


class Catalog:
    """The SQLite file. Each look and each change is one transaction on a connection of its own.

    So it may be used from any thread and after a fork, and many processes read while one writes.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @contextmanager
    def look(self) -> Iterator[Rows]:
        """Read at one point in time; where there is no catalog yet, nothing is stored and nothing made."""
        with self._connection(create=False) as db:
            db.execute("BEGIN")
            try:
                yield Rows(db)
            finally:
                db.execute("ROLLBACK")

    @contextmanager
    def change(self) -> Iterator[Rows]:
        """Hold the one write lock from the first read on; durable when the block ends, or nothing is."""
        with self._connection(create=True) as db:
            db.execute("BEGIN IMMEDIATE")
            try:
                yield Rows(db)
            except BaseException:
                db.execute("ROLLBACK")
                raise
            db.execute("COMMIT")

    @contextmanager
    def _connection(self, *, create: bool) -> Iterator[sqlite3.Connection]:
        try:
            if create and not self.path.exists():
                _create(self.path)
            with closing(_connect(self.path) if create or self.path.exists() else _empty()) as db:
                yield db
        except sqlite3.DatabaseError as error:
            raise WorkspaceError(_sentence(self.path, error)) from error


def _create(path: Path) -> None:
    # The finished file appears at once, under its name or not at all: nobody meets half a catalog.
    make_folder(path.parent)
    draft = path.with_name(f"{path.name}.{new_id()}.tmp")
    try:
        with closing(sqlite3.connect(draft, isolation_level=None)) as db:
            db.execute("PRAGMA journal_mode = WAL")
            _migrate(db)
        sync_file(draft)
        path.hardlink_to(draft)
        sync_folder(path.parent)
    except FileExistsError:
        pass  # another process made it in the meantime
    finally:
        draft.unlink(missing_ok=True)


def _connect(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=_WAIT_SECONDS, isolation_level=None
    )
    try:
        db.execute("PRAGMA synchronous = FULL")
        _bring_up(db, path)
    except BaseException:
        db.close()
        raise
    return db


def _bring_up(db: sqlite3.Connection, path: Path) -> None:
    version = _version(db)
    if version > len(MIGRATIONS):
        raise WorkspaceError(
            f"The candle catalog {path} is of version {version}, newer than this CryptAI understands "
            f"({len(MIGRATIONS)}); update CryptAI."
        )
    if version < len(MIGRATIONS):
        _migrate(db)


def _empty() -> sqlite3.Connection:
    db = sqlite3.connect(":memory:", isolation_level=None)
    _migrate(db)
    return db


def _migrate(db: sqlite3.Connection) -> None:
    db.execute("BEGIN IMMEDIATE")
    try:
        for statements in MIGRATIONS[_version(db) :]:
            for statement in statements:
                db.execute(statement)
        db.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
    except BaseException:
        db.execute("ROLLBACK")
        raise
    db.execute("COMMIT")


def _version(db: sqlite3.Connection) -> int:
    return int(db.execute("PRAGMA user_version").fetchone()[0])


def _sentence(path: Path, error: sqlite3.DatabaseError) -> str:
    if "locked" in str(error) or "busy" in str(error):
        return (
            f"Another process has been writing to {path} for {_WAIT_SECONDS:.0f} seconds; "
            "try again when it is done."
        )
    if isinstance(error, sqlite3.OperationalError):
        return (
            f"The candle catalog {path} cannot be used ({error}); check the folder's permissions and "
            "the free space."
        )
    return f"The candle catalog {path} is damaged ({error}); bring it back with: cryptai restore FILE."
