"""The stream of a ccxt exchange: prices and unfinished bars as they are pushed, closes by asking.

ccxt does not pass on whether a venue calls a bar of its stream closed. So a bar of a stream is never taken
for closed here: after each close the venue's history is asked for the bar, and says itself that it is done.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, Protocol

from cryptai.errors import InputError
from cryptai.market.source import Bar
from cryptai.market.sources._ccxt_reading import read_bars, read_price
from cryptai.market.timeframe import Timeframe

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Sequence

    from cryptai.market.candles import Candles
    from cryptai.market.source import Event

    Put = Callable[[Event], Awaitable[None]]

_WAITING: Final = 2_000
# After a close, when the bar is asked for; venues take some moments to write it down.
_ASKED_S: Final = (1.0, 2.0, 3.0, 6.0, 15.0, 30.0)
# Where prices are not pushed they are asked for; never so seldom that a feed takes it for silence.
_PRICES_S: Final = 10.0
_AT_ONCE: Final = 4


class Venue(Protocol):
    """What the stream needs of its source."""

    title: str
    exchange: Any
    rest: Callable[[float], Awaitable[object]]

    def now_ms(self) -> int: ...
    def offers(self, timeframe: str) -> bool: ...
    async def call(self, method: str, *args: Any, tries: int = ...) -> Any: ...
    async def closed_between(self, symbol: str, frame: Timeframe, start: int, end: int) -> Candles: ...


async def events(
    venue: Venue, symbols: Sequence[str], timeframes: Sequence[str]
) -> AsyncGenerator[Event, None]:
    """Yield what comes until something fails, which raises its `SourceError`.

    Unfinished bars come of the shortest timeframe only, where the venue pushes bars: ccxt hands those of
    several timeframes of one market to whoever waits for any of them.
    """
    offered = {Timeframe(name) for name in timeframes if venue.offers(name)}
    frames = sorted(offered, key=lambda frame: frame.ms)
    came: asyncio.Queue[Event | Exception] = asyncio.Queue(_WAITING)
    has = venue.exchange.has
    work: list[Coroutine[Any, Any, None]] = [_closes(venue, symbols, frame, came.put) for frame in frames]
    if frames and has.get("watchOHLCV") is True:
        work += [_forming(venue, symbol, frames[0], came.put) for symbol in symbols]
    if has.get("watchTickers") is True:
        work.append(_pushed(venue, symbols, came.put, "watch_tickers", list(symbols)))
    elif has.get("watchTicker") is True:
        work += [_pushed(venue, symbols, came.put, "watch_ticker", symbol) for symbol in symbols]
    else:
        work.append(_asked(venue, symbols, came.put))
    tasks = [asyncio.create_task(_until_it_fails(one, came)) for one in work]
    try:
        while True:
            said = await came.get()
            if isinstance(said, Exception):
                raise said
            yield said
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await venue.exchange.close()


async def _until_it_fails(work: Coroutine[Any, Any, None], came: asyncio.Queue[Event | Exception]) -> None:
    try:
        await work
    except Exception as error:  # noqa: BLE001 (not swallowed: the reader of the stream raises it)
        await came.put(error)


async def _pushed(venue: Venue, symbols: Sequence[str], put: Put, method: str, what: Any) -> None:
    while True:
        told = await venue.call(method, what, tries=1)
        for ticker in [told] if method == "watch_ticker" else list((told or {}).values()):
            if price := read_price(ticker, symbols, venue.now_ms()):
                await put(price)


async def _asked(venue: Venue, symbols: Sequence[str], put: Put) -> None:
    has = venue.exchange.has
    while True:
        asked = [list(symbols)] if has.get("fetchTickers") is True else list(symbols)
        for what in asked:
            told = await venue.call("fetch_tickers" if isinstance(what, list) else "fetch_ticker", what)
            for ticker in told.values() if isinstance(what, list) else [told]:
                if price := read_price(ticker, symbols, venue.now_ms()):
                    await put(price)
        await venue.rest(_PRICES_S)


async def _forming(venue: Venue, symbol: str, frame: Timeframe, put: Put) -> None:
    while True:
        rows = await venue.call("watch_ohlcv", symbol, str(frame), tries=1)
        candles = read_bars([list(row) for row in rows or []], symbol, frame, venue.title)
        # The bar of now and no other, whatever lies in ccxt's memory.
        if len(candles) and candles.ts[-1] == frame.floor(venue.now_ms()):
            await put(Bar(symbol, str(frame), _last_row(candles), closed=False))


async def _closes(venue: Venue, symbols: Sequence[str], frame: Timeframe, put: Put) -> None:
    while True:
        opened = frame.floor(venue.now_ms())
        left = list(symbols)
        await venue.rest((opened + frame.ms - venue.now_ms()) / 1000)
        for wait in _ASKED_S:
            if venue.now_ms() > opened + frame.ms * 3 // 2:
                break  # the next close comes first; who reads this asks history for what lies between
            await venue.rest(wait)
            if venue.now_ms() >= opened + frame.ms:
                left = await _closed(venue, left, frame, opened, put)
            if not left:
                break


async def _closed(venue: Venue, symbols: Sequence[str], frame: Timeframe, opened: int, put: Put) -> list[str]:
    left = []
    for i in range(0, len(symbols), _AT_ONCE):
        some = symbols[i : i + _AT_ONCE]
        settled = await asyncio.gather(
            *(_close(venue, symbol, frame, opened, put) for symbol in some), return_exceptions=True
        )
        for symbol, one in zip(some, settled, strict=True):
            if isinstance(one, BaseException):
                raise one
            left += [] if one else [symbol]
    return left


async def _close(venue: Venue, symbol: str, frame: Timeframe, opened: int, put: Put) -> bool:
    """Bring the bar that opened then, if the venue calls it closed by now; return whether it is settled."""
    try:
        candles = await venue.closed_between(symbol, frame, opened, opened + frame.ms)
    except InputError:
        return True  # it is listed no more
    if not len(candles):
        return False
    await put(Bar(symbol, str(frame), _last_row(candles), closed=True))
    return True


def _last_row(candles: Candles) -> tuple[int, float, float, float, float, float]:
    opens, high, low, close, volume = (
        float(getattr(candles, name)[-1]) for name in ("open", "high", "low", "close", "volume")
    )
    return int(candles.ts[-1]), opens, high, low, close, volume
