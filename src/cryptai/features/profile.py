"""The volume profile of a window: at which prices was traded most."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cryptai.features._memory import last_bars
from cryptai.features.feature import within
from cryptai.features.indicator import Output, indicator
from cryptai.kernels import kernel, part

if TYPE_CHECKING:
    from cryptai.kernels import Floats


@part
def _row(height: float, rows: int) -> int:
    # Of a NaN, or of the very top, the last row: never outside.
    return int(height) if 0.0 <= height < rows else (rows - 1 if not height < 0.0 else 0)


@part
def _fill(
    high: Floats, low: Floats, volume: Floats, first: int, last: int, bottom: float, size: float,
    traded: Floats, steps: Floats,
) -> float:  # fmt: skip
    # Each bar's volume is spread evenly over its range; whole rows inside by differences, summed at the end.
    rows = len(traded)
    for row in range(rows):
        traded[row] = steps[row] = 0.0
    for i in range(first, last + 1):
        a = _row((low[i] - bottom) / size, rows)
        b = _row((high[i] - bottom) / size, rows)
        # A bar whose high is below its low has no range either.
        if a >= b:
            traded[a] += volume[i]
            continue
        density = volume[i] / (high[i] - low[i])
        traded[a] += density * (bottom + (a + 1) * size - low[i])
        traded[b] += density * (high[i] - (bottom + b * size))
        steps[a + 1] += density * size
        steps[b] -= density * size
    total = inside = 0.0
    for row in range(rows):
        inside += steps[row]
        traded[row] += inside
        total += traded[row]
    return total


@part
def _fullest(traded: Floats) -> int:
    best = 0
    for row in range(1, len(traded)):
        if traded[row] > traded[best]:
            best = row
    return best


@part
def _value_area(traded: Floats, best: int, wanted: float) -> tuple[int, int]:
    under = over = best
    last = len(traded) - 1
    held = traded[best]
    while held < wanted and (under > 0 or over < last):
        if over < last and (under == 0 or traded[over + 1] >= traded[under - 1]):
            over += 1
            held += traded[over]
        else:
            under -= 1
            held += traded[under]
    return under, over


@kernel
def _profile(
    high: Floats, low: Floats, volume: Floats, period: int, share: float, traded: Floats, steps: Floats,
    poc: Floats, upper: Floats, lower: Floats,
) -> int:  # fmt: skip
    rows = len(traded)
    for i in range(len(high)):
        poc[i] = upper[i] = lower[i] = np.nan
        if i < period - 1:
            continue
        top = -np.inf
        bottom = np.inf
        known = 0.0
        for j in range(i - period + 1, i + 1):
            top = max(top, high[j])
            bottom = min(bottom, low[j])
            known += 0.0 * (high[j] + low[j] + volume[j])
        if known != 0.0:
            continue
        size = (top - bottom) / rows
        if size > 0.0:
            total = _fill(high, low, volume, i - period + 1, i, bottom, size, traded, steps)
            if not 0.0 < total < np.inf:
                continue
            best = _fullest(traded)
            under, over = _value_area(traded, best, share * total)
            poc[i] = bottom + (best + 0.5) * size
            upper[i] = bottom + (over + 1) * size
            lower[i] = bottom + under * size
        else:
            poc[i] = upper[i] = lower[i] = top
    return 0


@indicator(
    outputs=(Output("volume_profile_poc"), Output("volume_profile_high"), Output("volume_profile_low")),
    warmup=last_bars,
    exact=last_bars,
    period=within(2, 10_000, "bars in the window"),
    rows=within(2, 1_000, "rows of equal height the window's range is cut into"),
    share=within(0.05, 1.0, "share of the volume that lies in the value area"),
)
def volume_profile(
    high: Floats, low: Floats, volume: Floats, period: int = 120, rows: int = 24, share: float = 0.7
) -> tuple[Floats, Floats, Floats]:
    """Return the point of control of the last `period` bars, and the top and bottom of their value area.

    The range of the window is cut into `rows`; each bar's volume is spread evenly over its own range. The
    point of control is the middle of the row with the most volume (of equal ones the lowest). The value area
    grows from it, row by row to the side where more was traded (of equal ones up), until it holds `share`. In
    the unit of the prices; NaN on the first `period - 1` rows, while a NaN is in the window or a sum in it is
    beyond all numbers, and where it holds no volume; the one price where nothing moves. J. Peter
    Steidlmayer's market profile, by volume.

    >>> import numpy as np
    >>> high, low = np.array([2.0, 3.0, 4.0]), np.array([0.0, 1.0, 2.0])
    >>> [float(line[-1]) for line in volume_profile(high, low, np.ones(3), 3, 4, 0.5)]
    [1.5, 3.0, 1.0]
    """
    poc, upper, lower = np.empty((3, len(high)))
    _profile(high, low, volume, period, share, np.empty(rows), np.empty(rows), poc, upper, lower)
    return poc, upper, lower
