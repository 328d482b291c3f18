"""The candle store's catalog: which bars are the truth and since when, in one SQLite file."""

from __future__ import annotations

import os
import sqlite3
import weakref
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Final

from cryptai.errors import WorkspaceError
from cryptai.market.durable import make_folder, sync_file, sync_folder, sync_log
from cryptai.market.rows import Rows
from cryptai.market.schema import MIGRATIONS
from cryptai.seams import new_id

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    # The process and the file a connection was made for.
    _Identity = tuple[int, int, int] | None

_WAIT_SECONDS: Final = 60.0
_abandoned: Final[list[sqlite3.Connection]] = []


class Catalog:
    """The SQLite file. Each look and each change is one transaction on a connection that no other uses.

    So it may be used from any thread and after a fork, and many processes read while one writes. Connections
    are kept for the next use: SQLite copies its log into the file, and syncs both, when the last one closes.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._idle: list[tuple[_Identity, sqlite3.Connection]] = []
        self._found: _Identity = None  # the file whose log was synced as it was found
        weakref.finalize(self, _close_all, self._idle)

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
            before = db.total_changes
            try:
                rows = Rows(db)
                yield rows
                rows.flush()
            except BaseException:
                db.execute("ROLLBACK")
                raise
            changed = db.total_changes != before
            db.execute("COMMIT")
            self._sync(changed=changed)

    def _sync(self, *, changed: bool) -> None:
        identity = _identity(self.path)
        if changed and self._found == identity:
            return  # the commit has synced it
        try:
            sync_log(self.path)
        except OSError as error:
            raise WorkspaceError(
                f"The candle catalog {self.path} cannot be synced ({error.strerror}); check the disk."
            ) from error
        self._found = identity

    @contextmanager
    def _connection(self, *, create: bool) -> Iterator[sqlite3.Connection]:
        try:
            if create and not self.path.exists():
                _create(self.path)
            identity = _identity(self.path)
            if identity is None and not create:
                with closing(_empty()) as db:
                    yield db
                return
            db = self._take(identity)
            try:
                yield db
            except BaseException:
                db.close()
                raise
            self._idle.append((identity, db))
        except sqlite3.DatabaseError as error:
            raise WorkspaceError(_sentence(self.path, error)) from error

    def _take(self, identity: _Identity) -> sqlite3.Connection:
        while self._idle:
            made_for, db = self._idle.pop()
            if made_for == identity:
                try:
                    _bring_up(db, self.path)
                except BaseException:
                    db.close()
                    raise
                return db
            if made_for and made_for[0] != os.getpid():
                _abandoned.append(db)  # closing it here would take the locks of the process we came from
            else:
                db.close()  # of a file that was replaced since
        return _connect(self.path)


def _identity(path: Path) -> _Identity:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return os.getpid(), found.st_dev, found.st_ino


def _close_all(idle: list[tuple[_Identity, sqlite3.Connection]]) -> None:
    for made_for, db in idle:
        if made_for and made_for[0] != os.getpid():
            _abandoned.append(db)
        else:
            db.close()


def _create(path: Path) -> None:
    # The finished file appears at once, under its name or not at all: nobody meets half a catalog.
    make_folder(path.parent)
    draft = path.with_name(f"{path.name}.{new_id()}.tmp")
    try:
        with closing(sqlite3.connect(draft, isolation_level=None)) as db:
            # The log comes last: what closing brings from it into the file may fail without a word.
            migrate(db)
            db.execute("PRAGMA journal_mode = WAL")
        sync_file(draft)
        path.hardlink_to(draft)
        sync_folder(path.parent)
    except FileExistsError:
        pass  # another process made it in the meantime
    finally:
        draft.unlink(missing_ok=True)


def _connect(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw",
        uri=True,
        timeout=_WAIT_SECONDS,
        isolation_level=None,
        check_same_thread=False,
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
        migrate(db)


@contextmanager
def empty() -> Iterator[Rows]:
    """Look at a catalog that holds nothing."""
    with closing(_empty()) as db:
        yield Rows(db)


def _empty() -> sqlite3.Connection:
    db = sqlite3.connect(":memory:", isolation_level=None)
    migrate(db)
    return db


def migrate(db: sqlite3.Connection) -> None:
    """Bring a SQLite database up to the newest version, from nothing too; as a whole or not at all."""
    db.execute("BEGIN IMMEDIATE")
    try:
        for statements in MIGRATIONS[_version(db) :]:
            for step in statements:
                if isinstance(step, str):
                    db.execute(step)
                else:
                    step(db)
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
