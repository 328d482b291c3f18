"""Binance's combined streams: as many connections as the markets need, merged into one sequence of events."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus, WebSocketException

from cryptai.errors import SourceError
from cryptai.market.silence import Pace, Silence
from cryptai.market.sources._binance_messages import MarketNonsense, parse_message
from cryptai.market.sources._binance_rest import ANSWER_S, reason
from cryptai.market.symbol import venue_symbol
from cryptai.market.timeframe import Timeframe

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from cryptai.market.source import Event
    from cryptai.market.sources._binance_rest import Rest

log = logging.getLogger(__name__)

# A connection takes 1,024 streams, but their names make the first line of its request, of which servers take
# some 8 kB.
_STREAMS: Final = 200
_WAITING: Final = 2_000
_SILENCE_S: Final = 30.0
# So many messages in a row of which nothing can be read are no slip: whoever speaks there is not Binance.
_GIBBERISH: Final = 10


def connections(symbols: Sequence[str], timeframes: Sequence[str]) -> list[list[str]]:
    """Return which markets share a connection, for so many streams of each."""
    each = max(1, _STREAMS // (len(timeframes) + 1))
    return [list(symbols[i : i + each]) for i in range(0, len(symbols), each)]


async def merged(
    parts: Sequence[tuple[Rest, Sequence[str]]], frames: Sequence[str], paces: dict[str, Pace]
) -> AsyncGenerator[Event, None]:
    """Yield what all connections bring; the first that fails ends them all with its `SourceError`.

    With several, one that is open but silent for half a minute counts as failed, or for less if it is known
    to say something more often: the others' noise would hide it from who reads this. `paces` remembers what
    is known of each, by its first market.
    """
    wanted = [(rest, group) for rest, symbols in parts for group in connections(symbols, frames)]
    if len(wanted) == 1:
        one = connection(*wanted[0], frames)
        try:
            async for event in one:
                yield event
        finally:
            await one.aclose()
        return
    came: asyncio.Queue[Event | Exception] = asyncio.Queue(_WAITING)
    pumps = [asyncio.create_task(_pump(rest, group, frames, came, paces)) for rest, group in wanted]
    try:
        while True:
            said = await came.get()
            if isinstance(said, Exception):
                raise said
            yield said
    finally:
        for pump in pumps:
            pump.cancel()
        await asyncio.gather(*pumps, return_exceptions=True)


class _Nonsense:
    """What came over one connection and cannot be: of which markets it was told, and how much in a row."""

    def __init__(self) -> None:
        self._told: set[str] = set()
        self.in_a_row = 0

    def leave_out(self, error: SourceError) -> None:
        """Tell of it once; raise it where nothing that can be read comes any more."""
        symbol = error.symbol if isinstance(error, MarketNonsense) else ""
        self.in_a_row = 0 if symbol else self.in_a_row + 1
        if self.in_a_row >= _GIBBERISH:
            raise error
        if symbol not in self._told:
            rest = "of it cannot be" if symbol else "cannot be read"
            log.warning("%s It is left out, and so is whatever else %s.", error, rest)
            self._told.add(symbol)


async def connection(
    rest: Rest, symbols: Sequence[str], timeframes: Sequence[str]
) -> AsyncGenerator[Event, None]:
    """Yield what one connection brings until it fails.

    What cannot be is left out and told, once for each market, and so is what cannot be read at all, told
    once: it says nothing about the others, and a close that was in it is fetched when its successor is seen.
    Only many unreadable messages in a row end the connection.
    """
    nonsense = _Nonsense()
    names = {venue_symbol(symbol): symbol for symbol in symbols}
    kinds = [*(f"kline_{Timeframe(name)}" for name in timeframes), "miniTicker"]
    streams = "/".join(f"{name.lower()}@{kind}" for name in names for kind in kinds)
    await rest.budget.spend(0)
    try:
        async with connect(
            f"{rest.stream_address}/stream?streams={streams}", open_timeout=ANSWER_S, close_timeout=1
        ) as socket:
            while True:
                try:
                    event = parse_message(await socket.recv(), names)
                except SourceError as error:
                    nonsense.leave_out(error)
                    continue
                nonsense.in_a_row = 0
                if event is not None:
                    yield event
    except InvalidStatus as error:
        response = error.response
        raise await rest.refusal(response.status_code, response.headers, "the stream") from error
    except WebSocketException as error:
        raise SourceError(f"Binance's stream broke off ({error}).") from error
    except OSError as error:
        raise SourceError(f"Binance's stream can't be reached ({reason(error)}).") from error


async def _pump(
    rest: Rest,
    symbols: Sequence[str],
    frames: Sequence[str],
    came: asyncio.Queue[Event | Exception],
    paces: dict[str, Pace],
) -> None:
    stream = connection(rest, symbols, frames)
    try:
        async with Silence(_SILENCE_S, paces.setdefault(symbols[0], Pace())) as silence:
            async for event in stream:
                silence.deaf()  # until whoever reads has room for it
                await came.put(event)
                silence.heard()
    except TimeoutError:
        await came.put(
            SourceError(f"Binance has sent nothing about {symbols[0]} … for {silence.seconds:.3g} s.")
        )
    except Exception as error:  # noqa: BLE001 (not swallowed: the reader raises it)
        await came.put(error)
    finally:
        await stream.aclose()
