"""A text as a WebSocket frame (RFC 6455, section 5.2): built once, written to all sockets that follow it."""

from __future__ import annotations

from typing import Final

# The ASGI extension of a server that takes `{"type": FRAMES, "frames": bytes}`: see cryptai.web.wire.
FRAMES: Final = "cryptai.frames"
_TEXT: Final = 0x81  # the last frame of its message, and the only one
_SHORT, _MIDDLE = 126, 65_536


def framed(text: str) -> bytes:
    """Return the unmasked frame, as servers send them, of a whole text message."""
    payload = text.encode()
    length = len(payload)
    if length < _SHORT:
        return bytes((_TEXT, length)) + payload
    if length < _MIDDLE:
        return bytes((_TEXT, 126)) + length.to_bytes(2, "big") + payload
    return bytes((_TEXT, 127)) + length.to_bytes(8, "big") + payload


def unframed(frame: bytes) -> str:
    """Return the text of a frame that `framed` made.

    >>> unframed(framed("å" * 200)) == "å" * 200
    True
    """
    head = {126: 4, 127: 10}.get(frame[1], 2)
    return frame[head:].decode()
