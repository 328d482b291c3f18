"""Realised volatility: the deviation of returns a bar, from closes or from whole candles."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from cryptai.features._memory import last_bars, last_changes
from cryptai.features._rolling import log_ratio, mean_of, squares_about
from cryptai.features.feature import within
from cryptai.features.indicator import indicator
from cryptai.kernels import kernel

if TYPE_CHECKING:
    from cryptai.kernels import Floats

_WINDOW = within(2, 100_000, "bars in the window")
_YEAR = within(1.0, 600_000.0, "bars a year, to annualise: 365 for days, 8760 for hours; 1 leaves it per bar")


@kernel
def _from_closes(close: Floats, period: int, scale: float, steps: Floats, out: Floats) -> int:
    for i in range(len(close)):
        steps[i] = log_ratio(close[i], close[i - 1]) if i > 0 else np.nan
        if i < period:
            out[i] = np.nan
            continue
        mean = mean_of(steps, i - period + 1, i)
        out[i] = scale * math.sqrt(squares_about(steps, i - period + 1, i, mean) / (period - 1))
    return 0


@indicator(
    unit="ratio", pane="below", warmup=last_changes, exact=last_changes, period=_WINDOW, bars_a_year=_YEAR
)
def realised_volatility(close: Floats, period: int = 20, bars_a_year: float = 1.0) -> Floats:
    """Return the (sample) standard deviation of the last `period` log returns, times `sqrt(bars_a_year)`.

    A ratio: 0.02 is 2 % a bar, or a year if annualised. NaN on the first `period` rows, and while a NaN or a
    price that is not above zero is in the window.

    >>> import numpy as np
    >>> realised_volatility(np.exp(np.array([0.0, 0.1, 0.0])), 2).round(6)
    array([     nan,      nan, 0.141421])
    """
    steps, out = np.empty((2, len(close)))
    _from_closes(close, period, math.sqrt(bars_a_year), steps, out)
    return out


@kernel
def _windowed_root(squares: Floats, period: int, scale: float, out: Floats) -> int:
    for i in range(len(squares)):
        if i < period - 1:
            out[i] = np.nan
            continue
        mean = mean_of(squares, i - period + 1, i)
        # Garman and Klass' estimate of a window can fall below zero; there is no such volatility.
        out[i] = scale * math.sqrt(mean) if not mean < 0.0 else 0.0
    return 0


@kernel
def _parkinson(high: Floats, low: Floats, squares: Floats) -> int:
    for i in range(len(high)):
        span = log_ratio(high[i], low[i])
        squares[i] = span * span / (4.0 * math.log(2.0))
    return 0


@indicator(unit="ratio", pane="below", warmup=last_bars, exact=last_bars, period=_WINDOW, bars_a_year=_YEAR)
def parkinson_volatility(high: Floats, low: Floats, period: int = 20, bars_a_year: float = 1.0) -> Floats:
    """Return Parkinson's volatility: `sqrt(mean(log(high / low)^2 / (4 log 2)))`, times `sqrt(bars_a_year)`.

    A ratio a bar (or a year) from the last `period` ranges; it sees no gaps between bars and no drift. NaN on
    the first `period - 1` rows, and while a NaN or a price that is not above zero is in the window. Michael
    Parkinson, Journal of Business, 1980.

    >>> import numpy as np
    >>> parkinson_volatility(np.exp(np.array([0.1, 0.1])), np.ones(2), 2).round(6)
    array([     nan, 0.060056])
    """
    squares, out = np.empty((2, len(high)))
    _parkinson(high, low, squares)
    _windowed_root(squares, period, math.sqrt(bars_a_year), out)
    return out


@kernel
def _garman_klass(open_: Floats, high: Floats, low: Floats, close: Floats, squares: Floats) -> int:
    for i in range(len(high)):
        span = log_ratio(high[i], low[i])
        body = log_ratio(close[i], open_[i])
        squares[i] = 0.5 * span * span - (2.0 * math.log(2.0) - 1.0) * body * body
    return 0


@indicator(unit="ratio", pane="below", warmup=last_bars, exact=last_bars, period=_WINDOW, bars_a_year=_YEAR)
def garman_klass_volatility(
    open_: Floats, high: Floats, low: Floats, close: Floats, period: int = 20, bars_a_year: float = 1.0
) -> Floats:
    """Return Garman and Klass' volatility, times `sqrt(bars_a_year)`.

    The root of the mean of `log(high / low)^2 / 2 - (2 log 2 - 1) log(close / open)^2` over the last `period`
    bars; a ratio a bar (or a year). It sees no gaps between bars and no drift. NaN on the first `period - 1`
    rows, and while a NaN or a price that is not above zero is in the window. Mark Garman and Michael Klass,
    Journal of Business, 1980.

    >>> import numpy as np
    >>> one, top = np.ones(2), np.exp(np.array([0.1, 0.1]))
    >>> garman_klass_volatility(one, top, one, one, 2).round(6)
    array([     nan, 0.070711])
    """
    squares, out = np.empty((2, len(high)))
    _garman_klass(open_, high, low, close, squares)
    _windowed_root(squares, period, math.sqrt(bars_a_year), out)
    return out


@kernel
def _yang_zhang(
    open_: Floats, high: Floats, low: Floats, close: Floats, period: int, scale: float,
    overnight: Floats, body: Floats, within_bar: Floats, out: Floats,
) -> int:  # fmt: skip
    weight = 0.34 / (1.34 + (period + 1.0) / (period - 1.0))
    for i in range(len(close)):
        overnight[i] = log_ratio(open_[i], close[i - 1]) if i > 0 else np.nan
        body[i] = log_ratio(close[i], open_[i])
        up = log_ratio(high[i], open_[i])
        down = log_ratio(low[i], open_[i])
        within_bar[i] = up * (up - body[i]) + down * (down - body[i])
        if i < period:
            out[i] = np.nan
            continue
        first = i - period + 1
        gaps = squares_about(overnight, first, i, mean_of(overnight, first, i)) / (period - 1)
        bodies = squares_about(body, first, i, mean_of(body, first, i)) / (period - 1)
        out[i] = scale * math.sqrt(gaps + weight * bodies + (1.0 - weight) * mean_of(within_bar, first, i))
    return 0


@indicator(
    unit="ratio", pane="below", warmup=last_changes, exact=last_changes, period=_WINDOW, bars_a_year=_YEAR
)
def yang_zhang_volatility(
    open_: Floats, high: Floats, low: Floats, close: Floats, period: int = 20, bars_a_year: float = 1.0
) -> Floats:
    """Return Yang and Zhang's volatility, with gaps and free of drift, times `sqrt(bars_a_year)`.

    `sqrt(V_gap + k V_body + (1 - k) V_RS)` over the last `period` bars: sample variances of log(open / close
    before) and log(close / open), the mean of Rogers and Satchell's term, `k = 0.34 / (1.34 + (n + 1) / (n -
    1))`. A ratio a bar (or a year). NaN on the first `period` rows, and while a NaN or a price that is not
    above zero is in the window. Dennis Yang and Qiang Zhang, Journal of Business, 2000.

    >>> import numpy as np
    >>> close = np.exp(np.array([0.0, 0.1, 0.0]))
    >>> yang_zhang_volatility(np.ones(3), np.exp(np.full(3, 0.1)), np.ones(3), close, 2).round(6)
    array([nan, nan, 0.1])
    """
    overnight, body, within_bar, out = np.empty((4, len(close)))
    _yang_zhang(
        open_, high, low, close, period, math.sqrt(bars_a_year), overnight, body, within_bar, out
    )  # fmt: skip
    return out
