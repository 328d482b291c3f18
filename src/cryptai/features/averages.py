"""Averages: one smooth line in place of the prices."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cryptai.features._memory import ewm_bars, kaufman_bars, last_bars, wilder_average_bars
from cryptai.features._talib import talib
from cryptai.features.feature import within
from cryptai.features.indicator import indicator
from cryptai.kernels import kernel

if TYPE_CHECKING:
    from cryptai.kernels import Floats

_WINDOW = within(2, 100_000, "bars in the window")
_WEIGHT = within(2, 100_000, "bars; the newest weighs 2 / (period + 1)")


@indicator(warmup=last_bars, exact=None, period=within(1, 100_000, "bars in the window"))
def sma(close: Floats, period: int = 20) -> Floats:
    """Return the simple moving average: the mean of the last `period` closes.

    Same unit as `close`; NaN on the first `period - 1` rows. TA-Lib's SMA, a running sum: a NaN in the input
    makes all rows after it NaN.

    >>> import numpy as np
    >>> sma(np.array([1.0, 2.0, 3.0, 4.0]), 2)
    array([nan, 1.5, 2.5, 3.5])
    """
    return talib.SMA(close, period)  # type: ignore[no-any-return]


@indicator(warmup=ewm_bars, exact=lambda period: ewm_bars(period, bitwise=True), period=_WEIGHT)
def ema(close: Floats, period: int = 20) -> Floats:
    """Return the exponential moving average with weight `2 / (period + 1)` for the newest close.

    Seeded, as in TA-Lib, with the mean of the first `period` closes; NaN on the first `period - 1` rows, and
    from a NaN on.

    >>> import numpy as np
    >>> ema(np.array([1.0, 2.0, 3.0, 5.0]), 3)
    array([nan, nan, 2. , 3.5])
    """
    return talib.EMA(close, period)  # type: ignore[no-any-return]


@indicator(warmup=last_bars, exact=None, period=_WINDOW)
def wma(close: Floats, period: int = 20) -> Floats:
    """Return the weighted moving average: the newest of `period` closes weighs `period`, the oldest 1.

    Same unit as `close`; NaN on the first `period - 1` rows. TA-Lib's WMA (running sums).

    >>> import numpy as np
    >>> wma(np.array([1.0, 2.0, 4.0, 7.0]), 3)
    array([       nan,        nan, 2.83333333, 5.16666667])
    """
    return talib.WMA(close, period)  # type: ignore[no-any-return]


@indicator(
    warmup=lambda period: 2 * ewm_bars(period),
    exact=lambda period: 2 * ewm_bars(period, bitwise=True),
    period=_WEIGHT,
)
def dema(close: Floats, period: int = 20) -> Floats:
    """Return Mulloy's double exponential average: `2 EMA - EMA of EMA`.

    Same unit as `close`; NaN on the first `2 (period - 1)` rows, and from a NaN on. Patrick Mulloy, Stocks &
    Commodities 1994-01; TA-Lib's DEMA.

    >>> import numpy as np
    >>> dema(np.array([1.0, 2.0, 4.0, 7.0]), 2)
    array([       nan,        nan, 4.        , 6.85185185])
    """
    return talib.DEMA(close, period)  # type: ignore[no-any-return]


@indicator(
    warmup=lambda period: 3 * ewm_bars(period),
    exact=lambda period: 3 * ewm_bars(period, bitwise=True),
    period=_WEIGHT,
)
def tema(close: Floats, period: int = 20) -> Floats:
    """Return Mulloy's triple exponential average: `3 EMA - 3 EMA of EMA + EMA of EMA of EMA`.

    Same unit as `close`; NaN on the first `3 (period - 1)` rows, and from a NaN on. Patrick Mulloy, Stocks &
    Commodities 1994-02; TA-Lib's TEMA.

    >>> import numpy as np
    >>> tema(np.array([1.0, 2.0, 4.0, 7.0, 11.0]), 2)
    array([        nan,         nan,         nan,  6.85185185, 10.93004115])
    """
    return talib.TEMA(close, period)  # type: ignore[no-any-return]


@indicator(
    warmup=lambda period: period + int(period**0.5),
    exact=None,
    period=within(2, 100_000, "bars of the average"),
)
def hma(close: Floats, period: int = 20) -> Floats:
    """Return Hull's moving average: WMA over `sqrt(period)` bars of `2 WMA(period / 2) - WMA(period)`.

    Both lengths are rounded down. Same unit as `close`; NaN on the first `period + int(sqrt(period)) - 2`
    rows. Alan Hull, 2005; TA-Lib's HMA (running sums).

    >>> import numpy as np
    >>> hma(np.array([1.0, 2.0, 4.0, 7.0, 11.0]), 4)
    array([        nan,         nan,         nan,         nan, 10.38888889])
    """
    return talib.HMA(close, period)  # type: ignore[no-any-return]


@indicator(
    warmup=wilder_average_bars,
    exact=lambda period: wilder_average_bars(period, bitwise=True),
    period=within(2, 100_000, "bars; the newest weighs 1 / period"),
)
def rma(close: Floats, period: int = 14) -> Floats:
    """Return Wilder's moving average, with weight `1 / period` for the newest close (`ta.rma`, SMMA).

    Seeded with the mean of the first `period` closes; same unit as `close`; NaN on the first `period - 1`
    rows, and from a NaN on. J. Welles Wilder, New Concepts, 1978; TA-Lib's RMA.

    >>> import numpy as np
    >>> rma(np.array([1.0, 3.0, 4.0]), 2)
    array([nan,  2.,  3.])
    """
    return talib.RMA(close, period)  # type: ignore[no-any-return]


@indicator(
    warmup=kaufman_bars,
    exact=None,  # TA-Lib keeps a running sum of the changes, whose rounding never leaves it
    period=within(2, 100_000, "bars of the efficiency ratio"),
)
def kama(close: Floats, period: int = 10) -> Floats:
    """Return Kaufman's adaptive average: its weight moves between those of EMA 2 and EMA 30.

    The weight is `(ER (2/3 - 2/31) + 2/31) ** 2` with the efficiency ratio ER of the last `period` bars. Same
    unit as `close`; NaN on the first `period` rows, and from a NaN on. The warm-up is that of a market
    without direction, where it forgets slowest. Perry Kaufman, Smarter Trading, 1995; TA-Lib's KAMA.

    >>> import numpy as np
    >>> kama(np.array([1.0, 2.0, 3.0, 5.0]), 2)
    array([       nan,        nan, 2.44444444, 3.58024691])
    """
    return talib.KAMA(close, period)  # type: ignore[no-any-return]


@indicator(
    warmup=lambda period, volume_factor: 6 * ewm_bars(period),  # noqa: ARG005 (called with all parameters)
    exact=lambda period, volume_factor: 6 * ewm_bars(period, bitwise=True),  # noqa: ARG005
    period=_WEIGHT,
    volume_factor=within(0.0, 1.0, "0 is an EMA of an EMA of an EMA, 1 is DEMA three times"),
)
def t3(close: Floats, period: int = 5, volume_factor: float = 0.7) -> Floats:
    """Return Tillson's T3: the generalised DEMA taken three times.

    Same unit as `close`; NaN on the first `6 (period - 1)` rows, and from a NaN on. Tim Tillson, Stocks &
    Commodities 1998-01; TA-Lib's T3.

    >>> import numpy as np
    >>> t3(np.array([1.0, 2.0, 4.0, 7.0, 11.0, 16.0, 22.0]), 2)[-1:].round(6)
    array([19.069006])
    """
    return talib.T3(close, period, volume_factor)  # type: ignore[no-any-return]


@indicator(warmup=last_bars, exact=None, period=_WINDOW)
def trima(close: Floats, period: int = 20) -> Floats:
    """Return the triangular moving average: the middle of the last `period` closes weighs most.

    An SMA of an SMA of half the length. Same unit as `close`; NaN on the first `period - 1` rows. TA-Lib's
    TRIMA (running sums).

    >>> import numpy as np
    >>> trima(np.array([1.0, 2.0, 4.0, 7.0]), 3)
    array([ nan,  nan, 2.25, 4.25])
    """
    return talib.TRIMA(close, period)  # type: ignore[no-any-return]


@indicator(
    warmup=lambda period: ewm_bars(period) + (period - 1) // 2,
    exact=lambda period: ewm_bars(period, bitwise=True) + (period - 1) // 2,
    period=_WEIGHT,
)
def zlema(close: Floats, period: int = 20) -> Floats:
    """Return the zero-lag EMA: that of twice the close less the close `(period - 1) // 2` bars before.

    Same unit as `close`; NaN on the first `period - 1 + (period - 1) // 2` rows, and from a NaN on. John
    Ehlers and Ric Way, 2010; TA-Lib's ZLEMA.

    >>> import numpy as np
    >>> zlema(np.array([1.0, 2.0, 4.0, 7.0, 11.0]), 3)
    array([        nan,         nan,         nan,  6.33333333, 10.66666667])
    """
    return talib.ZLEMA(close, period)  # type: ignore[no-any-return]


@indicator(warmup=last_bars, exact=None, period=_WINDOW)
def vwma(close: Floats, volume: Floats, period: int = 20) -> Floats:
    """Return the volume-weighted moving average of the last `period` closes.

    Same unit as `close`; NaN on the first `period - 1` rows and where the window holds no volume. TA-Lib's
    VWMA (running sums).

    >>> import numpy as np
    >>> vwma(np.array([1.0, 2.0, 4.0]), np.array([1.0, 3.0, 1.0]), 2)
    array([ nan, 1.75, 2.5 ])
    """
    return talib.VWMA(close, volume, period)  # type: ignore[no-any-return]


@kernel
def _weighted(values: Floats, weights: Floats, out: Floats) -> int:
    n = len(weights)
    total = 0.0
    for k in range(n):
        total += weights[k]
    for i in range(len(values)):
        if i < n - 1:
            out[i] = np.nan
            continue
        # Four sums at once: one after the other, each addition would wait for the one before.
        a = b = c = d = 0.0
        first = i - n + 1
        whole = n - n % 4
        for k in range(0, whole, 4):
            a += weights[k] * values[first + k]
            b += weights[k + 1] * values[first + k + 1]
            c += weights[k + 2] * values[first + k + 2]
            d += weights[k + 3] * values[first + k + 3]
        for k in range(whole, n):
            a += weights[k] * values[first + k]
        out[i] = ((a + b) + (c + d)) / total
    return 0


@indicator(
    warmup=lambda period, offset, sigma: period,  # noqa: ARG005 (called with all parameters)
    exact=lambda period, offset, sigma: period,  # noqa: ARG005
    period=_WINDOW,
    offset=within(0.0, 1.0, "where in the window the bell stands: 0 the oldest bar, 1 the newest"),
    sigma=within(0.1, 100.0, "the bell is period / sigma bars wide"),
)
def alma(close: Floats, period: int = 9, offset: float = 0.85, sigma: float = 6.0) -> Floats:
    """Return the Arnaud Legoux average: weights in a bell around `offset` of the window.

    Bar k of the window (0 the oldest) weighs `exp(-(k - offset (period - 1))^2 / (2 (period / sigma)^2))`.
    Same unit as `close`; NaN on the first `period - 1` rows and while a NaN is in the window. Arnaud Legoux
    and Dimitris Kouzis-Loukas, 2009; the form of `ta.alma` of Pine without its floor.

    >>> import numpy as np
    >>> alma(np.array([1.0, 2.0, 4.0, 7.0]), 3).round(6)
    array([     nan,      nan, 3.373892, 6.059566])
    """
    bar = np.arange(period)
    weights = np.exp(-((bar - offset * (period - 1)) ** 2) / (2.0 * (period / sigma) ** 2))
    out = np.empty(len(close))
    _weighted(close, weights, out)
    return out
