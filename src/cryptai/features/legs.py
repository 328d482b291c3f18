"""The current leg: where price stands in its range, and how far it has come back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from cryptai.features._measure import MEASURED, in_true_ranges
from cryptai.features._range import range_memory, range_of
from cryptai.features._rows import Rows, put
from cryptai.features.events import Kind, structure
from cryptai.features.feature import within
from cryptai.kernels import kernel, part

if TYPE_CHECKING:
    from cryptai.features.events import Events
    from cryptai.kernels import Codes, Floats, Ints
    from cryptai.market.candles import Candles

_SIDES: Final = (Kind("premium"), Kind("discount"))
_DEPTHS: Final = tuple(Kind(f"retracement_{share}", draw="line") for share in (38, 50, 62, 79))
_RANGES: Final = {
    "length": within(1, 1_000, "bars that must pass without a new extreme before a leg has ended"),
    "max_age": within(10, 100_000, "bars after which an end of a leg is forgotten"),
}


def memory(length: int, max_age: int, **others: object) -> int:
    """Return the bars that decide what becomes known at the newest one."""
    del others
    return range_memory(length, max_age) + max_age + MEASURED


@part
def side_of(price: float, top: float, bottom: float, equilibrium: float) -> int:
    """Return 1 in the premium, -1 in the discount, 0 between them or without a range."""
    if top - bottom > 0.0:
        away = (price - bottom) / (top - bottom) - 0.5
        if away > equilibrium / 2.0:
            return 1
        if away < -equilibrium / 2.0:
            return -1
    return 0


@kernel
def _sides(
    high: Floats, low: Floats, close: Floats, top: Floats, bottom: Floats, equilibrium: float,
    bars: Ints, codes: Codes, figures: Floats,
) -> int:  # fmt: skip
    row, before = 0, 0
    for t in range(len(close)):
        side = side_of(close[t], top[t], bottom[t], equilibrium)
        if side not in (0, before):
            size = top[t] - bottom[t]
            middle = bottom[t] + size / 2.0
            upper = top[t] if side > 0 else middle - size * equilibrium / 2.0
            lower = middle + size * equilibrium / 2.0 if side > 0 else bottom[t]
            row = put(
                bars, codes, figures, row, t, t, 0 if side > 0 else 1, -side, upper, lower, close[t],
                in_true_ranges(size, high, low, close, t), np.nan, (close[t] - bottom[t]) / size,
            )  # fmt: skip
        before = side
    return row


@structure(
    *_SIDES,
    directed=("premium", "discount"),
    warmup=memory,
    exact=memory,
    equilibrium=within(0.0, 0.9, "share of the range around its middle that is neither"),
    **_RANGES,
)
def premium_discount(
    candles: Candles, length: int = 50, equilibrium: float = 0.05, max_age: int = 500
) -> Events:
    """Return when a close enters the premium or the discount of the current range.

    The range lies between the newest end of a leg at a high and the newest at a low (legs of `length` bars,
    as in `market_structure`), stretched by what has gone beyond since. Its upper half is the premium (where
    ICT sells: direction -1), its lower half the discount (direction 1), but for `equilibrium` in the middle.
    The default length is that of LuxAlgo's swings, as is the stretched range; its zones are the outer and
    middle 5 %, ours the halves. A leg's end lapses after `max_age` bars, and the range with it.

    `at` and `known` are the bar that closed there; `top` and `bottom` the edges of the half, `level` its
    close, `share` where that lies in the range (0 its bottom, 1 its top), `strength` the range's height in
    true ranges (mean of 14 bars). The rows of it are the indicator `dealing_range`.

    >>> import numpy as np
    >>> from cryptai.market.candles import Candles
    >>> p = np.array([3.0, 2.0, 1.0, 2.0, 4.0, 3.0, 2.0, 3.0, 2.0, 4.0])
    >>> bars = Candles(np.arange(10) * 3_600_000, p, p + 0.5, p - 0.5, p, p, "BTC/USDT", "1h")
    >>> found = premium_discount(bars, length=2)
    >>> found.known_bar.tolist(), found.share.tolist()
    ([6, 7, 8, 9], [0.375, 0.625, 0.375, 0.875])
    """
    span = range_of(candles.high, candles.low, candles.close, length, max_age)
    rows = Rows(len(candles))
    count = _sides(
        candles.high, candles.low, candles.close, span.top, span.bottom, equilibrium,
        rows.bars, rows.codes, rows.figures,
    )  # fmt: skip
    return rows.events(candles, _SIDES, count)


@kernel
def _depths(
    high: Floats, low: Floats, close: Floats, top: Floats, bottom: Floats, direction: Codes, end: Ints,
    back: Floats, bars: Ints, codes: Codes, figures: Floats,
) -> int:  # fmt: skip
    row, reached, of, way = 0, 0, -1, 0
    for t in range(len(close)):
        if direction[t] == 0 or end[t] != of or direction[t] != way:
            reached, of, way = 0, end[t], direction[t]
        if way == 0 or reached == 4:
            continue
        size = top[t] - bottom[t]
        gone = (top[t] - back[t]) if way > 0 else (back[t] - bottom[t])
        while reached < 4:
            share = 0.382
            if reached > 0:
                share = 0.5 if reached == 1 else (0.618 if reached == 2 else 0.786)
            if not (size > 0.0 and gone >= share * size):
                break
            level = top[t] - share * size if way > 0 else bottom[t] + share * size
            row = put(
                bars, codes, figures, row, of, t, reached, way, top[t], bottom[t], level,
                in_true_ranges(size, high, low, close, t), np.nan, gone / size,
            )  # fmt: skip
            reached += 1
    return row


@structure(
    *_DEPTHS,
    directed=tuple(kind.name for kind in _DEPTHS),
    warmup=memory,
    exact=memory,
    **_RANGES,
)
def retracements(candles: Candles, length: int = 10, max_age: int = 500) -> Events:
    """Return when price has come back 38.2, 50, 61.8 and 78.6 % of the current leg, each the first time.

    The leg leads through the range of `premium_discount` (legs of `length` bars) to its newest end, or to
    where price has gone beyond that since; how far a wick has come back counts from the bar after its end.
    A new end, or a new extreme, begins anew. As an end is known `length` bars later, several depths may
    become known in one bar. `smartmoneyconcepts` says the same share of each bar, one bar late, of swings it
    could not know.

    `at` is the bar of the leg's end, `known` the bar by which price had come back; direction is the leg's.
    `top` and `bottom` are the leg's, `level` the price of that depth, `share` how far price had come back in
    all, `strength` the leg's height in true ranges (mean of 14 bars). The rows of it are the indicator
    `leg_retracement`.

    >>> import numpy as np
    >>> from cryptai.market.candles import Candles
    >>> p = np.array([3.0, 2.0, 1.0, 2.0, 4.0, 3.0, 2.0, 3.0, 2.0, 2.5])
    >>> bars = Candles(np.arange(10) * 3_600_000, p, p + 0.5, p - 0.5, p, p, "BTC/USDT", "1h")
    >>> found = retracements(bars, length=2)
    >>> found.at_bar.tolist(), found.known_bar.tolist(), found.level.tolist()
    ([4, 4, 4], [6, 6, 6], [2.972, 2.5, 2.028])
    """
    rows = Rows(4 * len(candles))
    count = _depths(
        candles.high, candles.low, candles.close,
        *range_of(candles.high, candles.low, candles.close, length, max_age),
        rows.bars, rows.codes, rows.figures,
    )  # fmt: skip
    return rows.events(candles, _DEPTHS, count)
