"""A write-ahead log for a SQLite file that several processes may open for the first time at once."""

from __future__ import annotations

import sqlite3
from typing import Final

from cryptai import seams

_PATIENCE_S: Final = 30.0


def keep_log(db: sqlite3.Connection) -> None:
    """Turn the write-ahead log on, once nobody else is doing so.

    SQLite's own patience does not cover this change: of two that begin at once, one is told at once that the
    file is locked.

    Raises
    ------
    sqlite3.OperationalError
        If the file is still locked after half a minute, or cannot be written.
    """
    until = seams.monotonic() + _PATIENCE_S
    while True:
        try:
            db.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or seams.monotonic() > until:
                raise
            seams.sleep(0.01)
        else:
            return
