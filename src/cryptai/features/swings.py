"""Swing points: the highs and lows that structure is made of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

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

_KINDS: Final = (Kind("swing_high"), Kind("swing_low"))


@kernel
def _told(
    high: Floats, low: Floats, close: Floats, volume: Floats, length: int,
    bar: Ints, side: Codes, away: Floats, bars: Ints, codes: Codes, figures: Floats,
) -> int:  # fmt: skip
    row = 0
    for i in range(len(bar)):
        p = bar[i]
        price = high[p] if side[i] > 0 else low[p]
        size = in_true_ranges(away[i], high, low, close, p + length)
        row = put(
            bars, codes, figures, row, p, p + length, 0 if side[i] > 0 else 1, -side[i],
            price, price, price, size, relative_volume(volume, p), np.nan,
        )  # fmt: skip
    return row


def memory(length: int, before: int) -> int:
    """Return the bars that decide what becomes known at the newest one."""
    del before
    return pivots_memory(length) + MEASURED


@structure(
    *_KINDS,
    directed=("swing_high", "swing_low"),
    warmup=memory,
    exact=memory,
    length=within(1, 5_000, "bars after it that do not go beyond it; it is known that many bars later"),
    before=within(0, 5_000, "bars before it that do not go beyond it, at most `length`; 0 for length - 1"),
)
def swing_points(candles: Candles, length: int = 5, before: int = 0) -> Events:
    """Return swing highs and lows, each known `length` bars after its bar.

    A swing high is a bar whose high no bar exceeds among the `before` bars before it and the `length` bars
    after it. Its direction is -1 (where price turned down), a swing low's 1. `top`, `bottom` and `level` are
    its price, `strength` how far price went away from it within those `length` bars, in true ranges (mean of
    14 bars) when it was known, `volume` that of its bar over the mean of the 20 bars before.

    Ties: of equal highs within `before` bars of each other, with no swing low between, the first is the
    swing. A bar may be both a high and a low. In bars that are all alike only the first such bar is one.
    Holes are not seen: bars count, not time.

    With `before` at its default the window is that of `smartmoneyconcepts` (its swings are all among these);
    `before=length` gives the fractal of Bill Williams, "Trading Chaos" (1995), with `length` bars each side.

    >>> import numpy as np
    >>> from cryptai.market.candles import Candles
    >>> p = np.array([3.0, 2.0, 1.0, 2.0, 3.0, 4.0, 3.0, 2.0, 3.0])
    >>> bars = Candles(np.arange(9) * 3_600_000, p, p + 0.5, p - 0.5, p, p, "BTC/USDT", "1h")
    >>> found = swing_points(bars, length=2)
    >>> found.at_bar.tolist(), found.known_bar.tolist(), found.level.tolist()
    ([2, 5], [4, 7], [0.5, 4.5])
    """
    pivots = pivots_of(candles, length, before)
    rows = Rows(len(pivots.bar))
    count = _told(
        candles.high, candles.low, candles.close, candles.volume, length, *pivots,
        rows.bars, rows.codes, rows.figures,
    )  # fmt: skip
    return rows.events(candles, _KINDS, count)
