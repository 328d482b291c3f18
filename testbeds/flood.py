"""B8 on a real disk, in real time: many markets live, a burst, a disk that jams, candles by the million."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

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

    from cryptai.market.merge import Written
    from cryptai.market.source import Event, Row

_START_MS: Final = 1_700_006_400_000
# A minute of the flood, and of a short one; closes come within its first second.
_EVERY_S: Final = 3.0
_SHORT_S: Final = 1.5
_TICK_S: Final = 0.01
_BURST: Final = 10
# What each write takes longer while the disk jams: prices wait, and of a market only the newest counts.
_JAM_S: Final = 0.5
# Nothing more arrives once nothing has for so long.
_QUIET_S: Final = 10.0
_CANDLES_A_SECOND: Final = 50_000
_DURABLE_MS: Final = 50.0


class _Rounds(NamedTuple):
    """How many "minutes" are calm, in a burst, and in a burst while the disk jams; in this order."""

    calm: int
    burst: int
    jam: int

    def kind(self, turn: int) -> str:
        """Return which of them a turn is."""
        return "calm" if turn < self.calm else "burst" if turn < self.calm + self.burst else "jam"


class _Disk(CandleStore):
    """A store on a disk that jams while `jammed`."""

    jammed = False

    def write(self, exchange: str, *candles: Candles, **options: Any) -> Written:
        if self.jammed:
            seams.sleep(_JAM_S)
        return super().write(exchange, *candles, **options)


class _Flood:
    """A venue of many markets: a price a second and market, ten in a burst; and a close each "minute"."""

    name = "flood"
    title = "The flood"
    practice = False

    def __init__(self, symbols: list[str], rounds: _Rounds, every_s: float, disk: _Disk) -> None:
        self.symbols, self.rounds, self.every_s, self.disk = symbols, rounds, every_s, disk
        self.places = {symbol: i for i, symbol in enumerate(symbols)}
        self.start_ms = Timeframe("1m").floor(seams.now_ms())
        self.said = 0
        self.in_jam: set[float] = set()  # prices, each of which is said once
        self.newest: dict[str, float] = {}
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
            yield self._price(0)
            await asyncio.sleep(0.1)
        count, price_at = len(self.symbols), 0
        for turn in range(sum(self.rounds)):
            began, closed, priced = seams.monotonic(), 0, 0
            kind = self.rounds.kind(turn)
            rate = count * (1 if kind == "calm" else _BURST)
            self.disk.jammed = kind == "jam"
            # While the disk jams closes come to the very end: so does what waits for it.
            pace = count / self.every_s if self.disk.jammed else count
            while (passed := seams.monotonic() - began) < self.every_s:
                while closed < min(count, passed * pace):
                    yield self._close(closed, self.start_ms + turn * MINUTE_MS)
                    closed += 1
                for _ in range(min(int(passed * rate) - priced, rate)):
                    price_at, priced = (price_at + 1) % count, priced + 1
                    yield self._price(price_at)
                await asyncio.sleep(_TICK_S)
            for index in range(closed, count):
                yield self._close(index, self.start_ms + turn * MINUTE_MS)
        self.disk.jammed = False
        self.done.set()
        await asyncio.Event().wait()

    def _price(self, index: int) -> Price:
        symbol, price = self.symbols[index], 100.0 + self.said / 8
        self.said += 1
        if self.disk.jammed:
            self.in_jam.add(price)
        self.newest[symbol] = price
        return Price(symbol, price, self.start_ms)

    def _close(self, index: int, ts: int) -> Bar:
        self.said_at[self.symbols[index], ts] = seams.monotonic()
        return Bar(self.symbols[index], "1m", _row(index, ts), closed=True)


def flood(
    seed: int, symbols: int, rounds: tuple[int, int, int], ingest_s: float, *, timed: bool
) -> dict[str, Any]:
    """Follow so many markets for so many "minutes" of some seconds; then write candles for so long.

    `rounds` are calm ones, those in a burst, and those in a burst while the disk jams. `timed` says that the
    figures are judged, too.
    """
    every_s = _EVERY_S if timed else _SHORT_S
    with tempfile.TemporaryDirectory(prefix="cryptai-bed-") as name, a_home(Path(name)):
        live = asyncio.run(_follow(symbols, _Rounds(*rounds), every_s, Path(name)))
        ingest = _ingest(seed, ingest_s, Path(name))
    p99 = live["durable_p99_ms"]
    return {
        "seed": seed, "symbols": symbols, "rounds": rounds, **live, **ingest,
        "fell_short": [
            words for words, broken in {
                "a close was lost": live["lost"] > 0,
                "a close was published twice or out of order": live["doubled_or_disordered"] > 0,
                "prices were not conflated while the disk jammed":
                    live["told_in_jam"] >= live["said_in_jam"],
                "the newest price of a market was not told": live["newest_untold"] > 0,
                "candles that were acknowledged are not there": ingest["missing"] > 0,
                "a close was durable too late": timed and p99 > _DURABLE_MS,
                "a close was durable too late in the burst":
                    timed and live["durable_in_burst_p99_ms"] > _DURABLE_MS,
                "too few candles a second": timed and ingest["candles_a_second"] < _CANDLES_A_SECOND,
            }.items() if broken
        ],
    }  # fmt: skip


async def _follow(symbols: int, rounds: _Rounds, every_s: float, folder: Path) -> dict[str, Any]:
    names = [f"C{i:04d}/USDT" for i in range(symbols)]
    store = _Disk(folder / "candles")
    source = _Flood(names, rounds, every_s, store)
    late: dict[str, list[float]] = {"calm": [], "burst": [], "jam": []}
    closes: dict[str, list[int]] = {}
    newest: dict[str, float] = {}
    told = told_in_jam = 0

    def publish(event: dict[str, Any]) -> None:
        nonlocal told, told_in_jam
        if event["type"] == "state" and event["state"] == "live":
            source.live.set()
        if event["type"] == "price":
            told, told_in_jam = told + 1, told_in_jam + (event["price"] in source.in_jam)
            newest[event["symbol"]] = event["price"]
        elif event["type"] == "candle" and event["closed"]:
            symbol, ts = event["symbol"], event["bar"][0]
            closes.setdefault(symbol, []).append(ts)
            passed = (seams.monotonic() - source.said_at[symbol, ts]) * 1000
            late[rounds.kind((ts - source.start_ms) // MINUTE_MS)].append(passed)

    feed = Feed(
        store, publish, exchange="flood", symbols=names, timeframes=["1m"], bars=2, find=lambda _name: source
    )
    task = asyncio.create_task(feed.run())
    done = asyncio.create_task(source.done.wait())
    await asyncio.wait([task, done], return_when="FIRST_COMPLETED")
    # On a busy machine what waits takes longer; what was dropped never comes.
    arrived, quiet_since = -1, seams.monotonic()
    while not task.done() and seams.monotonic() - quiet_since < _QUIET_S:
        closed = sum(map(len, closes.values()))
        if newest == source.newest and closed >= sum(rounds) * symbols:
            break
        if told + closed > arrived:
            arrived, quiet_since = told + closed, seams.monotonic()
        await asyncio.sleep(0.2)
    if task.done():
        task.result()
    feed.stop()
    await asyncio.gather(task, return_exceptions=True)
    wanted = [source.start_ms + turn * MINUTE_MS for turn in range(sum(rounds))]
    lost = disordered = 0
    for symbol in names:
        kept = await asyncio.to_thread(store.read, "flood", symbol, "1m", start_ms=source.start_ms)
        lost += len(set(wanted) - set(kept.ts.tolist()))
        had = closes.get(symbol, [])
        disordered += len(had) - len(set(had)) + (had != sorted(had))
    p50, p99 = ({kind: round(float(np.percentile(ms or [0.0], q)), 1) for kind, ms in late.items()}
                for q in (50, 99))  # fmt: skip
    return {
        "closes": len(wanted) * symbols, "lost": lost, "doubled_or_disordered": disordered,
        "prices_said": source.said, "prices_told": told,
        "said_in_jam": len(source.in_jam), "told_in_jam": told_in_jam,
        "newest_untold": sum(newest.get(symbol) != price for symbol, price in source.newest.items()),
        "durable_p50_ms": p50["calm"], "durable_p99_ms": p99["calm"],
        "durable_in_burst_p99_ms": p99["burst"], "durable_in_jam_p99_ms": p99["jam"],
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
