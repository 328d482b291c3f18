"""`cryptai up` on a venue whose prices are a script: started by the benchmark, spoken to by lines on stdin.

`{"seconds": 10, "burst": false}` has every symbol change its price once a second for so long, spread
over the second or all at one instant; the answer, on stdout, is the last price of each. The time of a price
is the monotonic clock in nanoseconds, at the moment it is handed to the feed.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import TYPE_CHECKING, Any

from cryptai.market.candles import Candles
from cryptai.market.source import Event, Price, sources
from cryptai.market.timeframe import Timeframe
from cryptai.seams import now_ms

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

SYMBOLS = [f"S{i:03d}/USDT" for i in range(500)]
NAME = "scripted"
_TICKS = 100  # a second


class Scripted:
    """A venue with a little history and prices on demand."""

    name, title, practice = NAME, "The script", False

    def now_ms(self) -> int:
        return now_ms()

    async def ping(self) -> None:
        pass

    async def history(self, symbol: str, timeframe: str, *, end_ms: int | None = None, bars: int) -> Candles:
        del bars
        length = Timeframe(timeframe).ms
        last = ((end_ms or now_ms()) // length - 1) * length
        ts = [last - length, last]
        return Candles(ts, [1.0] * 2, [1.0] * 2, [1.0] * 2, [1.0] * 2, [1.0] * 2, symbol, timeframe)

    async def stream(self, _symbols: Sequence[str], _timeframes: Sequence[str]) -> AsyncIterator[Event]:
        loop = asyncio.get_running_loop()
        orders: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        loop.add_reader(sys.stdin, lambda: orders.put_nowait(json.loads(sys.stdin.readline() or "null")))
        value = 0
        for symbol in SYMBOLS:
            yield Price(symbol, 0.0, time.monotonic_ns(), 0.0)
        print(json.dumps({"ready": True}), flush=True)
        while True:
            try:
                # The feed takes a silent stream for dead.
                order = await asyncio.wait_for(orders.get(), 5)
            except TimeoutError:
                yield Price("PULSE/USDT", 1.0, time.monotonic_ns(), 0.0)
                continue
            if order is None:  # who asked has gone
                loop.remove_reader(sys.stdin)
                await asyncio.Event().wait()
            began = loop.time()
            for second in range(order["seconds"]):
                value += 1
                per_tick = len(SYMBOLS) if order["burst"] else len(SYMBOLS) // _TICKS
                for tick in range(len(SYMBOLS) // per_tick):
                    due = began + second + tick / _TICKS
                    if (wait := due - loop.time()) > 0:
                        await asyncio.sleep(wait)
                    for symbol in SYMBOLS[tick * per_tick : (tick + 1) * per_tick]:
                        yield Price(symbol, float(value), time.monotonic_ns(), 0.01)
            print(json.dumps({"last": value}), flush=True)

    async def aclose(self) -> None:
        pass


def main() -> None:
    sources.add(NAME, Scripted)
    from cryptai.cli.main import main as cryptai

    sys.argv = ["cryptai", "up", "--json", "--exchange", NAME, "--port", sys.argv[1]]
    cryptai()


if __name__ == "__main__":
    main()
