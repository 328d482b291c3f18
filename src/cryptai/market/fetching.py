"""Spans of many series fetched by a few workers: each piece is stored whole, or recorded as absent."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeAlias

from cryptai import seams
from cryptai.errors import InputError, SourceError
from cryptai.market.spans import Span, count, pieces
from cryptai.market.sync import keep
from cryptai.market.timeframe import Timeframe
from cryptai.market.walk import walk

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

    from cryptai.market.source import CandleSource
    from cryptai.market.store import CandleStore

Series: TypeAlias = tuple[str, Timeframe]
"""Symbol and timeframe."""

# Asked for at once: what waits for a venue's answer waits beside others, within the source's budget.
_WORKERS: Final = 6
# Bars stored in one write: a kill loses at most so many of each worker.
_PIECE: Final = 20_000
# A source tries a request again by itself; a piece is begun anew for an answer that made no sense.
_TRIES: Final = 3
# So many failures in a row are the venue's, not a market's.
_PATIENCE: Final = 8
# A ban of minutes is waited out; who is banned for days rather goes on with the same command then.
LONGEST_WAIT_S: Final = 3600.0
"""How long in all a download waits without an answer for pauses that the venue asks for."""


@dataclass
class Downloaded:
    """One series of a download or repair: bars added, spans the venue has not, and why it failed, if so."""

    symbol: str
    timeframe: Timeframe
    added: int = 0
    absent: list[Span] = field(default_factory=list)
    failed: str | None = None


class Fetching:
    """One download or repair under way: `series` says how far each of its series is.

    Where the venue wants not to be asked for a time, it is told to `paused(seconds)` and waited for.
    """

    def __init__(
        self,
        source: CandleSource,
        store: CandleStore,
        series: Iterable[Series],
        progress: Callable[[int, int], None] | None = None,
        paused: Callable[[float], None] | None = None,
        rest: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self.source = source
        self.store = store
        self.series = {one: Downloaded(*one) for one in series}
        self._progress = progress
        self._paused = paused
        self._rest = rest
        self._paused_since: float | None = None
        self._done = self._total = 0
        self._writing = asyncio.Lock()
        self._failures = 0
        self._tries: Counter[tuple[Series, Span]] = Counter()
        self._hopeless: SourceError | None = None

    async def newest(self, wanted: Sequence[Series]) -> dict[Series, int]:
        """Return the open time of the venue's newest closed bar of each series that has any.

        An unknown market is refused here, before anything is stored.
        """
        found: dict[Series, int] = {}

        async def ask(series: Series, _span: Span) -> None:
            for _ in range(2):  # one empty answer may be a mistake, and would leave the whole series out
                last = await self.source.history(*series, bars=1)
                if len(last):
                    found[series] = int(last.ts[-1])
                    break

        try:
            await self._each([(series, (0, 0)) for series in wanted], ask, refuse=True)
        finally:
            for series in wanted:
                if why := self.series[series].failed:
                    await self._note(await self._begin(series), series, why)
        return found

    async def run(self, work: Mapping[Series, Sequence[Span]]) -> None:
        """Fetch the spans of each series, oldest first, with an entry in the sync log for each series."""
        self._total = sum(count(spans, frame) for (_, frame), spans in work.items())
        left = {series: list(pieces(spans, series[1], _PIECE)) for series, spans in work.items() if spans}
        entries = {series: await self._begin(series) for series in left}
        unfinished = {series: len(parts) for series, parts in left.items()}

        async def fetch(series: Series, span: Span) -> None:
            await self._fetch(self.series[series], span)
            unfinished[series] -= 1
            if not unfinished[series]:
                await self._note(entries.pop(series), series)

        try:
            await self._each([(series, span) for series, parts in left.items() for span in parts], fetch)
        finally:
            for series, entry in entries.items():
                why = self.series[series].failed or "stopped before it was done"
                await asyncio.shield(self._note(entry, series, why))

    async def _begin(self, series: Series) -> int:
        return await asyncio.to_thread(self.store.sync_log.begin, self.source.name, *series)

    async def _note(self, entry: int, series: Series, failed: str | None = None) -> None:
        bars = self.series[series].added
        await asyncio.to_thread(self.store.sync_log.end, entry, bars=bars, failed=failed)

    async def _fetch(self, one: Downloaded, span: Span) -> None:
        walked = await walk(self.source, one.symbol, one.timeframe, span, self._step)
        async with self._writing:
            if len(walked.candles):
                await keep(self.store, self.source.name, walked.candles, replace=self.source.practice)
            if walked.absent:
                await asyncio.to_thread(
                    self.store.absences.add, self.source.name, one.symbol, one.timeframe, walked.absent
                )
        one.added += len(walked.candles)
        one.absent += walked.absent

    def _step(self, bars: int) -> None:
        self._done += bars
        if self._progress:
            # A piece begun anew is walked twice.
            self._progress(min(self._done, self._total), self._total)

    async def _each(
        self,
        work: Iterable[tuple[Series, Span]],
        do: Callable[[Series, Span], Awaitable[None]],
        *,
        refuse: bool = False,
    ) -> None:
        queue = deque(work)

        async def worker() -> None:
            while queue and self._hopeless is None:
                series, span = queue.popleft()
                if self.series[series].failed:
                    continue
                try:
                    await do(series, span)
                    self._failures, self._paused_since = 0, None
                except InputError as error:
                    if refuse:
                        raise
                    self.series[series].failed = str(error)
                except SourceError as error:
                    if await self._again(series, span, error):
                        queue.append((series, span))

        workers = [asyncio.create_task(worker()) for _ in range(min(_WORKERS, len(queue)))]
        try:
            await asyncio.gather(*workers)
        finally:
            for task in workers:
                task.cancel()
            await asyncio.gather(*workers, return_exceptions=True)
        if self._hopeless:
            raise self._hopeless

    async def _again(self, series: Series, span: Span, error: SourceError) -> bool:
        """Return whether a piece that failed is to be done once more, when the pause asked for is over."""
        if self._waits(error):
            await self._rest(error.pause_s + 1.0)
            return True
        return self._once_more(series, span, error)

    def _waits(self, error: SourceError) -> bool:
        """Return whether a pause is waited out, and tell of it once for all workers."""
        now = seams.monotonic()
        begun = self._paused_since
        since = now if begun is None else begun
        if error.pause_s <= 0.0 or now + error.pause_s - since > LONGEST_WAIT_S:
            return False
        self._paused_since = since
        if self._paused and begun is None:
            self._paused(error.pause_s)
        return True

    def _once_more(self, series: Series, span: Span, error: SourceError) -> bool:
        """Return whether a piece that failed is to be tried again; note it if not."""
        self._failures += 1
        self._tries[series, span] += 1
        if error.permanent or self._failures >= _PATIENCE:
            self._hopeless = error
        if self._hopeless or self._tries[series, span] >= _TRIES:
            self.series[series].failed = str(error)
            return False
        return True
