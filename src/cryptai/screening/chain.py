"""The chain of signals: how each row is hashed, and what shows that one is not what it was."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, Final

from cryptai.market.timeframe import Timeframe
from cryptai.signals import identity_of

if TYPE_CHECKING:
    from collections.abc import Sequence

FIRST: Final = "0" * 64
"""What the first row follows."""

REPEATED: Final = ("exchange", "symbol", "timeframe", "strategy", "side", "decided_ms", "quality")
"""What the columns repeat of the body, so that a list need not open it."""


def link(previous: str, number: int, sealed_ms: int, text: str) -> str:
    """Return the hash of a row."""
    return hashlib.sha256(f"{previous}\n{number}\n{sealed_ms}\n{text}".encode()).hexdigest()


def wrong(row: Sequence[Any], number: int, previous: str) -> str | None:
    """Return how it shows that a row is not the one that was sealed, None where it is.

    Its columns are number, identity, those of `REPEATED`, status, when it was sealed, whether that was too
    late, body, the hash before it and its own.
    """
    key, identity, *repeated, status, sealed_ms, retrospective, text, before, digest = row
    if key != number:
        return f"row {number} is missing"
    if before != previous:
        return "it does not follow the row before it"
    if link(previous, number, sealed_ms, text) != digest:
        return "its body, its number or its time is not what was sealed"
    body = json.loads(text)
    after = int(body["decided_ms"]) + Timeframe(body["timeframe"]).ms
    same = (
        identity == identity_of(body)
        and repeated == [body[name] for name in REPEATED]
        and status == body["evidence"]["status"]
        and retrospective == int(sealed_ms > after)
    )
    return None if same else "a column does not repeat what was sealed"
