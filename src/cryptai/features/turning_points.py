"""Turning points: Williams' fractals and ZigZag, each known when it is confirmed and never moved after."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from cryptai.features._measure import MEASURED, in_true_ranges, relative_volume
from cryptai.features._rows import Rows, put
from cryptai.features._talib import talib
from cryptai.features.events import Kind, structure
from cryptai.features.feature import within
from cryptai.kernels import kernel, part

if TYPE_CHECKING:
    from cryptai.features.events import Events
    from cryptai.kernels import Codes, Floats, Ints
    from cryptai.market.candles import Candles

_FRACTALS: Final = (Kind("fractal_high"), Kind("fractal_low"))
_ZIGZAG: Final = (Kind("zigzag_high", draw="line"), Kind("zigzag_low", draw="line"))


@kernel
def _fractals(
    high: Floats, low: Floats, close: Floats, volume: Floats, is_high: Codes, is_low: Codes, after: int,
    bars: Ints, codes: Codes, figures: Floats,
) -> int:  # fmt: skip
    row = 0
    for known in range(after, len(high)):
        p = known - after
        for side in range(2):
            if (is_high[known] if side == 0 else is_low[known]) == 0:
                continue
            price = high[p] if side == 0 else low[p]
            away = 0.0
            for i in range(p + 1, known + 1):
                away = max(away, price - low[i] if side == 0 else high[i] - price)
            row = put(
                bars, codes, figures, row, p, known, side, -1 if side == 0 else 1, price, price, price,
                in_true_ranges(away, high, low, close, known), relative_volume(volume, p), np.nan,
            )  # fmt: skip
    return row


def _fractal_memory(before: int, after: int) -> int:
    return before + after + 1 + MEASURED


@structure(
    *_FRACTALS,
    directed=("fractal_high", "fractal_low"),
    warmup=_fractal_memory,
    exact=_fractal_memory,
    before=within(1, 500, "bars before it that stay inside"),
    after=within(1, 500, "bars after it that stay inside; it is known that many bars later"),
)
def fractals(candles: Candles, before: int = 2, after: int = 2) -> Events:
    """Return Bill Williams' fractals: a high above those of the bars on both sides, or a low below them.

    Strictly above (below): of equal neighbours none is a fractal. Its direction is -1 for a high (where price
    turned down), 1 for a low; `top`, `bottom` and `level` are its price; `strength` how far price then went
    away, in true ranges (mean of 14 bars) when it was known; `volume` that of its bar over the mean of the 20
    before; `share` NaN. A bar may be both. Bars count, not time. Bill Williams, Trading Chaos, 1995; TA-Lib's
    FRACTAL.

    >>> import numpy as np
    >>> from cryptai.market.candles import Candles
    >>> p = np.array([1.0, 2.0, 3.0, 2.0, 1.0])
    >>> found = fractals(Candles(np.arange(5) * 60_000, p, p, p, p, p, "BTC/USDT", "1m"))
    >>> found.at_bar.tolist(), found.known_bar.tolist(), found.direction.tolist()
    ([2], [4], [-1])
    """
    tops, bottoms = talib.FRACTAL(candles.high, candles.low, before, after)
    is_high, is_low = (tops != 0).astype(np.int8), (bottoms != 0).astype(np.int8)
    rows = Rows(int(np.count_nonzero(is_high)) + int(np.count_nonzero(is_low)))
    count = _fractals(
        candles.high, candles.low, candles.close, candles.volume, is_high, is_low, after,
        rows.bars, rows.codes, rows.figures,
    )  # fmt: skip
    return rows.events(candles, _FRACTALS, count)


@part
def _far(edge: float, other: float, sign: float, factor: float) -> bool:
    # The same ratio up and down, so that highs and lows alternate.
    return edge >= factor * other if sign > 0.0 else other >= factor * edge


@part
def _first_after(rows: Ints, first: int, last: int, bar: int) -> int:
    # Binary search among rising row numbers: the place of the first above `bar`.
    while first < last:
        middle = (first + last) // 2
        if rows[middle] > bar:
            last = middle
        else:
            first = middle + 1
    return first


@kernel
def _turned(
    edge: Floats, other: Floats, sign: float, factor: float, max_age: int,
    above: Ints, under: Ints, start: Floats, at: Ints, known: Ints,
) -> int:  # fmt: skip
    # Of highs (sign 1: edge is high, other low), or of lows with all turned over. `above` holds bars whose
    # edge
    # none after went beyond, `under` bars whose other edge none after went below; both oldest first. Of
    # `above`, those from `waiting` on have not been confirmed.
    count = 0
    waiting = last = last_under = 0
    for k in range(len(edge)):
        while last > 0 and sign * edge[above[last - 1]] < sign * edge[k]:
            last -= 1
        waiting = min(waiting, last)
        while waiting < last and k - above[waiting] > max_age:
            waiting += 1
        while waiting < last and _far(edge[above[waiting]], other[k], sign, factor):
            p = above[waiting]
            waiting += 1
            if _far(edge[p], start[p], sign, factor):
                at[count], known[count] = p, k
                count += 1
        # Where the leg to this bar came from: the other edge's extreme since one as far as this.
        since = max(k - max_age - 1, above[last - 1] if last > 0 else -1)
        place = _first_after(under, 0, last_under, since)
        start[k] = other[under[place]] if place < last_under else np.nan
        while last_under > 0 and sign * other[under[last_under - 1]] >= sign * other[k]:
            last_under -= 1
        under[last_under] = k
        above[last] = k
        last_under += 1
        last += 1
    return count


@kernel
def _told(
    high: Floats, low: Floats, close: Floats, volume: Floats,
    at: Ints, known: Ints, side: Codes, start: Floats,
    bars: Ints, codes: Codes, figures: Floats,
) -> int:  # fmt: skip
    row = 0
    for i in range(len(at)):
        p = at[i]
        price = high[p] if side[i] == 0 else low[p]
        leg = abs(price - start[i])
        row = put(
            bars, codes, figures, row, p, known[i], side[i], -1 if side[i] == 0 else 1, price, price, price,
            in_true_ranges(leg, high, low, close, known[i]), relative_volume(volume, p), leg / start[i],
        )  # fmt: skip
    return row


def _zigzag_memory(max_age: int, **_: object) -> int:
    return 2 * max_age + 1 + MEASURED


@structure(
    *_ZIGZAG,
    directed=("zigzag_high", "zigzag_low"),
    warmup=_zigzag_memory,
    exact=_zigzag_memory,
    deviation=within(0.01, 1_000.0, "percent price must rise from a low, and fall back by the same ratio"),
    max_age=within(1, 100_000, "bars within which a leg must reach that"),
)
def zigzag(candles: Candles, deviation: float = 5.0, max_age: int = 500) -> Events:
    """Return the turning points of a ZigZag, each known at the bar that turned it: no unconfirmed last leg.

    A high is one if price had risen to it by `deviation` percent without going as high in between, and falls
    back by the same ratio before it goes higher, each within `max_age` bars; a low likewise. So highs and
    lows alternate, except around a bar that does both at once (going beyond comes first there). Of equal
    highs the first counts. It is drawn `at` its extreme and known where the fall was reached, when the chart
    of a ZigZag would show it for good. Direction -1 for a high, 1 for a low; `top`, `bottom` and `level` are
    its price; `strength` the leg up to it in true ranges (mean of 14 bars) when it was known, `share` the
    same leg as a fraction of where it began; `volume` that of its bar over the mean of the 20 before. Bars
    count, not time. A leg slower than `max_age` bars gives none, so that memory is finite.

    >>> import numpy as np
    >>> from cryptai.market.candles import Candles
    >>> p = np.array([100.0, 110.0, 120.0, 113.0, 108.0, 119.0])
    >>> found = zigzag(Candles(np.arange(6) * 60_000, p, p, p, p, p, "BTC/USDT", "1m"), 10.0)
    >>> found.at_bar.tolist(), found.known_bar.tolist(), found.level.tolist()
    ([2, 4], [4, 5], [120.0, 108.0])
    """
    n = len(candles)
    factor = 1.0 + deviation / 100.0
    above, under = np.empty((2, n), np.int64)
    ats, knowns, sides, starts = [], [], [], []
    for side, (edge, other) in enumerate(((candles.high, candles.low), (candles.low, candles.high))):
        start, at, known = np.empty(n), np.empty(n, np.int64), np.empty(n, np.int64)
        count = _turned(edge, other, 1.0 - 2.0 * side, factor, max_age, above, under, start, at, known)
        ats.append(at[:count])
        knowns.append(known[:count])
        sides.append(np.full(count, side, np.int8))
        starts.append(start[at[:count]])
    at, known = np.concatenate(ats), np.concatenate(knowns)
    order = np.lexsort((at, known))
    rows = Rows(len(at))
    count = _told(
        candles.high, candles.low, candles.close, candles.volume,
        at[order], known[order], np.concatenate(sides)[order], np.concatenate(starts)[order],
        rows.bars, rows.codes, rows.figures,
    )  # fmt: skip
    return rows.events(candles, _ZIGZAG, count)
