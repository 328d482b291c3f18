"""Closed candles read again: what the venue says of them a little later is compared with what is stored."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

import numpy as np

from cryptai.errors import InputError, SourceError
from cryptai.market.candles import COLUMNS, Candles
from cryptai.market.spans import missing
from cryptai.market.sync import keep
from cryptai.market.timeframe import HOUR_MS, Timeframe

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cryptai.market.source import CandleSource, Row
    from cryptai.market.spans import Span
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
    replaces; what the venue lacks between two of its bars is recorded as a hole. A venue in trouble is asked
    again later.

    Parameters
    ----------
    kept
        The newest bar of each series that the venue's stream brought and the store took, as whoever reads
        the stream renews it: that one need not be stored again, and a market that the venue's history
        refuses is asked for again when its bars go on.
    """

    def __init__(
        self,
        source: CandleSource,
        store: CandleStore,
        symbols: Sequence[str],
        timeframes: Sequence[str],
        kept: Mapping[Series, Row] | None = None,
    ) -> None:
        self._source = source
        self._store = store
        self._series = [(symbol, Timeframe(name)) for name in timeframes for symbol in symbols]
        self._kept: Mapping[Series, Row] = {} if kept is None else kept
        self._asked: dict[Series, int] = {}
        # What the venue said of the last hour, all of it stored: what it says again need not be compared.
        self._said: dict[Series, Candles] = {}
        self._absent: dict[Series, Span] = {}
        # What the venue's history did not know, and the newest bar that its stream had brought by then.
        self._refused: dict[Series, Row | None] = {}

    async def run(self) -> None:
        """Compare for ever. A practice market cannot err, and is not asked."""
        while True:
            await asyncio.sleep(_EVERY_S)
            if not self._source.practice:
                await self.compare()

    async def compare(self) -> None:
        """Compare every series that has had a close since it was asked for last."""
        now = self._source.now_ms() - _AFTER_MS
        due = [one for one in self._series if self._due(one, now)]
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

    def _due(self, series: tuple[str, Timeframe], now: int) -> bool:
        if series in self._refused and self._kept.get(series) != self._refused[series]:
            return True
        return series[1].last_closed(now) > self._asked.get(series, -1)

    async def _ask(self, symbol: str, frame: Timeframe, now: int) -> Candles | None:
        series, newest = (symbol, frame), frame.last_closed(now)
        said = self._said.get(series)
        since = newest - (_PAGE - 1) * frame.ms if said is None else min(_newest(said), newest) - _SETTLED_MS
        bars = max(2, (newest - since) // frame.ms + 1)
        if series in self._refused:
            del self._refused[series], self._asked[series]
        try:
            return await self._source.history(symbol, frame, end_ms=newest + frame.ms, bars=bars)
        except InputError as error:
            log.warning("%s %s cannot be compared: %s", symbol, frame, error)
            # Delisted: asked about once an hour, should it come back, and not at each close that is no more.
            self._asked[series] = frame.last_closed(now + HOUR_MS)
            self._refused[series] = self._kept.get(series)
            return None

    async def _keep(self, answers: list[Candles]) -> None:
        """Store what the venue says, all in one transaction: what differs, and bars that the store lacks."""
        fresh = [new for true in answers if len(new := self._unsaid(true))]
        if fresh:
            written = await keep(self._store, self._source.name, *fresh, replace=True)
            for new, one in zip(fresh, written.each, strict=True):
                if one.replaced:
                    market = f"{new.symbol} {new.timeframe}"
                    log.warning(
                        "%s has corrected %d candles of %s.", self._source.title, one.replaced, market
                    )
        for true in answers:
            await self._record_holes(true)
            self._said[true.symbol, true.timeframe] = true.between(_newest(true) - _SETTLED_MS)

    def _unsaid(self, true: Candles) -> Candles:
        """Return what was not said before, and may not be stored: most often nothing, else the newest bar."""
        series = (true.symbol, true.timeframe)
        said = self._said.get(series)
        if said is None:
            return true
        said = said.between(int(true.ts[0]))
        again = true[: len(said)]
        if not all(np.array_equal(getattr(said, name), getattr(again, name)) for name in COLUMNS):
            return true
        new = true[len(said) :]
        if len(new) == 1 and self._kept.get(series) == tuple(getattr(new, name)[0] for name in COLUMNS):
            return new[:0]
        return new

    async def _record_holes(self, true: Candles) -> None:
        """Record what the venue has not between two bars that it has."""
        frame = true.timeframe
        if (_newest(true) - int(true.ts[0])) // frame.ms + 1 == len(true):
            return
        series = (true.symbol, frame)
        known = self._absent.get(series, (0, 0))
        spans = [span for span in missing(true.ts, frame, int(true.ts[0]), _newest(true)) if span > known]
        if spans:
            await asyncio.to_thread(self._store.absences.add, self._source.name, *series, spans)
            self._absent[series] = spans[-1]


def _newest(candles: Candles) -> int:
    return int(candles.ts[-1])
