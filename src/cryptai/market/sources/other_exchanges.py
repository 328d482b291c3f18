"""Every other exchange, through ccxt: history, symbols, prices and a stream, under ccxt's name of it.

ccxt knows the venues' dialects; requests, their budget, their repetition and what counts as closed stay ours.
It comes with the extra `exchanges` and is imported when an exchange of it is first opened: that takes seconds
and some 120 MB. Another address, such as a stand-in on this machine, is named by CRYPTAI_CCXT_REST and
CRYPTAI_CCXT_WS: scheme and host, for all exchanges read through it.
"""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cryptai import seams
from cryptai.errors import InputError, SourceError, UnknownName
from cryptai.market.source import Backoff, families
from cryptai.market.sources._ccxt_history import History
from cryptai.market.sources._ccxt_reading import read_markets, read_price
from cryptai.market.sources._ccxt_rest import Rest
from cryptai.market.sources._ccxt_streams import events
from cryptai.market.symbol import parse_symbol
from cryptai.market.timeframe import TIMEFRAMES, Timeframe

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from cryptai.market.candles import Candles
    from cryptai.market.source import Event, Price
    from cryptai.market.symbols import SymbolInfo

ADVICE: Final = 'Other exchanges are read through ccxt: pip install "cryptai[exchanges]".'
_TRIES: Final = 4
_PING_S: Final = 20.0


class OtherExchange:
    """One exchange of ccxt. Symbols are ccxt's unified ones, which are ours: `BTC/USDT`, `BTC/USDT:USDT`.

    A bar is closed when it ended before the time that the venue's clock had certainly reached as the request
    was sent, and, while it is young, when the same answer holds a newer one.
    """

    practice = False

    def __init__(self, name: str, *, rest: Callable[[float], Awaitable[object]] = asyncio.sleep) -> None:
        self.name = name
        self.rest = rest
        self._errors = importlib.import_module("ccxt.base.errors")
        self._rest = Rest(_kind(name), rest=rest)
        self.clock = self._rest.clock
        self.exchange: Any = self._rest.exchange
        self.title = self._rest.title
        self._backoff = Backoff(first=0.5, most=8.0)
        self._history = History(self)

    def now_ms(self) -> int:
        """Return the exchange's time; this machine's until the venue was heard."""
        return self.clock.now_ms()

    def offers(self, timeframe: str) -> bool:
        """Return whether the venue has bars of that length."""
        return self.exchange.has.get("fetchOHLCV") is True and timeframe in (self.exchange.timeframes or {})

    async def ping(self) -> None:
        """Ask for the venue's time, or where it tells none for its markets, once."""
        asked = "fetch_time" if self.exchange.has.get("fetchTime") is True else "load_markets"
        async with asyncio.timeout(_PING_S):
            await self.call(asked, tries=1)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._rest.aclose()

    async def symbols(self) -> list[SymbolInfo]:
        """Return all spot markets and perpetuals that tell their steps of price and amount."""
        markets = await self.call("load_markets", True)
        return list(read_markets(markets, self.exchange.precisionMode).values())

    async def listed_ms(self, symbol: str) -> int | None:
        """Return when the venue's first daily bar of a market opened; None if it has none."""
        return await self._history.first_day(await self._market(symbol))

    async def prices(self, symbols: Sequence[str]) -> list[Price]:
        """Return the last prices of these markets; in one request, where the venue has one for all."""
        markets = await self.call("load_markets")
        names = [name for name in map(parse_symbol, symbols) if name in markets]
        if not names:
            return []
        if self.exchange.has.get("fetchTickers") is True:
            told = list((await self.call("fetch_tickers", names)).values())
        else:
            told = [await self.call("fetch_ticker", name) for name in names]
        read = (read_price(ticker, names, self.now_ms()) for ticker in told)
        return [price for price in read if price]

    async def history(self, symbol: str, timeframe: str, *, end_ms: int | None = None, bars: int) -> Candles:
        """Return the last `bars` closed bars before `end_ms`, as far back as the exchange gives them.

        Raises
        ------
        InputError
            If the exchange has no such market, no such timeframe, or no candles at all.
        SourceError
            As the port says; also for an answer that is not what was asked for.
        """
        name, frame = await self._market(symbol), Timeframe(timeframe)
        self._check_offered(frame)
        if end_ms is None:
            # After a sleep of this machine its clock lags until it is heard; too late an end does no harm.
            end = frame.floor(max(self.now_ms(), seams.now_ms()))
        else:
            end = frame.floor(end_ms - 1) + frame.ms
        return await self._history.last(name, frame, end, bars)

    async def closed_between(self, symbol: str, frame: Timeframe, start: int, end: int) -> Candles:
        """Return the closed bars that open in `[start, end)`."""
        return await self._history.closed_between(symbol, frame, start, end)

    async def stream(self, symbols: Sequence[str], timeframes: Sequence[str]) -> AsyncIterator[Event]:
        """Yield prices and unfinished bars as the venue pushes them, and closes as its history has them."""
        names = [await self._market(symbol) for symbol in symbols]
        came = events(self, names, timeframes)
        try:
            async for event in came:
                yield event
        finally:
            await came.aclose()

    async def call(self, method: str, *args: Any, tries: int = _TRIES) -> Any:
        """Return what a method of ccxt gives, tried again after failures that pass.

        What it raises is told in our words: `InputError` for a market or an ability that the venue has not,
        `SourceError` for all else.
        """
        for attempt in range(tries):
            try:
                return await getattr(self.exchange, method)(*args)
            except SourceError as error:
                failure = error
            except Exception as error:  # noqa: BLE001 (ccxt raises what Python does, where an answer is odd)
                failure = await self._said(error, args)
                failure.__cause__ = error
            if failure.permanent or attempt + 1 == tries:
                break
            await self.rest(self._backoff.seconds(attempt))
        raise failure

    async def _said(self, error: Exception, args: tuple[Any, ...]) -> SourceError:
        known, words = self._errors, f"{type(error).__name__}: {str(error)[:160]}"
        if isinstance(error, known.BadSymbol):
            raise InputError(
                f"{self.title} has no market {args[0] if args else ''}.", field="symbol"
            ) from error
        if isinstance(error, known.NotSupported):
            raise InputError(f"{self.title} does not offer this ({words}).", field="exchange") from error
        if isinstance(error, known.DDoSProtection | known.RateLimitExceeded):
            return await self._rest.pause()
        if isinstance(error, known.AuthenticationError):
            return SourceError(f"{self.title} asks for a key for this ({words}).", permanent=True)
        if isinstance(error, known.OperationFailed):
            return SourceError(f"{self.title} failed ({words}).")
        if isinstance(error, known.BaseError):
            return SourceError(f"{self.title} refused ({words}).")
        return SourceError(f"{self.title} sent what cannot be read ({words}).")

    async def _market(self, symbol: str) -> str:
        name = parse_symbol(symbol)
        markets = await self.call("load_markets")
        if name not in markets:
            same = [other for other in markets if other.startswith(f"{name.partition('/')[0]}/")]
            raise UnknownName(f"market of {self.title}", name, same, field="symbol")
        return name

    def _check_offered(self, frame: Timeframe) -> None:
        if self.exchange.has.get("fetchOHLCV") is not True:
            raise InputError(f"{self.title} gives no candles to anybody.", field="exchange")
        if not self.offers(frame):
            offered = ", ".join(name for name in self.exchange.timeframes if name in TIMEFRAMES)
            raise InputError(f"{self.title} has no bars of {frame}; it has {offered}.", field="timeframe")


class Ccxt:
    """The family of all exchanges that ccxt can ask asynchronously; without ccxt it has none."""

    advice = ADVICE

    def names(self) -> list[str]:
        """Return ccxt's names of exchanges, none where it is not installed; it is not imported for that."""
        return list(_names())

    def open(self, name: str) -> OtherExchange:
        """Return the exchange ready to use."""
        return OtherExchange(name)


families.add("ccxt", Ccxt)


@lru_cache(maxsize=1)
def _names() -> tuple[str, ...]:
    found = importlib.util.find_spec("ccxt")
    places = (
        [Path(place) / "async_support" for place in (found.submodule_search_locations or ())] if found else []
    )
    return tuple(sorted(file.stem for place in places for file in place.glob("[a-z]*.py")))


def _kind(name: str) -> type[Any]:
    pro = importlib.import_module("ccxt.pro")
    kind: type[Any] | None = getattr(pro, name, None) or getattr(
        importlib.import_module("ccxt.async_support"), name, None
    )
    if kind is None:
        raise UnknownName("exchange of ccxt", name, _names(), field="exchange")
    return kind
