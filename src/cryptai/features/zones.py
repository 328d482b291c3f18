"""Order blocks, and the breaker blocks that broken ones become."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np

from cryptai.features._legs import Breaks, breaks_of, legs_memory
from cryptai.features._lives import CLOSED, PIERCED, Zones, life_of, lives
from cryptai.features._measure import MEASURED, in_true_ranges
from cryptai.features.events import structure
from cryptai.features.feature import one_of, within
from cryptai.kernels import kernel, part

if TYPE_CHECKING:
    from cryptai.features.events import Events
    from cryptai.kernels import Codes, Floats, Ints
    from cryptai.market.candles import Candles

_BLOCK: Final = life_of("order_block", "broken")
_BREAKER: Final = life_of("breaker_block", "broken")
_RANGES: Final = {
    "length": within(1, 1_000, "bars that must pass without a new extreme before a leg has ended"),
    "bar": one_of("extreme", "opposite", meaning="the leg's last low or high bar, or its last opposite one"),
    "displacement": within(0.0, 100.0, "least distance from block to break, in true ranges"),
    "volume": within(0.0, 100.0, "least volume from block to break, over the mean of the 20 bars before"),
    "broken_by": one_of("close", "wick", meaning="what must go beyond the far edge to break it"),
    "max_age": within(10, 100_000, "bars after which blocks, ends of legs and trends are forgotten"),
}


@part
def leg_volume(volume: Floats, first: int, last: int) -> float:
    """Return the mean volume of some bars over that of the 20 bars before; NaN over nothing."""
    total, before = 0.0, 0.0
    for i in range(first, last + 1):
        total += volume[i]
    start = max(0, first - 20)
    for i in range(start, first):
        before += volume[i]
    return (total / (last + 1 - first)) / (before / (first - start)) if before > 0.0 else math.nan


@kernel
def _blocks(
    open_: Floats, high: Floats, low: Floats, close: Floats, volume: Floats,
    broken: Ints, breaking: Ints, way: Codes, opposite: bool, displacement: float, least_volume: float,
    at: Ints, known: Ints, direction: Codes, top: Floats, bottom: Floats, strength: Floats, busy: Floats,
) -> int:  # fmt: skip
    count, last_up, last_down = 0, -1, -1
    for k in range(len(broken)):
        p, t, side = broken[k], breaking[k], way[k]
        # Where the move that broke it began: the last of the lowest lows (the highest highs) since.
        block = p
        for i in range(p + 1, t):
            if block == p or (low[i] <= low[block] if side > 0 else high[i] >= high[block]):
                block = i
        if block == p:
            continue
        if opposite:
            i = block
            while i > p and side * (close[i] - open_[i]) >= 0.0:
                i -= 1
            block = i if i > p else block
        if block == (last_up if side > 0 else last_down):
            continue
        gone = close[t] - high[block] if side > 0 else low[block] - close[t]
        size = in_true_ranges(gone, high, low, close, t)
        much = leg_volume(volume, block, t)
        if (displacement > 0.0 and not size >= displacement) or (
            least_volume > 0.0 and not much >= least_volume
        ):
            continue
        if side > 0:
            last_up = block
        else:
            last_down = block
        at[count], known[count], direction[count] = block, t, side
        top[count], bottom[count], strength[count], busy[count] = high[block], low[block], size, much
        count += 1
    return count


def _blocks_of(candles: Candles, breaks: Breaks, bar: str, displacement: float, volume: float) -> Zones:
    room = len(breaks.at)
    found = Zones(
        np.empty(room, np.int64), np.empty(room, np.int64), np.empty(room, np.int8), np.empty(room),
        np.empty(room), np.empty(room), np.empty(room), np.zeros(room, np.int8),
    )  # fmt: skip
    count = _blocks(
        candles.open, candles.high, candles.low, candles.close, candles.volume,
        breaks.at, breaks.known, breaks.direction, bar == "opposite", displacement, volume, *found[:-1],
    )  # fmt: skip
    return found.some(slice(count))


def block_memory(length: int, max_age: int, **others: object) -> int:
    """Return the bars that decide which order blocks, and what of their lives, are known next."""
    # A block that lapses now was born max_age bars ago, by the break of an end as old again; it may repeat a
    # block born after that, whose own end may be as old again.
    del others
    return 3 * max_age + legs_memory(length, max_age) + MEASURED


def breaker_memory(length: int, max_age: int, **others: object) -> int:
    """Return the same of breakers, which live as long again."""
    return max_age + block_memory(length, max_age, **others)


@structure(*_BLOCK, directed=("order_block",), warmup=block_memory, exact=block_memory, **_RANGES)
def order_blocks(
    candles: Candles,
    length: int = 5,
    bar: str = "extreme",
    displacement: float = 0.5,
    volume: float = 0.0,
    broken_by: str = "close",
    max_age: int = 500,
) -> Events:
    """Return order blocks, known when the move from them breaks structure, and their lives.

    A bullish block is the bar with the lowest low (of equal ones the last) between a high and the close that
    breaks it (legs of `length` bars, as in `market_structure`); a bearish one the highest high before a low
    is broken. So do LuxAlgo and `smartmoneyconcepts`. With `bar="opposite"` it is ICT's: the last bar up to
    that one that closed the other way. It is valid where the breaking close lies at least `displacement`
    true ranges (mean of 14 bars) beyond the block, and the mean volume from block to break is at least
    `volume` times that of the 20 bars before. One bar is one block: a second break from it adds none.

    `at` is the block's bar, `known` the breaking one, `top` and `bottom` the bar's high and low; `strength`
    is the displacement, `volume` that ratio. From the next bar on: `touched` when a wick comes back to it,
    `mitigated` when one reaches its middle (ICT's mean threshold), `broken` when a close (or a wick) goes
    beyond the far edge, `lapsed` after `max_age` bars without that. LuxAlgo and that package call mitigated
    what is broken by wick here. `level` is the price that did it, `share` how deep the wick had come.

    >>> import numpy as np
    >>> from cryptai.market.candles import Candles
    >>> p = np.array([3.0, 2.0, 1.0, 2.0, 4.0, 3.0, 2.0, 3.0, 5.0, 6.0])
    >>> bars = Candles(np.arange(10) * 3_600_000, p, p + 0.5, p - 0.5, p, p, "BTC/USDT", "1h")
    >>> found = order_blocks(bars, length=2)
    >>> found.at_bar.tolist(), found.known_bar.tolist(), found.bottom.tolist(), found.top.tolist()
    ([6], [8], [1.5], [2.5])
    """
    breaks = breaks_of(candles, length, max_age)
    zones = _blocks_of(candles, breaks, bar, displacement, volume)
    return lives(candles, zones, _BLOCK, CLOSED if broken_by == "close" else PIERCED, max_age)


@structure(*_BREAKER, directed=("breaker_block",), warmup=breaker_memory, exact=breaker_memory, **_RANGES)
def breaker_blocks(
    candles: Candles,
    length: int = 5,
    bar: str = "extreme",
    displacement: float = 0.5,
    volume: float = 0.0,
    broken_by: str = "close",
    max_age: int = 500,
) -> Events:
    """Return order blocks that were broken, now of the other direction, and their lives.

    A bullish order block (see `order_blocks`, with these parameters) that is broken within `max_age` bars
    stands as a bearish breaker from then on; a bearish one as a bullish. `at` is still the block's bar,
    `known` the bar that broke it; `strength` and `volume` are the order block's.

    From the next bar on: `touched` when a wick comes back to it, `mitigated` when one reaches its middle,
    `broken` when a close (or a wick) goes through it again, `lapsed` after `max_age` bars without that.
    ICT's breaker also asks that the failed block's swing swept liquidity before; see `liquidity_sweeps`.

    >>> import numpy as np
    >>> from cryptai.market.candles import Candles
    >>> p = np.array([3.0, 2.0, 1.0, 2.0, 4.0, 3.0, 2.0, 3.0, 5.0, 1.0])
    >>> bars = Candles(np.arange(10) * 3_600_000, p, p + 0.5, p - 0.5, p, p, "BTC/USDT", "1h")
    >>> found = breaker_blocks(bars, length=2)
    >>> found.at_bar.tolist(), found.known_bar.tolist(), found.direction.tolist()
    ([6], [9], [-1])
    """
    ending = CLOSED if broken_by == "close" else PIERCED
    blocks = _blocks_of(candles, breaks_of(candles, length, max_age), bar, displacement, volume)
    broken = lives(candles, blocks, _BLOCK, ending, max_age).named("order_block_broken")
    count = len(broken)
    zones = Zones(
        broken.at_bar, broken.known_bar, -broken.direction, broken.top, broken.bottom, broken.strength,
        broken.volume, np.zeros(count, np.int8),
    )  # fmt: skip
    return lives(candles, zones, _BREAKER, ending, max_age)
