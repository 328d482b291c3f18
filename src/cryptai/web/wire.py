"""The server's end of a WebSocket: uvicorn's, and one more message to it, many prebuilt frames in one write.

A price goes to every browser that follows it as the same bytes, and a batch of prices is one call of the
operating system. Whoever reads slowly has little waiting in buffers: what it has not been sent yet is kept
conflated by the hub, and a buffer would hold old prices.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any, Final

from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from cryptai.web.frames import FRAMES

if TYPE_CHECKING:
    from asyncio import BaseTransport

# Bytes in the kernel and in this process before a socket counts as full; some seconds of twenty markets.
_KERNEL: Final = 32 * 1024
_HERE: Final = 16 * 1024
# What is longer than a buffer (signals of hundreds of markets) would wait for an acknowledgement after each
# bufferful: 40 ms where the other side delays them, and a round trip anywhere.
_WIDE: Final = 1024 * 1024


class Wire(WebSocketsSansIOProtocol):
    """One connection. Without compression, which would have each browser's bytes differ."""

    def connection_made(self, transport: BaseTransport) -> None:
        """Bound what may wait for this browser."""
        super().connection_made(transport)
        self.transport.set_write_buffer_limits(high=_HERE)
        self._buffers = 0
        self._buffer(_KERNEL)

    async def run_asgi(self) -> None:
        """Run the application, which learns that prebuilt frames are taken."""
        self.scope["extensions"][FRAMES] = {}
        await super().run_asgi()

    async def send(self, message: Any) -> None:
        """Take an ASGI message, or prebuilt frames once the last ones have gone out."""
        if message["type"] != FRAMES:
            await super().send(message)
            if message["type"] == "websocket.accept":
                # Of no more use, and kilobytes for as long as the browser stays.
                self.scope["headers"] = []
                del self.request, self.response
            return
        if not self.writable.is_set():
            await self.writable.wait()
        if self.disconnected or self.close_sent:
            raise ClientDisconnected
        frames = message["frames"]
        self._buffer(_WIDE if len(frames) > _KERNEL else _KERNEL)
        self.transport.write(frames)

    def _buffer(self, size: int) -> None:
        end = self.transport.get_extra_info("socket")
        if end is not None and size != self._buffers:
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, size)
            self._buffers = size
