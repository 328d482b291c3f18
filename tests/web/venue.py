"""`cryptai up` on a venue of one market whose minutes take a second: a program for tests of several servers.

Its clock is the machine's monotonic one, so that all processes agree; its bars are a function of their time,
so that whoever fetches one later gets the same.
"""

from __future__ import annotations

import asyncio
import os
import sys
from typing import TYPE_CHECKING

from cryptai.market.candles import Candles
from cryptai.market.source import Bar, Event, Price, sources
from cryptai.market.timeframe import Timeframe
from cryptai.seams import monotonic

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from cryptai.market.source import Row

NAME, SYMBOL, MINUTE = "quick", "BTC/USDT", 60_000
SPEED = 60


def venue_ms() -> int:
    """Days ago, but in a hurry."""
    return int(os.environ["VENUE_START_MS"]) + int(
        (monotonic() - float(os.environ["VENUE_BEGAN"])) * SPEED * 1000
    )


def bar(ts: int) -> Row:
    close = 100.0 + ts // MINUTE % 97
    return (ts, close, close + 1, close - 1, close, 1.0)


class Quick:
    """History and a stream of the one market."""

    name, title, practice = NAME, "The quick venue", False

    def now_ms(self) -> int:
        return venue_ms()

    async def ping(self) -> None:
        pass

    async def history(self, symbol: str, timeframe: str, *, end_ms: int | None = None, bars: int) -> Candles:
        length = Timeframe(timeframe).ms
        end = min(end_ms or venue_ms(), venue_ms()) // length * length
        first = max(end - bars * length, int(os.environ["VENUE_START_MS"]) // length * length)
        columns = zip(*(bar(ts) for ts in range(first, end, length)), strict=True)
        return Candles(*columns, symbol, timeframe)

    async def stream(self, _symbols: Sequence[str], _timeframes: Sequence[str]) -> AsyncIterator[Event]:
        closed = venue_ms() // MINUTE
        while True:
            now = venue_ms()
            yield Price(SYMBOL, float(now), now, 0.0)
            while now // MINUTE > closed:
                yield Bar(SYMBOL, "1m", bar(closed * MINUTE), closed=True)
                closed += 1
            await asyncio.sleep(0.1)

    async def aclose(self) -> None:
        pass


def main() -> None:
    sources.add(NAME, Quick)
    from cryptai.cli.main import main as cryptai

    asked = ["--symbols", SYMBOL, "--timeframes", "1m", "--port", sys.argv[1]]
    sys.argv = ["cryptai", "up", "--json", "--exchange", NAME, *asked]
    cryptai()


if __name__ == "__main__":
    main()
