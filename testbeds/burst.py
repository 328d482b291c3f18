"""B8: a burst is shed by conflation, never by the loss of a close, while history cannot be asked."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from cryptai.market.feed import Feed
from cryptai.market.store import CandleStore
from cryptai.market.timeframe import Timeframe
from testbeds.exchange import LyingExchange, named
from testbeds.faults import Faults
from testbeds.follow import START_MS
from testbeds.home import a_folder
from testbeds.simulated import Clock, simulate
from testbeds.truth import Truth

_FRAMES = ("1m", "5m")
_FILL_S = 600.0


def burst(seed: int, symbols: int, held_minutes: int) -> dict[str, Any]:
    """Hold back the bars of all symbols for some minutes, then let all of them go at once."""
    with a_folder() as folder:
        return simulate(lambda clock: _run(seed, symbols, held_minutes, clock, folder), START_MS, seed)


async def _run(seed: int, symbols: int, minutes: int, clock: Clock, folder: Path) -> dict[str, Any]:
    names = [f"C{i:03d}/USDT" for i in range(symbols)]
    truth = Truth(seed, names, clock.start_ms, 60 + int(_FILL_S // 60) + minutes + 1)
    faults = Faults({"error": 1.0}, on=False)
    exchange = LyingExchange(truth, faults, clock.venue_ms, seed)
    closes: dict[tuple[str, str], list[int]] = {}
    live = asyncio.Event()

    def publish(event: dict[str, Any]) -> None:
        if event["type"] == "state" and event["state"] == "live":
            live.set()
        if event["type"] == "candle" and event["closed"]:
            closes.setdefault((event["symbol"], event["timeframe"]), []).append(event["bar"][0])

    await asyncio.sleep(3600.0)
    store = CandleStore(folder / "candles")
    async with named(exchange):
        task = asyncio.create_task(
            Feed(store, publish, symbols=names, timeframes=_FRAMES, bars=60).run(), name="feed"
        )
        # The history of many markets takes more than a minute's allowance.
        async with asyncio.timeout(_FILL_S):
            await live.wait()
        # From here on what the stream says is all there is.
        faults.on = True
        exchange.streams.hold = True
        since = clock.venue_ms()
        await asyncio.sleep(minutes * 60.0)
        held = await exchange.streams.release()
        await asyncio.sleep(5.0)
        now, connections = clock.venue_ms(), exchange.streams.opened
        lost = doubled = 0
        for symbol in names:
            for frame in map(Timeframe, _FRAMES):
                true = truth.candles(symbol, frame, frame.floor(since), now)
                stored = await asyncio.to_thread(store.read, "binance", symbol, frame)
                kept = stored.between(int(true.ts[0]))
                lost += len(true) - len(kept) if kept.digest != true.digest else 0
                told = closes.get((symbol, str(frame)), [])
                doubled += len(told) - len(set(told)) + (told != sorted(told))
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    return {
        "seed": seed, "symbols": symbols, "held": held, "connections": connections, "lost": lost,
        "doubled_or_disordered": doubled,
        "fell_short": [
            words for words, broken in {
                "nothing was held back": held == 0,
                "a close was lost": lost > 0,
                "a close was published twice or out of order": doubled > 0,
            }.items() if broken
        ],
    }  # fmt: skip
