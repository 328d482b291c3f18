"""History of a ccxt exchange: asked forward from a time, given back from an end, closed bars only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np

from cryptai import seams
from cryptai.market.candles import COLUMNS, Candles
from cryptai.market.sources._ccxt_reading import read_bars
from cryptai.market.timeframe import DAY_MS, MINUTE_MS, Timeframe

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cryptai.market.clock import ExchangeClock

_PAGE: Final = 1_000
# Where an exchange's description does not say how many bars it gives at once.
_FEW: Final = 300
# A bar younger than this is closed only if the venue has begun the next: its clock alone is not enough.
_PROOF_MS: Final = 15 * MINUTE_MS
# So many windows in a row in which days have bars and the timeframe none: it does not reach back farther.
_VAIN: Final = 3
_NO_DAYS: Final = np.empty(0, np.int64)


class Asked(Protocol):
    """What history needs of its source."""

    title: str
    clock: ExchangeClock
    exchange: Any

    def offers(self, timeframe: str) -> bool: ...
    async def call(self, method: str, *args: Any, tries: int = ...) -> Any: ...


class History:
    """Bars of one exchange; what it learns of where they begin is kept as long as it lives."""

    def __init__(self, venue: Asked) -> None:
        self._venue = venue
        told = ((venue.exchange.features or {}).get("spot") or {}).get("fetchOHLCV") or {}
        self._limit = max(2, min(_PAGE, int(told.get("limit") or _FEW)))
        self._days: dict[str, tuple[int, NDArray[np.int64]]] = {}
        self._begins: dict[tuple[str, str], int] = {}

    async def last(self, symbol: str, frame: Timeframe, end: int, bars: int) -> Candles:
        """Return the last `bars` closed bars before `end`, in windows of 1,000 from the newest back.

        An empty window tells nothing of what is older: where days have bars, that is asked for too.
        """
        parts: list[Candles] = []
        wanted, vain = bars, 0
        at: int | None = end
        while wanted > 0 and at is not None and at > self._begins.get((symbol, frame), 0):
            # After an empty window it is known in which day there are older bars, not where in it.
            span = max(min(wanted, _PAGE) * frame.ms, DAY_MS if vain else 0)
            start = max(at - span, 0)
            part = (await self.closed_between(symbol, frame, start, at))[-wanted:]
            if len(part):
                parts.insert(0, part)
                wanted, at, vain = wanted - len(part), start, 0
                continue
            vain += 1
            at = await self._older(symbol, frame, start)
            if at is None or vain >= _VAIN:
                self._begins[symbol, frame] = start + frame.ms
                break
        return _joined(parts, symbol, frame)

    async def closed_between(self, symbol: str, frame: Timeframe, start: int, end: int) -> Candles:
        """Return the closed bars that open in `[start, end)`, asked for page by page from the oldest on."""
        parts: list[Candles] = []
        at = start
        while at < end:
            clock = self._venue.clock
            now = clock.earliest_ms(seams.monotonic()) if clock.heard else 0
            # One more than wanted: the bar after the last one proves it closed.
            limit = min(self._limit, (end - at) // frame.ms + 2)
            rows = await self._venue.call("fetch_ohlcv", symbol, str(frame), at, limit)
            page = read_bars(rows, symbol, frame, self._venue.title).between(at, None)
            if not len(page):
                # Some exchanges give the bars of a window, others those from its beginning on.
                at += self._limit * frame.ms
                continue
            newest = int(page.ts[-1])
            closed = frame.last_closed(now) + 1 if now else newest
            if newest + frame.ms > now - _PROOF_MS:
                closed = min(closed, newest)
            parts.append(page.between(None, min(closed, end)))
            at = newest + frame.ms
            if closed <= newest:
                break
        return _joined(parts, symbol, frame)

    async def first_day(self, symbol: str) -> int | None:
        """Return when the first day with bars began; None if there is none."""
        days = await self._days_of(symbol, 0)
        return int(days[0]) if len(days) else None

    async def _older(self, symbol: str, frame: Timeframe, before: int) -> int | None:
        """Return the end of the last day before a time that has bars; None where there is none."""
        if before <= 0:
            return None
        days = await self._days_of(symbol, before)
        older = days[: int(np.searchsorted(days, before))]
        if not len(older):
            return None
        return min(before, frame.floor(int(older[-1]) + DAY_MS - 1) + frame.ms)

    async def _days_of(self, symbol: str, before: int) -> NDArray[np.int64]:
        # Which days have bars, back to the first window that has none; asked for anew when time has gone on.
        until, days = self._days.get(symbol, (-1, _NO_DAYS))
        if before <= until:
            return days
        frame, parts = Timeframe("1d"), [_NO_DAYS]
        until = end = frame.floor(max(self._venue.clock.now_ms(), seams.now_ms())) + frame.ms
        while end > 0 and self._venue.offers(frame):
            start = max(end - self._limit * frame.ms, 0)
            rows = await self._venue.call("fetch_ohlcv", symbol, str(frame), start, self._limit)
            ts = read_bars(rows, symbol, frame, self._venue.title).between(start, end).ts
            if not len(ts):
                break
            parts.insert(0, ts)
            end = start
        self._days[symbol] = until, np.concatenate(parts)
        return self._days[symbol][1]


def _joined(parts: list[Candles], symbol: str, frame: Timeframe) -> Candles:
    columns = {
        column: np.concatenate([getattr(part, column) for part in parts] or [np.empty(0)])
        for column in COLUMNS
    }
    return Candles(**columns, symbol=symbol, timeframe=frame)
