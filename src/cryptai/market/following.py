"""One connection to a venue: read its stream, keep each close in the store, publish what happened."""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

from cryptai import seams
from cryptai.errors import ConflictError, InputError, SourceError
from cryptai.market.candles import COLUMNS, Candles
from cryptai.market.inbox import Inbox
from cryptai.market.silence import Pace, Silence
from cryptai.market.sync import keep
from cryptai.market.timeframe import Timeframe

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from cryptai.market.inbox import Batch
    from cryptai.market.source import Bar, CandleSource, Row
    from cryptai.market.store import CandleStore
    from cryptai.market.sync import Series

log = logging.getLogger(__name__)

# The closes of one instant reach us over some moments; they make one transaction.
_GATHER_S: Final = 0.01
# How long a close may be awaited after its successor was seen, before history is asked for it.
_LATE_S: Final = 3.0
# So many series in a row whose history does not come are the venue's trouble, if it tells not even the time.
_PATIENCE: Final = 3
# How long a series that stands still waits before an unfinished bar has its history asked for again.
_AGAIN_S: Final = 60.0


class Following:
    """What is known of a venue's series, across its connections.

    Attributes
    ----------
    last
        Open time of the newest durable bar of each series.
    kept
        The newest bar of each series that the stream brought and the store took.
    """

    def __init__(
        self,
        source: CandleSource,
        store: CandleStore,
        publish: Callable[[dict[str, Any]], None],
        symbols: Sequence[str],
        timeframes: Sequence[str],
        bars: int,
        silence_s: float,
    ) -> None:
        self.last: dict[Series, int] = {}
        self.kept: dict[Series, Row] = {}
        self._source = source
        self._store = store
        self._publish = publish
        self._symbols = symbols
        self._timeframes = timeframes
        self._bars = bars
        self._silence_s = silence_s
        self._pace = Pace()
        self._inbox = Inbox()
        # The newest bar of a series that lacks its predecessor, and when it was seen; None once asked for.
        self._lacking: dict[Series, tuple[int, float | None]] = {}
        self._failures = 0

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[None]:
        """Read the stream into the inbox while the block runs; what came in meanwhile is delivered later."""
        self._inbox = Inbox()
        pump = asyncio.create_task(self._pump(self._inbox), name=f"stream of {self._source.name}")
        try:
            yield
        finally:
            pump.cancel()
            await asyncio.gather(pump, return_exceptions=True)

    async def _pump(self, inbox: Inbox) -> None:
        title = self._source.title
        stream = self._source.stream(self._symbols, self._timeframes)
        try:
            async with Silence(self._silence_s, self._pace) as silence:
                async for event in stream:
                    silence.heard()
                    inbox.put(event)
            inbox.fail(SourceError(f"{title} ended the stream."))
        except TimeoutError:
            inbox.fail(SourceError(f"{title} has sent nothing for {silence.seconds:.3g} s."))
        except Exception as error:  # noqa: BLE001 (not swallowed: the reader of the inbox raises it)
            inbox.fail(error)

    def check(self) -> None:
        """Raise what the stream failed of, if it has already: a fill by history alone is not live."""
        self._inbox.check()

    def catch_up(self, candles: Candles) -> None:
        """Take candles that history gave and the store has; publish those that came after a known bar."""
        series = (candles.symbol, str(candles.timeframe))
        known = self.last.get(series)
        newest = int(candles.ts[-1])
        if known is not None and newest > known:
            for row in _rows(candles.between(known + 1)):
                self._publish_bar(*series, row, closed=True)
        self.last[series] = newest if known is None else max(known, newest)

    async def deliver(self) -> None:
        """Keep and publish what the stream brings, until it fails; raise its `SourceError`."""
        while True:
            batch = await self._inbox.take()
            if batch.closes:
                await asyncio.sleep(_GATHER_S)
                batch = await self._gather(batch)
            await self._keep(batch)
            for price in batch.prices.values():
                self._publish({
                    "type": "price", "exchange": self._source.name, "symbol": price.symbol,
                    "price": price.price, "ts": price.ts, "change_24h": price.change_24h,
                })  # fmt: skip
            for (symbol, timeframe), bar in batch.forming.items():
                known = self.last.get((symbol, timeframe))
                if (known is None or bar.row[0] > known) and self._follows(bar, known):
                    self._publish_bar(symbol, timeframe, bar.row, closed=False)

    async def _gather(self, batch: Batch) -> Batch:
        if not self._inbox.empty:
            more = await self._inbox.take()
            batch.closes += more.closes
            batch.forming.update(more.forming)
            batch.prices.update(more.prices)
        return batch

    async def _keep(self, batch: Batch) -> None:
        """Make the closes durable, with the bars missing before them, then publish them in order of time."""
        new: dict[Series, dict[int, Row]] = {}
        reached = dict(self.last)
        for bar in (*sorted(batch.closes, key=lambda bar: bar.row[0]), *batch.forming.values()):
            series, ts = (bar.symbol, bar.timeframe), bar.row[0]
            known = reached.get(series)
            if known is not None and ts <= known:
                continue
            missing = await self._missing_before(bar, known) if self._asks(bar, known) else []
            if missing is None:
                continue
            rows = {row[0]: row for row in missing}
            if bar.closed:
                rows[ts] = bar.row
            if rows:
                new.setdefault(series, {}).update(rows)
                reached[series] = max(rows)
        if not new:
            return
        candles = [_candles(series, rows) for series, rows in new.items()]
        closed = []
        for one in await self._write(candles):
            series = (one.symbol, str(one.timeframe))
            kept = _rows(one)
            self.last[series], self.kept[series] = kept[-1][0], kept[-1]
            closed += [(row[0] + one.timeframe.ms, one.timeframe.ms, series, row) for row in kept]
        for _, _, series, row in sorted(closed):
            self._publish_bar(*series, row, closed=True)

    async def _write(self, candles: list[Candles]) -> list[Candles]:
        # All in one transaction. A bar that contradicts the store is left out: what is stored stays.
        replacing = self._source.practice
        try:
            await keep(self._store, self._source.name, *candles, replace=replacing)
        except ConflictError:
            kept = []
            for one in candles:
                try:
                    await keep(self._store, self._source.name, one, replace=replacing)
                except ConflictError as error:
                    log.warning("%s (not taken from the stream)", error)
                    self.last[one.symbol, str(one.timeframe)] = int(one.ts[-1])
                else:
                    kept.append(one)
            return kept
        return candles

    def _asks(self, bar: Bar, known: int | None) -> bool:
        """Whether history is to be asked for what precedes this bar: a close at once, else after a while.

        Once for each bar: what history does not have is a hole of the venue's.
        """
        if self._follows(bar, known):
            return False
        series, ts = (bar.symbol, bar.timeframe), bar.row[0]
        if self._lacking.get(series, (None, None))[0] != ts:
            self._lacking[series] = (ts, seams.monotonic())
        seen = self._lacking[series][1]
        if seen is None or not (bar.closed or seams.monotonic() - seen >= _LATE_S):
            return False
        self._lacking[series] = (ts, None)
        return True

    def _follows(self, bar: Bar, known: int | None) -> bool:
        """Whether nothing that can be had is missing between the newest known bar and this one."""
        series, ts = (bar.symbol, bar.timeframe), bar.row[0]
        if known is not None and ts - Timeframe(bar.timeframe).ms <= known:
            return True
        return self._lacking.get(series) == (ts, None)

    async def _missing_before(self, bar: Bar, known: int | None) -> list[Row] | None:
        """Return what history has before a bar; None if it made no sense or did not come.

        That bar is left for its successor to ask for, with what precedes it; the other series go on.
        """
        frame = Timeframe(bar.timeframe)
        end = bar.row[0]
        start = end - self._bars * frame.ms if known is None else known + frame.ms
        try:
            candles = await self._source.history(
                bar.symbol, frame, end_ms=end, bars=(end - start) // frame.ms
            )
        except InputError as error:
            # Delisted or halted a moment ago: that is this market's end, not the others'.
            log.warning("%s %s has bars missing: %s", bar.symbol, frame, error)
            return []
        except SourceError as error:
            self._failures += 1
            if error.permanent or error.answered:
                raise
            if self._failures >= _PATIENCE:
                await self._source.ping()  # it raises where the trouble is the venue's
                self._failures = 0
            log.warning("%s %s stands still: %s", bar.symbol, frame, error)
            self._lacking[bar.symbol, bar.timeframe] = (end, seams.monotonic() + _AGAIN_S - _LATE_S)
            return None
        self._failures = 0
        return _rows(candles.between(start, end))

    def _publish_bar(self, symbol: str, timeframe: str, row: Row, *, closed: bool) -> None:
        self._publish({
            "type": "candle", "exchange": self._source.name, "symbol": symbol, "timeframe": str(timeframe),
            "bar": list(row), "closed": closed,
        })  # fmt: skip


def _rows(candles: Candles) -> list[Row]:
    return list(zip(*(getattr(candles, name).tolist() for name in COLUMNS), strict=True))


def _candles(series: Series, rows: dict[int, Row]) -> Candles:
    ts, opens, high, low, close, volume = zip(*(rows[ts] for ts in sorted(rows)), strict=True)
    return Candles(ts, opens, high, low, close, volume, *series)
