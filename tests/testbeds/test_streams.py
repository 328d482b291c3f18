"""The streams of the exchange that lies, where it tells the truth: nobody who listens is left in silence."""

from __future__ import annotations

import asyncio

from testbeds.exchange import LyingExchange, named
from testbeds.follow import START_MS
from testbeds.home import a_folder
from testbeds.simulated import simulate
from testbeds.truth import Truth

from cryptai.market.feed import Feed
from cryptai.market.sources._binance_streams import connections
from cryptai.market.store import CandleStore
from testbeds import faults


def test_every_connection_of_hundreds_of_markets_hears_something():
    # A venue on which a hundred markets say nothing for half a minute would be left for dead, and rightly.
    symbols = [f"C{i:03d}/USDT" for i in range(250)]

    async def run(clock, folder):
        truth = Truth(1, symbols, clock.start_ms, 90)
        exchange = LyingExchange(truth, faults.none(), clock.venue_ms, 1)
        await asyncio.sleep(3600.0)
        async with named(exchange):
            feed = Feed(CandleStore(folder / "candles"), lambda _event: None, symbols=symbols,
                        timeframes=["1m"], bars=2)  # fmt: skip
            task = asyncio.create_task(feed.run())
            await asyncio.sleep(300.0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        return exchange.streams.opened

    with a_folder() as folder:
        opened = simulate(lambda clock: run(clock, folder), START_MS, 1)
    assert opened == len(connections(symbols, ["1m"])) == 3
