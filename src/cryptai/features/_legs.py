"""Legs: highs and lows that alternate, each told as soon as the bars after it have not reached it again."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from cryptai.kernels import kernel

if TYPE_CHECKING:
    from cryptai.kernels import Codes, Floats, Ints
    from cryptai.market.candles import Candles


class Legs(NamedTuple):
    """The ends of legs: bar and side (1 a high, -1 a low); each is known `length` bars after its bar."""

    bar: Ints
    side: Codes


@kernel
def _legs(
    high: Floats, low: Floats, length: int, max_age: int, above: Floats, below: Floats, bar: Ints, side: Codes
) -> int:
    n = len(high)
    count, last_side, last_bar = 0, 0, 0
    # Extremes of the next `length` bars, block by block: what is left of this one, what came of the next.
    for start in range(0, n - length, length):
        end = start + length
        above[length], below[length] = -math.inf, math.inf
        for k in range(length - 1, -1, -1):
            above[k] = max(above[k + 1], high[start + k])
            below[k] = min(below[k + 1], low[start + k])
        highest, lowest = -math.inf, math.inf
        for p in range(start, min(end, n - length)):
            highest = max(highest, high[p + length])
            lowest = min(lowest, low[p + length])
            now = 0
            if high[p] > highest and high[p] > above[p - start + 1]:
                now = 1
            elif low[p] < lowest and low[p] < below[p - start + 1]:
                now = -1
            if now == 0:
                continue
            if now == -last_side and p - last_bar <= max_age:
                bar[count], side[count] = p, now
                count += 1
            last_side, last_bar = now, p
    return count


def legs_of(high: Floats, low: Floats, length: int, max_age: int) -> Legs:
    """Return where legs ended.

    A bar is an extreme where none of the next `length` bars reaches its high (or its low). The first high
    after an extreme that was a low ends a leg, and the first low after a high, as in LuxAlgo's Smart Money
    Concepts. A bar that is both counts as a high. An extreme that has none before it within `max_age` bars
    begins, and ends nothing.
    """
    n = len(high)
    bar, side = np.empty(n, np.int64), np.empty(n, np.int8)
    above, below = np.empty(length + 1), np.empty(length + 1)
    count = _legs(high, low, length, max_age, above, below, bar, side)
    return Legs(bar[:count], side[:count])


class Breaks(NamedTuple):
    """Ends of legs that price went beyond: its bar, the breaking bar, which way, whether the trend turned."""

    at: Ints
    known: Ints
    direction: Codes
    turned: Codes


@kernel
def _breaks(
    open_: Floats, high: Floats, low: Floats, close: Floats, bar: Ints, side: Codes, length: int,
    max_age: int, by_wick: bool, at: Ints, known: Ints, direction: Codes, turned: Codes,
) -> int:  # fmt: skip
    n, pivots = len(close), len(bar)
    count, following, trend, trend_bar = 0, 0, 0, 0
    # The newest end on either side and its price, infinitely far where there is none.
    top, bottom, ceiling, floor = 0, 0, math.inf, -math.inf
    due = bar[0] + length if pivots else n
    for t in range(n):
        while due <= t:
            if side[following] > 0:
                top = bar[following]
                ceiling = high[top]
            else:
                bottom = bar[following]
                floor = low[bottom]
            following += 1
            due = bar[following] + length if following < pivots else n
        up = (high[t] if by_wick else close[t]) > ceiling
        down = (low[t] if by_wick else close[t]) < floor
        if not (up or down):
            continue
        # Both in one bar: the side it did not close towards came first.
        first = 1 if close[t] < open_[t] else -1
        for turn in range(2):
            way = first if turn == 0 else -first
            end = top if way > 0 else bottom
            if not (up if way > 0 else down):
                continue
            if way > 0:
                ceiling = math.inf
            else:
                floor = -math.inf
            if t - end > max_age:
                continue
            at[count], known[count], direction[count] = end, t, way
            turned[count] = 1 if trend == -way and t - trend_bar <= max_age else 0
            count += 1
            trend, trend_bar = way, t
    return count


def breaks_of(candles: Candles, length: int, max_age: int, *, by_wick: bool = False) -> Breaks:
    """Return where price went beyond the newest end of a leg, on either side, each once.

    By its close, or already by its wick. It turned the trend where the break before, at most `max_age` bars
    ago, was the other way. Ends older than `max_age` bars are forgotten.
    """
    legs = legs_of(candles.high, candles.low, length, max_age)
    room = len(legs.bar)
    at, known = np.empty(room, np.int64), np.empty(room, np.int64)
    direction, turned = np.empty(room, np.int8), np.empty(room, np.int8)
    count = _breaks(
        candles.open, candles.high, candles.low, candles.close, legs.bar, legs.side, length, max_age, by_wick,
        at, known, direction, turned,
    )  # fmt: skip
    return Breaks(at[:count], known[:count], direction[:count], turned[:count])


def legs_memory(length: int, max_age: int) -> int:
    """Return the bars that decide what ends of legs are known at the newest bar."""
    return length + max_age + 2


def breaks_memory(length: int, max_age: int) -> int:
    """Return the bars that decide what breaks at the newest bar, and whether it turns the trend."""
    # The trend is a break at most max_age ago, of an end at most max_age before, told by its own memory.
    return 2 * max_age + legs_memory(length, max_age)
