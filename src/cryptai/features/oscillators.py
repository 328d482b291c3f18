"""Oscillators: how fast prices move, and how far from their middle."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptai.features._memory import ewm_bars, last_bars, last_changes, wilder_bars
from cryptai.features._talib import talib
from cryptai.features.feature import flag, within
from cryptai.features.indicator import Output, indicator

if TYPE_CHECKING:
    from cryptai.kernels import Floats

_WINDOW = within(2, 100_000, "bars in the window")


@indicator(
    unit="percent",
    pane="below",
    guides=(30.0, 70.0),
    warmup=wilder_bars,
    exact=lambda period: wilder_bars(period, bitwise=True),
    period=within(2, 100_000, "bars of Wilder's average"),
)
def rsi(close: Floats, period: int = 14) -> Floats:
    """Return Wilder's relative strength index, 0 to 100.

    `100 - 100 / (1 + average rise / average fall)` with Wilder's averages. NaN on the first `period` rows; 0
    where nothing has moved, and from a NaN on (TA-Lib's conventions). TA-Lib's RSI.

    >>> import numpy as np
    >>> rsi(np.array([1.0, 2.0, 3.0, 2.0]), 2)
    array([ nan,  nan, 100.,  50.])
    """
    return talib.RSI(close, period)  # type: ignore[no-any-return]


@indicator(
    unit="percent", pane="below", guides=(-80.0, -20.0), warmup=last_bars, exact=last_bars, period=_WINDOW
)
def williams_r(high: Floats, low: Floats, close: Floats, period: int = 14) -> Floats:
    """Return Williams' %R: where the close stands in the range of the last `period` bars, -100 to 0.

    `-100 (highest - close) / (highest - lowest)`; NaN on the first `period - 1` rows; 0 where the range is
    empty. Larry Williams, 1973; TA-Lib's WILLR.

    >>> import numpy as np
    >>> williams_r(np.array([2.0, 4.0]), np.array([1.0, 2.0]), np.array([1.5, 3.25]), 2)
    array([ nan, -25.])
    """
    return talib.WILLR(high, low, close, period)  # type: ignore[no-any-return]


@indicator(unit="ratio", pane="below", guides=(-100.0, 100.0), warmup=last_bars, exact=None, period=_WINDOW)
def cci(high: Floats, low: Floats, close: Floats, period: int = 20) -> Floats:
    """Return the commodity channel index: `(typical - its mean) / (0.015 × its mean deviation)`.

    Typical price is (high + low + close) / 3, over the last `period` bars. NaN on the first `period - 1`
    rows; 0 where nothing moves. Donald Lambert, 1980; TA-Lib's CCI.

    >>> import numpy as np
    >>> x = np.array([1.0, 2.0, 4.0])
    >>> cci(x, x, x, 3).round(6)
    array([ nan,  nan, 100.])
    """
    return talib.CCI(high, low, close, period)  # type: ignore[no-any-return]


@indicator(
    unit="percent",
    pane="below",
    guides=(-50.0, 50.0),
    warmup=lambda period, smoothed: wilder_bars(period) if smoothed else last_changes(period),
    exact=lambda period, smoothed: wilder_bars(period, bitwise=True) if smoothed else None,
    period=_WINDOW,
    smoothed=flag("Wilder's averages, as TA-Lib's CMO has them, in place of sums"),
)
def chande_momentum(close: Floats, period: int = 9, smoothed: bool = False) -> Floats:
    """Return Chande's momentum oscillator, -100 to 100: `100 (rises - falls) / (rises + falls)`.

    Sums over the last `period` changes, or Wilder's averages of them. NaN on the first `period` rows; 0 where
    nothing moves. Tushar Chande and Stanley Kroll, 1994; TA-Lib's CMOU and CMO.

    >>> import numpy as np
    >>> chande_momentum(np.array([1.0, 2.0, 5.0, 4.0]), 3)
    array([nan, nan, nan, 60.])
    """
    return talib.CMO(close, period) if smoothed else talib.CMOU(close, period)  # type: ignore[no-any-return]


@indicator(
    unit="percent",
    pane="below",
    guides=(30.0, 70.0),
    warmup=lambda short, middle, long: max(short, middle, long) + 1,
    exact=None,
    short=within(1, 10_000, "bars of the short sum"),
    middle=within(1, 10_000, "bars of the middle sum"),
    long=within(1, 10_000, "bars of the long sum"),
)
def ultimate_oscillator(
    high: Floats, low: Floats, close: Floats, short: int = 7, middle: int = 14, long: int = 28
) -> Floats:
    """Return Williams' ultimate oscillator, 0 to 100: buying pressure over true range in three windows.

    `100 (4 A + 2 B + C) / 7` with the ratios A, B, C of the short, middle and long window. NaN on the first
    `long` rows; 0 where nothing moves. Larry Williams, 1985; TA-Lib's ULTOSC (running sums).

    >>> import numpy as np
    >>> high, low = np.array([2.0, 3.0, 4.0]), np.array([1.0, 2.0, 3.0])
    >>> ultimate_oscillator(high, low, high, 1, 1, 2)
    array([ nan,  nan, 100.])
    """
    return talib.ULTOSC(high, low, close, short, middle, long)  # type: ignore[no-any-return]


@indicator(
    pane="below",
    draw="histogram",
    guides=(0.0,),
    warmup=lambda fast, slow: max((fast, slow)),
    exact=None,
    fast=within(2, 10_000, "bars of the fast average"),
    slow=within(2, 10_000, "bars of the slow average"),
)
def awesome_oscillator(high: Floats, low: Floats, fast: int = 5, slow: int = 34) -> Floats:
    """Return Williams' awesome oscillator: SMA(fast) - SMA(slow) of the middles of the bars.

    In the unit of the prices; NaN on the first `slow - 1` rows. Bill Williams, 1995; TA-Lib's AO (running
    sums).

    >>> import numpy as np
    >>> x = np.array([1.0, 2.0, 4.0])
    >>> awesome_oscillator(x, x, 2, 3).round(6)
    array([     nan,      nan, 0.666667])
    """
    return talib.AO(high, low, fast, slow)  # type: ignore[no-any-return]


@indicator(unit="ratio", pane="below", draw="histogram", guides=(0.0,), warmup=1, exact=1)
def balance_of_power(open_: Floats, high: Floats, low: Floats, close: Floats) -> Floats:
    """Return the balance of power of each bar, -1 to 1: `(close - open) / (high - low)`.

    0 for a bar without range. Igor Livshin, 2001; TA-Lib's BOP.

    >>> import numpy as np
    >>> balance_of_power(np.array([2.0]), np.array([4.0]), np.array([2.0]), np.array([3.0]))
    array([0.5])
    """
    return talib.BOP(open_, high, low, close)  # type: ignore[no-any-return]


@indicator(
    outputs=(Output("elder_bull"), Output("elder_bear")),
    pane="below",
    guides=(0.0,),
    warmup=ewm_bars,
    exact=lambda period: ewm_bars(period, bitwise=True),
    period=_WINDOW,
)
def elder_ray(high: Floats, low: Floats, close: Floats, period: int = 13) -> tuple[Floats, Floats]:
    """Return Elder's bull and bear power: high and low less the EMA of the close.

    In the unit of the prices; NaN on the first `period - 1` rows, and from a NaN on. Alexander Elder, 1993;
    TA-Lib's ERI.

    >>> import numpy as np
    >>> elder_ray(np.array([2.0, 4.0]), np.array([1.0, 2.0]), np.array([1.5, 3.5]), 2)
    (array([nan, 1.5]), array([ nan, -0.5]))
    """
    bull, bear = talib.ERI(high, low, close, period)
    return bull, bear
