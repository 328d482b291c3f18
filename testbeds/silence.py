"""E9: a stream that stays open and says nothing is noticed, and one that speaks is never left."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, Final

from cryptai import seams
from cryptai.market.feed import Feed
from cryptai.market.store import CandleStore
from testbeds import faults
from testbeds.exchange import LyingExchange, named
from testbeds.follow import START_MS
from testbeds.home import a_folder
from testbeds.simulated import Clock, simulate
from testbeds.truth import Truth

# Twice the longest time between two events of the bed, and a moment to say good-bye.
_NOTICED_MS: Final = 31_000


def silences(seed: int, stalls: int, **options: Any) -> dict[str, Any]:
    """Silence the stream so often; return how many stalls were noticed in time, and false alarms."""
    with a_folder() as folder:
        return simulate(lambda clock: _run(seed, stalls, clock, folder, options), START_MS, seed)


async def _run(seed: int, stalls: int, clock: Clock, folder: Path, options: dict[str, Any]) -> dict[str, Any]:
    random = seams.rng([seed, 31])
    truth = Truth(seed, ["C000/USDT"], clock.start_ms, 60 + stalls * 8)
    exchange = LyingExchange(truth, faults.none(), clock.venue_ms, seed)
    await asyncio.sleep(3600.0)
    async with named(exchange):
        feed = Feed(
            CandleStore(folder / "candles"), lambda _event: None, symbols=truth.symbols, timeframes=["1m"],
            bars=30, **options,
        )  # fmt: skip
        task = asyncio.create_task(feed.run())
        await asyncio.sleep(30.0)
        for _ in range(stalls):
            await asyncio.sleep(float(random.uniform(60.0, 240.0)))
            exchange.streams.hush()
            await asyncio.sleep(90.0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        waits = [one.left_ms - heard for heard, one in exchange.streams.silences if one.left_ms]
    found = sum(wait <= _NOTICED_MS for wait in waits)
    false_alarms = exchange.streams.opened - 1 - len(exchange.streams.silences)
    return {
        "seed": seed, "stalls": stalls, "silenced": len(exchange.streams.silences), "found": found,
        "slowest_ms": max(waits, default=None), "false_alarms": false_alarms,
        "fell_short": [
            words for words, broken in {
                "a stall was not noticed in time": found < stalls,
                "a stream that spoke was left": false_alarms > 0,
            }.items() if broken
        ],
    }  # fmt: skip
