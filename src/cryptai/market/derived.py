"""Coarser bars made of finer ones, where a market's own are not stored: whole bars only, nothing invented.

They are made when they are read and kept nowhere, so they follow every correction of the finer bars, and a
read as of a moment makes them of what stood then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cryptai.market.candles import Candles
from cryptai.market.timeframe import TIMEFRAMES, Timeframe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from cryptai.market.kept import Market
    from cryptai.market.rows import Rows

    # Reads finer bars that open in a half-open range, of these the last few.
    Read = Callable[[int | None, int | None, int | None], Candles]


def whole_bars(finer: Candles, timeframe: Timeframe) -> Candles:
    """Return the bars of a coarser timeframe of which every finer bar is there; all others are absent.

    Volumes are summed in order of time, so equal bars give equal sums to the bit.
    """
    opens = finer.ts - (finer.ts - timeframe.origin_ms) % timeframe.ms
    starts = np.flatnonzero(np.r_[True, opens[1:] != opens[:-1]]) if len(opens) else np.empty(0, np.int64)
    ends = np.r_[starts[1:], len(opens)] if len(starts) else starts
    full = ends - starts == timeframe.ms // finer.timeframe.ms
    if not full.any():
        return finer[:0].resample(timeframe)
    starts, ends = starts[full], ends[full]
    # Between two full bars there may be bars of broken ones: `reduceat` is given both ends of each.
    edges = np.stack([starts, ends], axis=1).ravel()
    edges = edges[:-1] if edges[-1] == len(opens) else edges
    return Candles(
        opens[starts],
        finer.open[starts],
        np.maximum.reduceat(finer.high, edges)[::2],
        np.minimum.reduceat(finer.low, edges)[::2],
        finer.close[ends - 1],
        np.add.reduceat(finer.volume, edges)[::2],
        finer.symbol,
        timeframe,
    )


def derive(
    read: Read, timeframe: Timeframe, start_ms: int | None, end_ms: int | None, last: int | None
) -> Candles:
    """Return the whole coarser bars that open in `[start_ms, end_ms)`, of these the `last`.

    `read` is asked for no more than is needed: for the last few, only for the end.
    """
    start = None if start_ms is None else -(-(start_ms - timeframe.origin_ms) // timeframe.ms)
    start = None if start is None else start * timeframe.ms + timeframe.origin_ms
    end = None if end_ms is None else timeframe.floor(end_ms - 1) + timeframe.ms
    if last is None:
        return whole_bars(read(start, end, None), timeframe)
    newest = read(start, end, 1)
    if not len(newest) or not last:
        return whole_bars(newest[:0], timeframe)
    edge, span = timeframe.floor(int(newest.ts[0])) + timeframe.ms, last + 2
    while True:
        # Holes may leave too few: twice as many are looked at then.
        begin = edge - span * timeframe.ms
        bars = whole_bars(read(begin if start is None else max(begin, start), end, None), timeframe)
        if len(bars) >= last or begin <= 0 or (start is not None and begin <= start):
            return bars[max(len(bars) - last, 0) :]
        span *= 2


def finer_of(timeframe: Timeframe, stored: Iterable[tuple[Timeframe, int, int]]) -> Timeframe | None:
    """Return which of the stored timeframes to make bars of: the one with most time, of equals the coarsest.

    Parameters
    ----------
    stored
        Timeframes with their first and last open times (ms UTC).
    """
    fit = [one for one in stored if one[0].divides(timeframe)]
    if not fit:
        return None
    # The last bars of two series seldom close together: what counts is whole bars of the coarser.
    return max(
        fit, key=lambda one: ((one[2] + one[0].ms - one[1]) // timeframe.ms, TIMEFRAMES.index(one[0]))
    )[0]


def finer_market(market: Market, rows: Rows, as_of_ms: int | None) -> Market | None:
    """Return the stored market whose bars those of this one are made of; None where there is none."""
    same = [one for one in rows.markets(market.exchange) if one.symbol == market.symbol]
    fit = [one for one in same if one.timeframe.divides(market.timeframe)]
    known = [(one.timeframe, extent) for one in fit if (extent := rows.extent(one, as_of_ms))]
    frame = finer_of(market.timeframe, [(frame, *extent) for frame, extent in known])
    return None if frame is None else market._replace(timeframe=frame)
