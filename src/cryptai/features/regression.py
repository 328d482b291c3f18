"""Straight lines through a window of closes, and where the close stands among them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from cryptai.features._memory import last_bars, last_changes
from cryptai.features._rolling import mean_of, squares_about
from cryptai.features._talib import talib
from cryptai.features.feature import within
from cryptai.features.indicator import Output, indicator
from cryptai.kernels import kernel

if TYPE_CHECKING:
    from cryptai.kernels import Floats

_WINDOW = within(2, 100_000, "bars in the window")


@indicator(warmup=last_bars, exact=None, period=_WINDOW)
def linear_regression(close: Floats, period: int = 14) -> Floats:
    """Return the end of the least-squares line through the last `period` closes (LSMA).

    In the unit of `close`; NaN on the first `period - 1` rows. TA-Lib's LINEARREG (running sums).

    >>> import numpy as np
    >>> linear_regression(np.array([1.0, 2.0, 4.0]), 3).round(6)
    array([     nan,      nan, 3.833333])
    """
    return talib.LINEARREG(close, period)  # type: ignore[no-any-return]


@indicator(pane="below", guides=(0.0,), warmup=last_bars, exact=None, period=_WINDOW)
def linear_regression_slope(close: Floats, period: int = 14) -> Floats:
    """Return the slope of the least-squares line through the last `period` closes, per bar.

    In the unit of `close`; NaN on the first `period - 1` rows. TA-Lib's LINEARREG_SLOPE (running sums).

    >>> import numpy as np
    >>> linear_regression_slope(np.array([1.0, 2.0, 4.0]), 3)
    array([nan, nan, 1.5])
    """
    return talib.LINEARREG_SLOPE(close, period)  # type: ignore[no-any-return]


@kernel
def _channel(
    close: Floats, period: int, deviations: float, upper: Floats, middle: Floats, lower: Floats
) -> int:
    centre = (period - 1) / 2.0
    spread = period * (period * period - 1.0) / 12.0
    for i in range(len(close)):
        if i < period - 1:
            upper[i] = middle[i] = lower[i] = np.nan
            continue
        first = i - period + 1
        mean = mean_of(close, first, i)
        along = 0.0
        for k in range(period):
            along += (k - centre) * (close[first + k] - mean)
        slope = along / spread
        left = 0.0
        for k in range(period):
            off = close[first + k] - mean - slope * (k - centre)
            left += off * off
        end = mean + slope * centre
        away = deviations * math.sqrt(left / period)
        upper[i] = end + away
        middle[i] = end
        lower[i] = end - away
    return 0


@indicator(
    outputs=(
        Output("regression_channel_upper"), Output("regression_channel_middle"),
        Output("regression_channel_lower"),
    ),
    warmup=last_bars,
    exact=last_bars,
    period=_WINDOW,
    deviations=within(0.1, 20.0, "standard deviations from the line"),
)  # fmt: skip
def regression_channel(
    close: Floats, period: int = 100, deviations: float = 2.0
) -> tuple[Floats, Floats, Floats]:
    """Return the end of the linear-regression channel as it stood at each bar: upper, middle, lower.

    The middle is the end of the least-squares line through the last `period` closes; the others stand
    `deviations` standard deviations (population) of the closes from that line away. The channel drawn back
    over its window belongs to its newest bar only. In the unit of `close`; NaN on the first `period - 1` rows
    and while a NaN is in the window. Gilbert Raff, 1991, in the form of TradingView's Linear Regression.

    >>> import numpy as np
    >>> [round(float(line[-1]), 6) for line in regression_channel(np.array([1.0, 2.0, 4.0]), 3, 1.0)]
    [4.069036, 3.833333, 3.597631]
    """
    upper, middle, lower = np.empty((3, len(close)))
    _channel(close, period, deviations, upper, middle, lower)
    return upper, middle, lower


@kernel
def _z_score(close: Floats, period: int, out: Floats) -> int:
    for i in range(len(close)):
        if i < period - 1:
            out[i] = np.nan
            continue
        first = i - period + 1
        mean = mean_of(close, first, i)
        deviation = math.sqrt(squares_about(close, first, i, mean) / period)
        away = close[i] - mean
        # Of equal closes the mean may miss by its rounding, which is no distance.
        if deviation > 1e-14 * abs(mean):
            out[i] = away / deviation
        else:
            out[i] = np.nan if math.isnan(deviation) else 0.0
    return 0


@indicator(
    unit="ratio", pane="below", guides=(-2.0, 0.0, 2.0), warmup=last_bars, exact=last_bars, period=_WINDOW
)
def z_score(close: Floats, period: int = 20) -> Floats:
    """Return how many (population) standard deviations the close is from the mean of the last `period`.

    NaN on the first `period - 1` rows and while a NaN is in the window; 0 where nothing moves.

    >>> import numpy as np
    >>> z_score(np.array([1.0, 1.0, 4.0]), 3).round(6)
    array([     nan,      nan, 1.414214])
    """
    out = np.empty(len(close))
    _z_score(close, period, out)
    return out


@indicator(
    unit="percent", pane="below", guides=(50.0,), warmup=last_changes, exact=last_changes, period=_WINDOW
)
def percent_rank(close: Floats, period: int = 100) -> Floats:
    """Return the share, in percent, of the `period` closes before that lie below the close.

    NaN on the first `period` rows. TA-Lib's PERCENTRANK.

    >>> import numpy as np
    >>> percent_rank(np.array([1.0, 3.0, 2.0]), 2)
    array([nan, nan, 50.])
    """
    return talib.PERCENTRANK(close, period)  # type: ignore[no-any-return]
