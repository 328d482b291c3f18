"""Which third-party files were copied into the static folder; without them the pages still work."""

from __future__ import annotations

from functools import cache
from pathlib import Path

_FOLDER = Path(__file__).resolve().parent.parent / "static" / "vendor"


def is_vendored(name: str) -> bool:
    """Return whether that file lies in `static/vendor/`."""
    return name in _names()


@cache
def _names() -> frozenset[str]:
    # Asked of the disk once a process: the files come with the installation.
    return frozenset(file.name for file in _FOLDER.iterdir()) if _FOLDER.is_dir() else frozenset()
