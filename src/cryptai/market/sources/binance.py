"""Binance spot and USDT-M perpetuals: public candles, prices and symbols, without a key.

Follows the venue's pages "Market Data endpoints" (klines: up to 1,000 a request, the last one unfinished)
and "WebSocket Streams" (combined streams, `<symbol>@kline_<interval>`, `<symbol>@miniTicker`) of both
interfaces, `/api/v3` and `/fapi/v1`. Another address, such as a stand-in on this machine, is named by
CRYPTAI_BINANCE_REST and CRYPTAI_BINANCE_WS: scheme and host, for both.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Final

import numpy as np

from cryptai import seams
from cryptai.errors import InputError, SourceError
from cryptai.market.candles import COLUMNS, Candles
from cryptai.market.funding import perpetual_of
from cryptai.market.source import sources
from cryptai.market.sources._binance_funding import funding_history
from cryptai.market.sources._binance_messages import parse_json, parse_klines, parse_tickers
from cryptai.market.sources._binance_rest import PERPS, SPOT, TRIES, Rest
from cryptai.market.sources._binance_streams import merged
from cryptai.market.sources._binance_symbols import parse_exchange_info
from cryptai.market.symbol import is_perpetual, parse_symbol, venue_symbol
from cryptai.market.timeframe import MINUTE_MS, Timeframe

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from cryptai.market.funding import Funding
    from cryptai.market.silence import Pace
    from cryptai.market.source import Event, Price
    from cryptai.market.sources._binance_rest import Answer
    from cryptai.market.symbols import SymbolInfo

_PAGE: Final = 1000
# A bar younger than this is closed only if the venue has begun the next: its clock alone is not enough.
_PROOF_MS: Final = 15 * MINUTE_MS
_LARGEST_INFO_BYTES: Final = 64 << 20
_LARGEST_PRICES_BYTES: Final = 16 << 20
# Prices of so many spot markets are asked for by name, at a weight of 2; of more, those of all, at 80.
_NAMED: Final = 20


class Binance:
    """Binance's public market data: `BTC/USDT` is spot, `BTC/USDT:USDT` the perpetual.

    Closed is what the venue calls closed, or what ended before the time its answer is dated with and before
    the time its clock can have reached, and has a successor if it is young: a wrong clock of this machine
    makes no bar closed, and one of the venue's that jumps makes none either. Requests are tried again after
    failures that pass, with growing pauses; weights and the pauses the venue asks for (429, 418 with
    Retry-After) are kept by all processes together (`cryptai.market.budget`).
    """

    name = "binance"
    title = "Binance"
    practice = False

    def __init__(self, *, rest: Callable[[float], Awaitable[object]] = asyncio.sleep) -> None:
        self._spot = Rest(SPOT, rest=rest)
        self._perps = Rest(PERPS, rest=rest)
        self._paces: dict[str, Pace] = {}

    async def ping(self) -> None:
        """Ask for the venue's time once."""
        await self._spot.ask_time()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._spot.aclose()
        await self._perps.aclose()

    def now_ms(self) -> int:
        """Return the exchange's time; this machine's until the venue was heard."""
        return (self._spot if self._spot.clock.heard else self._perps).clock.now_ms()

    async def symbols(self) -> list[SymbolInfo]:
        """Return all spot markets and USDT-M perpetuals with rules and status; learn the limits of requests.

        Raises
        ------
        SourceError
            As the port says; also for a list that is not what was agreed.
        """
        found: list[SymbolInfo] = []
        for rest in (self._spot, self._perps):
            answer = await rest.get(
                "/exchangeInfo", {}, weight=rest.part.info_weight, timeout_s=60.0, largest=_LARGEST_INFO_BYTES
            )
            # In a thread: the list has some 15 MB.
            info = await asyncio.to_thread(
                parse_exchange_info, answer.content, perpetuals=rest is self._perps
            )
            if info.limit:
                await asyncio.to_thread(rest.budget.learn, info.limit)
            found += info.symbols
        return found

    async def listed_ms(self, symbol: str) -> int | None:
        """Return when the venue's first daily bar of a market opened; None if it has none."""
        name, rest = self._where(symbol)
        query = {"symbol": venue_symbol(name), "interval": "1d", "startTime": 0, "limit": 1}

        def read(answer: Answer) -> Candles:
            return parse_klines(parse_json(answer.content, f"an answer about {name}"), name, Timeframe("1d"))

        page = await rest.read("/klines", query, read, weight=_weight(rest, 1))
        return int(page.ts[0]) if len(page) else None

    async def prices(self, symbols: Sequence[str]) -> list[Price]:
        """Return the last prices of these markets, with their change in 24 hours, in one or two requests.

        A market that Binance has not (any more), or that never traded, is left out.
        """
        found: list[Price] = []
        for rest in (self._spot, self._perps):
            mine = [
                name for name in map(parse_symbol, symbols) if is_perpetual(name) == (rest is self._perps)
            ]
            names = {venue_symbol(name): name for name in mine}
            if names:
                found += parse_tickers(await self._tickers(rest, list(names)), names)
        return found

    async def funding(self, symbol: str, *, start_ms: int, end_ms: int) -> Funding:
        """Return what the holders of a perpetual paid each other in `[start_ms, end_ms)`.

        Raises
        ------
        InputError
            If Binance has no such perpetual.
        SourceError
            As the port says; also for an answer that is not what was asked for.
        """
        return await funding_history(self._perps, perpetual_of(symbol), start_ms, end_ms)

    async def _tickers(self, rest: Rest, names: list[str]) -> object:
        if rest is self._spot and len(names) <= _NAMED:
            query = {"symbols": json.dumps(names, separators=(",", ":"))}
            try:
                answer = await rest.get("/ticker/24hr", query, weight=2)
            except InputError:
                pass  # one that is listed no more refuses them all
            else:
                return parse_json(answer.content, "prices")
        weight = 80 if rest is self._spot else 40
        answer = await rest.get("/ticker/24hr", {}, weight=weight, largest=_LARGEST_PRICES_BYTES)
        return await asyncio.to_thread(parse_json, answer.content, "prices")

    async def history(self, symbol: str, timeframe: str, *, end_ms: int | None = None, bars: int) -> Candles:
        """Return the last `bars` closed bars before `end_ms`, by pages of 1,000 from the newest back.

        A short page is not taken for the beginning of the market: it is asked on until nothing comes.

        Raises
        ------
        InputError
            If Binance has no such market.
        SourceError
            As the port says; also for an answer that is not what was asked for.
        """
        (name, rest), frame = self._where(symbol), Timeframe(timeframe)
        if not rest.clock.heard:
            await rest.ask_time(tries=TRIES)
        if end_ms is None:
            # After a sleep of this machine its clock lags until it is heard; too late an end does no harm.
            end = frame.floor(max(rest.clock.now_ms(), seams.now_ms()))
        else:
            end = frame.floor(end_ms - 1) + frame.ms
        pages: list[Candles] = []
        wanted = bars
        begun = False
        while wanted > 0:
            rows, page = await self._page(rest, name, frame, end, wanted, begun=begun)
            if len(page):
                pages.insert(0, page)
            if not len(rows):
                break
            # A short page may have held that bar alone. It is there, so what opens before it is closed.
            end, begun = int(rows.ts[0]), True
            wanted -= len(page)
        if len(pages) == 1:
            return pages[0]
        columns = {
            column: np.concatenate([getattr(page, column) for page in pages] or [np.empty(0)])
            for column in COLUMNS
        }
        return Candles(**columns, symbol=name, timeframe=frame)

    async def _page(
        self, rest: Rest, symbol: str, frame: Timeframe, end: int, wanted: int, *, begun: bool
    ) -> tuple[Candles, Candles]:
        """Return the rows of one page, and those of them that are closed bars opening before `end`.

        `begun` says that the venue was seen to have a bar that opens at `end`.
        """
        young = not begun and end > min(rest.clock.now_ms(), seams.now_ms()) - _PROOF_MS
        # The bar after the last wanted one comes with it, if there is one.
        beyond = end + frame.ms if young else end
        limit = min(_PAGE, wanted + young)
        query = {"symbol": venue_symbol(symbol), "interval": frame, "endTime": beyond - 1, "limit": limit}

        def read(answer: Answer) -> tuple[Answer, Candles]:
            rows = parse_klines(parse_json(answer.content, f"an answer about {symbol}"), symbol, frame)
            if len(rows) > limit or (len(rows) and rows.ts[-1] >= beyond):
                raise SourceError(f"Binance sent other {symbol} {frame} klines than were asked for.")
            return answer, rows

        answer, rows = await rest.read("/klines", query, read, weight=_weight(rest, limit))
        if not len(rows):
            return rows, rows
        now = _answered_at(rest, answer)
        closed = frame.last_closed(now) + 1
        if not begun and rows.ts[-1] + frame.ms > now - _PROOF_MS:
            closed = min(closed, int(rows.ts[-1]))
        return rows, rows.between(None, min(closed, end))[-wanted:]

    async def stream(self, symbols: Sequence[str], timeframes: Sequence[str]) -> AsyncIterator[Event]:
        """Yield prices and bars of all markets until a connection fails, which raises `SourceError`."""
        names = [parse_symbol(symbol) for symbol in symbols]
        parts = [
            (rest, mine)
            for rest in (self._spot, self._perps)
            if (mine := [name for name in names if is_perpetual(name) == (rest is self._perps)])
        ]
        events = merged(parts, [Timeframe(name) for name in timeframes], self._paces)
        try:
            async for event in events:
                yield event
        finally:
            await events.aclose()

    def _where(self, symbol: str) -> tuple[str, Rest]:
        name = parse_symbol(symbol)
        return name, self._perps if is_perpetual(name) else self._spot


sources.add(Binance.name, Binance)


def _weight(rest: Rest, limit: int) -> int:
    return next(weight for bars, weight in rest.part.klines_weight if limit <= bars)


def _answered_at(rest: Rest, answer: Answer) -> int:
    """Return a time at which the answer was written, or before: what ended by then is closed in it."""
    if answer.date_ms is None:
        # It is not dated: the time there when we asked is what is sure.
        return rest.clock.earliest_ms(answer.sent)
    return min(answer.date_ms, rest.clock.latest_ms(answer.received))
