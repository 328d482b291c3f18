"""Volume: how much was traded, and on which side of the price."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptai.features._memory import ewm_bars, last_bars, last_changes
from cryptai.features._talib import talib
from cryptai.features.feature import within
from cryptai.features.indicator import Output, indicator

if TYPE_CHECKING:
    from cryptai.kernels import Floats

_WINDOW = within(2, 100_000, "bars in the window")


@indicator(unit="volume", pane="below", warmup=None, exact=None)
def obv(close: Floats, volume: Floats) -> Floats:
    """Return on-balance volume: the running total of the volume, counted with the sign of the close's change.

    It starts at the first bar's volume (TA-Lib; Stock.Indicators and TradingView start at 0), so only its
    differences mean something, and it needs the whole history. A NaN close counts for nothing; a NaN volume
    makes the rest NaN. Joseph Granville, 1963; TA-Lib's OBV.

    >>> import numpy as np
    >>> obv(np.array([1.0, 2.0, 1.0]), np.array([5.0, 3.0, 2.0]))
    array([5., 8., 6.])
    """
    return talib.OBV(close, volume)  # type: ignore[no-any-return]


@indicator(unit="volume", pane="below", warmup=None, exact=None)
def accumulation_distribution(high: Floats, low: Floats, close: Floats, volume: Floats) -> Floats:
    """Return Chaikin's accumulation/distribution line: the running total of money flow volume.

    Each bar adds `volume ((close - low) - (high - close)) / (high - low)`, nothing where it has no range. It
    needs the whole history. Marc Chaikin; TA-Lib's AD.

    >>> import numpy as np
    >>> accumulation_distribution(np.array([4.0]), np.array([2.0]), np.array([3.5]), np.array([10.0]))
    array([5.])
    """
    return talib.AD(high, low, close, volume)  # type: ignore[no-any-return]


@indicator(
    unit="volume",
    pane="below",
    guides=(0.0,),
    warmup=None,
    exact=None,
    fast=within(2, 10_000, "bars of the fast average"),
    slow=within(2, 10_000, "bars of the slow average"),
)
def chaikin_oscillator(
    high: Floats, low: Floats, close: Floats, volume: Floats, fast: int = 3, slow: int = 10
) -> Floats:
    """Return Chaikin's oscillator: EMA(fast) - EMA(slow) of the accumulation/distribution line.

    NaN on the first `slow - 1` rows. The averages are seeded with the line's first value (TA-Lib; others with
    a mean), which no longer shows after `slow` bars times fourteen or so; the rounding of the running total
    below does. Marc Chaikin; TA-Lib's ADOSC.

    >>> import numpy as np
    >>> x = np.array([1.0, 2.0, 3.0])
    >>> chaikin_oscillator(x + 1.0, x, x + 1.0, np.ones(3), 2, 3).round(6)
    array([     nan,      nan, 0.305556])
    """
    return talib.ADOSC(high, low, close, volume, fast, slow)  # type: ignore[no-any-return]


@indicator(unit="ratio", pane="below", guides=(0.0,), warmup=last_bars, exact=None, period=_WINDOW)
def chaikin_money_flow(high: Floats, low: Floats, close: Floats, volume: Floats, period: int = 20) -> Floats:
    """Return Chaikin's money flow, -1 to 1: money flow volume over volume, summed over `period` bars.

    NaN on the first `period - 1` rows; 0 where the window holds no volume. Marc Chaikin; TA-Lib's CMF
    (running sums).

    >>> import numpy as np
    >>> high, low = np.array([4.0, 4.0]), np.array([2.0, 2.0])
    >>> chaikin_money_flow(high, low, np.array([4.0, 3.0]), np.array([1.0, 3.0]), 2)
    array([ nan, 0.25])
    """
    return talib.CMF(high, low, close, volume, period)  # type: ignore[no-any-return]


@indicator(unit="percent", pane="below", guides=(20.0, 80.0), warmup=last_changes, exact=None, period=_WINDOW)
def mfi(high: Floats, low: Floats, close: Floats, volume: Floats, period: int = 14) -> Floats:
    """Return the money flow index, 0 to 100: an RSI of typical price times volume, in sums.

    `100 rises / (rises + falls)` of the money flow of the last `period` changes of (high + low + close) / 3.
    NaN on the first `period` rows; 0 where less than 1 (in money) has flowed (TA-Lib's convention). Gene
    Quong and Avrum Soudack, 1989; TA-Lib's MFI (running sums).

    >>> import numpy as np
    >>> x = np.array([1.0, 2.0, 1.0])
    >>> mfi(x, x, x, np.array([1.0, 3.0, 2.0]), 2)
    array([nan, nan, 75.])
    """
    return talib.MFI(high, low, close, volume, period)  # type: ignore[no-any-return]


@indicator(
    unit="ratio",
    pane="below",
    draw="histogram",
    guides=(1.0,),
    warmup=last_changes,
    exact=None,
    period=_WINDOW,
)
def relative_volume(volume: Floats, period: int = 20) -> Floats:
    """Return the bar's volume over the mean of the `period` bars before it.

    NaN on the first `period` rows and where those bars hold no volume. TA-Lib's RVOL (a running sum).

    >>> import numpy as np
    >>> relative_volume(np.array([1.0, 3.0, 4.0]), 2)
    array([nan, nan,  2.])
    """
    return talib.RVOL(volume, period)  # type: ignore[no-any-return]


@indicator(
    unit="percent",
    pane="below",
    guides=(0.0,),
    warmup=lambda fast, slow: ewm_bars(max(fast, slow)),
    exact=lambda fast, slow: ewm_bars(max(fast, slow), bitwise=True),
    fast=within(2, 10_000, "bars of the fast average"),
    slow=within(2, 10_000, "bars of the slow average"),
)
def volume_oscillator(volume: Floats, fast: int = 12, slow: int = 26) -> Floats:
    """Return the percentage volume oscillator: `100 (EMA(fast) - EMA(slow)) / EMA(slow)` of the volume.

    NaN on the first `slow - 1` rows, and from a NaN on; 0 where there is no volume. TA-Lib's PVO.

    >>> import numpy as np
    >>> volume_oscillator(np.array([1.0, 2.0, 4.0]), 2, 3).round(6)
    array([      nan,       nan, 35.714286])
    """
    return talib.PVO(volume, fast, slow, 1)  # type: ignore[no-any-return]


@indicator(
    unit="volume",
    pane="below",
    guides=(0.0,),
    warmup=lambda period: ewm_bars(period) + 1,
    exact=lambda period: ewm_bars(period, bitwise=True) + 1,
    period=_WINDOW,
)
def force_index(close: Floats, volume: Floats, period: int = 13) -> Floats:
    """Return Elder's force index: the EMA of the close's change times the volume.

    In price times volume; NaN on the first `period` rows, and from a NaN on. Alexander Elder, 1993; TA-Lib's
    EFI.

    >>> import numpy as np
    >>> force_index(np.array([1.0, 2.0, 4.0]), np.array([1.0, 3.0, 2.0]), 2)
    array([nan, nan, 3.5])
    """
    return talib.EFI(close, volume, period)  # type: ignore[no-any-return]


@indicator(unit="volume", pane="below", warmup=None, exact=None)
def price_volume_trend(close: Floats, volume: Floats) -> Floats:
    """Return the price volume trend: the running total of volume times the close's relative change.

    It starts at 0 and needs the whole history; NaN from a NaN on. TA-Lib's PVT.

    >>> import numpy as np
    >>> price_volume_trend(np.array([1.0, 2.0]), np.array([5.0, 3.0]))
    array([0., 3.])
    """
    return talib.PVT(close, volume)  # type: ignore[no-any-return]


@indicator(
    outputs=(Output("volume_index_positive", "ratio"), Output("volume_index_negative", "ratio")),
    pane="below",
    warmup=None,
    exact=None,
)
def volume_index(close: Floats, volume: Floats) -> tuple[Floats, Floats]:
    """Return the positive and the negative volume index: how the price moved on rising and falling volume.

    Both start at 1000 and need the whole history. Paul Dysart, 1936, Norman Fosback, 1976; TA-Lib's PVI and
    NVI.

    >>> import numpy as np
    >>> volume_index(np.array([1.0, 2.0, 1.0]), np.array([5.0, 6.0, 2.0]))
    (array([1000., 2000., 2000.]), array([1000., 1000.,  500.]))
    """
    return talib.PVI(close, volume), talib.NVI(close, volume)
