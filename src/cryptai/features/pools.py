"""Liquidity pools: equal highs and equal lows, and what became of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from cryptai.features._lines import highest, pop, push
from cryptai.features._measure import MEASURED, mean_true_range, relative_volume
from cryptai.features._pivots import pivots_memory, pivots_of
from cryptai.features._rows import Rows, put
from cryptai.features.events import Kind, structure
from cryptai.features.feature import within
from cryptai.kernels import kernel

if TYPE_CHECKING:
    from cryptai.features.events import Events
    from cryptai.kernels import Codes, Floats, Ints
    from cryptai.market.candles import Candles


def _pool(name: str) -> tuple[Kind, ...]:
    lives_of = (("grown", "life"), ("swept", "end"), ("broken", "end"), ("lapsed", "end"))
    return (
        Kind(name, "born", "line"),
        *(Kind(f"{name}_{end}", role, "none", name) for end, role in lives_of),
    )


_POOLS: Final = (*_pool("equal_highs"), *_pool("equal_lows"))


@kernel
def _pools(  # noqa: C901, PLR0912 (what befalls standing swings, and what new ones find standing)
    high: Floats, low: Floats, close: Floats, volume: Floats, bar: Ints, side: Codes, length: int,
    tolerance: float, max_age: int, keys: Floats, items: Ints, sizes: Ints, standing: Codes, count: Ints,
    older: Ints, slack: Floats, top: Floats, bottom: Floats, bars: Ints, codes: Codes, figures: Floats,
) -> int:  # fmt: skip
    # `older` leads from a swing to the one before it on its side that may still stand.
    swings = len(bar)
    row, new, oldest, newest_high, newest_low = 0, 0, 0, -1, -1
    for t in range(bar[0] + length if swings else 0, len(close)):
        for line in range(2):
            way = -1 if line == 0 else 1
            wick = -high[t] if line == 0 else low[t]
            while highest(keys, sizes, line, swings) > wick:
                z = pop(keys, items, sizes, line, swings)
                if standing[z] and count[z] > 1:
                    back = close[t] <= top[z] if line == 0 else close[t] >= bottom[z]
                    row = put(
                        bars, codes, figures, row, bar[z], t, 5 * line + (2 if back else 3), way, top[z],
                        bottom[z], -wick if line == 0 else wick, count[z], relative_volume(volume, t), np.nan,
                    )  # fmt: skip
                standing[z] = 0
        while oldest < new and bar[oldest] + max_age <= t:
            z = oldest
            if standing[z] and count[z] > 1:
                row = put(
                    bars, codes, figures, row, bar[z], t, 4 if side[z] > 0 else 9, -side[z], top[z],
                    bottom[z], np.nan, count[z], np.nan, np.nan,
                )  # fmt: skip
            standing[z] = 0
            oldest += 1
        while new < swings and bar[new] + length == t:
            way = side[new]
            price = high[bar[new]] if way > 0 else low[bar[new]]
            slack[new] = tolerance * mean_true_range(high, low, close, t)
            top[new], bottom[new], count[new], standing[new] = price, price, 1, 1
            first, nearer, z = -1, new, newest_high if way > 0 else newest_low
            while z >= 0:
                if not standing[z]:
                    z = older[z]
                    continue
                # Whoever was passed over has fallen: next time it is not asked.
                older[nearer] = z
                at = high[bar[z]] if way > 0 else low[bar[z]]
                if way * (at - price) > slack[z]:
                    break
                first, nearer, z = z, z, older[z]
            if z < 0:
                older[nearer] = -1
            if first >= 0:
                count[first] += 1
                top[first], bottom[first] = max(top[first], price), min(bottom[first], price)
                born = 0 if count[first] == 2 else 1
                row = put(
                    bars, codes, figures, row, bar[first], t, born if way > 0 else 5 + born, -way, top[first],
                    bottom[first], top[first] if way > 0 else bottom[first], count[first],
                    relative_volume(volume, bar[new]), np.nan,
                )  # fmt: skip
            line = 0 if way > 0 else 1
            key = -(price + slack[new]) if way > 0 else price - slack[new]
            push(keys, items, sizes, line, swings, key, new)
            if way > 0:
                newest_high = new
            else:
                newest_low = new
            new += 1
    return row


def pools_memory(length: int, tolerance: float, max_age: int) -> int:
    """Return the bars that decide what becomes known at the newest one."""
    # Whose pool a swing joined depends on what stood then: as old again as a swing may be.
    del tolerance
    return 3 * max_age + pivots_memory(length) + MEASURED


@structure(
    *_POOLS,
    directed=("equal_highs_swept", "equal_lows_swept"),
    warmup=pools_memory,
    exact=pools_memory,
    length=within(1, 5_000, "bars after a swing that do not go beyond it"),
    tolerance=within(0.0, 10.0, "how far apart equal prices may lie, in true ranges"),
    max_age=within(1, 100_000, "bars after which a swing is forgotten"),
)
def liquidity_pools(candles: Candles, length: int = 3, tolerance: float = 0.1, max_age: int = 500) -> Events:
    """Return equal highs and equal lows, where stops are thought to rest, and what became of them.

    A swing high (`swing_points` of `length`) stands until a wick goes more than `tolerance` true ranges
    beyond it (mean of 14 bars when it was known), or for `max_age` bars. A new swing high within that
    distance of standing ones, looked up from the newest back to the first that is clearly higher, makes a
    pool with the oldest of these: `equal_highs`, `equal_highs_grown` for the third and later ones. It ends
    with its first swing: `swept` where the wick went through but the close came back to its highest price
    or below, else `broken`; or `lapsed`. Lows the other way round. LuxAlgo asks that two successive swings
    of 3 bars differ by less than 0.1 of the average true range of 200 bars; `smartmoneyconcepts` measures by
    1 % of the range of all bars, future ones included.

    `at` is the first swing's bar, `known` the bar that made the last one known (or ended the pool);
    `direction` is -1 for highs, 1 for lows: the way price turned there, and is traded when they are swept.
    `top` and `bottom` are the highest and lowest of its prices, `level` the one to be exceeded (of an end:
    where the wick came to), `strength` the number of swings, `volume` that of the newest swing's bar, or of
    the bar that swept, over the mean of the 20 bars before.

    >>> import numpy as np
    >>> from cryptai.market.candles import Candles
    >>> p = np.array([3.0, 4.0, 5.0, 4.0, 3.0, 4.0, 5.0, 4.0, 3.0])
    >>> bars = Candles(np.arange(9) * 3_600_000, p, p + 0.5, p - 0.5, p, p, "BTC/USDT", "1h")
    >>> found = liquidity_pools(bars, length=2)
    >>> found.at_bar.tolist(), found.known_bar.tolist(), found.level.tolist()
    ([2], [8], [5.5])
    """
    pivots = pivots_of(candles, length)
    room = len(pivots.bar)
    rows = Rows(2 * room)
    told = _pools(
        candles.high, candles.low, candles.close, candles.volume, pivots.bar, pivots.side, length, tolerance,
        max_age, np.empty(4 * room), np.empty(4 * room, np.int64), np.zeros(4, np.int64),
        np.empty(room, np.int8), np.empty(room, np.int64), np.empty(room, np.int64), np.empty(room),
        np.empty(room), np.empty(room), rows.bars, rows.codes, rows.figures,
    )  # fmt: skip
    return rows.events(candles, _POOLS, told)
