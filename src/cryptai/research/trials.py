"""The ledger of trials: how often an idea was tried, so that the best of many tries is not taken for skill.

Each distinct run (its digest: configuration, data, code) of a user and a family, which is the strategy's
name, counts once. Rows are only ever added: deleting a run, or running it again, changes no count.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from cryptai.errors import WorkspaceError
from cryptai.market.durable import sync_file, sync_folder, sync_log
from cryptai.seams import new_id, now_ms

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from cryptai.workspace import Workspace

OWNER: Final = "owner"
"""The workspace's owner, who is also whoever uses the command or the library."""

_FILE: Final = "trials.sqlite3"
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS trial (
    user TEXT NOT NULL, family TEXT NOT NULL, run TEXT NOT NULL, sharpe REAL, noted_ms INTEGER NOT NULL,
    PRIMARY KEY (user, family, run)) WITHOUT ROWID;
CREATE TRIGGER IF NOT EXISTS trial_stays BEFORE UPDATE ON trial
    BEGIN SELECT RAISE(ABORT, 'trials are only ever added'); END;
CREATE TRIGGER IF NOT EXISTS trial_kept BEFORE DELETE ON trial
    BEGIN SELECT RAISE(ABORT, 'trials are only ever added'); END;
"""


@dataclass(frozen=True, slots=True)
class Trial:
    """One run of a family: its digest (`Result.run`), its Sharpe ratio per day (None: undefined)."""

    run: str
    sharpe: float | None


@dataclass(frozen=True, slots=True)
class Tried:
    """What was tried of a family.

    Attributes
    ----------
    trials
        How many distinct runs.
    deviation
        Sample standard deviation of their Sharpe ratios per day; None of fewer than two that have one.
    """

    trials: int
    deviation: float | None


def note(workspace: Workspace, family: str, trials: Iterable[Trial], *, user: str = OWNER) -> Tried:
    """Add trials to the ledger, and return all that is known of the family with them.

    They are on the disk when this returns. Where there is no workspace nothing is made, and what is known
    are these trials.

    Raises
    ------
    WorkspaceError
        If the ledger cannot be used.
    """
    rows = {one.run: one.sharpe for one in trials}
    if not (workspace.root / "version").is_file():
        return _tried(list(rows.values()))
    path, now = workspace.root / _FILE, now_ms()
    with _opened(path, "rw") as db:
        db.execute("PRAGMA synchronous = FULL")
        db.execute("BEGIN IMMEDIATE")
        try:
            db.executemany(
                "INSERT INTO trial (user, family, run, sharpe, noted_ms) VALUES (?, ?, ?, ?, ?) "
                "ON CONFLICT DO NOTHING",
                [(user, family, run, sharpe, now) for run, sharpe in rows.items()],
            )
            found = _tried(_ratios(db, user, family))
        except BaseException:
            db.execute("ROLLBACK")
            raise
        db.execute("COMMIT")
        sync_log(path)
    return found


def tried(workspace: Workspace, family: str, *, user: str = OWNER) -> Tried:
    """Return what is known of a family, and change nothing.

    Raises
    ------
    WorkspaceError
        If the ledger cannot be read.
    """
    path = workspace.root / _FILE
    if not path.is_file():
        return Tried(0, None)
    with _opened(path, "ro") as db:
        return _tried(_ratios(db, user, family))


def _ratios(db: sqlite3.Connection, user: str, family: str) -> list[float | None]:
    rows = db.execute("SELECT sharpe FROM trial WHERE user = ? AND family = ?", (user, family))
    return [row[0] for row in rows]


def _tried(ratios: list[float | None]) -> Tried:
    # In one order, so that the last digit does not depend on the order in which they were found.
    measured = np.sort([one for one in ratios if one is not None])
    return Tried(len(ratios), float(measured.std(ddof=1)) if len(measured) > 1 else None)


@contextmanager
def _opened(path: Path, mode: str) -> Iterator[sqlite3.Connection]:
    try:
        if not path.exists():
            _make(path)
        address = f"{path.absolute().as_uri()}?mode={mode}"
        with closing(sqlite3.connect(address, uri=True, timeout=30.0, isolation_level=None)) as db:
            yield db
    except (sqlite3.DatabaseError, OSError) as error:
        raise WorkspaceError(
            f"The ledger of trials {path} cannot be used ({error}); check the folder's permissions, or "
            "bring it back with: cryptai restore FILE."
        ) from error


def _make(path: Path) -> None:
    """Make the empty ledger, whole and on the disk; leave that of another process that was quicker."""
    # SQLite waits for no lock while it turns a file to a write-ahead log: nobody else may see this one yet.
    draft = path.with_name(f"{path.name}.{new_id()}.tmp")
    try:
        with closing(sqlite3.connect(draft, isolation_level=None)) as db:
            db.execute("PRAGMA journal_mode = WAL")
            db.executescript(_SCHEMA)
        sync_file(draft)
        with suppress(FileExistsError):
            path.hardlink_to(draft)
    finally:
        draft.unlink(missing_ok=True)
    sync_folder(path.parent)
