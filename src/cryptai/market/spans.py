"""Spans of bars that are missing: half-open ranges of open times, and arithmetic on them."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from cryptai.market.timeframe import Timeframe

Span: TypeAlias = tuple[int, int]
"""A half-open range of open times, ms UTC, both on the timeframe's grid."""


def missing(ts: NDArray[np.int64], timeframe: Timeframe, start: int, end: int) -> list[Span]:
    """Return what `[start, end)` lacks, oldest first; `ts` are the open times that are there.

    Start and end may lie off the grid: a bar belongs to the range when it opens in it.
    """
    start, end = _up(start, timeframe), _up(end, timeframe)
    if end <= start:
        return []
    inside = ts[np.searchsorted(ts, start) : np.searchsorted(ts, end)]
    edges = np.concatenate(([start - timeframe.ms], inside, [end]))
    gaps = np.flatnonzero(np.diff(edges) > timeframe.ms)
    return [(int(edges[i]) + timeframe.ms, int(edges[i + 1])) for i in gaps]


def without(spans: Iterable[Span], others: Iterable[Span]) -> list[Span]:
    """Return what of `spans` lies in none of `others`; both may come in any order, `others` may overlap."""
    left = []
    cuts = sorted(others)
    for start, end in sorted(spans):
        at = start
        for first, last in cuts:
            if last <= at or first >= end:
                continue
            if first > at:
                left.append((at, first))
            at = max(at, last)
        if at < end:
            left.append((at, end))
    return left


def pieces(spans: Iterable[Span], timeframe: Timeframe, bars: int) -> Iterator[Span]:
    """Cut spans into pieces of at most so many bars, in their order."""
    step = bars * timeframe.ms
    for start, end in spans:
        for at in range(start, end, step):
            yield at, min(at + step, end)


def count(spans: Iterable[Span], timeframe: Timeframe) -> int:
    """Return how many bars lie in spans that do not overlap."""
    return sum(end - start for start, end in spans) // timeframe.ms


def _up(ts: int, timeframe: Timeframe) -> int:
    return timeframe.floor(ts + timeframe.ms - 1)
