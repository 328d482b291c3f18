"""A workspace of its own for a bed: what the product remembers of venues must not leak into the next run."""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_MEMORY: Final = Path("/dev/shm")  # noqa: S108 (a folder of its own is made in it)


@contextmanager
def a_folder() -> Iterator[Path]:
    """Make a folder for a simulated world, in memory where there is such a place, and be the home in it.

    What a simulated world proves is not the disk: waiting for one would only take time.
    """
    where = _MEMORY if os.access(_MEMORY, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="cryptai-bed-", dir=where) as name, a_home(Path(name)):
        yield Path(name)


@contextmanager
def a_home(folder: Path) -> Iterator[None]:
    """Let the product keep its files under `folder` while the block runs."""
    before = os.environ.get("CRYPTAI_HOME")
    os.environ["CRYPTAI_HOME"] = str(folder / "workspace")
    try:
        yield
    finally:
        os.environ.pop("CRYPTAI_HOME")
        if before is not None:
            os.environ["CRYPTAI_HOME"] = before
