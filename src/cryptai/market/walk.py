"""A span of history, walked back page by page: the bars a venue has, and where it twice had none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from cryptai.errors import SourceError
from cryptai.market.candles import COLUMNS, Candles
from cryptai.market.spans import Span, missing

if TYPE_CHECKING:
    from collections.abc import Callable

    from cryptai.market.source import CandleSource
    from cryptai.market.timeframe import Timeframe

_PAGE: Final = 1000


@dataclass(frozen=True)
class Walked:
    """What a venue gave for a span: its bars in order, and the spans it was asked for twice in vain."""

    candles: Candles
    absent: list[Span]


async def walk(
    source: CandleSource,
    symbol: str,
    timeframe: Timeframe,
    span: Span,
    step: Callable[[int], None] = lambda _: None,
) -> Walked:
    """Ask for every bar of a span, newest page first, and a second time for what was not given.

    Walked backwards, one answer crosses a hole of any length, and the first empty one tells that the venue
    has nothing older. `step(bars)` is told how much of the span each answer settled.

    Raises
    ------
    SourceError, InputError
        As the source does; also if an answer reaches past what was asked for.
    """
    parts = await _pages(source, symbol, timeframe, span, step)
    for hole in missing(_times(parts), timeframe, *span):
        parts += await _pages(source, symbol, timeframe, hole)
    candles = _joined(parts, symbol, timeframe)
    return Walked(candles, missing(candles.ts, timeframe, *span))


async def _pages(
    source: CandleSource,
    symbol: str,
    timeframe: Timeframe,
    span: Span,
    step: Callable[[int], None] = lambda _: None,
) -> list[Candles]:
    start, end = span
    parts: list[Candles] = []
    while end > start:
        wanted = min(_PAGE, (end - start) // timeframe.ms)
        page = await source.history(symbol, timeframe, end_ms=end, bars=wanted)
        if not len(page):
            step((end - start) // timeframe.ms)
            break
        if page.ts[-1] >= end:
            raise SourceError(f"{source.title} sent other {symbol} {timeframe} bars than were asked for.")
        reached = max(int(page.ts[0]), start)
        step((end - reached) // timeframe.ms)
        end = reached
        if len(part := page.between(start, None)):
            parts.append(part)
    return parts


def _times(parts: list[Candles]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.sort(np.concatenate([np.empty(0, np.int64), *(part.ts for part in parts)]))


def _joined(parts: list[Candles], symbol: str, timeframe: Timeframe) -> Candles:
    # What came at the second time lies among what came at the first.
    order = np.argsort(np.concatenate([np.empty(0, np.int64), *(part.ts for part in parts)]))
    columns = {
        name: np.concatenate([np.empty(0), *(getattr(part, name) for part in parts)])[order]
        for name in COLUMNS
    }
    return Candles(**columns, symbol=symbol, timeframe=timeframe)
