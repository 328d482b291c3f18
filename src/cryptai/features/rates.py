"""Rates of change: how far prices moved since then, plain and smoothed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptai.features._memory import ewm_bars, last_changes
from cryptai.features._talib import talib
from cryptai.features.feature import within
from cryptai.features.indicator import Output, indicator

if TYPE_CHECKING:
    from cryptai.kernels import Floats

_BACK = within(1, 100_000, "bars looked back")
_WINDOW = within(2, 100_000, "bars in the window")


@indicator(unit="percent", pane="below", guides=(0.0,), warmup=last_changes, exact=last_changes, period=_BACK)
def roc(close: Floats, period: int = 10) -> Floats:
    """Return the rate of change over `period` bars, in percent: `100 (close / close before - 1)`.

    NaN on the first `period` rows; 0 where the close before is 0. TA-Lib's ROC.

    >>> import numpy as np
    >>> roc(np.array([2.0, 3.0, 4.0]), 2)
    array([ nan,  nan, 100.])
    """
    return talib.ROC(close, period)  # type: ignore[no-any-return]


@indicator(pane="below", guides=(0.0,), warmup=last_changes, exact=last_changes, period=_BACK)
def momentum(close: Floats, period: int = 10) -> Floats:
    """Return momentum: the close less the close `period` bars before.

    In the unit of `close`; NaN on the first `period` rows. TA-Lib's MOM.

    >>> import numpy as np
    >>> momentum(np.array([2.0, 3.0, 5.0]), 2)
    array([nan, nan,  3.])
    """
    return talib.MOM(close, period)  # type: ignore[no-any-return]


@indicator(
    unit="percent",
    pane="below",
    guides=(0.0,),
    warmup=lambda period: 3 * ewm_bars(period) + 1,
    exact=lambda period: 3 * ewm_bars(period, bitwise=True) + 1,
    period=_WINDOW,
)
def trix(close: Floats, period: int = 18) -> Floats:
    """Return TRIX: the change in percent, from bar to bar, of an EMA of an EMA of an EMA.

    NaN on the first `3 (period - 1) + 1` rows, and from a NaN on. Jack Hutson, 1983; TA-Lib's TRIX
    (TradingView takes the EMA of the logarithm).

    >>> import numpy as np
    >>> trix(np.array([1.0, 2.0, 4.0, 7.0, 11.0]), 2).round(6)
    array([      nan,       nan,       nan,       nan, 81.402258])
    """
    return talib.TRIX(close, period)  # type: ignore[no-any-return]


@indicator(
    outputs=(Output("true_strength", "percent"), Output("true_strength_signal", "percent")),
    pane="below",
    guides=(0.0,),
    warmup=lambda slow, fast, signal: ewm_bars(slow) + ewm_bars(fast) + ewm_bars(signal) + 1,
    exact=lambda slow, fast, signal: sum(ewm_bars(one, bitwise=True) for one in (slow, fast, signal)) + 1,
    slow=within(2, 10_000, "bars of the first average"),
    fast=within(2, 10_000, "bars of the second average"),
    signal=within(2, 10_000, "bars of the signal line"),
)
def true_strength(close: Floats, slow: int = 25, fast: int = 13, signal: int = 7) -> tuple[Floats, Floats]:
    """Return Blau's true strength index, -100 to 100, and its EMA as a signal line.

    `100 EMA(EMA(change, slow), fast) / EMA(EMA(|change|, slow), fast)`. NaN on the first `slow + fast - 1`
    rows (the line) and `slow + fast + signal - 2` (the signal); 0 where nothing moves, and from a NaN on.
    William Blau, 1991; TA-Lib's TSI and EMA.

    >>> import numpy as np
    >>> [float(line[-1]) for line in true_strength(np.array([1.0, 2.0, 1.5, 3.0, 2.5, 4.0]), 2, 2, 2)]
    [67.77777777777777, 61.11111111111111]
    """
    line = talib.TSI(close, slow, fast)
    return line, talib.EMA(line, signal)


@indicator(
    outputs=(
        Output("ppo", "percent"), Output("ppo_signal", "percent"),
        Output("ppo_histogram", "percent", "histogram"),
    ),
    pane="below",
    guides=(0.0,),
    warmup=lambda fast, slow, signal: ewm_bars(max(fast, slow)) + ewm_bars(signal),
    exact=lambda fast, slow, signal: ewm_bars(max(fast, slow), bitwise=True) + ewm_bars(signal, bitwise=True),
    fast=within(2, 10_000, "bars of the fast average"),
    slow=within(2, 10_000, "bars of the slow average"),
    signal=within(2, 10_000, "bars of the signal line"),
)  # fmt: skip
def ppo(close: Floats, fast: int = 12, slow: int = 26, signal: int = 9) -> tuple[Floats, Floats, Floats]:
    """Return the percentage price oscillator (MACD in percent of EMA(slow)), its signal, their difference.

    NaN on the first `slow - 1` rows (the line) and `slow + signal - 2` (the others), and from a NaN on.
    TA-Lib's PPO with exponential averages, and EMA.

    >>> import numpy as np
    >>> [round(float(line[-1]), 6) for line in ppo(np.arange(1.0, 41.0))]
    [25.454545, 30.959065, -5.50452]
    """
    line = talib.PPO(close, fast, slow, 1)
    average = talib.EMA(line, signal)
    return line, average, line - average


@indicator(
    pane="below", guides=(0.0,), warmup=lambda period: period + period // 2 + 1, exact=None, period=_WINDOW
)
def detrended_price(close: Floats, period: int = 20) -> Floats:
    """Return the detrended price: the close `period / 2 + 1` bars before less today's SMA.

    In the unit of `close`; NaN on the first rows. The causal form: nothing is moved into the past. TA-Lib's
    DPO (a running sum).

    >>> import numpy as np
    >>> detrended_price(np.array([1.0, 2.0, 4.0, 7.0]), 2)
    array([ nan,  nan, -2. , -3.5])
    """
    return talib.DPO(close, period)  # type: ignore[no-any-return]


@indicator(
    unit="percent",
    pane="below",
    guides=(0.0,),
    warmup=lambda smoothing, short, long: max(short, long) + smoothing,
    exact=None,
    smoothing=within(2, 10_000, "bars of the weighted average"),
    short=within(1, 10_000, "bars of the short rate of change"),
    long=within(1, 10_000, "bars of the long rate of change"),
)
def coppock(close: Floats, smoothing: int = 10, short: int = 11, long: int = 14) -> Floats:
    """Return Coppock's curve: WMA of the sum of two rates of change, in percent.

    NaN on the first `long + smoothing - 1` rows. Edwin Coppock, 1965 (monthly bars); TA-Lib's COPPOCK
    (running sums).

    >>> import numpy as np
    >>> coppock(np.array([1.0, 2.0, 4.0, 8.0]), 2, 1, 2)
    array([ nan,  nan,  nan, 400.])
    """
    return talib.COPPOCK(close, smoothing, short, long)  # type: ignore[no-any-return]


@indicator(
    unit="ratio",
    pane="below",
    warmup=last_changes,
    exact=None,
    period=within(2, 100_000, "bars looked back"),
)
def efficiency_ratio(close: Floats, period: int = 10) -> Floats:
    """Return Kaufman's efficiency ratio, 0 to 1: the net change over the sum of all changes of the window.

    NaN on the first `period` rows; 1 where nothing moves (TA-Lib's convention). TA-Lib's ER (a running sum).

    >>> import numpy as np
    >>> efficiency_ratio(np.array([1.0, 2.0, 4.0, 3.0]), 3)
    array([nan, nan, nan, 0.5])
    """
    return talib.ER(close, period)  # type: ignore[no-any-return]
