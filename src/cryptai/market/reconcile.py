"""Closed candles read again: what the venue says of them a little later is compared with what is stored."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from cryptai.errors import InputError, SourceError
from cryptai.market.candles import Candles
from cryptai.market.sync import keep
from cryptai.market.timeframe import HOUR_MS, Timeframe

if TYPE_CHECKING:
    from collections.abc import Sequence

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
_AT_A_TIME: Final = 8


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
            some = due[i : i + _AT_A_TIME]
            said = await asyncio.gather(*(self._ask(*one, now) for one in some), return_exceptions=True)
            answers = {one: true for one, true in zip(some, said, strict=True) if isinstance(true, Candles)}
            await self._keep([true for true in answers.values() if len(true)])
            for one in answers:
                self._asked[one] = max(self._asked.get(one, -1), one[1].last_closed(now))
            for error in said:
                if isinstance(error, SourceError):
                    log.info("Candles are compared later: %s", error)
                    return
                if isinstance(error, BaseException):
                    raise error

    async def _ask(self, symbol: str, frame: Timeframe, now: int) -> Candles | None:
        series, newest = (symbol, frame), frame.last_closed(now)
        known = self._known.get(series)
        since = newest - (_PAGE - 1) * frame.ms if known is None else min(known, newest) - _SETTLED_MS
        bars = max(2, (newest - since) // frame.ms + 1)
        try:
            return await self._source.history(symbol, frame, end_ms=newest + frame.ms, bars=bars)
        except InputError as error:
            log.warning("%s %s cannot be compared: %s", symbol, frame, error)
            # Delisted: asked about once an hour, should it come back, and not at each close that is no more.
            self._asked[series] = frame.last_closed(now + HOUR_MS)
            return None

    async def _keep(self, candles: list[Candles]) -> None:
        """Store what the venue says, all in one transaction: what differs, and bars that the store lacks."""
        if not candles:
            return
        written = await keep(self._store, self._source.name, *candles, replace=True)
        for true, one in zip(candles, written.each, strict=True):
            if one.replaced:
                market = f"{true.symbol} {true.timeframe}"
                log.warning("%s has corrected %d candles of %s.", self._source.title, one.replaced, market)
            self._known[true.symbol, true.timeframe] = int(true.ts[-1])
