"""The practice market: synthetic candles of twelve well-known pairs, live-ticking, the same for everybody.

Its prices follow from seed, symbol and time alone (`cryptai.market.synthetic`), so what it streams today is
what its history says for ever after. It is an exchange of its own, "practice"; nothing of it is real.
"""

from __future__ import annotations

import asyncio
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np

from cryptai import seams
from cryptai.errors import SourceError, UnknownName
from cryptai.market.candles import Candles
from cryptai.market.exchange import PRACTICE
from cryptai.market.source import Bar, Price, sources
from cryptai.market.symbol import parse_symbol
from cryptai.market.synthetic import COINS, GENESIS_MS, hours
from cryptai.market.ticks import SECONDS, path
from cryptai.market.timeframe import DAY_MS, HOUR_MS, Timeframe

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from numpy.typing import NDArray

    from cryptai.market.source import Event, Row
    from cryptai.market.ticks import Path

SEED: Final = 2017
_TICK_S: Final = 1.0


class Practice:
    """The practice market; another seed is another market, of which only tests have need."""

    name = PRACTICE
    title = "the practice market"
    practice = True

    def __init__(
        self, seed: int = SEED, *, rest: Callable[[float], Awaitable[object]] = asyncio.sleep
    ) -> None:
        self._seed = seed
        self._rest = rest
        # One thread draws at a time: several would draw the same days, each for itself.
        self._drawing = asyncio.Lock()

    def now_ms(self) -> int:
        """Return this machine's time: the market is made here."""
        return seams.now_ms()

    async def ping(self) -> None:
        """Return at once: it is here."""

    async def aclose(self) -> None:
        """Return at once: it holds nothing."""

    async def history(self, symbol: str, timeframe: str, *, end_ms: int | None = None, bars: int) -> Candles:
        """Return the last `bars` closed bars that open before `end_ms`; none are older than 2017-01-02."""
        name, now = _coin(symbol), seams.now_ms()
        end = now if end_ms is None else end_ms
        async with self._drawing:
            return await asyncio.to_thread(closed_bars, self._seed, name, timeframe, end, bars, now)

    async def prices(self, symbols: Sequence[str]) -> list[Price]:
        """Return the prices of this second; a coin that the market has not is left out."""
        names = [name for name in map(parse_symbol, symbols) if name in COINS]
        now = seams.now_ms()
        if now < GENESIS_MS:
            return []
        async with self._drawing:
            return await asyncio.to_thread(lambda: [price_of(self._seed, name, now) for name in names])

    async def stream(self, symbols: Sequence[str], timeframes: Sequence[str]) -> AsyncIterator[Event]:
        """Yield, each second, what closed since the last, then prices and unfinished bars of all markets.

        Raises `SourceError` where this machine's clock stands before the market's first day.
        """
        names = [_coin(symbol) for symbol in symbols]
        frames = [Timeframe(name) for name in timeframes]
        before = seams.now_ms()
        while True:
            now = seams.now_ms()
            if now < GENESIS_MS:
                raise SourceError("The practice market opens on 2017-01-02; set this machine's clock.")
            async with self._drawing:
                events = await asyncio.to_thread(tick, self._seed, names, frames, before, now)
            for event in events:
                yield event
            before = now
            await self._rest(_TICK_S - now % 1000 / 1000)


sources.add(Practice.name, Practice)


def closed_bars(seed: int, symbol: str, timeframe: str, end_ms: int, bars: int, now_ms: int) -> Candles:
    """Return the last `bars` bars that open before `end_ms` and are closed at `now_ms`."""
    frame = Timeframe(timeframe)
    end = min(frame.floor(end_ms - 1) + frame.ms, frame.floor(now_ms))
    start = max(end - bars * frame.ms, GENESIS_MS)
    end = max(start, end)
    if frame.ms < HOUR_MS:
        return _within_hours(seed, symbol, frame, start, end)
    first = start // HOUR_MS
    drawn = hours(seed, symbol, first, end // HOUR_MS)
    ts = np.arange(first, first + len(drawn.open), dtype=np.int64) * HOUR_MS
    return Candles(ts, *drawn[:5], symbol, "1h").resample(frame)


def forming_bar(seed: int, symbol: str, timeframe: str, now_ms: int) -> Row:
    """Return the bar that holds the instant, as far as it has come."""
    frame = Timeframe(timeframe)
    start = frame.floor(now_ms)
    hour = now_ms // HOUR_MS
    done = now_ms % HOUR_MS // 1000
    way = path(seed, symbol, hour)
    since = max(0, (start - hour * HOUR_MS) // 1000)
    seen = way.price[since : done + 1]
    row = (
        start, float(seen[0]), float(seen.max()), float(seen.min()), float(seen[-1]),
        float(way.volume[done] - way.volume[since]),
    )  # fmt: skip
    if start // HOUR_MS >= hour:
        return row
    before = _so_far(seed, symbol, start // HOUR_MS, hour)
    return (
        start, before[1], max(before[2], row[2]), min(before[3], row[3]), row[4], before[5] + row[5],
    )  # fmt: skip


def tick(
    seed: int, symbols: Sequence[str], frames: Sequence[Timeframe], before_ms: int, now_ms: int
) -> list[Event]:
    """Return what happened after `before_ms`, up to `now_ms`: the newest closes, prices, unfinished bars."""
    events: list[Event] = []
    for frame in frames:
        if frame.floor(now_ms) > frame.floor(before_ms):
            for symbol in symbols:
                newest = closed_bars(seed, symbol, frame, now_ms, 1, now_ms)
                events += [Bar(symbol, str(frame), row, closed=True) for row in _rows(newest)]
    for symbol in symbols:
        events.append(price_of(seed, symbol, now_ms))
        events += [Bar(symbol, str(f), forming_bar(seed, symbol, f, now_ms), closed=False) for f in frames]
    return events


def price_of(seed: int, symbol: str, now_ms: int) -> Price:
    """Return the price of a coin at an instant and its change in 24 hours."""
    price, then = price_at(seed, symbol, now_ms), price_at(seed, symbol, max(now_ms - DAY_MS, GENESIS_MS))
    return Price(symbol, price, now_ms, price / then - 1.0)


def price_at(seed: int, symbol: str, now_ms: int) -> float:
    """Return the price of a coin at an instant, to the second."""
    return float(path(seed, symbol, now_ms // HOUR_MS).price[now_ms % HOUR_MS // 1000])


def _coin(symbol: str) -> str:
    name = parse_symbol(symbol)
    if name not in COINS:
        raise UnknownName("practice market", name, COINS, field="symbol")
    return name


@lru_cache(maxsize=256)
def _so_far(seed: int, symbol: str, first: int, end: int) -> Row:
    # Whole hours of an unfinished coarser bar: they change once an hour.
    drawn = hours(seed, symbol, first, end)
    return (
        first * HOUR_MS, float(drawn.open[0]), float(drawn.high.max()), float(drawn.low.min()),
        float(drawn.close[-1]), float(drawn.volume.sum()),
    )  # fmt: skip


def _within_hours(seed: int, symbol: str, frame: Timeframe, start: int, end: int) -> Candles:
    # Bars shorter than an hour are cut from the seconds of its path.
    step = frame.ms // 1000
    first, last = start // HOUR_MS, -(-end // HOUR_MS)
    ts = np.arange(first * HOUR_MS, last * HOUR_MS, frame.ms, dtype=np.int64)
    parts = [_cut(path(seed, symbol, hour), step) for hour in range(first, last)]
    opens, high, low, close, volume = np.concatenate(parts, axis=1) if parts else np.empty((5, 0))
    return Candles(ts, opens, high, low, close, volume, symbol, frame).between(start, end)


def _cut(way: Path, step: int) -> NDArray[np.float64]:
    inner = way.price[:-1].reshape(SECONDS // step, step)
    close = way.price[step::step]
    high = np.maximum(inner.max(axis=1), close)
    low = np.minimum(inner.min(axis=1), close)
    return np.stack([inner[:, 0], high, low, close, np.diff(way.volume[::step])])


def _rows(candles: Candles) -> list[Row]:
    columns = (candles.ts, candles.open, candles.high, candles.low, candles.close, candles.volume)
    return list(zip(*(column.tolist() for column in columns), strict=True))
