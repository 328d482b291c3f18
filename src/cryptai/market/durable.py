"""Files and folders that are whole and on the disk once written: draft, sync, rename, sync of the folder."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from cryptai.folders import make_folder, sync_folder
from cryptai.seams import new_id

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ("make_folder", "sync_file", "sync_folder", "write_whole")


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


def sync_file(path: Path) -> None:
    """Bring a file's bytes to the disk."""
    with path.open("rb") as handle:
        os.fsync(handle.fileno())
