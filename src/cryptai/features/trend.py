"""Trend: MACD, directional movement, Aroon, vortex; lines that follow a trend and turn with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cryptai.features._memory import ewm_bars, last_changes, wilder_bars
from cryptai.features._talib import talib
from cryptai.features.feature import within
from cryptai.features.indicator import Output, indicator

if TYPE_CHECKING:
    from cryptai.kernels import Floats

_WILDER = within(2, 100_000, "bars of Wilder's averages")


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
def macd(close: Floats, fast: int = 12, slow: int = 26, signal: int = 9) -> tuple[Floats, Floats, Floats]:
    """Return MACD, its signal line and their difference (Appel): EMA(fast) - EMA(slow), EMA of that.

    All three in the unit of `close`; NaN on the first `slow + signal - 2` rows, and from a NaN on. TA-Lib's
    MACD.

    >>> import numpy as np
    >>> [round(float(line[-1]), 6) for line in macd(np.arange(1.0, 41.0))]
    [7.0, 7.0, 0.0]
    """
    line, average, histogram = talib.MACD(close, fast, slow, signal)
    return line, average, histogram


@indicator(
    outputs=(Output("adx", "percent"), Output("adx_plus_di", "percent"), Output("adx_minus_di", "percent")),
    pane="below",
    guides=(25.0,),
    warmup=lambda period: 2 * wilder_bars(period),
    exact=lambda period: 2 * wilder_bars(period, bitwise=True),
    period=_WILDER,
)
def adx(high: Floats, low: Floats, close: Floats, period: int = 14) -> tuple[Floats, Floats, Floats]:
    """Return Wilder's average directional index and the two directional indicators, +DI and -DI, 0 to 100.

    +DM is the rise of the high where it is above the fall of the low, else 0; -DM the other way; DI is 100
    times Wilder's average of DM over that of the true range; ADX is Wilder's average of
    `100 |+DI - -DI| / (+DI + -DI)`. NaN on the first `2 period - 1` rows (ADX) and `period` rows (DI); 0
    where nothing moves. TA-Lib's ADX, PLUS_DI and MINUS_DI, whose first sum takes `period - 1` bars.

    >>> import numpy as np
    >>> high, low = np.array([2.0, 3.0, 4.0, 5.0]), np.array([1.0, 2.0, 3.0, 4.0])
    >>> [float(line[-1]) for line in adx(high, low, low, 2)]
    [100.0, 50.0, 0.0]
    """
    return (
        talib.ADX(high, low, close, period),
        talib.PLUS_DI(high, low, close, period),
        talib.MINUS_DI(high, low, close, period),
    )


@indicator(
    unit="percent",
    pane="below",
    guides=(25.0,),
    warmup=lambda period: 2 * wilder_bars(period) + period,
    exact=lambda period: 2 * wilder_bars(period, bitwise=True) + period,
    period=_WILDER,
)
def adxr(high: Floats, low: Floats, close: Floats, period: int = 14) -> Floats:
    """Return the ADX rating: the mean of ADX and ADX `period - 1` bars before, 0 to 100.

    NaN on the first `3 period - 2` rows. TA-Lib's ADXR; Stock.Indicators looks one bar further back.

    >>> import numpy as np
    >>> high, low = np.arange(2.0, 8.0), np.arange(1.0, 7.0)
    >>> float(adxr(high, low, low, 2)[-1])
    100.0
    """
    return talib.ADXR(high, low, close, period)  # type: ignore[no-any-return]


@indicator(
    outputs=(
        Output("aroon_up", "percent"), Output("aroon_down", "percent"), Output("aroon_oscillator", "percent"),
    ),
    pane="below",
    guides=(30.0, 70.0),
    warmup=last_changes,
    exact=last_changes,
    period=within(2, 100_000, "bars looked back over"),
)  # fmt: skip
def aroon(high: Floats, low: Floats, period: int = 14) -> tuple[Floats, Floats, Floats]:
    """Return Aroon up, Aroon down and their difference: how lately the highest high and lowest low were.

    `100 (period - bars since the extreme) / period` over the last `period + 1` bars; of equal extremes the
    newest counts. NaN on the first `period` rows. Tushar Chande, 1995; TA-Lib's AROON.

    >>> import numpy as np
    >>> [float(line[-1]) for line in aroon(np.array([1.0, 3.0, 2.0]), np.array([0.5, 1.0, 0.4]), 2)]
    [50.0, 100.0, -50.0]
    """
    down, up = talib.AROON(high, low, period)
    return up, down, up - down


@indicator(
    draw="dots",
    warmup=None,
    exact=None,
    acceleration=within(0.0001, 1.0, "step of the acceleration, and its first value"),
    maximum=within(0.0001, 1.0, "the most the acceleration grows to"),
)
def parabolic_sar(high: Floats, low: Floats, acceleration: float = 0.02, maximum: float = 0.2) -> Floats:
    """Return Wilder's parabolic stop and reverse: a stop that draws nearer with each new extreme.

    In the unit of the prices; NaN on the first row. It starts in the direction of the first directional
    movement, and needs the whole history: a later start may stand on the other side until the next turn. NaN
    in the input is passed by. Wilder, New Concepts, 1978; TA-Lib's SAR.

    >>> import numpy as np
    >>> parabolic_sar(np.array([2.0, 3.0, 4.0]), np.array([1.0, 2.0, 3.0]))
    array([ nan, 1.  , 1.04])
    """
    return talib.SAR(high, low, acceleration, maximum)  # type: ignore[no-any-return]


@indicator(
    outputs=(Output("supertrend"), Output("supertrend_direction", "flag", "none")),
    warmup=None,
    exact=None,
    period=within(2, 100_000, "bars of the average true range"),
    multiplier=within(0.1, 100.0, "average true ranges from the middle of the bar"),
)
def supertrend(
    high: Floats, low: Floats, close: Floats, period: int = 10, multiplier: float = 3.0
) -> tuple[Floats, Floats]:
    """Return the Supertrend line and its direction: 1 below a rising price, -1 above a falling one.

    Bands at `(high + low) / 2 ± multiplier × ATR` that only draw nearer; the close beyond one turns the line
    to the other. In the unit of the prices; NaN on the first `period` rows. It needs the whole history, since
    a band may stand for as long as a trend does. Olivier Seban; TA-Lib's SUPERTREND.

    >>> import numpy as np
    >>> line, direction = supertrend(np.arange(2.0, 8.0), np.arange(1.0, 7.0), np.arange(1.5, 7.5), 2, 1.0)
    >>> line, direction
    (array([nan, nan,  2.,  3.,  4.,  5.]), array([nan, nan,  1.,  1.,  1.,  1.]))
    """
    line, turned = talib.SUPERTREND(high, low, close, period, multiplier)
    direction = turned.astype(np.float64)
    direction[np.isnan(line)] = np.nan
    return line, direction


@indicator(
    outputs=(
        Output("ichimoku_conversion"), Output("ichimoku_base"), Output("ichimoku_span_a"),
        Output("ichimoku_span_b"),
    ),
    warmup=lambda conversion, base, span, displacement: max(conversion, base, span) + displacement,
    exact=lambda conversion, base, span, displacement: max(conversion, base, span) + displacement,
    conversion=within(1, 10_000, "bars of the conversion line, tenkan-sen"),
    base=within(1, 10_000, "bars of the base line, kijun-sen"),
    span=within(1, 10_000, "bars of leading span B, senkou B"),
    displacement=within(0, 10_000, "bars the spans are drawn ahead; TradingView's 26 is 25 here"),
)  # fmt: skip
def ichimoku(
    high: Floats, low: Floats, conversion: int = 9, base: int = 26, span: int = 52, displacement: int = 26
) -> tuple[Floats, Floats, Floats, Floats]:
    """Return Ichimoku's causal lines: conversion, base, and both leading spans as drawn over each bar.

    Conversion, base and span B are middles, (highest + lowest) / 2, of their last bars; span A is the mean of
    conversion and base. A span's value at bar t was made `displacement` bars before: it is the cloud drawn
    over t. The lagging span (chikou) is the close drawn in the past and would see the future: it is left
    out. In the unit of the prices; NaN before the first whole window. Goichi Hosoda; TA-Lib's MIDPRICE.

    >>> import numpy as np
    >>> [float(line[-1]) for line in ichimoku(np.arange(2.0, 8.0), np.arange(1.0, 7.0), 1, 2, 3, 1)]
    [6.5, 6.0, 5.25, 4.5]
    """
    fast, slow = _middle(high, low, conversion), _middle(high, low, base)
    return (
        fast, slow, _later((fast + slow) / 2.0, displacement), _later(_middle(high, low, span), displacement),
    )  # fmt: skip


def _middle(high: Floats, low: Floats, bars: int) -> Floats:
    # TA-Lib starts at two bars.
    return (high + low) / 2.0 if bars == 1 else talib.MIDPRICE(high, low, bars)


def _later(values: Floats, bars: int) -> Floats:
    moved = np.full(len(values), np.nan)
    moved[bars:] = values[: max(len(values) - bars, 0)]
    return moved


@indicator(
    outputs=(Output("vortex_plus", "ratio"), Output("vortex_minus", "ratio")),
    pane="below",
    guides=(1.0,),
    warmup=last_changes,
    exact=None,
    period=within(2, 100_000, "bars summed"),
)
def vortex(high: Floats, low: Floats, close: Floats, period: int = 14) -> tuple[Floats, Floats]:
    """Return the vortex indicator: sums of |high - low before| and |low - high before| over true ranges.

    Ratios around 1; NaN on the first `period` rows; 0 where nothing moves. Etienne Botes and Douglas Siepman,
    2010; TA-Lib's VORTEX (running sums).

    >>> import numpy as np
    >>> vortex(np.array([2.0, 3.0, 4.0]), np.array([1.0, 2.0, 3.0]), np.array([1.5, 2.5, 3.5]), 2)
    (array([       nan,        nan, 1.33333333]), array([nan, nan,  0.]))
    """
    plus, minus = talib.VORTEX(high, low, close, period)
    return plus, minus


@indicator(
    outputs=(Output("chandelier_long"), Output("chandelier_short")),
    warmup=lambda period, multiplier: max(period, wilder_bars(period)),  # noqa: ARG005 (called with all)
    exact=lambda period, multiplier: wilder_bars(period, bitwise=True),  # noqa: ARG005
    period=within(2, 100_000, "bars of the extremes and of the average true range"),
    multiplier=within(0.1, 100.0, "average true ranges from the extreme"),
)
def chandelier_exit(
    high: Floats, low: Floats, close: Floats, period: int = 22, multiplier: float = 3.0
) -> tuple[Floats, Floats]:
    """Return the chandelier exits: highest high - multiplier × ATR for a long, lowest low + it for a short.

    In the unit of the prices; NaN on the first `period` rows, and from a NaN on. Chuck LeBeau; TA-Lib's MAX,
    MIN and ATR.

    >>> import numpy as np
    >>> high, low = np.array([2.0, 3.0, 4.0]), np.array([1.0, 2.0, 3.0])
    >>> [float(line[-1]) for line in chandelier_exit(high, low, low, 2, 1.0)]
    [2.0, 4.0]
    """
    away = multiplier * talib.ATR(high, low, close, period)
    return talib.MAX(high, period) - away, talib.MIN(low, period) + away
