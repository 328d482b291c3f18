"""Pivots: bars whose high or low none of their neighbours goes beyond."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from cryptai.kernels import kernel, part

if TYPE_CHECKING:
    from cryptai.kernels import Codes, Floats, Ints
    from cryptai.market.candles import Candles


class Pivots(NamedTuple):
    """Pivots in the order of their bars: bar, side (1 a high, -1 a low), and how far price then went away."""

    bar: Ints
    side: Codes
    away: Floats


@part
def higher_before(price: Floats, sign: float, p: int, before: int, last: int, over: int) -> int:
    """Return the nearest bar before `p` with a higher `sign × price`; if none is near, one too far away.

    Of `last`, the newest bar before `p` that none of its followers exceeds, `over` is that bar.
    """
    top = sign * price[p]
    if last >= 0 and p - last <= before:
        # Nothing between goes beyond `last`, so one need not look there again.
        return over if sign * price[last] <= top else last
    at = p - 1
    while at >= 0 and p - at <= before and sign * price[at] <= top:
        at -= 1
    return at


@kernel
def _pivots(  # noqa: C901 (highs and lows in one pass: each settles ties of the other)
    high: Floats, low: Floats, before: int, after: int, above: Floats, below: Floats,
    bar: Ints, side: Codes, away: Floats,
) -> int:  # fmt: skip
    n = len(high)
    count = 0
    top, over_top, bottom, over_bottom = -1, -1, -1, -1
    last_high, last_low, last_only_low = -1 - before, -1 - before, -1
    # The extremes of the next `after` bars, block by block: what is left of this one, what came of the next.
    for start in range(0, n - after, after):
        above[after], below[after] = -math.inf, math.inf
        for k in range(after - 1, -1, -1):
            above[k] = max(above[k + 1], high[start + k])
            below[k] = min(below[k + 1], low[start + k])
        highest, lowest = -math.inf, math.inf
        for p in range(start, min(start + after, n - after)):
            highest = max(highest, high[p + after])
            lowest = min(lowest, low[p + after])
            next_high = max(highest, above[p - start + 1])
            next_low = min(lowest, below[p - start + 1])
            is_high, is_low = False, False
            if high[p] >= next_high:
                over_top = higher_before(high, 1.0, p, before, top, over_top)
                top = p
                is_high = p >= before and p - over_top > before
            if low[p] <= next_low:
                over_bottom = higher_before(low, -1.0, p, before, bottom, over_bottom)
                bottom = p
                is_low = p >= before and p - over_bottom > before
            if not (is_high or is_low):
                continue
            # Of equal highs with no low between, only the first counts; so with lows.
            new_high = is_high and (p - last_high > before or last_only_low > last_high)
            new_low = is_low and (p - last_low > before or (not is_high and last_high >= last_low))
            if is_high:
                last_high = p
            if is_low:
                last_low = p
                if not is_high:
                    last_only_low = p
            if new_high:
                bar[count], side[count], away[count] = p, 1, high[p] - next_low
                count += 1
            if new_low:
                bar[count], side[count], away[count] = p, -1, next_high - low[p]
                count += 1
    return count


def pivots_of(candles: Candles, length: int, before: int = 0) -> Pivots:
    """Return the pivots: nothing beyond them `before` bars before (0: length - 1) and `length` bars after.

    Each is known `length` bars after its bar. Of equal highs within `before` bars of each other, with no low
    between, the first is the pivot; so with lows. A bar may be both.
    """
    n = len(candles)
    before = min(before or length - 1, length)
    bar, side, away = np.empty(2 * n, np.int64), np.empty(2 * n, np.int8), np.empty(2 * n)
    above, below = np.empty(length + 1), np.empty(length + 1)
    count = _pivots(candles.high, candles.low, before, length, above, below, bar, side, away)
    return Pivots(bar[:count], side[:count], away[:count])


def pivots_memory(length: int) -> int:
    """Return the bars that decide which pivots become known at the newest bar, whatever `before` is."""
    # Its own window, and that of an equal one before it.
    return 3 * length + 2
