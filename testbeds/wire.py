"""How an answer of the exchange reaches who asked: as HTTP over a connection, or the same in memory."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal, Self, TypeAlias
from unittest.mock import patch

import httpx

from cryptai import seams

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
    from contextlib import AbstractAsyncContextManager

_REASONS: Final = {
    200: "OK",
    400: "Bad Request",
    404: "Not Found",
    418: "I'm a teapot",
    429: "Too Many Requests",
}
# Half of a body has come, and the rest never does.
_HALF_OPEN_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What is answered, and how it ends: whole, or in the middle of the body, by a reset or in silence."""

    status: int
    content: bytes
    headers: dict[str, str] = field(default_factory=dict)
    end: Literal["whole", "reset", "half open"] = "whole"

    @property
    def sent(self) -> bytes:
        """What of the body is sent."""
        return self.content if self.end == "whole" else self.content[: len(self.content) // 2]


Ask: TypeAlias = "Callable[[str], Awaitable[Answer]]"
"""Answers the target of a request: path and query."""


async def speak(ask: Ask, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer what is asked over a connection, until it is closed or an answer breaks off."""
    with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            answer = await ask(head.split(b" ", 2)[1].decode("ascii", "replace"))
            told = {**answer.headers, "Content-Length": str(len(answer.content))}
            lines = "".join(f"{name}: {value}\r\n" for name, value in told.items())
            reason = _REASONS.get(answer.status, "Trouble")
            writer.write(f"HTTP/1.1 {answer.status} {reason}\r\n{lines}\r\n".encode() + answer.sent)
            await writer.drain()
            if answer.end == "half open":
                await asyncio.sleep(_HALF_OPEN_S)
            if answer.end != "whole":
                writer.transport.abort()
                break
    writer.close()


@contextmanager
def in_memory(ask: Ask, seed: int, share: float) -> Iterator[None]:
    """Carry this share of the product's requests in memory while the block runs, the others as ever.

    A simulated day of many markets is a hundred thousand requests, and most of their time is spent in
    sockets and the client of HTTP. What the product makes of an answer is the same on both ways.
    """
    chance = seams.rng([seed, 61])
    client = httpx.AsyncClient

    def opened(**options: Any) -> _Client:
        return _Client(client(**options), ask, lambda: bool(chance.random() < share))

    with patch.object(httpx, "AsyncClient", opened):
        yield


class _Client:
    """Stands where the product has its client of HTTP: what is not drawn goes on to that."""

    def __init__(self, client: httpx.AsyncClient, ask: Ask, drawn: Callable[[], bool]) -> None:
        self._client, self._ask, self._drawn = client, ask, drawn

    def stream(
        self,
        method: str,
        address: str,
        *,
        timeout: float,
    ) -> AbstractAsyncContextManager[_Body | httpx.Response]:
        if not self._drawn():
            return self._client.stream(method, address, timeout=timeout)
        return _Body(self._ask(address[address.index("/", len("https://")) :]))

    async def aclose(self) -> None:
        await self._client.aclose()


class _Body:
    """An answer as the client gives it: its head is there when the block begins, its body is read in it."""

    def __init__(self, asked: Awaitable[Answer]) -> None:
        self._asked = asked

    async def __aenter__(self) -> Self:
        self._answer = await self._asked
        self.status_code, self.headers = self._answer.status, self._answer.headers
        return self

    async def __aexit__(self, *_error: object) -> None: ...

    async def aiter_bytes(self) -> AsyncIterator[bytes]:
        yield self._answer.sent
        if self._answer.end == "half open":
            await asyncio.sleep(_HALF_OPEN_S)
        if self._answer.end != "whole":
            raise httpx.ReadError("the connection was reset")
