"""Volatility: how far prices move."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from cryptai.features._memory import ewm_bars, last_bars, last_changes, wilder_bars
from cryptai.features._talib import talib
from cryptai.features.feature import within
from cryptai.features.indicator import indicator
from cryptai.kernels import kernel

if TYPE_CHECKING:
    from cryptai.kernels import Floats

_WINDOW = within(2, 100_000, "bars in the window")
_WILDER = within(1, 100_000, "bars of Wilder's average")


@indicator(pane="below", warmup=2, exact=2)
def true_range(high: Floats, low: Floats, close: Floats) -> Floats:
    """Return the true range: the largest of high - low, |high - close before| and |low - close before|.

    In the unit of the prices; NaN on the first row. Wilder, New Concepts, 1978; TA-Lib's TRANGE.

    >>> import numpy as np
    >>> true_range(np.array([2.0, 5.0]), np.array([1.0, 4.0]), np.array([1.5, 4.5]))
    array([nan, 3.5])
    """
    return talib.TRANGE(high, low, close)  # type: ignore[no-any-return]


@indicator(
    pane="below", warmup=wilder_bars, exact=lambda period: wilder_bars(period, bitwise=True), period=_WILDER
)
def atr(high: Floats, low: Floats, close: Floats, period: int = 14) -> Floats:
    """Return Wilder's average true range, in the unit of the prices.

    The true range is the largest of high - low, |high - close before| and |low - close before|. NaN on the
    first `period` rows, and from a NaN on. TA-Lib's ATR.

    >>> import numpy as np
    >>> atr(np.array([2.0, 3.0, 4.0]), np.array([1.0, 2.0, 3.0]), np.array([1.5, 2.5, 3.5]), 2)
    array([nan, nan, 1.5])
    """
    return talib.ATR(high, low, close, period)  # type: ignore[no-any-return]


@indicator(
    unit="percent",
    pane="below",
    warmup=wilder_bars,
    exact=lambda period: wilder_bars(period, bitwise=True),
    period=_WILDER,
)
def natr(high: Floats, low: Floats, close: Floats, period: int = 14) -> Floats:
    """Return the average true range in percent of the close.

    NaN on the first `period` rows, and from a NaN on; 0 where the close is 0. TA-Lib's NATR.

    >>> import numpy as np
    >>> natr(np.array([2.0, 3.0, 4.0]), np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 4.0]), 2)
    array([nan, nan, 50.])
    """
    return talib.NATR(high, low, close, period)  # type: ignore[no-any-return]


@indicator(pane="below", warmup=last_bars, exact=None, period=_WINDOW)
def standard_deviation(close: Floats, period: int = 20) -> Floats:
    """Return the (population) standard deviation of the last `period` closes.

    In the unit of `close`; NaN on the first `period - 1` rows. It comes from running sums of squares: what is
    under a hundred-millionth of the price is rounding. TA-Lib's STDDEV.

    >>> import numpy as np
    >>> standard_deviation(np.array([1.0, 3.0, 5.0]), 2)
    array([nan,  1.,  1.])
    """
    return talib.STDDEV(close, period)  # type: ignore[no-any-return]


@kernel
def _choppiness(high: Floats, low: Floats, close: Floats, period: int, scale: float, out: Floats) -> int:
    for i in range(len(close)):
        if i < period:
            out[i] = np.nan
            continue
        total = 0.0
        top = high[i]
        bottom = low[i]
        broken = math.isnan(top + bottom)
        for j in range(i - period + 1, i + 1):
            reach = max(high[j], close[j - 1])
            fall = min(low[j], close[j - 1])
            total += reach - fall
            broken = broken or math.isnan(high[j] + low[j] + close[j - 1])
            top = max(top, high[j])
            bottom = min(bottom, low[j])
        whole = top - bottom
        if broken:
            out[i] = np.nan
        elif whole > 0.0 and 0.0 < total < np.inf:
            out[i] = scale * math.log(total / whole)
        else:
            out[i] = 100.0
    return 0


@indicator(
    unit="percent", pane="below", guides=(38.2, 61.8), warmup=last_changes, exact=last_changes, period=_WINDOW
)
def choppiness(high: Floats, low: Floats, close: Floats, period: int = 14) -> Floats:
    """Return the choppiness index: near 100 where prices go nowhere, low in a trend.

    `100 log(sum of true ranges / (highest - lowest)) / log(period)` over the last `period` bars. NaN on the
    first `period` rows and while a NaN is in the window; 100 where nothing moves. E. W. Dreiss, 1993.

    >>> import numpy as np
    >>> high, low = np.array([2.0, 3.0, 2.0]), np.array([1.0, 2.0, 1.0])
    >>> choppiness(high, low, low, 2).round(6)
    array([     nan,      nan, 58.49625])
    """
    out = np.empty(len(close))
    _choppiness(high, low, close, period, 100.0 / math.log(period), out)
    return out


@kernel
def _ulcer(close: Floats, period: int, out: Floats) -> int:
    for i in range(len(close)):
        if i < period - 1:
            out[i] = np.nan
            continue
        top = close[i - period + 1]
        total = 0.0
        for j in range(i - period + 1, i + 1):
            top = max(top, close[j])
            below = 100.0 * (close[j] / top - 1.0) if top != 0.0 else close[j] - top
            total += below * below
        out[i] = math.sqrt(total / period)
    return 0


@indicator(unit="percent", pane="below", warmup=last_bars, exact=last_bars, period=_WINDOW)
def ulcer_index(close: Floats, period: int = 14) -> Floats:
    """Return the ulcer index: the root mean square of the falls below the window's high so far, in percent.

    NaN on the first `period - 1` rows and while a NaN is in the window. Peter Martin, 1987.

    >>> import numpy as np
    >>> ulcer_index(np.array([4.0, 2.0, 4.0]), 2).round(6)
    array([      nan, 35.355339,  0.      ])
    """
    out = np.empty(len(close))
    _ulcer(close, period, out)
    return out


@indicator(
    unit="ratio",
    pane="below",
    guides=(26.5, 27.0),
    warmup=lambda period, total: 2 * ewm_bars(period) + total,
    exact=None,
    period=within(2, 10_000, "bars of both averages"),
    total=within(2, 10_000, "bars summed"),
)
def mass_index(high: Floats, low: Floats, period: int = 9, total: int = 25) -> Floats:
    """Return Dorsey's mass index: the sum over `total` bars of EMA(range) / EMA(EMA(range)).

    About `total` where ranges are steady. NaN on the first `2 (period - 1) + total - 1` rows. Donald Dorsey,
    1992; TA-Lib's MASSI (a running sum).

    >>> import numpy as np
    >>> float(mass_index(np.full(8, 2.0), np.full(8, 1.0), 2, 3)[-1])
    3.0
    """
    return talib.MASSI(high, low, period, total)  # type: ignore[no-any-return]


@indicator(
    unit="percent",
    pane="below",
    guides=(0.0,),
    warmup=lambda period, back: ewm_bars(period) + back,
    exact=lambda period, back: ewm_bars(period, bitwise=True) + back,
    period=within(2, 10_000, "bars of the average of the range"),
    back=within(1, 10_000, "bars looked back"),
)
def chaikin_volatility(high: Floats, low: Floats, period: int = 10, back: int = 10) -> Floats:
    """Return Chaikin's volatility: the change in percent, over `back` bars, of the EMA of high - low.

    NaN on the first `period + back - 1` rows, and from a NaN on; 0 where nothing moves. Marc Chaikin;
    TA-Lib's CVI.

    >>> import numpy as np
    >>> chaikin_volatility(np.array([2.0, 2.0, 4.0]), np.array([1.0, 1.0, 1.0]), 2, 1).round(6)
    array([       nan,        nan, 133.333333])
    """
    return talib.CVI(high, low, period, back)  # type: ignore[no-any-return]
