"""The candle store's catalog in PostgreSQL: the same tables and rules as in SQLite, for several machines."""

from __future__ import annotations

import os
import weakref
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from cryptai.errors import WorkspaceError
from cryptai.market.adopted import TABLES, adopt
from cryptai.market.catalog import Catalog, empty
from cryptai.market.rows import Rows
from cryptai.market.schema import MIGRATIONS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from psycopg import Connection, Cursor

SCHEMA: Final = "cryptai_market"
"""The tables' schema in the database, beside the platform's own tables."""

WAIT_SECONDS: Final = 60
_CONNECT_SECONDS: Final = 10
# Connections kept for the next use; more are opened when more is done at once.
_KEPT: Final = 4
_LOCK: Final = 0x63727970746169  # any number that is ours: "cryptai"
_abandoned: Final[list[Any]] = []


class Session:
    """A connection that takes our statements: `?` for a value, INTEGER and BLOB for the types of columns."""

    def __init__(self, db: Connection[Any]) -> None:
        self._db = db

    def execute(self, statement: str, values: Sequence[Any] = ()) -> Cursor[Any]:
        """Run one statement; bytes and numbers come back as they are."""
        cursor = self._db.cursor(binary=True)
        return cursor.execute(_spoken(statement).encode(), [_plain(value) for value in values])

    def executemany(self, statement: str, values: Sequence[Sequence[Any]]) -> None:
        """Run a statement for each row of values, sent together."""
        with self._db.cursor() as cursor:
            cursor.executemany(_spoken(statement).encode(), [[_plain(v) for v in row] for row in values])


class PostgresqlCatalog:
    """A schema of a PostgreSQL database. Each look and each change is one transaction.

    One change at a time is under way, whatever process and machine it runs on: it holds an advisory lock.
    `synchronous_commit` is turned on where it is off, so what a change has acknowledged is on the server's
    disk. `adopting` names a SQLite catalog whose rows are taken over when the schema is made.
    """

    def __init__(self, address: str, adopting: Path | None = None) -> None:
        self._address = address
        self._adopting = adopting
        self._idle: list[tuple[int, Connection[Any], str]] = []
        weakref.finalize(self, _close_all, self._idle)

    def __str__(self) -> str:
        return "the PostgreSQL database of DATABASE_URL"

    def exists(self) -> bool:
        """Whether the catalog was made already."""
        with self._connection() as (db, _):
            version = self._begin(db, "BEGIN READ ONLY")
            if version:
                db.execute("ROLLBACK")
        return version > 0

    @contextmanager
    def look(self) -> Iterator[Rows]:
        """Read at one point in time; where there is no catalog yet, nothing is stored and nothing made."""
        with self._connection() as (db, _):
            begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
            version = self._begin(db, begin)
            if version == 0 and not self._adopts():
                with empty() as rows:
                    yield rows
                return
            self._bring_up(db, begin, version)
            try:
                yield Rows(Session(db))
            finally:
                db.execute("ROLLBACK")

    @contextmanager
    def change(self) -> Iterator[Rows]:
        """Hold the one write lock from the first read on; durable when the block ends, or nothing is."""
        with self._connection() as (db, synchronous):
            # Each statement sees what was committed before it: all that came before the lock.
            begin = (
                "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; "
                f"SET LOCAL lock_timeout = '{WAIT_SECONDS}s'; {synchronous}"
                f"SELECT pg_advisory_xact_lock({_LOCK})"
            )
            self._bring_up(db, begin, self._begin(db, begin))
            try:
                rows = Rows(Session(db))
                yield rows
                rows.flush()
            except BaseException:
                db.execute("ROLLBACK")
                raise
            db.execute("COMMIT")

    def _begin(self, db: Connection[Any], begin: str) -> int:
        """Begin a transaction and return the catalog's version; 0, and none begun, where there is none."""
        from psycopg import errors  # noqa: PLC0415 (of the extra `full`)

        try:
            begin = f"{begin}; SET LOCAL search_path = {SCHEMA}"
            return int(_last(db.execute(f"{begin}; SELECT number FROM version")))  # noqa: S608 (all of it ours)
        except errors.UndefinedTable:
            db.execute("ROLLBACK")
            return 0

    def _adopts(self) -> bool:
        return self._adopting is not None and self._adopting.exists()

    def _bring_up(self, db: Connection[Any], begin: str, version: int) -> None:
        """Go on in the transaction if the catalog is of our version, else bring it up and begin anew."""
        if version == len(MIGRATIONS):
            return
        if version:
            db.execute("ROLLBACK")
        if version > len(MIGRATIONS):
            raise WorkspaceError(
                f"The candle catalog in {self} is of version {version}, newer than this CryptAI understands "
                f"({len(MIGRATIONS)}); update CryptAI."
            )
        with db.transaction():
            self._migrate(db)
        self._begin(db, begin)

    def _migrate(self, db: Connection[Any]) -> None:
        db.execute(f"SET LOCAL lock_timeout = '{WAIT_SECONDS}s'; SELECT pg_advisory_xact_lock({_LOCK})")
        db.execute(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}; SET LOCAL search_path = {SCHEMA}")
        db.execute("CREATE TABLE IF NOT EXISTS version (number BIGINT NOT NULL)")
        found = db.execute("SELECT number FROM version").fetchone()
        session, version = Session(db), int(found[0]) if found else 0
        for statements in MIGRATIONS[version:]:
            for step in statements:
                if isinstance(step, str):
                    session.execute(step)
                else:
                    step(session)
        if version == 0:
            session.execute("INSERT INTO version (number) VALUES (0)")
            if self._adopting is not None and self._adopts():
                with Catalog(self._adopting).look() as rows:
                    adopt(rows, session)
                for table in TABLES:
                    session.execute(
                        f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), max(id)) FROM {table} "  # noqa: S608
                        "HAVING max(id) IS NOT NULL"
                    )
        session.execute("UPDATE version SET number = ?", (len(MIGRATIONS),))

    @contextmanager
    def _connection(self) -> Iterator[tuple[Connection[Any], str]]:
        psycopg = driver()
        try:
            db, synchronous = self._take()
            try:
                yield db, synchronous
            except BaseException:
                db.close()
                raise
            if len(self._idle) < _KEPT:
                self._idle.append((os.getpid(), db, synchronous))
            else:
                db.close()
        except psycopg.errors.LockNotAvailable as error:
            raise WorkspaceError(
                f"Another process has been writing to the candle catalog in {self} for {WAIT_SECONDS} "
                "seconds; try again when it is done."
            ) from error
        except psycopg.Error as error:
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
            raise WorkspaceError(
                f"The candle catalog in {self} cannot be used ({reason}); look with: cryptai doctor."
            ) from error

    def _take(self) -> tuple[Connection[Any], str]:
        while self._idle:
            process, db, synchronous = self._idle.pop()
            if process != os.getpid():
                _abandoned.append(db)  # closing it here would end the session of the process we came from
            elif _alive(db):
                return db, synchronous
            else:
                db.close()
        return connect(self._address)


def connect(address: str) -> tuple[Connection[Any], str]:
    """Return a connection, and what each change must set so that its commit waits for the disk."""
    psycopg = driver()
    db = psycopg.connect(
        address, autocommit=True, connect_timeout=_CONNECT_SECONDS, application_name="cryptai"
    )
    off = _last(db.execute("SHOW synchronous_commit")) == "off"
    return db, "SET LOCAL synchronous_commit = on; " if off else ""


def _alive(db: Connection[Any]) -> bool:
    # A server that was started anew in the meantime has closed our end of it: there is something to read.
    import select  # noqa: PLC0415 (for this alone)

    return not db.closed and not select.select([db.fileno()], [], [], 0)[0]


def driver() -> Any:
    """Return psycopg; raise `WorkspaceError` with what to install where it is not."""
    try:
        import psycopg  # noqa: PLC0415 (of the extra `full`)
    except ImportError as error:
        raise WorkspaceError(
            "DATABASE_URL names PostgreSQL, and psycopg is not installed: pip install 'cryptai[full]'."
        ) from error
    return psycopg


def _last(cursor: Cursor[Any]) -> Any:
    while cursor.nextset():
        pass
    row = cursor.fetchone()
    return row[0] if row else 0


def _close_all(idle: list[tuple[int, Any, str]]) -> None:
    for process, db, _ in idle:
        if process == os.getpid():
            db.close()
        else:
            _abandoned.append(db)


_SPELT: Final[dict[str, str]] = {
    "INTEGER PRIMARY KEY": "BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY",
    "INTEGER": "BIGINT",
    "BLOB": "BYTEA",
    "REAL": "DOUBLE PRECISION",
    "WITHOUT ROWID": "",
    "?": "%s",
}


@lru_cache(maxsize=256)
def _spoken(statement: str) -> str:
    for ours, theirs in _SPELT.items():
        statement = statement.replace(ours, theirs)
    return statement


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, str) else value
