"""Breakouts: closes beyond a tight range on large volume, and whether they held."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np

from cryptai.features._lines import highest, pop, push
from cryptai.features._measure import MEASURED, in_true_ranges, mean_true_range, relative_volume
from cryptai.features._rows import Rows, put
from cryptai.features.events import Kind, structure
from cryptai.features.feature import within
from cryptai.kernels import kernel

if TYPE_CHECKING:
    from cryptai.features.events import Events
    from cryptai.kernels import Codes, Floats, Ints
    from cryptai.market.candles import Candles

_KINDS: Final = (
    Kind("breakout", "born", "box"),
    Kind("breakout_retested", "life", "label", "breakout"),
    Kind("breakout_failed", "end", "label", "breakout"),
    Kind("breakout_lapsed", "end", "none", "breakout"),
)


@kernel
def _breakouts(
    high: Floats, low: Floats, close: Floats, volume: Floats, period: int, width: float, least: float,
    above: Floats, below: Floats, known: Ints, direction: Codes, top: Floats, bottom: Floats,
) -> int:  # fmt: skip
    n = len(close)
    count, was = 0, 0
    # The range of the `period` bars before, block by block: what is left of this one, what came of the next.
    for start in range(0, n - period, period):
        above[period], below[period] = -math.inf, math.inf
        for k in range(period - 1, -1, -1):
            above[k], below[k] = max(above[k + 1], high[start + k]), min(below[k + 1], low[start + k])
        ceiling, floor = -math.inf, math.inf
        for t in range(start + period, min(start + 2 * period, n)):
            k = t - start - period
            upper, lower = max(ceiling, above[k]), min(floor, below[k])
            ceiling, floor = max(ceiling, high[t]), min(floor, low[t])
            way = 1 if close[t] > upper else (-1 if close[t] < lower else 0)
            first = way not in (0, was)
            was = way
            if not first or upper - lower > width * mean_true_range(high, low, close, t - 1):
                continue
            if least > 0.0 and not relative_volume(volume, t) >= least:
                continue
            known[count], direction[count], top[count], bottom[count] = t, way, upper, lower
            count += 1
    return count


@kernel
def _held(
    high: Floats, low: Floats, close: Floats, volume: Floats, period: int, max_age: int, known: Ints,
    direction: Codes, top: Floats, bottom: Floats, keys: Floats, items: Ints, sizes: Ints, over: Codes,
    bars: Ints, codes: Codes, figures: Floats,
) -> int:  # fmt: skip
    # Lines 0 and 1 wait for a wick back at the edge, 2 and 3 for a close inside.
    zones = len(known)
    row, born, oldest = 0, 0, 0
    for t in range(known[0] if zones else 0, len(close)):
        for line in range(4):
            way = 1 if line % 2 == 0 else -1
            wick = low[t] if way > 0 else -high[t]
            price = way * close[t] if line >= 2 else wick
            while highest(keys, sizes, line, zones) >= price:
                edge = highest(keys, sizes, line, zones)
                if line >= 2 and edge == price:
                    break
                z = pop(keys, items, sizes, line, zones)
                if over[z]:
                    continue
                failed = way * close[t] < edge
                row = put(
                    bars, codes, figures, row, known[z] - period, t, 2 if failed else 1, way, top[z],
                    bottom[z], close[t] if failed else way * wick,
                    in_true_ranges(edge - wick, high, low, close, t), relative_volume(volume, t), np.nan,
                )  # fmt: skip
                over[z] = 1 if failed else 0
                if not failed:
                    push(keys, items, sizes, line + 2 if line < 2 else line, zones, edge, z)
        while oldest < born and known[oldest] + max_age <= t:
            if not over[oldest]:
                row = put(
                    bars, codes, figures, row, known[oldest] - period, t, 3, direction[oldest], top[oldest],
                    bottom[oldest], np.nan, np.nan, np.nan, np.nan,
                )  # fmt: skip
            over[oldest] = 1
            oldest += 1
        while born < zones and known[born] == t:
            z = born
            way = direction[z]
            edge = top[z] if way > 0 else bottom[z]
            row = put(
                bars, codes, figures, row, t - period, t, 0, way, top[z], bottom[z], edge,
                in_true_ranges(way * (close[t] - edge), high, low, close, t), relative_volume(volume, t),
                np.nan,
            )  # fmt: skip
            over[z] = 0
            push(keys, items, sizes, 0 if way > 0 else 1, zones, way * edge, z)
            born += 1
    return row


def memory(period: int, width: float, volume: float, max_age: int) -> int:
    """Return the bars that decide what becomes known at the newest one."""
    del width, volume
    return max_age + period + MEASURED + 3


@structure(
    *_KINDS,
    directed=("breakout", "breakout_retested"),
    warmup=memory,
    exact=memory,
    period=within(2, 5_000, "bars of the range before"),
    width=within(0.1, 1_000.0, "highest the range may be, in true ranges"),
    volume=within(0.0, 100.0, "least volume of the breakout, over the mean of the 20 bars before"),
    max_age=within(1, 100_000, "bars after which a breakout that has not failed lapses"),
)
def breakout_structures(
    candles: Candles, period: int = 20, width: float = 4.0, volume: float = 1.5, max_age: int = 100
) -> Events:
    """Return breakouts from tight ranges, confirmed by volume, and whether they held.

    The range is that of the `period` bars before; it is tight where it is at most `width` true ranges high
    (mean of 14 bars, before the breakout). A close beyond it breaks out, if the close before had not left its
    own range on that side, and if the bar's volume is at least `volume` times the mean of the 20 bars before
    (0: any volume, also none at all).

    `at` is the first bar of the range, `known` the breakout's; `top` and `bottom` are the range's, `level`
    the edge, `strength` how far the close lies beyond it in true ranges, `volume` that ratio. From the next
    bar on: `retested` when a wick first comes back to the edge and the close does not go inside, `failed`
    when a close does (`level`: the price that did it; `strength`: how far the wick went inside), `lapsed`
    after `max_age` bars without that. Donchian's channel, with what Edwards and Magee, "Technical Analysis of
    Stock Trends" (1948), ask of a breakout: volume, and that a return to the edge holds.

    >>> import numpy as np
    >>> from cryptai.market.candles import Candles
    >>> p = np.array([3.0, 4.0, 3.0, 4.0, 5.0, 6.0, 4.0])
    >>> v = np.array([1.0, 1.0, 1.0, 1.0, 2.0, 1.0, 1.0])
    >>> bars = Candles(np.arange(7) * 3_600_000, p, p + 0.5, p - 0.5, p, v, "BTC/USDT", "1h")
    >>> found = breakout_structures(bars, period=4)
    >>> found.at_bar.tolist(), found.known_bar.tolist(), found.level.tolist()
    ([0, 0], [4, 6], [4.5, 4.0])
    """
    n = len(candles)
    above, below, known = np.empty(period + 1), np.empty(period + 1), np.empty(n, np.int64)
    direction, top, bottom = np.empty(n, np.int8), np.empty(n), np.empty(n)
    count = _breakouts(
        candles.high, candles.low, candles.close, candles.volume, period, width, volume, above, below,
        known, direction, top, bottom,
    )  # fmt: skip
    rows = Rows(3 * count)
    told = _held(
        candles.high, candles.low, candles.close, candles.volume, period, max_age, known[:count],
        direction[:count], top[:count], bottom[:count], np.empty(8 * count), np.empty(8 * count, np.int64),
        np.zeros(8, np.int64), np.empty(count, np.int8), rows.bars, rows.codes, rows.figures,
    )  # fmt: skip
    return rows.events(candles, _KINDS, told)
