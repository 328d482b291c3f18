"""Files and folders that are whole and on the disk once written: draft, sync, rename, sync of the folder."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from cryptai.folders import make_folder, sync_folder
from cryptai.seams import new_id

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ("make_folder", "sync_file", "sync_folder", "sync_log", "write_whole")


def write_whole(path: Path, write: Callable[[Path], object], *, sync: bool = True) -> None:
    """Let `write` fill a draft, and give it its name when it is complete.

    The name is durable after `sync_folder`. Drafts end in `.tmp`.
    """
    draft = path.with_name(f"{path.name}.{new_id()}.tmp")
    try:
        write(draft)
        if sync:
            sync_file(draft)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def sync_log(database: Path) -> None:
    """Bring to the disk what a SQLite file's log holds, and the log's name.

    A process may be killed between writing and syncing it. The next one finds its transactions there and
    takes them for safe: what they hold is not written again, and only this makes it outlive a power cut.
    """
    with suppress(FileNotFoundError):
        sync_file(database.with_name(f"{database.name}-wal"))
    sync_folder(database.parent)


def sync_file(path: Path) -> None:
    """Bring a file's bytes to the disk."""
    with path.open("rb") as handle:
        os.fsync(handle.fileno())
