"""Answers and messages that no venue should send, each a different way of not being data."""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import numpy as np

_HUGE: Final = 50 * 1024 * 1024
_HTML: Final = b"<html><head><title>502 Bad Gateway</title></head><body>cloudfront</body></html>"
_DECIMAL: Final = re.compile(r'"(?=[0-9])')
# What may stand where a price is, as JSON.
_VALUES: Final = (
    "NaN",
    "Infinity",
    "1e400",
    '"NaN"',
    '"1e400"',
    '"-1.00"',
    "null",
    "[]",
    '"0x10"',
    '"1_0"',
    "true",
)


def spoilt_body(body: Any, random: np.random.Generator) -> bytes:
    """Return an answer's body (JSON, or what is to be), spoilt in one of many ways."""
    text = body.decode() if isinstance(body, bytes) else json.dumps(body)
    way = int(random.integers(8))
    if way == 0:
        return text[: max(1, len(text) * 2 // 3)].encode()
    if way == 1:
        return _HTML
    if way == 2 and random.random() < 0.05:
        return _huge()
    if way == 3:
        return b'{"rows": []}'
    if way == 4:
        return b"\xff\xfe" + text.encode()
    return _spoilt(text, random).encode()


@lru_cache(1)
def _huge() -> bytes:
    return b"[" + b"0," * (_HUGE // 2) + b"0]"


def spoilt_message(message: dict[str, Any], random: np.random.Generator) -> str:
    """Return a stream's message, spoilt in one of several ways."""
    text = json.dumps(message)
    way = int(random.integers(4))
    if way == 0:
        return text[: len(text) // 2]
    if way == 1:
        return "[[[[" + text
    return _spoilt(text, random)


def _spoilt(text: str, random: np.random.Generator) -> str:
    """Put one impossible value in place of one decimal."""
    places = [one.start() for one in _DECIMAL.finditer(text)]
    if not places:
        return text[:-1]
    start = places[int(random.integers(len(places)))]
    end = text.index('"', start + 1) + 1
    return text[:start] + _VALUES[int(random.integers(len(_VALUES)))] + text[end:]
