"""`cryptai up` on a venue whose candles close on demand: spoken to by the benchmark, in lines on stdin.

`{"close": ["S000/USDT"], "bars": [1]}` has these symbols close their bars of these numbers (the first after
the stored ones is 1), all at one instant; the answer, on stdout, is the monotonic clock in nanoseconds when
they were handed to the feed. Bars are a function of symbol and number: quiet ones, and now and then one that
breaks out of the range of those before it.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from cryptai.market.candles import Candles
from cryptai.market.source import Bar, Event, Price, sources
from cryptai.market.timeframe import Timeframe

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from cryptai.market.source import Row

NAME = "closing"
SYMBOLS = [f"S{i:03d}/USDT" for i in range(500)]
BARS, HOUR_MS = 1_000, 3_600_000
QUIET, BETWEEN = 30, 30
"""Stored bars that are quiet already, and bars from one breakout to the next; the first is bar 1."""


def begun_ms() -> int:
    """Return when bar 1 opens."""
    return int(os.environ["CLOSING_BEGINS_MS"])


@lru_cache(maxsize=1_000)
def history(symbol: str) -> Candles:
    """Return the bars before bar 1: a walk, then quiet."""
    n = BARS - QUIET
    rng = np.random.default_rng([41, SYMBOLS.index(symbol)])
    steps = rng.normal(0.0, 0.004, (n, 4)).cumsum(axis=1)
    begins = np.r_[0.0, steps[:-1, -1].cumsum()]
    path = np.exp(np.log(100.0) + begins[:, None] + np.c_[np.zeros(n), steps])
    path[1:, 0] = path[:-1, -1]
    volume = rng.lognormal(5.0, 0.6, n)
    ts = begun_ms() - HOUR_MS * np.arange(BARS, QUIET, -1)
    walked = np.c_[path[:, 0], path.max(axis=1), path.min(axis=1), path[:, -1], volume]
    quiet = [_row(float(path[-1, -1]), bar, begun_ms()) for bar in range(1 - QUIET, 1)]
    columns = np.r_[walked, np.array(quiet)[:, 1:]].T
    return Candles(np.r_[ts, [row[0] for row in quiet]], *columns, symbol, "1h")


def row(symbol: str, bar: int) -> Row:
    """Return a bar by its number."""
    before = history(symbol)
    if bar < 1:
        at = BARS - 1 + bar
        return (int(before.ts[at]), *(float(getattr(before, name)[at]) for name in _COLUMNS))
    return _row(float(before.close[BARS - QUIET - 1]), bar, begun_ms())


_COLUMNS = ("open", "high", "low", "close", "volume")


def _row(price: float, bar: int, begun: int) -> Row:
    close, opens = _close(price, bar), _close(price, bar - 1)
    high, low = max(opens, close) * 1.001, min(opens, close) * 0.999
    return (begun + (bar - 1) * HOUR_MS, opens, high, low, close, 300.0 if breaks(bar) else 100.0)


def _close(price: float, bar: int) -> float:
    return price * (1.008 if breaks(bar) else 1.002 if bar % 2 else 0.998)


def breaks(bar: int) -> bool:
    """Whether this is a bar that breaks out."""
    return bar > 0 and bar % BETWEEN == 1


class Closing:
    """A venue with a history, and closes on demand."""

    name, title, practice = NAME, "The script", False

    def __init__(self) -> None:
        self._newest = 0

    def now_ms(self) -> int:
        return begun_ms() + self._newest * HOUR_MS

    async def ping(self) -> None:
        pass

    async def history(self, symbol: str, timeframe: str, *, end_ms: int | None = None, bars: int) -> Candles:
        end = min(end_ms or self.now_ms(), self.now_ms())
        last = (end - begun_ms()) // Timeframe(timeframe).ms
        rows = [row(symbol, number) for number in range(max(last - bars, -BARS) + 1, last + 1)]
        return Candles(*zip(*rows, strict=True), symbol, timeframe)

    async def stream(self, _symbols: Sequence[str], _timeframes: Sequence[str]) -> AsyncIterator[Event]:
        loop = asyncio.get_running_loop()
        orders: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        loop.add_reader(sys.stdin, lambda: orders.put_nowait(json.loads(sys.stdin.readline() or "null")))
        yield Price(SYMBOLS[0], 1.0, time.monotonic_ns(), 0.0)
        print(json.dumps({"ready": True}), flush=True)
        while True:
            try:
                # The feed takes a silent stream for dead.
                order = await asyncio.wait_for(orders.get(), 5)
            except TimeoutError:
                yield Price(SYMBOLS[0], 1.0, time.monotonic_ns(), 0.0)
                continue
            if order is None:  # who asked has gone
                loop.remove_reader(sys.stdin)
                await asyncio.Event().wait()
            bars = [
                Bar(symbol, "1h", row(symbol, bar), closed=True)
                for bar in order["bars"]
                for symbol in order["close"]
            ]
            self._newest = max(self._newest, *order["bars"])
            print(json.dumps({"handed": time.monotonic_ns()}), flush=True)
            for one in bars:
                yield one

    async def aclose(self) -> None:
        pass


def main() -> None:
    sources.add(NAME, Closing)
    from cryptai.cli.main import main as cryptai

    asked = ["--symbols", ",".join(SYMBOLS), "--timeframes", "1h", "--port", sys.argv[1]]
    sys.argv = ["cryptai", "up", "--json", "--exchange", NAME, *asked]
    cryptai()


if __name__ == "__main__":
    main()
