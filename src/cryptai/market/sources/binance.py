"""Binance spot: public candles and prices over REST and one combined WebSocket stream, without a key.

Follows the venue's pages "Market Data endpoints" (klines: up to 1,000 a request, the last one unfinished)
and "WebSocket Streams" (combined streams, `<symbol>@kline_<interval>`, `<symbol>@miniTicker`). Another
address, such as a stand-in on this machine, is named by CRYPTAI_BINANCE_REST and CRYPTAI_BINANCE_WS.
"""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any, Final

import httpx
import numpy as np
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus, WebSocketException

from cryptai import seams
from cryptai.errors import InputError, SourceError
from cryptai.market.candles import COLUMNS, Candles
from cryptai.market.source import Backoff, sources
from cryptai.market.sources._binance_messages import parse_date, parse_json, parse_klines, parse_message
from cryptai.market.symbol import parse_symbol
from cryptai.market.timeframe import Timeframe

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence

    from cryptai.market.source import Event

REST: Final = "https://api.binance.com"
STREAM: Final = "wss://stream.binance.com:9443"
_PAGE: Final = 1000
_TRIES: Final = 4
_PING_S: Final = 4.0
_ANSWER_S: Final = 10.0
# Told to pause longer than this we say so instead of waiting; nothing is asked before the pause is over.
_LONGEST_PAUSE_S: Final = 60.0
_LONGEST_BAN_S: Final = 3 * 86_400.0
_UNKNOWN_SYMBOL: Final = -1121


class Binance:
    """Binance spot's public market data.

    Closed is what the venue calls closed, or what ended before the time its answer is dated with: a wrong
    clock of this machine makes no bar closed. Requests are tried again after failures that pass, with
    growing pauses; a pause the venue asks for (429, 418 with Retry-After) is kept by all requests.
    """

    name = "binance"
    title = "Binance"
    practice = False

    def __init__(self, *, rest: Callable[[float], Awaitable[object]] = asyncio.sleep) -> None:
        self._rest = rest
        self._client: httpx.AsyncClient | None = None
        self._connecting = asyncio.Lock()
        self._backoff = Backoff(first=0.5, most=8.0)
        self._pause_until = 0.0  # on the monotonic clock
        self._ahead_ms = 0  # the venue's clock less ours

    async def ping(self) -> None:
        """Ask for the venue's time once."""
        await self._get("/api/v3/time", {}, tries=1, timeout_s=_PING_S)

    async def aclose(self) -> None:
        """Close the connections."""
        if self._client:
            await self._client.aclose()
            self._client = None

    async def history(self, symbol: str, timeframe: str, *, end_ms: int | None = None, bars: int) -> Candles:
        """Return the last `bars` closed bars before `end_ms`, by pages of 1,000 from the newest back.

        Raises
        ------
        InputError
            If Binance has no such market.
        SourceError
            As the port says; also for an answer that is not what was asked for.
        """
        name, frame = parse_symbol(symbol), Timeframe(timeframe)
        end = frame.floor(seams.now_ms() + self._ahead_ms)
        end = end if end_ms is None else min(end, end_ms)
        pages: list[Candles] = []
        wanted = bars
        while wanted > 0:
            limit = min(_PAGE, wanted)
            page = await self._page(name, frame, end, limit)
            if len(page):
                pages.insert(0, page)
                end = int(page.ts[0])
            wanted -= len(page)
            if len(page) < limit:
                break
        if len(pages) == 1:
            return pages[0]
        columns = {
            column: np.concatenate([getattr(page, column) for page in pages] or [np.empty(0)])
            for column in COLUMNS
        }
        return Candles(**columns, symbol=name, timeframe=frame)

    async def _page(self, symbol: str, frame: Timeframe, end: int, limit: int) -> Candles:
        """Return up to `limit` closed bars that open before `end`."""
        query = {"symbol": _raw(symbol), "interval": frame, "endTime": end - 1, "limit": limit}
        answer = await self._get("/api/v3/klines", query)
        rows = parse_json(answer.content, f"an answer about {symbol}")
        page = parse_klines(rows, symbol, frame)
        if len(page) > limit or (len(page) and page.ts[-1] >= end):
            raise SourceError(f"Binance sent other {symbol} {frame} klines than were asked for.")
        now = parse_date(answer.headers.get("Date"))
        return page.between(None, frame.last_closed(seams.now_ms() if now is None else now) + 1)

    async def stream(self, symbols: Sequence[str], timeframes: Sequence[str]) -> AsyncIterator[Event]:
        """Yield prices and bars of one combined connection until it fails, which raises `SourceError`."""
        names = {_raw(symbol): parse_symbol(symbol) for symbol in symbols}
        kinds = [*(f"kline_{Timeframe(name)}" for name in timeframes), "miniTicker"]
        streams = "/".join(f"{name.lower()}@{kind}" for name in names for kind in kinds)
        address = os.environ.get("CRYPTAI_BINANCE_WS", STREAM).rstrip("/")
        await self._keep_pause()
        try:
            async with connect(
                f"{address}/stream?streams={streams}", open_timeout=_ANSWER_S, close_timeout=1
            ) as socket:
                while True:
                    event = parse_message(await socket.recv(), names)
                    if event is not None:
                        yield event
        except InvalidStatus as error:
            response = error.response
            raise self._refusal(response.status_code, response.headers, "the stream") from error
        except WebSocketException as error:
            raise SourceError(f"Binance's stream broke off ({error}).") from error
        except OSError as error:
            raise SourceError(f"Binance's stream can't be reached ({_reason(error)}).") from error

    async def _get(
        self, path: str, query: dict[str, Any], *, tries: int = _TRIES, timeout_s: float = _ANSWER_S
    ) -> httpx.Response:
        client = await self._connected()
        for attempt in range(tries):
            await self._keep_pause()
            try:
                # The client's own limits are for each read; this one is for the answer as a whole.
                async with asyncio.timeout(timeout_s):
                    answer = await client.get(path, params=query, timeout=timeout_s)
            except (httpx.TransportError, TimeoutError) as error:
                failure = SourceError(f"Binance can't be reached from here ({_reason(error)}).")
                failure.__cause__ = error
            else:
                date = parse_date(answer.headers.get("Date"))
                if date is not None:
                    self._ahead_ms = date - seams.now_ms()
                if answer.status_code == 200:
                    return answer
                _refuse_symbol(answer, query)
                failure = self._refusal(answer.status_code, answer.headers, path)
            if failure.permanent or attempt + 1 == tries:
                break
            await self._rest(self._backoff.seconds(attempt))
        raise failure

    async def _connected(self) -> httpx.AsyncClient:
        async with self._connecting:
            if self._client is None:
                # In a thread: reading the certificates of the authorities takes a while.
                self._client = await asyncio.to_thread(_client)
            return self._client

    def _refusal(self, status: int, headers: Mapping[str, str], what: str) -> SourceError:
        """Return what an HTTP status other than success means; note the pause it asks for."""
        if status in (403, 451):
            return SourceError(f"Binance does not serve this address (HTTP {status}).", permanent=True)
        if status in (418, 429):
            told = headers.get("Retry-After", "")
            pause = min(float(told), _LONGEST_BAN_S) if told.isascii() and told.isdigit() else 60.0
            self._pause_until = max(self._pause_until, seams.monotonic() + pause)
            return SourceError(f"Binance asks for a pause of {pause:.0f} s (HTTP {status}).")
        if status >= 500:
            return SourceError(f"Binance has trouble of its own (HTTP {status}).")
        return SourceError(f"Binance refused {what} (HTTP {status}).", permanent=True)

    async def _keep_pause(self) -> None:
        pause = self._pause_until - seams.monotonic()
        if pause > _LONGEST_PAUSE_S:
            raise SourceError(f"Binance asked for a pause, of which {pause:.0f} s are left.")
        if pause > 0:
            await self._rest(pause)


sources.add(Binance.name, Binance)


def _client() -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=os.environ.get("CRYPTAI_BINANCE_REST", REST))


def _raw(symbol: str) -> str:
    return parse_symbol(symbol).replace("/", "")


def _refuse_symbol(answer: httpx.Response, query: Mapping[str, Any]) -> None:
    if answer.status_code != 400:
        return
    body = parse_json(answer.content, "a refusal")
    if isinstance(body, dict) and body.get("code") == _UNKNOWN_SYMBOL:
        raise InputError(f"Binance has no market {query.get('symbol')}.", field="symbol")


def _reason(error: BaseException) -> str:
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
