"""Volatility: how far prices move."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptai.features._memory import wilder_bars
from cryptai.features._talib import talib
from cryptai.features.feature import within
from cryptai.features.indicator import Output, indicator

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@indicator(
    pane="below",
    warmup=wilder_bars,
    exact=lambda period: wilder_bars(period, bitwise=True),
    period=within(1, 100_000, "bars of Wilder's average"),
)
def atr(
    high: NDArray[np.float64], low: NDArray[np.float64], close: NDArray[np.float64], period: int = 14
) -> NDArray[np.float64]:
    """Return Wilder's average true range, in the unit of the prices; NaN on the first `period` rows.

    The true range is the largest of high - low, |high - close before| and |low - close before|. TA-Lib's ATR.

    >>> import numpy as np
    >>> atr(np.array([2.0, 3.0, 4.0]), np.array([1.0, 2.0, 3.0]), np.array([1.5, 2.5, 3.5]), 2)
    array([nan, nan, 1.5])
    """
    return talib.ATR(high, low, close, period)  # type: ignore[no-any-return]


@indicator(
    outputs=(Output("bollinger_upper"), Output("bollinger_middle"), Output("bollinger_lower")),
    warmup=lambda period, deviations: period,  # noqa: ARG005 (called with all parameters)
    exact=None,
    period=within(2, 100_000, "bars in the window"),
    deviations=within(0.1, 20.0, "standard deviations from the middle"),
)
def bollinger(
    close: NDArray[np.float64], period: int = 20, deviations: float = 2.0
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return Bollinger's bands: SMA and that many (population) standard deviations above and below.

    Upper, middle, lower, in the unit of `close`; NaN on the first `period - 1` rows. TA-Lib's BBANDS.

    >>> import numpy as np
    >>> [float(band[-1]) for band in bollinger(np.array([1.0, 3.0]), 2, 2.0)]
    [4.0, 2.0, 0.0]
    """
    upper, middle, lower = talib.BBANDS(close, period, deviations, deviations)
    return upper, middle, lower


@indicator(
    outputs=(Output("donchian_upper"), Output("donchian_lower")),
    warmup=lambda period: period,
    exact=lambda period: period,
    period=within(2, 100_000, "bars in the window"),
)
def donchian(
    high: NDArray[np.float64], low: NDArray[np.float64], period: int = 20
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return Donchian's channel: highest high and lowest low of the last `period` bars, this one included.

    In the unit of the prices; NaN on the first `period - 1` rows. TA-Lib's MAX and MIN.

    >>> import numpy as np
    >>> donchian(np.array([2.0, 3.0, 2.5]), np.array([1.0, 2.0, 1.5]), 2)
    (array([nan,  3.,  3.]), array([nan, 1. , 1.5]))
    """
    return talib.MAX(high, period), talib.MIN(low, period)
