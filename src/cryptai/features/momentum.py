"""Momentum: how fast prices move."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptai.features._memory import wilder_bars
from cryptai.features._talib import talib
from cryptai.features.feature import within
from cryptai.features.indicator import indicator

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@indicator(
    unit="percent",
    pane="below",
    guides=(30.0, 70.0),
    warmup=wilder_bars,
    exact=lambda period: wilder_bars(period, bitwise=True),
    period=within(2, 100_000, "bars of Wilder's average"),
)
def rsi(close: NDArray[np.float64], period: int = 14) -> NDArray[np.float64]:
    """Return Wilder's relative strength index, 0 to 100.

    NaN on the first `period` rows; 0 where nothing has moved (TA-Lib's convention). TA-Lib's RSI.

    >>> import numpy as np
    >>> rsi(np.array([1.0, 2.0, 3.0, 2.0]), 2)
    array([ nan,  nan, 100.,  50.])
    """
    return talib.RSI(close, period)  # type: ignore[no-any-return]
