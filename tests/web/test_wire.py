"""What may wait for a browser in the kernel: little of prices, a long message as a whole."""

from __future__ import annotations

import asyncio
import socket

import pytest

from cryptai.web import wire
from cryptai.web.frames import FRAMES


class End:
    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.written: list[bytes] = []

    def get_extra_info(self, name: str) -> End:
        assert name == "socket"
        return self

    def setsockopt(self, level: int, option: int, size: int) -> None:
        assert (level, option) == (socket.SOL_SOCKET, socket.SO_SNDBUF)
        self.sizes.append(size)

    def write(self, frames: bytes) -> None:
        self.written.append(frames)


@pytest.fixture
def end() -> End:
    return End()


async def test_a_long_message_gets_a_wide_buffer_and_prices_a_narrow_one_again(end: End) -> None:
    one = wire.Wire.__new__(wire.Wire)
    one.transport, one.writable = end, asyncio.Event()  # type: ignore[assignment]
    one.disconnected, one.close_sent, one._buffers = False, False, 0
    one.writable.set()
    said = [b"price", b"price", b"s" * (wire._KERNEL + 1), b"s" * wire._KERNEL, b"price"]
    for frames in said:
        await one.send({"type": FRAMES, "frames": frames})
    assert end.sizes == [wire._KERNEL, wire._WIDE, wire._KERNEL]
    assert end.written == said
