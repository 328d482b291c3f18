"""Exchanges by name: what may be one, and which of them is not real."""

from __future__ import annotations

import re
from typing import Final

from cryptai.errors import InputError

PRACTICE: Final = "practice"
"""The practice market: synthetic prices, which no answer may pass off as a venue's."""

_NAME: Final = re.compile(r"[a-z0-9_-]{1,32}")


def check_exchange(name: str) -> None:
    """Refuse what cannot name an exchange; it is a folder's name too."""
    if not _NAME.fullmatch(name):
        raise InputError(
            f"{name[:60]!r} cannot name an exchange; use up to 32 lowercase letters, digits, - and _.",
            field="exchange",
        )
