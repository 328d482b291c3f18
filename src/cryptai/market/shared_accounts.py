"""The accounts of request budgets in PostgreSQL, shared by all machines of one database.

They go by that server's clock: the machines' own need not agree, and a pause ends for all at once. All
machines count as one address, as they are behind one router; where each has its own, less is asked than is
allowed.
"""

from __future__ import annotations

import os
import platform
import weakref
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final
from zlib import crc32

from cryptai.errors import WorkspaceError
from cryptai.market.accounts import SCHEMA, Account
from cryptai.market.postgresql import Session, connect, driver

if TYPE_CHECKING:
    from collections.abc import Iterator

    from psycopg import Connection

_HOME: Final = "cryptai_budget"
_LOCK: Final = 0x6275646765
_TABLES: Final = SCHEMA.replace("INTEGER PRIMARY KEY AUTOINCREMENT", "INTEGER PRIMARY KEY").replace(
    "REAL", "DOUBLE PRECISION"
)


class SharedAccounts:
    """One connection a budget; each change is one transaction, one at a time for an address."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._db: tuple[int, Connection[Any]] | None = None

    @contextmanager
    def change(
        self, venue: str, address: str, careful_limit: int, *, durable: bool = False
    ) -> Iterator[Account]:
        """Hold the address's lock while the block runs. One thread at a time may call this.

        What a `durable` one has changed is on the server's disk when it ends.
        """
        with self._told():
            db = self._connected()
            key = crc32(address.encode())
            with db.transaction():
                db.execute(
                    f"SET LOCAL synchronous_commit = {'on' if durable else 'off'}; "
                    f"SET LOCAL search_path = {_HOME}; "
                    f"SELECT pg_advisory_xact_lock({_LOCK % 2**31}, {key - 2**31})"
                )
                yield self._account(db, venue, address, careful_limit)

    @contextmanager
    def look(self) -> Iterator[Account | None]:
        """Look at what is there, and change nothing; None where nothing was ever asked for."""
        with self._told(), connect(self._address)[0] as db:
            if not db.execute("SELECT to_regclass(%s)", (f"{_HOME}.spent",)).fetchone()[0]:  # type: ignore[index]
                yield None
                return
            with db.transaction():
                db.execute(f"SET TRANSACTION READ ONLY; SET LOCAL search_path = {_HOME}")
                yield self._account(db, "", "", 0)

    def close(self) -> None:
        """End the connection; another is made when it is needed."""
        if self._db:
            _end(*self._db)
        self._db = None

    def _account(self, db: Connection[Any], venue: str, address: str, careful_limit: int) -> Account:
        row = db.execute("SELECT extract(epoch FROM clock_timestamp())::float8").fetchone()
        process = crc32(platform.node().encode()) << 22 | os.getpid()
        return Account(Session(db), venue, address, careful_limit, float(row[0]) if row else 0.0, "", process)

    def _connected(self) -> Connection[Any]:
        if self._db is None or self._db[0] != os.getpid() or self._db[1].closed:
            db, _ = connect(self._address)
            session = Session(db)
            with db.transaction():
                db.execute(f"SELECT pg_advisory_xact_lock({_LOCK})")
                db.execute(f"CREATE SCHEMA IF NOT EXISTS {_HOME}; SET LOCAL search_path = {_HOME}")
                for statement in _TABLES.strip().removesuffix(";").split(";"):
                    session.execute(statement)
            self._db = os.getpid(), db
            weakref.finalize(self, _end, *self._db)
        return self._db[1]

    @contextmanager
    def _told(self) -> Iterator[None]:
        psycopg = driver()
        try:
            yield
        except psycopg.Error as error:
            self.close()
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
            raise WorkspaceError(
                f"The request budget in the database of DATABASE_URL cannot be used ({reason}); "
                "look with: cryptai doctor."
            ) from error


def _end(process: int, db: Connection[Any]) -> None:
    # After a fork it is the session of the process we came from.
    if process == os.getpid():
        db.close()
