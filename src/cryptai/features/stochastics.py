"""Stochastics: where a value stands in the range of its last bars."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptai.features._memory import ewm_bars, wilder_bars
from cryptai.features._talib import talib
from cryptai.features.feature import within
from cryptai.features.indicator import Output, indicator

if TYPE_CHECKING:
    from cryptai.kernels import Floats

_SMOOTH = within(1, 10_000, "bars of the average of %K; 1 leaves it as it is")
_SIGNAL = within(1, 10_000, "bars of the average of %K that gives %D")


@indicator(
    outputs=(Output("stochastic_k", "percent"), Output("stochastic_d", "percent")),
    pane="below",
    guides=(20.0, 80.0),
    warmup=lambda period, smooth, signal: period + smooth + signal - 2,
    exact=None,
    period=within(1, 100_000, "bars of the range"),
    smooth=_SMOOTH,
    signal=_SIGNAL,
)
def stochastic(
    high: Floats, low: Floats, close: Floats, period: int = 14, smooth: int = 3, signal: int = 3
) -> tuple[Floats, Floats]:
    """Return Lane's stochastic, %K and %D, 0 to 100.

    %K is the SMA over `smooth` bars of `100 (close - lowest) / (highest - lowest)` of the last `period` bars,
    %D the SMA of %K over `signal` bars. `smooth=1` gives the fast stochastic and TradingView's default. NaN
    on the first `period + smooth + signal - 3` rows; the raw value is 0 where the range is empty. George
    Lane; TA-Lib's STOCH (running sums).

    >>> import numpy as np
    >>> high, low, close = np.array([2.0, 4.0]), np.array([1.0, 2.0]), np.array([1.5, 3.25])
    >>> stochastic(high, low, close, 2, 1, 1)
    (array([nan, 75.]), array([nan, 75.]))
    """
    k, d = talib.STOCH(high, low, close, period, smooth, 0, signal, 0)
    return k, d


@indicator(
    outputs=(Output("stochastic_rsi_k", "percent"), Output("stochastic_rsi_d", "percent")),
    pane="below",
    guides=(20.0, 80.0),
    warmup=lambda rsi_period, period, smooth, signal: wilder_bars(rsi_period) + period + smooth + signal,
    exact=None,
    rsi_period=within(2, 100_000, "bars of the RSI"),
    period=within(1, 100_000, "bars of the range of the RSI"),
    smooth=_SMOOTH,
    signal=_SIGNAL,
)
def stochastic_rsi(
    close: Floats, rsi_period: int = 14, period: int = 14, smooth: int = 3, signal: int = 3
) -> tuple[Floats, Floats]:
    """Return the stochastic of the RSI, %K and %D, 0 to 100, with 20 and 80 as oversold and overbought.

    The formula of the stochastic with the RSI as high, low and close. NaN on the first
    `rsi_period + period + smooth + signal - 3` rows; 0 where the RSI has not moved. Tushar Chande and Stanley
    Kroll, 1994, smoothed as on TradingView; TA-Lib's RSI and STOCH (running sums).

    >>> import numpy as np
    >>> close = np.array([1.0, 2.0, 1.5, 2.5, 2.0, 3.0])
    >>> [float(line[-1]) for line in stochastic_rsi(close, 2, 2, 1, 1)]
    [100.0, 100.0]
    """
    strength = talib.RSI(close, rsi_period)
    k, d = talib.STOCH(strength, strength, strength, period, smooth, 0, signal, 0)
    return k, d


@indicator(
    outputs=(Output("kdj_k", "percent"), Output("kdj_d", "percent"), Output("kdj_j", "percent")),
    pane="below",
    guides=(20.0, 80.0),
    warmup=lambda period, smooth, signal: period + wilder_bars(smooth) + wilder_bars(signal),
    exact=lambda period, smooth, signal: (
        period + wilder_bars(smooth, bitwise=True) + wilder_bars(signal, bitwise=True)
    ),
    period=within(2, 100_000, "bars of the range"),
    smooth=within(2, 10_000, "bars of Wilder's average that gives K"),
    signal=within(2, 10_000, "bars of Wilder's average that gives D"),
)
def kdj(
    high: Floats, low: Floats, close: Floats, period: int = 9, smooth: int = 3, signal: int = 3
) -> tuple[Floats, Floats, Floats]:
    """Return KDJ: the stochastic smoothed by Wilder's averages, and J = 3 K - 2 D.

    NaN on the first `period + smooth + signal - 3` rows, and from a NaN on; the raw value is 0 where the
    range is empty. J leaves 0 to 100. TA-Lib's KDJ.

    >>> import numpy as np
    >>> high, low = np.arange(2.0, 10.0), np.arange(1.0, 9.0)
    >>> [round(float(line[-1]), 6) for line in kdj(high, low, low + 0.5, 2, 2, 2)]
    [75.0, 75.0, 75.0]
    """
    k, d, j = talib.KDJ(high, low, close, period, smooth, 13, signal, 13)
    return k, d, j


@indicator(
    outputs=(Output("stochastic_momentum", "percent"), Output("stochastic_momentum_signal", "percent")),
    pane="below",
    guides=(-40.0, 40.0),
    warmup=lambda period, first, second, signal: (
        period + ewm_bars(first) + ewm_bars(second) + ewm_bars(signal)
    ),
    exact=lambda period, first, second, signal: (
        period + sum(ewm_bars(one, bitwise=True) for one in (first, second, signal))
    ),
    period=within(2, 100_000, "bars of the range"),
    first=within(2, 10_000, "bars of the first average"),
    second=within(2, 10_000, "bars of the second average"),
    signal=within(2, 10_000, "bars of the signal line"),
)
def stochastic_momentum(
    high: Floats,
    low: Floats,
    close: Floats,
    period: int = 13,
    first: int = 25,
    second: int = 2,
    signal: int = 9,
) -> tuple[Floats, Floats]:
    """Return Blau's stochastic momentum index, -100 to 100, and its EMA as a signal line.

    `100 EMA(EMA(close - middle, first), second) / (EMA(EMA(range, first), second) / 2)` with the middle and
    range of the last `period` bars. NaN on the first `period + first + second + signal - 4` rows, and from a
    NaN on; 0 where the range is empty. William Blau, 1993; TA-Lib's SMI.

    >>> import numpy as np
    >>> high, low = np.arange(2.0, 14.0), np.arange(1.0, 13.0)
    >>> [round(float(line[-1]), 6) for line in stochastic_momentum(high, low, high, 2, 2, 2, 2)]
    [100.0, 100.0]
    """
    line, average = talib.SMI(high, low, close, period, second, first, signal)
    return line, average
