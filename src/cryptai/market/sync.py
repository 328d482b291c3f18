"""Source to store: fetch the closed bars that are missing, and only those."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np

from cryptai import seams
from cryptai.errors import InputError, SourceError
from cryptai.market.opens import Opens
from cryptai.market.spans import missing, without
from cryptai.market.timeframe import DAY_MS, Timeframe

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from cryptai.market.candles import Candles
    from cryptai.market.merge import Written
    from cryptai.market.source import CandleSource
    from cryptai.market.store import CandleStore

Series: TypeAlias = tuple[str, str]
"""Symbol and timeframe."""

Run: TypeAlias = tuple[int, int]
"""A half-open range of open times."""

_WORKERS: Final = 4
# So many failures in a row are the venue's, if it does not answer at all, and not a market's: try later.
_PATIENCE: Final = 3
# So many are the venue's whatever it answers, where nothing else succeeded.
_LONG_PATIENCE: Final = 12


@dataclass(frozen=True)
class Filled:
    """What a fill left behind: newest stored open time of each series, and why some could not be filled."""

    last: dict[Series, int] = field(default_factory=dict)
    failed: dict[Series, str] = field(default_factory=dict)


async def fill(
    source: CandleSource,
    store: CandleStore,
    symbols: Sequence[str],
    timeframes: Sequence[str],
    *,
    bars: int = 1000,
    progress: Callable[[int, int], None] | None = None,
    added: Callable[[Candles], None] | None = None,
    opens: Opens | None = None,
) -> Filled:
    """Store the last `bars` closed bars of each symbol and timeframe, asking only for what is missing.

    First what is newer than the newest stored bar, the finest timeframe of all symbols first, so that a
    first page fills early. Then each hole inside that range is asked for, and once more for what the first
    answer lacked, unless the venue was asked for it in vain within a day. What it does not have stays a hole;
    nothing is invented. A practice market costs nothing to ask, so it is asked for the whole range, and what
    differs is replaced. A series that `progress(done, total)` counts is durable.

    Parameters
    ----------
    added
        Called with the candles of each answer, after they are durable. It may hold bars stored before.
    opens
        What the caller knows from an earlier fill of the same store and venue.

    Raises
    ------
    SourceError
        When asking is hopeless (permanent), or three series in a row failed and the venue does not even tell
        the time, or nothing but failures came of a dozen. What was stored until then stays. A failure of
        single series is told in `Filled.failed` instead.
    """
    frames = sorted((Timeframe(name) for name in timeframes), key=lambda frame: frame.ms)
    wanted = [(symbol, frame) for frame in frames for symbol in symbols]
    job = _Job(source, store, bars, added, opens or Opens(store, source.name))
    await job.look(wanted)
    # What is missing is what was not stored before: nothing is asked for twice in one fill.
    missing = {series: job.missing(*series) for series in wanted}
    await job.each({series: newest for series, (_, newest) in missing.items()}, progress)
    await job.each({series: holes for series, (holes, _) in missing.items() if holes})
    return Filled(job.last, job.failed)


async def keep(
    store: CandleStore,
    exchange: str,
    *candles: Candles,
    replace: bool = False,
    source: str | None = None,
) -> Written:
    """Write to the store in a thread; a write that has begun is finished before a cancellation goes on.

    Return what it did. The bars were fetched just now from `source`; None is the exchange itself.
    """
    work = asyncio.ensure_future(
        asyncio.to_thread(
            store.write, exchange, *candles,
            replace=replace, source=source or exchange, fetched_at_ms=seams.now_ms(),
        )
    )  # fmt: skip
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        await asyncio.wait([work])
        if not work.cancelled():
            work.exception()
        raise


class _Job:
    """One fill: what was stored at its beginning, and what has come since."""

    def __init__(
        self,
        source: CandleSource,
        store: CandleStore,
        bars: int,
        added: Callable[[Candles], None] | None,
        opens: Opens,
    ) -> None:
        self.source = source
        self.store = store
        self.bars = bars
        self.added = added
        self.opens = opens
        self.last: dict[Series, int] = {}
        self.failed: dict[Series, str] = {}
        self._stored: dict[Series, NDArray[np.int64]] = {}
        self._vain: dict[Series, list[Run]] = {}
        self._writing = asyncio.Lock()
        self._failures = 0
        self._had_any = False
        self._hopeless: SourceError | None = None

    async def look(self, wanted: list[tuple[str, Timeframe]]) -> None:
        # After a sleep of this machine the venue's clock lags until it is heard; asking too far does no harm.
        self._now_ms = max(self.source.now_ms(), seams.now_ms())
        self._stored = await asyncio.to_thread(self._read_times, wanted)
        self.last = {series: int(ts[-1]) for series, ts in self._stored.items() if len(ts)}

    def _read_times(self, wanted: list[tuple[str, Timeframe]]) -> dict[Series, NDArray[np.int64]]:
        name = self.source.name
        # A stream that breaks off often must not have every hole of the venue asked for each time.
        self._vain = self.store.absences.lately(name, seams.now_ms() - DAY_MS)
        return self.opens.read({series: self._range(series[1])[0] for series in wanted})

    def _range(self, frame: Timeframe) -> Run:
        end = frame.last_closed(self._now_ms) + frame.ms
        return end - self.bars * frame.ms, end

    def missing(self, symbol: str, frame: Timeframe) -> tuple[list[Run], list[Run]]:
        """Return the holes, and what is newer than the newest stored bar."""
        start, end = self._range(frame)
        ts = self._stored.get((symbol, frame), np.empty(0, np.int64))
        ts = ts[(ts >= start) & (ts < end)]
        if self.source.practice or not len(ts):
            # The practice market is derived: where a newer version draws it otherwise, that replaces the old.
            return [], [(start, end)]
        edges = np.r_[start - frame.ms, ts, end]
        gaps = np.flatnonzero(np.diff(edges) > frame.ms)
        runs = [(int(edges[i]) + frame.ms, int(edges[i + 1])) for i in gaps]
        newest = [run for run in runs if run[1] == end]
        holes = [run for run in runs if run[1] != end]
        return without(holes, self._vain.get((symbol, frame), ())), newest

    async def fetch(self, symbol: str, frame: Timeframe, runs: list[Run]) -> None:
        if not runs:
            return
        log, name = self.store.sync_log, self.source.name
        async with self._writing:  # in turn, so that the series are asked for in their order
            entry = await asyncio.to_thread(log.begin, name, symbol, frame)
        bars, failed = 0, "stopped before it was done"
        try:
            for run in runs:
                bars += await self._fetch(symbol, frame, run)
        except (InputError, SourceError) as error:
            failed = str(error)
            raise
        else:
            failed = ""
        finally:
            await asyncio.shield(asyncio.to_thread(log.end, entry, bars=bars, failed=failed or None))

    async def _fetch(self, symbol: str, frame: Timeframe, run: Run, *, again: bool = False) -> int:
        start, end = run
        candles = await self.source.history(symbol, frame, end_ms=end, bars=(end - start) // frame.ms)
        candles = candles.between(start, end)
        if len(candles):
            async with self._writing:
                await keep(self.store, self.source.name, candles, replace=self.source.practice)
            self.last[symbol, frame] = max(self.last.get((symbol, frame), 0), int(candles.ts[-1]))
            if self.added:
                self.added(candles)
        bars = len(candles)
        lacking = missing(candles.ts, frame, start, end)
        if end > self.last.get((symbol, frame), 0):
            return bars  # what is newer than the newest stored bar may only be late
        if again and lacking:
            await asyncio.to_thread(self.store.absences.add, self.source.name, symbol, frame, lacking)
        elif lacking:
            # One short page may be a mistake: a hole is the venue's once it was asked for twice.
            for span in lacking:
                bars += await self._fetch(symbol, frame, span, again=True)
        return bars

    async def _is_the_venues(self) -> bool:
        """Return whether the failures in a row are the venue's own, and not those of as many markets."""
        if self._failures < _PATIENCE:
            return False
        if self._failures >= _LONG_PATIENCE and not self._had_any:
            return True
        try:
            await self.source.ping()
        except SourceError:
            return True
        return False

    async def each(
        self,
        runs: dict[tuple[str, Timeframe], list[Run]],
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        """Fetch the runs of all series, a few at a time in their order; stop early where it is hopeless."""
        queue = deque(runs)
        done = 0

        async def worker() -> None:
            nonlocal done
            while queue and self._hopeless is None:
                series = queue.popleft()
                try:
                    await self.fetch(*series, runs[series])
                    self._failures, self._had_any = 0, True
                except InputError as error:
                    self.failed[series] = str(error)
                except SourceError as error:
                    self.failed[series] = str(error)
                    self._failures += 1
                    if error.permanent or await self._is_the_venues():
                        self._hopeless = error
                done += 1
                if progress:
                    progress(done, len(runs))

        workers = [asyncio.create_task(worker()) for _ in range(min(_WORKERS, len(queue)))]
        try:
            await asyncio.gather(*workers)
        finally:
            for task in workers:
                task.cancel()
            await asyncio.gather(*workers, return_exceptions=True)
        if self._hopeless:
            raise self._hopeless
