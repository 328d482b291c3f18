"""Liquidity of swings: sweeps of them, and their wicks as areas."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from cryptai.features._lines import highest, pop, push
from cryptai.features._lives import CLOSED, Zones, life_of, lives
from cryptai.features._measure import MEASURED, in_true_ranges, relative_volume
from cryptai.features._pivots import pivots_memory, pivots_of
from cryptai.features._rows import Rows, put
from cryptai.features.events import Kind, structure
from cryptai.features.feature import within
from cryptai.kernels import kernel

if TYPE_CHECKING:
    from cryptai.features.events import Events
    from cryptai.kernels import Codes, Floats, Ints
    from cryptai.market.candles import Candles


_SWEEPS: Final = (Kind("liquidity_sweep", draw="line"),)
_SWING: Final = life_of("liquidity_swing", "broken")
_LENGTH: Final = within(1, 5_000, "bars after a swing that do not go beyond it")
_MAX_AGE: Final = within(1, 100_000, "bars after which a swing is forgotten")


@kernel
def _sweeps(
    high: Floats, low: Floats, close: Floats, volume: Floats, bar: Ints, side: Codes, length: int,
    max_age: int, keys: Floats, items: Ints, sizes: Ints, bars: Ints, codes: Codes, figures: Floats,
) -> int:  # fmt: skip
    swings = len(bar)
    row, new = 0, 0
    for t in range(bar[0] + length if swings else 0, len(close)):
        for line in range(2):
            wick = -high[t] if line == 0 else low[t]
            while highest(keys, sizes, line, swings) > wick:
                z = pop(keys, items, sizes, line, swings)
                level = high[bar[z]] if line == 0 else low[bar[z]]
                back = close[t] <= level if line == 0 else close[t] >= level
                if not back or t - bar[z] > max_age:
                    continue
                top, bottom = (high[t], level) if line == 0 else (level, low[t])
                row = put(
                    bars, codes, figures, row, bar[z], t, 0, -side[z], top, bottom, level,
                    in_true_ranges(top - bottom, high, low, close, t), relative_volume(volume, t), np.nan,
                )  # fmt: skip
        while new < swings and bar[new] + length == t:
            line = 0 if side[new] > 0 else 1
            push(keys, items, sizes, line, swings, -high[bar[new]] if line == 0 else low[bar[new]], new)
            new += 1
    return row


def swing_memory(length: int, max_age: int) -> int:
    """Return the bars that decide what becomes known at the newest one."""
    return max_age + pivots_memory(length) + MEASURED


@structure(
    *_SWEEPS,
    directed=("liquidity_sweep",),
    warmup=swing_memory,
    exact=swing_memory,
    length=_LENGTH,
    max_age=_MAX_AGE,
)
def liquidity_sweeps(candles: Candles, length: int = 5, max_age: int = 500) -> Events:
    """Return sweeps: the first wick beyond a swing high or low whose bar closes back at it or before it.

    Swings are those of `swing_points` of `length`, at most `max_age` bars old. Whatever first goes beyond a
    swing uses it up: a bar that also closes beyond is a break, and no sweep. One bar may sweep several
    swings. As "only wicks" in LuxAlgo's Liquidity Sweeps.

    `at` is the swing's bar, `known` the sweeping one, `level` the swing's price, `top` and `bottom` the
    stretch from there to the wick's end, `strength` its size in true ranges (mean of 14 bars), `volume` that
    of the sweeping bar over the mean of the 20 bars before. Direction is the way back: -1 from a high.

    >>> import numpy as np
    >>> from cryptai.market.candles import Candles
    >>> p = np.array([3.0, 4.0, 5.0, 4.0, 3.0, 4.0, 5.0])
    >>> h = p + np.array([0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.75])
    >>> bars = Candles(np.arange(7) * 3_600_000, p, h, p - 0.5, p, p, "BTC/USDT", "1h")
    >>> found = liquidity_sweeps(bars, length=2)
    >>> found.at_bar.tolist(), found.known_bar.tolist(), found.direction.tolist(), found.top.tolist()
    ([2], [6], [-1], [5.75])
    """
    pivots = pivots_of(candles, length)
    room = len(pivots.bar)
    rows = Rows(room)
    told = _sweeps(
        candles.high, candles.low, candles.close, candles.volume, pivots.bar, pivots.side, length, max_age,
        np.empty(4 * room), np.empty(4 * room, np.int64), np.zeros(4, np.int64),
        rows.bars, rows.codes, rows.figures,
    )  # fmt: skip
    return rows.events(candles, _SWEEPS, told)


@kernel
def _areas(
    open_: Floats, high: Floats, low: Floats, close: Floats, volume: Floats, bar: Ints, side: Codes,
    length: int, direction: Codes, top: Floats, bottom: Floats, strength: Floats, busy: Floats,
) -> int:  # fmt: skip
    for i in range(len(bar)):
        p = bar[i]
        direction[i] = -side[i]
        top[i] = high[p] if side[i] > 0 else min(open_[p], close[p])
        bottom[i] = max(open_[p], close[p]) if side[i] > 0 else low[p]
        strength[i] = in_true_ranges(top[i] - bottom[i], high, low, close, p + length)
        busy[i] = relative_volume(volume, p)
    return len(bar)


@structure(
    *_SWING,
    directed=("liquidity_swing",),
    warmup=lambda length, max_age: length + swing_memory(length, max_age),
    exact=lambda length, max_age: length + swing_memory(length, max_age),
    length=_LENGTH,
    max_age=_MAX_AGE,
)
def liquidity_swings(candles: Candles, length: int = 14, max_age: int = 500) -> Events:
    """Return the wicks of swings as areas that hold liquidity, and their lives.

    The area of a swing high (`swing_points` of `length`, known that many bars later) reaches from its bar's
    body to its high, that of a swing low from its low to its body; so LuxAlgo's Liquidity Swings, its
    "wick extremity". Direction is the way price turned: -1 at a high. `strength` is the area's height in true
    ranges (mean of 14 bars), `volume` that of the swing's bar over the mean of the 20 bars before.

    From the next bar on: `touched` when a wick comes back to it, `mitigated` when one reaches its middle,
    `broken` when a close goes beyond the swing, `lapsed` after `max_age` bars without that. A bar without
    that wick has an area without height.

    >>> import numpy as np
    >>> from cryptai.market.candles import Candles
    >>> p = np.array([3.0, 4.0, 5.0, 4.0, 3.0, 4.0, 6.0])
    >>> bars = Candles(np.arange(7) * 3_600_000, p, p + 0.5, p - 0.5, p, p, "BTC/USDT", "1h")
    >>> found = liquidity_swings(bars, length=2).named("liquidity_swing", "liquidity_swing_broken")
    >>> found.known_bar.tolist(), found.bottom.tolist(), found.top.tolist()
    ([4, 6, 6], [5.0, 5.0, 2.5], [5.5, 5.5, 3.0])
    """
    bar, side, _ = pivots_of(candles, length)
    n = len(bar)
    zones = Zones(
        bar, bar + length, np.empty(n, np.int8), np.empty(n), np.empty(n), np.empty(n), np.empty(n),
        np.zeros(n, np.int8),
    )  # fmt: skip
    _areas(
        candles.open, candles.high, candles.low, candles.close, candles.volume, bar, side, length,
        zones.direction, zones.top, zones.bottom, zones.strength, zones.volume,
    )  # fmt: skip
    return lives(candles, zones, _SWING, CLOSED, max_age)
