"""B8 on a real disk, in real time: many markets live, a tenfold burst, and candles by the million."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from cryptai import seams
from cryptai.market.candles import Candles
from cryptai.market.feed import Feed
from cryptai.market.source import Bar, Price
from cryptai.market.store import CandleStore
from cryptai.market.timeframe import MINUTE_MS, Timeframe
from testbeds.home import a_home

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from numpy.typing import NDArray

    from cryptai.market.source import Event, Row

_START_MS: Final = 1_700_006_400_000
_EVERY_S: Final = 3.0  # a minute of the flood; its closes come within the first second
_TICK_S: Final = 0.01
_BURST: Final = 10
_CANDLES_A_SECOND: Final = 50_000
_DURABLE_MS: Final = 50.0


class _Flood:
    """A venue of many markets: a price a second and market, ten in a burst; and a close each "minute"."""

    name = "flood"
    title = "The flood"
    practice = False

    def __init__(self, symbols: list[str], rounds: int, burst: range) -> None:
        self.symbols, self.rounds, self.burst = symbols, rounds, burst
        self.places = {symbol: i for i, symbol in enumerate(symbols)}
        self.start_ms = Timeframe("1m").floor(seams.now_ms())
        self.said = 0
        self.said_at: dict[tuple[str, int], float] = {}
        self.live, self.done = asyncio.Event(), asyncio.Event()

    def now_ms(self) -> int:
        return self.start_ms

    async def ping(self) -> None: ...

    async def aclose(self) -> None: ...

    async def history(self, symbol: str, timeframe: str, *, end_ms: int | None = None, bars: int) -> Candles:
        del timeframe
        end = self.start_ms if end_ms is None else min(end_ms, self.start_ms)
        times = range(max(end - bars * MINUTE_MS, self.start_ms - 2 * MINUTE_MS), end, MINUTE_MS)
        rows = np.array([_row(self.places[symbol], ts) for ts in times]).reshape(-1, 6).T
        return _candles(rows[0].astype(np.int64), list(rows[1:]), symbol)

    async def stream(self, symbols: Sequence[str], timeframes: Sequence[str]) -> AsyncIterator[Event]:
        del symbols, timeframes
        while not self.live.is_set():
            yield Price(self.symbols[0], 100.0, self.start_ms)
            await asyncio.sleep(0.1)
        count, price_at = len(self.symbols), 0
        for turn in range(self.rounds):
            began, closed, priced = seams.monotonic(), 0, 0
            rate = count * (_BURST if turn in self.burst else 1)
            while (passed := seams.monotonic() - began) < _EVERY_S:
                while closed < min(count, passed * count):
                    yield self._close(closed, self.start_ms + turn * MINUTE_MS)
                    closed += 1
                for _ in range(min(int(passed * rate) - priced, rate)):
                    price_at = (price_at + 1) % count
                    priced, self.said = priced + 1, self.said + 1
                    yield Price(self.symbols[price_at], 100.0 + self.said % 7, self.start_ms)
                await asyncio.sleep(_TICK_S)
            for index in range(closed, count):
                yield self._close(index, self.start_ms + turn * MINUTE_MS)
        self.done.set()
        while True:
            await asyncio.sleep(1.0)
            yield Price(self.symbols[0], 100.0, self.start_ms)

    def _close(self, index: int, ts: int) -> Bar:
        self.said_at[self.symbols[index], ts] = seams.monotonic()
        return Bar(self.symbols[index], "1m", _row(index, ts), closed=True)


def flood(
    seed: int, symbols: int, rounds: int, burst_rounds: int, ingest_s: float, *, timed: bool
) -> dict[str, Any]:
    """Follow so many markets for so many "minutes" of three seconds; then write candles for so long.

    `timed` says that the figures are judged, too.
    """
    with tempfile.TemporaryDirectory(prefix="cryptai-bed-") as name, a_home(Path(name)):
        live = asyncio.run(_follow(symbols, rounds, burst_rounds, Path(name)))
        ingest = _ingest(seed, ingest_s, Path(name))
    p99 = live["durable_p99_ms"]
    return {
        "seed": seed, "symbols": symbols, "rounds": rounds, "burst_rounds": burst_rounds, **live, **ingest,
        "fell_short": [
            words for words, broken in {
                "a close was lost": live["lost"] > 0,
                "a close was published twice or out of order": live["doubled_or_disordered"] > 0,
                "nothing was conflated in the burst": timed and live["prices_told"] >= live["prices_said"],
                "candles that were acknowledged are not there": ingest["missing"] > 0,
                "a close was durable too late": timed and p99 > _DURABLE_MS,
                "too few candles a second": timed and ingest["candles_a_second"] < _CANDLES_A_SECOND,
            }.items() if broken
        ],
    }  # fmt: skip


async def _follow(symbols: int, rounds: int, burst_rounds: int, folder: Path) -> dict[str, Any]:
    names = [f"C{i:04d}/USDT" for i in range(symbols)]
    source = _Flood(names, rounds, range(rounds - burst_rounds, rounds))
    store = CandleStore(folder / "candles")
    late: dict[bool, list[float]] = {False: [], True: []}
    closes: dict[str, list[int]] = {}
    told = 0

    def publish(event: dict[str, Any]) -> None:
        nonlocal told
        if event["type"] == "state" and event["state"] == "live":
            source.live.set()
        if event["type"] == "price":
            told += 1
        elif event["type"] == "candle" and event["closed"]:
            symbol, ts = event["symbol"], event["bar"][0]
            closes.setdefault(symbol, []).append(ts)
            passed = (seams.monotonic() - source.said_at[symbol, ts]) * 1000
            late[(ts - source.start_ms) // MINUTE_MS in source.burst].append(passed)

    feed = Feed(
        store, publish, exchange="flood", symbols=names, timeframes=["1m"], bars=2, find=lambda _name: source
    )
    task = asyncio.create_task(feed.run())
    done = asyncio.create_task(source.done.wait())
    await asyncio.wait([task, done], return_when="FIRST_COMPLETED")
    await asyncio.sleep(2.0)
    if task.done():
        task.result()
    feed.stop()
    await asyncio.gather(task, return_exceptions=True)
    wanted = [source.start_ms + turn * MINUTE_MS for turn in range(rounds)]
    lost = disordered = 0
    for symbol in names:
        kept = await asyncio.to_thread(store.read, "flood", symbol, "1m", start_ms=source.start_ms)
        lost += len(set(wanted) - set(kept.ts.tolist()))
        had = closes.get(symbol, [])
        disordered += len(had) - len(set(had)) + (had != sorted(had))
    calm, burst = late[False] or [0.0], late[True] or [0.0]
    return {
        "closes": symbols * rounds, "lost": lost, "doubled_or_disordered": disordered,
        "prices_said": source.said, "prices_told": told,
        "durable_p50_ms": round(float(np.percentile(calm, 50)), 1),
        "durable_p99_ms": round(float(np.percentile(calm, 99)), 1),
        "durable_in_burst_p99_ms": round(float(np.percentile(burst, 99)), 1),
    }  # fmt: skip


def _ingest(seed: int, seconds: float, folder: Path) -> dict[str, Any]:
    """Write a day of minutes of one market after the other, each durable before the next, for so long."""
    random = seams.rng([seed, 59])
    store = CandleStore(folder / "ingested")
    made = []
    for i in range(200):
        close = 100.0 + random.random(1440)
        opens = np.concatenate([close[:1], close[:-1]])
        high, low = np.maximum(opens, close) + 0.5, np.minimum(opens, close) - 0.5
        made.append((f"I{i:03d}/USDT", opens, high, low, close, random.random(1440)))
    began, written, writes = seams.monotonic(), 0, 0
    while seams.monotonic() - began < seconds:
        symbol, *columns = made[writes % len(made)]
        day = _START_MS + writes // len(made) * 1440 * MINUTE_MS
        ts = day + np.arange(1440) * MINUTE_MS
        written += store.write("flood", _candles(ts, columns, symbol)).added
        writes += 1
    took = seams.monotonic() - began
    there = sum(len(store.read("flood", symbol, "1m")) for symbol, *_ in made[: min(writes, len(made))])
    return {
        "ingested": written, "missing": written - there, "candles_a_second": round(written / took),
        "ingest_s": round(took, 1),
    }  # fmt: skip


def _candles(ts: NDArray[np.int64], columns: Sequence[NDArray[np.float64]], symbol: str) -> Candles:
    opens, high, low, close, volume = columns
    return Candles(ts, opens, high, low, close, volume, symbol, "1m")


def _row(index: int, ts: int) -> Row:
    step = ts // Timeframe("1m").ms + index
    opens, close = 100 + step % 37 / 8, 100 + (step + 1) % 37 / 8
    return ts, opens, max(opens, close) + 0.5, min(opens, close) - 0.5, close, 1.0 + step % 5
