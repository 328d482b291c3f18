"""Channels: an upper, a middle and a lower line around the prices."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cryptai.features._memory import ewm_bars, last_bars, wilder_bars
from cryptai.features._talib import talib
from cryptai.features.feature import flag, one_of, within
from cryptai.features.indicator import Output, indicator

if TYPE_CHECKING:
    from cryptai.kernels import Floats

_WINDOW = within(2, 100_000, "bars in the window")
_DEVIATIONS = within(0.1, 20.0, "standard deviations from the middle")


@indicator(
    outputs=(Output("bollinger_upper"), Output("bollinger_middle"), Output("bollinger_lower")),
    warmup=last_bars,
    exact=None,
    period=_WINDOW,
    deviations=_DEVIATIONS,
)
def bollinger(close: Floats, period: int = 20, deviations: float = 2.0) -> tuple[Floats, Floats, Floats]:
    """Return Bollinger's bands: SMA and that many (population) standard deviations above and below.

    Upper, middle, lower, in the unit of `close`; NaN on the first `period - 1` rows, and from a NaN on. John
    Bollinger, 1983; TA-Lib's BBANDS (running sums).

    >>> import numpy as np
    >>> [float(band[-1]) for band in bollinger(np.array([1.0, 3.0]), 2, 2.0)]
    [4.0, 2.0, 0.0]
    """
    upper, middle, lower = talib.BBANDS(close, period, deviations, deviations)
    return upper, middle, lower


@indicator(
    outputs=(Output("bollinger_percent_b", "ratio"), Output("bollinger_width", "ratio")),
    pane="below",
    guides=(0.0, 1.0),
    warmup=last_bars,
    exact=None,
    period=_WINDOW,
    deviations=_DEVIATIONS,
)
def bollinger_percent_b(close: Floats, period: int = 20, deviations: float = 2.0) -> tuple[Floats, Floats]:
    """Return where the close stands between Bollinger's bands (%B: 0 lower, 1 upper) and their width.

    `(close - lower) / (upper - lower)` and `(upper - lower) / middle`, both ratios (not percent). NaN on the
    first `period - 1` rows, and where the bands (or the middle) leave nothing to divide by. TA-Lib's BBANDS.

    >>> import numpy as np
    >>> [float(line[-1]) for line in bollinger_percent_b(np.array([1.0, 3.0]), 2, 2.0)]
    [0.75, 2.0]
    """
    upper, middle, lower = talib.BBANDS(close, period, deviations, deviations)
    with np.errstate(all="ignore"):
        apart = upper - lower
        share, width = (close - lower) / apart, apart / middle
    share[~np.isfinite(share)] = np.nan
    width[~np.isfinite(width)] = np.nan
    return share, width


@indicator(
    outputs=(Output("keltner_upper"), Output("keltner_middle"), Output("keltner_lower")),
    warmup=lambda period, atr_period, multiplier, source: max(ewm_bars(period), wilder_bars(atr_period)),  # noqa: ARG005 (called with all parameters)
    exact=lambda period, atr_period, multiplier, source: max(  # noqa: ARG005
        ewm_bars(period, bitwise=True), wilder_bars(atr_period, bitwise=True)
    ),
    period=within(2, 100_000, "bars of the exponential average"),
    atr_period=within(1, 100_000, "bars of the average true range"),
    multiplier=within(0.1, 100.0, "average true ranges from the middle"),
    source=one_of("close", "typical", meaning="the price averaged; typical is (high + low + close) / 3"),
)
def keltner(
    high: Floats,
    low: Floats,
    close: Floats,
    period: int = 20,
    atr_period: int = 10,
    multiplier: float = 2.0,
    source: str = "close",
) -> tuple[Floats, Floats, Floats]:
    """Return Keltner's channel in Linda Raschke's form: EMA of the price ± `multiplier` × ATR.

    Upper, middle, lower, in the unit of the prices; NaN on the first `max(period - 1, atr_period)` rows, and
    from a NaN on. The close is TradingView's and Stock.Indicators' source; `typical` that of TA-Lib's KC and
    Chester Keltner's book (1960). TA-Lib's EMA and ATR.

    >>> import numpy as np
    >>> high, low = np.array([2.0, 3.0, 4.0]), np.array([1.0, 2.0, 3.0])
    >>> [float(line[-1]) for line in keltner(high, low, low, 2, 2, 1.0)]
    [4.5, 2.5, 0.5]
    """
    middle = talib.EMA(talib.TYPPRICE(high, low, close) if source == "typical" else close, period)
    away = multiplier * talib.ATR(high, low, close, atr_period)
    # All three begin together.
    middle[np.isnan(away)] = np.nan
    return middle + away, middle, middle - away


@indicator(
    outputs=(Output("donchian_upper"), Output("donchian_middle"), Output("donchian_lower")),
    warmup=lambda period, current: period if current else period + 1,
    exact=lambda period, current: period if current else period + 1,
    period=_WINDOW,
    current=flag("this bar belongs to its own window; without it the channel is of the bars before"),
)
def donchian(
    high: Floats, low: Floats, period: int = 20, current: bool = True
) -> tuple[Floats, Floats, Floats]:
    """Return Donchian's channel: highest high and lowest low of `period` bars, and their middle.

    Upper, middle, lower, in the unit of the prices; this bar included (TradingView), or with `current=False`
    the bars before it (Stock.Indicators), which is what a breakout compares with. NaN on the first
    `period - 1` rows, or `period`. Richard Donchian; TA-Lib's MAX and MIN.

    >>> import numpy as np
    >>> donchian(np.array([2.0, 3.0, 2.5]), np.array([1.0, 2.0, 1.5]), 2)
    (array([nan,  3.,  3.]), array([ nan, 2.  , 2.25]), array([nan, 1. , 1.5]))
    """
    upper, lower = talib.MAX(high, period), talib.MIN(low, period)
    if not current:
        for line in (upper, lower):
            line[1:] = line[:-1].copy()
            line[:1] = np.nan
    # Halved before they are added: no sum of prices overflows.
    return upper, upper * 0.5 + lower * 0.5, lower


@indicator(
    outputs=(Output("acceleration_upper"), Output("acceleration_middle"), Output("acceleration_lower")),
    warmup=last_bars,
    exact=None,
    period=_WINDOW,
)
def acceleration_bands(
    high: Floats, low: Floats, close: Floats, period: int = 20
) -> tuple[Floats, Floats, Floats]:
    """Return Headley's acceleration bands: SMA of `high (1 + 4 w)`, close, and `low (1 - 4 w)`.

    w is `(high - low) / (high + low)` of each bar. Upper, middle, lower, in the unit of the prices; NaN on
    the first `period - 1` rows. Price Headley, 2002; TA-Lib's ACCBANDS (running sums).

    >>> import numpy as np
    >>> x = np.array([1.0, 3.0])
    >>> [float(line[-1]) for line in acceleration_bands(x, x, x, 2)]
    [2.0, 2.0, 2.0]
    """
    upper, middle, lower = talib.ACCBANDS(high, low, close, period)
    return upper, middle, lower
