"""Closed candles read again: what the venue says of them a little later is compared with what is stored."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

import numpy as np

from cryptai.errors import DataError, InputError, SourceError
from cryptai.market.candles import COLUMNS
from cryptai.market.sync import keep
from cryptai.market.timeframe import HOUR_MS, Timeframe

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryptai.market.candles import Candles
    from cryptai.market.source import CandleSource
    from cryptai.market.store import CandleStore
    from cryptai.market.sync import Series

log = logging.getLogger(__name__)

# A venue may still put its last trades into a candle for some moments after the close.
_AFTER_MS: Final = 20_000
_EVERY_S: Final = 20.0
# Until it is so old a candle is read again at each close of its series.
_SETTLED_MS: Final = HOUR_MS
_PAGE: Final = 1000
_AT_A_TIME: Final = 4


class Reconciler:
    """Compares each closed candle of a venue with its history, and stores a corrected one in its place.

    A series is asked for once at each of its closes, for its bars of the last hour; after a time in which it
    could not be asked, for those of that time too; at first for a page. The store keeps what a correction
    replaces. A venue in trouble is asked again later.
    """

    def __init__(
        self, source: CandleSource, store: CandleStore, symbols: Sequence[str], timeframes: Sequence[str]
    ) -> None:
        self._source = source
        self._store = store
        self._series = [(symbol, Timeframe(name)) for name in timeframes for symbol in symbols]
        self._asked: dict[Series, int] = {}
        self._known: dict[Series, int] = {}

    async def run(self) -> None:
        """Compare for ever. A practice market cannot err, and is not asked."""
        while True:
            await asyncio.sleep(_EVERY_S)
            if not self._source.practice:
                await self.compare()

    async def compare(self) -> None:
        """Compare every series that has had a close since it was asked for last."""
        now = self._source.now_ms() - _AFTER_MS
        due = [one for one in self._series if one[1].last_closed(now) > self._asked.get(one, -1)]
        for i in range(0, len(due), _AT_A_TIME):
            try:
                await asyncio.gather(*(self._compare(*one, now) for one in due[i : i + _AT_A_TIME]))
            except SourceError as error:
                log.info("Candles are compared later: %s", error)
                return

    async def _compare(self, symbol: str, frame: Timeframe, now: int) -> None:
        series, newest = (symbol, frame), frame.last_closed(now)
        known = self._known.get(series)
        since = newest - (_PAGE - 1) * frame.ms if known is None else min(known, newest) - _SETTLED_MS
        bars = max(2, (newest - since) // frame.ms + 1)
        try:
            true = await self._source.history(symbol, frame, end_ms=newest + frame.ms, bars=bars)
        except InputError as error:
            log.warning("%s %s cannot be compared: %s", symbol, frame, error)
            # Delisted: asked about once an hour, should it come back, and not at each close that is no more.
            self._asked[series] = frame.last_closed(now + HOUR_MS)
            return
        if len(true):
            corrected = await asyncio.to_thread(self._differing, true)
            if corrected:
                log.warning("%s has corrected %d candles of %s %s.", self._source.title, corrected, *series)
            # Bars that the store lacks are added as well; equal ones cost nothing.
            await keep(self._store, self._source.name, true, replace=True)
            self._known[series] = int(true.ts[-1])
        self._asked[series] = newest

    def _differing(self, true: Candles) -> int:
        """Return how many stored bars the venue calls otherwise."""
        try:
            stored = self._store.read(
                self._source.name, true.symbol, true.timeframe,
                start_ms=int(true.ts[0]), end_ms=int(true.ts[-1]) + 1,
                derived=False,
            )  # fmt: skip
        except DataError:
            return 0
        _, here, there = np.intersect1d(stored.ts, true.ts, assume_unique=True, return_indices=True)
        pairs = ((getattr(stored, name)[here], getattr(true, name)[there]) for name in COLUMNS[1:])
        return int(np.logical_or.reduce([old != new for old, new in pairs]).sum())
