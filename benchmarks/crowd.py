"""A crowd of browsers' sockets in one process: bare sockets and epoll, so that it is not the bottleneck.

What comes is kept with the moment it was read, and looked into only afterwards.
"""

from __future__ import annotations

import base64
import json
import os
import select
import socket
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_HANDSHAKE_S = 20.0
_TEXT, _CLOSE, _PING, _PONG = 1, 8, 9, 10


@dataclass
class Member:
    """One socket: what it follows, and what it read, when."""

    socket: socket.socket
    symbols: list[str]
    reads: list[tuple[int, bytes]] = field(default_factory=list)
    ended: bool = False
    _waiting: bytearray = field(default_factory=bytearray)

    def events(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yield each event read since the last call, with the moment (monotonic, ns) at which it was read."""
        for moment, kind, payload in self._messages():
            if kind == _TEXT:
                yield moment, json.loads(payload)

    def skip(self) -> None:
        """Let go of what was read so far."""
        for _ in self._messages():
            pass

    def _messages(self) -> Iterator[tuple[int, int, bytes]]:
        reads, self.reads = self.reads, []
        for moment, data in reads:
            self._waiting += data
            for kind, payload in _messages(self._waiting):
                yield moment, kind, payload


class Crowd:
    """Many members on one server."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._epoll = select.epoll()
        self._reading: dict[int, Member] = {}
        self.members: list[Member] = []
        self.frozen: list[Member] = []

    def join(
        self, symbols: list[str], exchange: str, *, frozen: bool = False, signals: bool = False
    ) -> Member:
        """Open a socket that follows these symbols, or signals; a frozen one never reads what comes."""
        opened = socket.socket()
        if frozen:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        opened.settimeout(_HANDSHAKE_S)
        opened.connect(("127.0.0.1", self._port))
        key = base64.b64encode(os.urandom(16)).decode()
        opened.sendall(
            f"GET /ws/prices/ HTTP/1.1\r\nHost: 127.0.0.1:{self._port}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        head = b""
        while b"\r\n\r\n" not in head:
            more = opened.recv(4096)
            if not more:
                break
            head += more
        assert head.startswith(b"HTTP/1.1 101"), head[:200]
        said = {"exchange": exchange, "subscribe": symbols} | ({"signals": True} if signals else {})
        opened.sendall(_masked(json.dumps(said)))
        opened.setblocking(False)
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        member = Member(opened, symbols, [(time.monotonic_ns(), head.split(b"\r\n\r\n", 1)[1])])
        if frozen:
            self.frozen.append(member)
        else:
            self.members.append(member)
            self._reading[opened.fileno()] = member
            self._epoll.register(opened.fileno(), select.EPOLLIN)
        return member

    def read(self, over: Callable[[], bool]) -> None:
        """Read what comes until `over` says so; it is asked about twenty times a second."""
        asked = time.monotonic()
        while True:
            for number, _ in self._epoll.poll(0.05):
                member = self._reading[number]
                data = member.socket.recv(65_536)
                if data:
                    member.reads.append((time.monotonic_ns(), data))
                    if data[0] == 0x80 | _PING:
                        member.socket.send(_masked("", _PONG, data[2 : 2 + (data[1] & 127)]))
                else:
                    member.ended = True
                    self._epoll.unregister(number)
            if time.monotonic() - asked > 0.05:
                asked = time.monotonic()
                if over():
                    return

    def forget(self) -> None:
        """Let go of what was read so far."""
        for member in self.members:
            member.skip()

    def leave(self) -> None:
        """Close every socket."""
        for member in (*self.members, *self.frozen):
            member.socket.close()
        self._epoll.close()


def _messages(data: bytearray) -> list[tuple[int, bytes]]:
    # Takes them out of `data`.
    found, place = [], 0
    while len(data) - place >= 2:
        length, start = data[place + 1] & 127, place + 2
        if length == 126:
            length, start = int.from_bytes(data[place + 2 : place + 4], "big"), place + 4
        elif length == 127:
            length, start = int.from_bytes(data[place + 2 : place + 10], "big"), place + 10
        if len(data) < start + length:
            break
        found.append((data[place] & 15, bytes(data[start : start + length])))
        place = start + length
    del data[:place]
    return found


def _masked(text: str, kind: int = _TEXT, payload: bytes | None = None) -> bytes:
    payload = text.encode() if payload is None else payload
    mask = os.urandom(4)
    length = len(payload)
    head = bytes([0x80 | kind, 0x80 | length]) if length < 126 else bytes([0x80 | kind, 0x80 | 126])
    if length >= 126:
        head += length.to_bytes(2, "big")
    return head + mask + bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))
