"""The dealing range: between the newest ends of legs at a high and at a low, stretched by price."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from cryptai.features._legs import legs_memory, legs_of
from cryptai.kernels import kernel

if TYPE_CHECKING:
    from cryptai.kernels import Codes, Floats, Ints


class Range(NamedTuple):
    """The range after each bar; NaN (and 0) where there is none.

    `top` and `bottom`; `direction` of the newest leg; `end`, the bar where it went furthest; `back`, the
    price furthest back since then.
    """

    top: Floats
    bottom: Floats
    direction: Codes
    end: Ints
    back: Floats


@kernel
def _range(
    high: Floats, low: Floats, close: Floats, bar: Ints, side: Codes, length: int, max_age: int,
    top: Floats, bottom: Floats, direction: Codes, end: Ints, back: Floats,
) -> int:  # fmt: skip
    pivots = len(bar)
    following, high_bar, low_bar = 0, -1, -1
    ceiling, floor, way, furthest, turned = math.nan, math.nan, 0, 0, math.nan
    for t in range(len(close)):
        if high[t] > ceiling:
            ceiling = high[t]
            if way > 0:
                furthest, turned = t, close[t]
        if low[t] < floor:
            floor = low[t]
            if way < 0:
                furthest, turned = t, close[t]
        if t > furthest:
            turned = min(turned, low[t]) if way > 0 else max(turned, high[t])
        if following < pivots and bar[following] + length == t:
            p, way = bar[following], side[following]
            following += 1
            furthest, turned = p, close[p]
            if way > 0:
                high_bar, ceiling = p, high[p]
            else:
                low_bar, floor = p, low[p]
            for i in range(p + 1, t + 1):
                turned = min(turned, low[i]) if way > 0 else max(turned, high[i])
        stands = high_bar >= 0 and low_bar >= 0 and t - high_bar <= max_age and t - low_bar <= max_age
        top[t], bottom[t] = (ceiling, floor) if stands else (math.nan, math.nan)
        direction[t] = way if stands else 0
        end[t], back[t] = furthest, turned if stands else math.nan
    return 0


def range_of(high: Floats, low: Floats, close: Floats, length: int, max_age: int) -> Range:
    """Return the range after each bar.

    It lies between the newest end of a leg at a high and the newest one at a low (`_legs.legs_of`), both at
    most `max_age` bars old; a price that goes beyond either stretches it.
    """
    n = len(close)
    legs = legs_of(high, low, length, max_age)
    found = Range(np.empty(n), np.empty(n), np.empty(n, np.int8), np.empty(n, np.int64), np.empty(n))
    _range(high, low, close, legs.bar, legs.side, length, max_age, *found)
    return found


def range_memory(length: int, max_age: int) -> int:
    """Return the bars that decide the range after the newest one."""
    return max_age + legs_memory(length, max_age) + 1
