"""Prices made of each candle: typical, median, weighted; and Heikin-Ashi candles."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptai.features._memory import heikin_ashi_bars
from cryptai.features._talib import talib
from cryptai.features.indicator import Output, indicator

if TYPE_CHECKING:
    from cryptai.kernels import Floats


@indicator(warmup=1, exact=1)
def typical_price(high: Floats, low: Floats, close: Floats) -> Floats:
    """Return the typical price, `(high + low + close) / 3`; NaN where one of them is. TA-Lib's TYPPRICE.

    >>> import numpy as np
    >>> typical_price(np.array([4.0]), np.array([2.0]), np.array([3.0]))
    array([3.])
    """
    return talib.TYPPRICE(high, low, close)  # type: ignore[no-any-return]


@indicator(warmup=1, exact=1)
def median_price(high: Floats, low: Floats) -> Floats:
    """Return the middle of each bar, `(high + low) / 2`; NaN where one of them is. TA-Lib's MEDPRICE.

    >>> import numpy as np
    >>> median_price(np.array([4.0]), np.array([2.0]))
    array([3.])
    """
    return talib.MEDPRICE(high, low)  # type: ignore[no-any-return]


@indicator(warmup=1, exact=1)
def weighted_close(high: Floats, low: Floats, close: Floats) -> Floats:
    """Return the weighted close, `(high + low + 2 close) / 4`; NaN where one of them is. TA-Lib's WCLPRICE.

    >>> import numpy as np
    >>> weighted_close(np.array([4.0]), np.array([2.0]), np.array([4.0]))
    array([3.5])
    """
    return talib.WCLPRICE(high, low, close)  # type: ignore[no-any-return]


@indicator(warmup=1, exact=1)
def average_price(open_: Floats, high: Floats, low: Floats, close: Floats) -> Floats:
    """Return the mean of open, high, low and close; NaN where one of them is. TA-Lib's AVGPRICE.

    >>> import numpy as np
    >>> average_price(np.array([2.0]), np.array([4.0]), np.array([2.0]), np.array([4.0]))
    array([3.])
    """
    return talib.AVGPRICE(open_, high, low, close)  # type: ignore[no-any-return]


@indicator(
    outputs=(
        Output("heikin_ashi_open", draw="none"), Output("heikin_ashi_high", draw="none"),
        Output("heikin_ashi_low", draw="none"), Output("heikin_ashi_close"),
    ),
    warmup=heikin_ashi_bars,
    exact=lambda: heikin_ashi_bars(bitwise=True),
)  # fmt: skip
def heikin_ashi(
    open_: Floats, high: Floats, low: Floats, close: Floats
) -> tuple[Floats, Floats, Floats, Floats]:
    """Return Heikin-Ashi candles: open, high, low, close.

    Close is the mean of the bar's four prices; open the middle of the Heikin-Ashi body before (of the first
    bar: its own open and close); high and low the extremes of the bar and of both. NaN from a NaN on. These
    are no prices one could trade at. TA-Lib's HA.

    >>> import numpy as np
    >>> o, h, l, c = (np.array(x) for x in ([1.0, 2.0], [3.0, 4.0], [1.0, 1.0], [2.0, 3.0]))
    >>> [float(line[-1]) for line in heikin_ashi(o, h, l, c)]
    [1.625, 4.0, 1.0, 2.5]
    """
    opens, highs, lows, closes = talib.HA(open_, high, low, close)
    return opens, highs, lows, closes
