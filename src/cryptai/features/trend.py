"""Trend: averages and MACD."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptai.features._memory import ewm_bars
from cryptai.features._talib import talib
from cryptai.features.feature import within
from cryptai.features.indicator import Output, indicator

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@indicator(warmup=lambda period: period, exact=None, period=within(1, 100_000, "bars in the window"))
def sma(close: NDArray[np.float64], period: int = 20) -> NDArray[np.float64]:
    """Return the simple moving average: the mean of the last `period` closes.

    Same unit as `close`; NaN on the first `period - 1` rows. TA-Lib's SMA.

    >>> import numpy as np
    >>> sma(np.array([1.0, 2.0, 3.0, 4.0]), 2)
    array([nan, 1.5, 2.5, 3.5])
    """
    return talib.SMA(close, period)  # type: ignore[no-any-return]


@indicator(
    warmup=ewm_bars,
    exact=lambda period: ewm_bars(period, bitwise=True),
    period=within(2, 100_000, "bars; the newest weighs 2 / (period + 1)"),
)
def ema(close: NDArray[np.float64], period: int = 20) -> NDArray[np.float64]:
    """Return the exponential moving average with weight `2 / (period + 1)` for the newest close.

    Seeded, as in TA-Lib, with the mean of the first `period` closes; NaN on the first `period - 1` rows.

    >>> import numpy as np
    >>> ema(np.array([1.0, 2.0, 3.0, 5.0]), 3)
    array([nan, nan, 2. , 3.5])
    """
    return talib.EMA(close, period)  # type: ignore[no-any-return]


@indicator(
    outputs=(
        Output("macd"), Output("macd_signal"), Output("macd_histogram", draw="histogram"),
    ),
    pane="below",
    guides=(0.0,),
    warmup=lambda fast, slow, signal: ewm_bars(max(fast, slow)) + ewm_bars(signal),
    exact=lambda fast, slow, signal: ewm_bars(max(fast, slow), bitwise=True) + ewm_bars(signal, bitwise=True),
    fast=within(2, 10_000, "bars of the fast average"),
    slow=within(2, 10_000, "bars of the slow average"),
    signal=within(1, 10_000, "bars of the signal line"),
)  # fmt: skip
def macd(
    close: NDArray[np.float64], fast: int = 12, slow: int = 26, signal: int = 9
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return MACD, its signal line and their difference (Appel): EMA(fast) - EMA(slow), EMA of that.

    All three in the unit of `close`; NaN on the first `slow + signal - 2` rows. TA-Lib's MACD.

    >>> import numpy as np
    >>> [round(float(line[-1]), 6) for line in macd(np.arange(1.0, 41.0))]
    [7.0, 7.0, 0.0]
    """
    line, average, histogram = talib.MACD(close, fast, slow, signal)
    return line, average, histogram
