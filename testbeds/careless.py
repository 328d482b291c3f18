"""Bugs of the disk planted on purpose, in the process that writes: syncs left out, or made too late."""

from __future__ import annotations

import os
import sqlite3
import stat
import threading
from typing import TYPE_CHECKING, Any, Final
from unittest.mock import patch

if TYPE_CHECKING:
    from collections.abc import Callable

_sync: Final = os.fsync
_open: Final = sqlite3.connect


def _is_folder(handle: int) -> bool:
    return stat.S_ISDIR(os.fstat(handle).st_mode)


def _segments_unsynced() -> list[Any]:
    return [patch.object(os, "fsync", lambda handle: _sync(handle) if _is_folder(handle) else None)]


def _folders_unsynced() -> list[Any]:
    return [patch.object(os, "fsync", lambda handle: None if _is_folder(handle) else _sync(handle))]


def _rows_before_files() -> list[Any]:
    late = threading.local()

    def sync_later(handle: int) -> None:
        if _is_folder(handle):
            _sync(handle)
        else:
            late.handles = [*getattr(late, "handles", []), os.dup(handle)]

    class Hasty(sqlite3.Connection):
        def execute(self, statement: str, /, *values: Any) -> sqlite3.Cursor:
            done = super().execute(statement, *values)
            if statement == "COMMIT":
                for handle in getattr(late, "handles", []):
                    _sync(handle)
                    os.close(handle)
                late.handles = []
            return done

    return [patch.object(os, "fsync", sync_later), _connections(Hasty)]


def _catalog(level: str) -> Callable[[], list[Any]]:
    class Lax(sqlite3.Connection):
        def execute(self, statement: str, /, *values: Any) -> sqlite3.Cursor:
            return super().execute(statement.replace("synchronous = FULL", f"synchronous = {level}"), *values)

    return lambda: [_connections(Lax)]


def _log_first() -> list[Any]:
    class Early(sqlite3.Connection):
        def __init__(self, path: Any, /, *values: Any, **options: Any) -> None:
            super().__init__(path, *values, **options)
            if str(path).endswith(".tmp"):
                # A new catalog then lies in a log, which closing brings into the file, or fails to.
                super().execute("PRAGMA journal_mode = WAL")

    return [_connections(Early)]


def _connections(factory: type[sqlite3.Connection]) -> Any:
    return patch.object(sqlite3, "connect", lambda *a, **options: _open(*a, **options, factory=factory))


CARELESS: Final[dict[str, Callable[[], list[Any]]]] = {
    "segments_unsynced": _segments_unsynced,
    "folders_unsynced": _folders_unsynced,
    "rows_before_files": _rows_before_files,
    "catalog_off": _catalog("OFF"),
    "catalog_normal": _catalog("NORMAL"),
    "log_first": _log_first,
}
