"""What a simulated exchange really traded: minutes from a seed, revisions, outages, and coarser bars."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from cryptai import seams
from cryptai.market.candles import Candles
from cryptai.market.timeframe import MINUTE_MS, Timeframe

if TYPE_CHECKING:
    from collections.abc import Sequence

_PRICE: Final = 100  # prices are whole cents, volumes whole thousandths
_VOLUME: Final = 1000
# The last hours of fifty markets are asked for again and again.
_REMEMBERED: Final = 1 << 15


class Traded(NamedTuple):
    """One bar in whole units: prices in cents, volume in thousandths."""

    open: int
    high: int
    low: int
    close: int
    volume: int

    @lru_cache(_REMEMBERED)  # noqa: B019 (it is a tuple of numbers)
    def strings(self) -> tuple[str, ...]:
        """Return it as the venue writes it."""
        prices = (f"{value // _PRICE}.{value % _PRICE:02d}000000" for value in self[:4])
        return (*prices, f"{self.volume // _VOLUME}.{self.volume % _VOLUME:03d}00000")

    @lru_cache(_REMEMBERED)  # noqa: B019 (it is a tuple of numbers)
    def floats(self) -> tuple[float, ...]:
        """Return it as the nearest doubles, which is what a reader of those strings gets."""
        return tuple(map(float, self.strings()))


@dataclass(frozen=True)
class Revision:
    """The venue's second word on a minute: from `at_ms` on it says `bar`."""

    ts: int
    at_ms: int
    bar: Traded


class Truth:
    """The minutes of some symbols over a range of time, and everything derived from them.

    Attributes
    ----------
    outages
        Minutes in which a symbol was not traded, by symbol: bars the venue does not have.
    changes
        How often the truth of a symbol was changed by `revise` and `stop`.
    """

    def __init__(self, seed: int, symbols: Sequence[str], start_ms: int, minutes: int) -> None:
        self.symbols = tuple(symbols)
        self.start_ms = Timeframe("1m").floor(start_ms)
        self.end_ms = self.start_ms + minutes * MINUTE_MS
        self.outages: dict[str, set[int]] = {symbol: set() for symbol in symbols}
        self.changes = dict.fromkeys(symbols, 0)
        self._minutes = {s: _walk(seams.rng([seed, 11, i]), minutes) for i, s in enumerate(symbols)}
        self._revisions: dict[str, dict[int, list[Revision]]] = {symbol: {} for symbol in symbols}

    def revise(self, symbol: str, ts: int, at_ms: int, seed: int) -> None:
        """Let the venue change its word on a closed minute."""
        old = self._minute(symbol, ts, at_ms)
        if old is None:
            return
        more = 1 + int(seams.rng([seed, 13, ts]).integers(1, 50))
        bar = Traded(old.open, old.high + more, old.low, old.close, old.volume + more)
        self.changes[symbol] += 1
        self._revisions[symbol].setdefault(ts, []).append(Revision(ts, at_ms, bar))

    def stop(self, symbol: str, first_ts: int, minutes: int) -> None:
        """Take minutes out of the truth: the symbol is not traded in them."""
        self.changes[symbol] += 1
        self.outages[symbol].update(range(first_ts, first_ts + minutes * MINUTE_MS, MINUTE_MS))

    def bar(self, symbol: str, frame: Timeframe, ts: int, at_ms: int) -> Traded | None:
        """Return the bar as the venue gives it at `at_ms`, closed or forming; None where there is none."""
        return (
            self._minute(symbol, ts, at_ms)
            if frame.ms == MINUTE_MS
            else self._coarse(frame, symbol, ts, at_ms)
        )

    def _coarse(self, frame: Timeframe, symbol: str, ts: int, at_ms: int) -> Traded | None:
        parts = [self._minute(symbol, at, at_ms) for at in range(ts, ts + frame.ms, MINUTE_MS)]
        bars = [part for part in parts if part is not None]
        if not bars:
            return None
        return Traded(
            bars[0].open, max(b.high for b in bars), min(b.low for b in bars), bars[-1].close,
            sum(b.volume for b in bars),
        )  # fmt: skip

    def versions(self, symbol: str, frame: Timeframe, ts: int, at_ms: int) -> list[tuple[float, ...]]:
        """Return everything the venue has called this closed bar until `at_ms`; none before its close."""
        close = ts + frame.ms
        if close > at_ms:
            return []
        moments = {close, at_ms}
        for minute in range(ts, close, MINUTE_MS):
            told = self._revisions[symbol].get(minute, ())
            moments |= {max(one.at_ms, close) for one in told if one.at_ms <= at_ms}
        bars = (self.bar(symbol, frame, ts, moment) for moment in sorted(moments))
        return [bar.floats() for bar in bars if bar is not None]

    def candles(self, symbol: str, frame: Timeframe, start_ms: int, at_ms: int) -> Candles:
        """Return all closed bars that open at `start_ms` or later, as the venue calls them at `at_ms`."""
        first = start_ms + (frame.origin_ms - start_ms) % frame.ms
        opens = range(first, frame.last_closed(at_ms) + 1, frame.ms)
        bars = [(ts, bar) for ts in opens if (bar := self.bar(symbol, frame, ts, at_ms)) is not None]
        columns = zip(*((ts, *bar.floats()) for ts, bar in bars), strict=True)
        ts, opens_, high, low, close, volume = columns
        return Candles(ts, opens_, high, low, close, volume, symbol, frame)

    def _minute(self, symbol: str, ts: int, at_ms: int) -> Traded | None:
        if not self.start_ms <= ts < self.end_ms or ts > at_ms or ts in self.outages[symbol]:
            return None
        bar = self._minutes[symbol][(ts - self.start_ms) // MINUTE_MS]
        if at_ms < ts + MINUTE_MS:
            return _forming(bar, at_ms - ts)
        if told := self._revisions[symbol].get(ts):
            for revision in told:
                if revision.at_ms <= at_ms:
                    bar = revision.bar
        return bar


def _walk(random: np.random.Generator, minutes: int) -> list[Traded]:
    """Return minutes: a walk that stays far above 0."""
    steps = random.integers(-60, 61, minutes)
    close = 1_000_000 + np.cumsum(steps)
    close = np.abs(close - 10_000) + 10_000
    opens = np.concatenate([close[:1], close[:-1]])
    high = np.maximum(opens, close) + random.integers(1, 40, minutes)
    low = np.minimum(opens, close) - random.integers(1, 40, minutes)
    volume = random.integers(1_000, 9_000_000, minutes)
    return list(map(Traded._make, np.stack([opens, high, low, close, volume], axis=1).tolist()))


def _forming(bar: Traded, elapsed_ms: int) -> Traded:
    """Return the minute as it stands after `elapsed_ms`: its volume alone tells it from the closed one."""
    close = bar.open + (bar.close - bar.open) * elapsed_ms // MINUTE_MS
    return Traded(
        bar.open, max(bar.open, close), min(bar.open, close), close, bar.volume * elapsed_ms // MINUTE_MS
    )
