"""Requests to one part of Binance (spot or perpetuals): within the shared budget, tried again, timed."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import urlencode

import httpx

from cryptai import seams
from cryptai.errors import InputError, SourceError
from cryptai.market.addresses import address
from cryptai.market.budget import Budget
from cryptai.market.clock import ExchangeClock
from cryptai.market.source import Backoff
from cryptai.market.sources._binance_messages import parse_json
from cryptai.market.times import parse_date

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

T = TypeVar("T")

TRIES: Final = 4
ANSWER_S: Final = 10.0
_PING_S: Final = 4.0
_LARGEST_BYTES: Final = 4 << 20
_UNKNOWN_SYMBOL: Final = -1121


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the venue with limits of its own: where it is, and what its requests weigh.

    `klines_weight` holds (bars, weight): the first whose bars are not fewer than asked for counts.
    """

    venue: str
    rest: str
    stream: str
    path: str
    klines_weight: tuple[tuple[int, int], ...]
    info_weight: int


SPOT: Final = Part(
    "binance", "https://api.binance.com", "wss://stream.binance.com:9443", "/api/v3", ((1000, 2),), 20
)
PERPS: Final = Part(
    "binance-perps", "https://fapi.binance.com", "wss://fstream.binance.com", "/fapi/v1",
    ((99, 1), (499, 2), (1000, 5)), 1,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: `date_ms` is the answer's own Date, `sent` and `received` monotonic seconds."""

    content: bytes
    date_ms: int | None
    sent: float
    received: float


@dataclass(frozen=True, slots=True)
class _Final:
    """What asking again would not change."""

    error: InputError | SourceError


class Rest:
    """The REST interface of one part. Every request spends from the budget of its address first."""

    def __init__(self, part: Part, *, rest: Callable[[float], Awaitable[object]]) -> None:
        self.part = part
        self.clock = ExchangeClock()
        self.address = address("CRYPTAI_BINANCE_REST", part.rest)
        self.stream_address = address("CRYPTAI_BINANCE_WS", part.stream)
        self.budget = Budget(part.venue, self.address, title="Binance", rest=rest)
        self._rest = rest
        self._backoff = Backoff(first=0.5, most=8.0)
        self._client: httpx.AsyncClient | None = None
        self._connecting = asyncio.Lock()
        self._asking: set[asyncio.Task[Answer | SourceError | _Final]] = set()

    async def aclose(self) -> None:
        """Close the connections, and the budget's file."""
        for asking in self._asking:
            asking.cancel()
        await asyncio.gather(*self._asking, return_exceptions=True)
        client, self._client = self._client, None
        if client:
            await client.aclose()
        self.budget.close()

    async def ask_time(self, *, tries: int = 1) -> None:
        """Ask for the venue's time, to the millisecond; the clock takes it."""

        def read(answer: Answer) -> None:
            body = parse_json(answer.content, "its time")
            told = body.get("serverTime") if isinstance(body, dict) else None
            if type(told) is not int or not 0 < told < 1 << 53:
                raise SourceError("Binance sent a time that is none.")
            self.clock.hear(told, answer.sent, answer.received)

        await self.read("/time", {}, read, weight=1, tries=tries, timeout_s=_PING_S)

    async def read(
        self,
        path: str,
        query: Mapping[str, Any],
        read: Callable[[Answer], T],
        *,
        weight: int,
        tries: int = TRIES,
        timeout_s: float = ANSWER_S,
        largest: int = _LARGEST_BYTES,
    ) -> T:
        """Return what `read` makes of the answer; one that it refuses by `SourceError` is asked for again.

        One answer in ten that makes no sense must not cost the thousand that do.
        """
        for attempt in range(tries):
            answer = await self.get(
                path, query, weight=weight, tries=tries, timeout_s=timeout_s, largest=largest
            )
            try:
                return read(answer)
            except SourceError:
                if attempt + 1 == tries:
                    raise
            await self._rest(self._backoff.seconds(attempt))
        raise ValueError(tries)

    async def get(
        self,
        path: str,
        query: Mapping[str, Any],
        *,
        weight: int,
        tries: int = TRIES,
        timeout_s: float = ANSWER_S,
        largest: int = _LARGEST_BYTES,
    ) -> Answer:
        """Return the answer to `GET` of a path under the part's own, once the budget allows the request."""
        await self._connected()
        for attempt in range(tries):
            await self.budget.spend(weight)
            # Who waits for it may be cancelled; a pause that the venue asks for must be heard all the same.
            asking = asyncio.create_task(self._once(path, query, timeout_s, largest))
            self._asking.add(asking)
            asking.add_done_callback(self._asking.discard)
            said = await asyncio.shield(asking)
            if isinstance(said, Answer):
                return said
            if isinstance(said, _Final):
                raise said.error
            if said.permanent or attempt + 1 == tries:
                raise said
            await self._rest(self._backoff.seconds(attempt))
        raise ValueError(tries)

    async def _once(
        self, path: str, query: Mapping[str, Any], timeout_s: float, largest: int
    ) -> Answer | SourceError | _Final:
        """Ask once; the clock and the budget take note of what the answer says."""
        sent = seams.monotonic()
        try:
            # The client's own limits are for each read; this one is for the answer as a whole.
            async with asyncio.timeout(timeout_s):
                status, headers, content = await self._ask(path, query, timeout_s, largest)
        except (httpx.HTTPError, TimeoutError) as error:
            failure = SourceError(f"Binance can't be reached from here ({reason(error)}).")
            failure.__cause__ = error
            return failure
        except SourceError as error:
            return error
        received = seams.monotonic()
        date = parse_date(headers.get("Date"))
        if date is not None:
            self.clock.hear(date, sent, received, resolution_ms=1000)
        if not self.budget.knows(headers):
            await asyncio.to_thread(self.budget.heard, headers)
        if status == 200:
            return Answer(content, date, sent, received)
        try:
            _refuse_symbol(status, content, query)
        except (InputError, SourceError) as error:
            return _Final(error)
        return await self.refusal(status, headers, path)

    async def refusal(self, status: int, headers: Mapping[str, str], what: str) -> SourceError:
        """Return what an HTTP status other than success means; the pause it asks for is everybody's."""
        pause = await asyncio.to_thread(self.budget.refused, status, headers)
        if status in (403, 451):
            return SourceError(f"Binance does not serve this address (HTTP {status}).", permanent=True)
        if status in (418, 429):
            return SourceError(f"Binance asks for a pause of {pause:.0f} s (HTTP {status}).", answered=True)
        if status >= 500:
            return SourceError(f"Binance has trouble of its own (HTTP {status}).", answered=True)
        return SourceError(f"Binance refused {what} (HTTP {status}).", permanent=True)

    async def _ask(
        self, path: str, query: Mapping[str, Any], timeout_s: float, largest: int
    ) -> tuple[int, Mapping[str, str], bytes]:
        client = await self._connected()
        # Put together here: the client would take its address apart and together again three times.
        target = f"{self.address}{self.part.path}{path}"
        if query:
            target += f"?{urlencode(query)}"
        async with client.stream("GET", target, timeout=timeout_s) as answer:
            content = bytearray()
            async for chunk in answer.aiter_bytes():
                content += chunk
                if len(content) > largest:
                    raise SourceError(f"Binance sent more than {largest >> 20} MB in one answer.")
        return answer.status_code, answer.headers, bytes(content)

    async def _connected(self) -> httpx.AsyncClient:
        async with self._connecting:
            if self._client is None:
                # In a thread: reading the certificates of the authorities takes a while.
                self._client = await asyncio.to_thread(httpx.AsyncClient)
            return self._client


def reason(error: BaseException) -> str:
    """Return why a connection failed, in the operating system's words where it has some."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, BaseExceptionGroup):
            seen = seen.exceptions[0]
        if isinstance(seen, TimeoutError | httpx.TimeoutException):
            return "no answer in time"
        if isinstance(seen, OSError) and seen.errno:
            return (os.strerror(seen.errno) if seen.errno > 0 else str(seen.strerror)).lower()
        seen = seen.__cause__ or seen.__context__
    return str(error) or type(error).__name__


def _refuse_symbol(status: int, content: bytes, query: Mapping[str, Any]) -> None:
    if status != 400:
        return
    body = parse_json(content, "a refusal")
    if isinstance(body, dict) and body.get("code") == _UNKNOWN_SYMBOL:
        raise InputError(f"Binance has no market {query.get('symbol')}.", field="symbol")
