"""A workspace of its own for a bed: what the product remembers of venues must not leak into the next run."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


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
